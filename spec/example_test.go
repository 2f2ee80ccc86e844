package spec_test

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/spec"
)

// A gated linear unit: layers with weights are made outside the closure.
func ExampleFunc() {
	glu := func(units int) spec.Layer {
		w, v := spec.Dense(units).Named("w"), spec.Dense(units).Named("v")
		return spec.Func("glu", func(x *spec.Value) *spec.Value {
			return spec.Mul(x.Then(w), x.Then(v, spec.Sigmoid()))
		})
	}
	y := spec.Input("x", 5).Then(glu(8))
	fmt.Println(y.Type(), y.Err())
	// Output: f32[N 8] <nil>
}

// The mean of log cosh(p - y), written as |d| + softplus(-2|d|) - log 2.
func ExampleNewLoss() {
	logcosh := func(p, y *spec.Value) *spec.Loss {
		d := spec.Sub(p, y).Then(spec.Abs())
		tail := d.Then(spec.Scale(-2), spec.Softplus(), spec.Shift(-math.Ln2))
		return spec.NewLoss("logcosh", spec.Add(d, tail))
	}
	x := spec.Input("x", 4)
	m := spec.NewModel("m", logcosh(x.Then(spec.Dense(4)), x).Weight(0.5), spec.L1(x))
	g, err := m.Graph()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range g.Outputs {
		fmt.Println(v.Name, v.Type)
	}
	// Output:
	// loss f32[]
	// loss/logcosh1 f32[]
	// loss/l11 f32[]
}

// Standardized over the batch: what BatchMean makes has no batch, and goes with each row.
func ExampleBatchMean() {
	x := spec.Input("x", 4)
	centred := spec.Sub(x, x.Then(spec.BatchMean()))
	deviation := centred.Then(spec.Square(), spec.BatchMean(), spec.Shift(1e-5), spec.Sqrt())
	fmt.Println(deviation.Type(), spec.Div(centred, deviation).Type())
	// Output: f32[4] f32[N 4]
}

// Distances of each row from each of two points.
func ExampleData() {
	points := spec.Data([]int{2, 3}, []float64{0, 0, 1, 1, 0, 0})
	x := spec.Input("x", 3)
	distances := spec.Sub(x, points).Then(spec.Square(), spec.Sum(-1), spec.Sqrt())
	fmt.Println(distances.Type())
	// Output: f32[N 2]
}

// A mistake names the line, the layer, the rule and what came.
func ExampleWhere() {
	x, y := spec.Input("x", 3), spec.Input("y", 4)
	fmt.Println(spec.Where(spec.Greater(x, spec.Const(0)), x, y).Err())
	// Output: example_test.go:67: layer "where1": Where: lengths 3 and 4 do not broadcast: they must be equal, or one a fixed 1 (cond is bool[N 3], a is f32[N 3], b is f32[N 4])
}
