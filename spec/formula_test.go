package spec_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// formula is a function of values with what it should be of two rows of
// x f32[N 3] = [1 4 9; 0.25 1 0.5], y f32[N 3] = [2 -1 0.5; -3 2 1], k i64[N], labels of 4.
type formula struct {
	name string
	of   func(x, y, k *spec.Value) *spec.Value
	typ  string
	want []float64
}

var (
	formulaX = []float64{1, 4, 9, 0.25, 1, 0.5}
	formulaY = []float64{2, -1, 0.5, -3, 2, 1}
)

func formulas() []formula {
	each := func(f func(x, y float64) float64) []float64 {
		var out []float64
		for i := range formulaX {
			out = append(out, f(formulaX[i], formulaY[i]))
		}
		return out
	}
	then := func(l ...spec.Layer) func(x, y, k *spec.Value) *spec.Value {
		return func(x, _, _ *spec.Value) *spec.Value { return x.Then(l...) }
	}
	of2 := func(f func(a, b *spec.Value) *spec.Value) func(x, y, k *spec.Value) *spec.Value {
		return func(x, y, _ *spec.Value) *spec.Value { return f(x, y) }
	}
	truth := func(f func(a, b *spec.Value) *spec.Value) func(x, y, k *spec.Value) *spec.Value {
		return func(x, y, _ *spec.Value) *spec.Value { return f(x, y).Then(spec.Floats()) }
	}
	one := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	cube := func(v *spec.Value) *spec.Value { // f32[N 3] as [N 1 3]: itself beside its double
		return spec.Concat(0, v.Then(spec.Reshape(1, 3)), v.Then(spec.Reshape(1, 3), spec.Scale(2)))
	}
	return []formula{
		{"Exp", then(spec.Exp()), "f32[N 3]", each(func(x, _ float64) float64 { return math.Exp(x) })},
		{"Log", then(spec.Log()), "f32[N 3]", each(func(x, _ float64) float64 { return math.Log(x) })},
		{"Sqrt", then(spec.Sqrt()), "f32[N 3]", each(func(x, _ float64) float64 { return math.Sqrt(x) })},
		{"Abs", func(_, y, _ *spec.Value) *spec.Value { return y.Then(spec.Abs()) }, "f32[N 3]", each(func(_, y float64) float64 { return math.Abs(y) })},
		{"Square", then(spec.Square()), "f32[N 3]", each(func(x, _ float64) float64 { return x * x })},
		{"MeanSquare", then(spec.MeanSquare()), "f32[N]", []float64{98. / 3, 1.3125 / 3}},
		{"MeanSquare of pictures", func(x, _, _ *spec.Value) *spec.Value { return cube(x).Then(spec.MeanSquare()) }, "f32[N]", []float64{98 * 5 / 6., 1.3125 * 5 / 6}},
		{"Above", then(spec.Above(0.5), spec.Floats()), "f32[N 3]", []float64{1, 1, 1, 0, 1, 0}},
		{"PredictionSet", then(spec.PredictionSet(0.5), spec.Floats()), "f32[N 3]", []float64{1, 1, 1, 0, 1, 1}},
		{"PredictionSet just above", then(spec.PredictionSet(0.5000001), spec.Floats()), "f32[N 3]", []float64{1, 1, 1, 0, 1, 0}},
		{"Unsure", then(spec.Unsure(1), spec.Floats()), "f32[N]", []float64{1, 0}},
		{"Unsure of none", func(_, y, _ *spec.Value) *spec.Value {
			return y.Then(spec.Scale(0.24), spec.Unsure(0.5), spec.Floats())
		}, "f32[N]", []float64{1, 1}},
		{"Unsure of two", func(_, y, _ *spec.Value) *spec.Value { return y.Then(spec.Unsure(0.5), spec.Floats()) }, "f32[N]", []float64{1, 1}},
		{"Unsure of one", func(_, y, _ *spec.Value) *spec.Value {
			return y.Then(spec.Scale(0.25), spec.Unsure(0.5), spec.Floats())
		}, "f32[N]", []float64{0, 0}},
		{"Scale", then(spec.Scale(-2)), "f32[N 3]", each(func(x, _ float64) float64 { return -2 * x })},
		{"Shift", then(spec.Shift(0.5)), "f32[N 3]", each(func(x, _ float64) float64 { return x + 0.5 })},
		{"Sum", then(spec.Sum(0)), "f32[N]", []float64{14, 1.75}},
		{"Sum.Keep", then(spec.Sum(-1).Keep()), "f32[N 1]", []float64{14, 1.75}},
		{"Sum of two", func(x, _, _ *spec.Value) *spec.Value { return cube(x).Then(spec.Sum(-1, 0)) }, "f32[N]", []float64{42, 5.25}},
		{"Mean", then(spec.Mean(0)), "f32[N]", []float64{14.0 / 3, 1.75 / 3}},
		{"Max", then(spec.Max(-1)), "f32[N]", []float64{9, 1}},
		{"Max along the first", func(x, _, _ *spec.Value) *spec.Value { return cube(x).Then(spec.Max(0)) }, "f32[N 3]", each(func(x, _ float64) float64 { return 2 * x })},
		{"Slice", then(spec.Slice(0, 1, 3)), "f32[N 2]", []float64{4, 9, 1, 0.5}},
		{"Slice to the end", then(spec.Slice(-1, 1, spec.End)), "f32[N 2]", []float64{4, 9, 1, 0.5}},
		{"Slice from the end", then(spec.Slice(-1, -2, -1)), "f32[N 1]", []float64{4, 1}},
		{"Permute", func(x, _, _ *spec.Value) *spec.Value { return cube(x).Then(spec.Permute(1, 0)) }, "f32[N 3 2]",
			[]float64{1, 2, 4, 8, 9, 18, 0.25, 0.5, 1, 2, 0.5, 1}},
		{"Permute from the end", func(x, _, _ *spec.Value) *spec.Value { return cube(x).Then(spec.Permute(-1, 0)) }, "f32[N 3 2]",
			[]float64{1, 2, 4, 8, 9, 18, 0.25, 0.5, 1, 2, 0.5, 1}},
		{"Reshape", then(spec.Reshape(3, 1)), "f32[N 3 1]", formulaX},
		{"Reshape of what has no batch", func(x, _, _ *spec.Value) *spec.Value {
			return x.Then(spec.BatchSum(), spec.Reshape(3, 1), spec.Permute(1, 0))
		}, "f32[1 3]", []float64{1.25, 5, 9.5}},
		{"OneHot", func(_, _, k *spec.Value) *spec.Value { return k.Then(spec.OneHot(4)) }, "f32[N 4]", []float64{0, 0, 1, 0, 1, 0, 0, 0}},
		{"StopGradient", then(spec.StopGradient()), "f32[N 3]", formulaX},
		{"BatchMean", func(x, y, _ *spec.Value) *spec.Value { return spec.Sub(y, x.Then(spec.BatchMean())) }, "f32[N 3]",
			[]float64{2 - 0.625, -1 - 2.5, 0.5 - 4.75, -3 - 0.625, 2 - 2.5, 1 - 4.75}},
		{"BatchSum", func(x, y, _ *spec.Value) *spec.Value { return spec.Sub(y, x.Then(spec.BatchSum())) }, "f32[N 3]",
			[]float64{2 - 1.25, -1 - 5, 0.5 - 9.5, -3 - 1.25, 2 - 5, 1 - 9.5}},
		{"BatchMean to a number", func(x, y, _ *spec.Value) *spec.Value {
			return spec.Add(y, x.Then(spec.Sum(0), spec.BatchMean()))
		}, "f32[N 3]", each(func(_, y float64) float64 { return y + 7.875 })},

		{"Add", of2(spec.Add), "f32[N 3]", each(func(x, y float64) float64 { return x + y })},
		{"Sub", of2(spec.Sub), "f32[N 3]", each(func(x, y float64) float64 { return x - y })},
		{"Mul", of2(spec.Mul), "f32[N 3]", each(func(x, y float64) float64 { return x * y })},
		{"Div", of2(spec.Div), "f32[N 3]", each(func(x, y float64) float64 { return x / y })},
		{"Pow", of2(spec.Pow), "f32[N 3]", each(math.Pow)},
		{"Maximum", of2(spec.Maximum), "f32[N 3]", each(func(x, y float64) float64 { return max(x, y) })},
		{"Minimum", of2(spec.Minimum), "f32[N 3]", each(func(x, y float64) float64 { return min(x, y) })},
		{"Greater", truth(spec.Greater), "f32[N 3]", each(func(x, y float64) float64 { return one(x > y) })},
		{"Less", truth(spec.Less), "f32[N 3]", each(func(x, y float64) float64 { return one(x < y) })},
		{"Equal", truth(func(a, b *spec.Value) *spec.Value { return spec.Equal(a, b.Then(spec.Abs())) }), "f32[N 3]", each(func(x, y float64) float64 { return one(x == math.Abs(y)) })},
		{"Equal of integers", func(_, _, k *spec.Value) *spec.Value {
			return spec.Equal(k, spec.Data([]int{2}, []int{0, 2})).Then(spec.Floats())
		}, "f32[N 2]", []float64{0, 1, 1, 0}},
		{"Where", of2(func(a, b *spec.Value) *spec.Value { return spec.Where(spec.Greater(a, b), a, spec.Const(-1)) }), "f32[N 3]",
			each(func(x, y float64) float64 {
				if x > y {
					return x
				}
				return -1
			})},
		{"MatMul", func(x, y, _ *spec.Value) *spec.Value {
			return spec.MatMul(x.Then(spec.Reshape(1, 3)), y.Then(spec.Reshape(3, 1)))
		}, "f32[N 1 1]", []float64{2 - 4 + 4.5, -0.75 + 2 + 0.5}},
		{"Concat", of2(func(a, b *spec.Value) *spec.Value { return spec.Concat(0, a, b) }), "f32[N 6]", []float64{1, 4, 9, 2, -1, 0.5, 0.25, 1, 0.5, -3, 2, 1}},
		{"Op", func(x, _, _ *spec.Value) *spec.Value {
			return spec.Op(ops.ReduceMax{Axes: ir.MakeAxes(1), Keep: true}, x)
		}, "f32[N 1]", []float64{9, 1}},
		{"Data", func(x, _, _ *spec.Value) *spec.Value { return spec.Mul(x, spec.Data([]int{3}, []float32{1, 10, 100})) }, "f32[N 3]",
			[]float64{1, 40, 900, 0.25, 10, 50}},

		// Rows go with rows, whatever the number of axes behind them.
		{"a number for each row", func(x, y, _ *spec.Value) *spec.Value { return spec.Div(x, x.Then(spec.Sum(0))) }, "f32[N 3]",
			[]float64{1.0 / 14, 4.0 / 14, 9.0 / 14, 0.25 / 1.75, 1 / 1.75, 0.5 / 1.75}},
		{"rows and columns of one", func(x, _, _ *spec.Value) *spec.Value {
			return spec.Add(x.Then(spec.Sum(0)), x.Then(spec.Sum(0).Keep()))
		}, "f32[N 1]", []float64{28, 3.5}},
		{"a row with each row of a matrix", func(x, _, _ *spec.Value) *spec.Value {
			return spec.Sub(x, spec.Data([]int{2, 3}, []float64{1, 1, 1, 0, 2, 4}))
		}, "f32[N 2 3]", []float64{0, 3, 8, 1, 2, 5, -0.75, 0, -0.5, 0.25, -1, -3.5}},
	}
}

func formulaInputs() (x, y, k *spec.Value) {
	return spec.Input("x", 3), spec.Input("y", 3), spec.Labels("k", 4)
}

// TestFormulas holds each function to numbers worked out here, and its type.
func TestFormulas(t *testing.T) {
	for _, c := range formulas() {
		v := c.of(formulaInputs())
		if err := v.Err(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := v.Type().String(); got != c.typ {
			t.Errorf("%s is %s, want %s", c.name, got, c.typ)
		}
		g, _, err := spec.GraphOf("g", v.Named("out"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, map[string]*ir.Tensor{
			"x": f64([]int{2, 3}, formulaX...), "y": f64([]int{2, 3}, formulaY...), "k": {DType: ir.I64, Shape: []int{2}, I64: []int64{2, 0}}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := vals[g.Outputs[0]].F64
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-12 || a != a && b != b }) {
			t.Errorf("%s is %v, want %v", c.name, got, c.want)
		}
	}
}

// TestConstantsJoinNothing uses one constant in two models, which have names in common.
func TestConstantsJoinNothing(t *testing.T) {
	c := spec.Data([]int{2}, []float64{1, 2})
	model := func() *spec.Model {
		h := spec.Mul(spec.Input("x", 2), c).Then(spec.Dense(2).Named("d"))
		return spec.NewModel("m", spec.NewLoss("own", spec.Mul(h, c)))
	}
	a, b := model(), model()
	if a.Err() != nil || b.Err() != nil || a.Hash() != b.Hash() {
		t.Errorf("%v, %v, %s, %s", a.Err(), b.Err(), a.Hash(), b.Hash())
	}
	if n := strings.Count(a.String(), "{1"); n != 1 {
		t.Errorf("the constant is there %d times:\n%s", n, a)
	}
	// By itself, and alone in a graph.
	if got := c.Then(spec.Sum(0)).Type().String(); got != "f32[]" {
		t.Errorf("the sum is %s", got)
	}
	if _, _, err := spec.GraphOf("g", c.Named("c")); err != nil {
		t.Error(err)
	}
	if err := c.Err(); err != nil || c.Dim(0) != 2 {
		t.Errorf("%v, %d", err, c.Dim(0))
	}
}

// TestScalarLoss makes a loss of a number.
func TestScalarLoss(t *testing.T) {
	x := spec.Input("x", 3)
	total := x.Then(spec.Square(), spec.Sum(0), spec.BatchMean())
	m := spec.NewModel("m", spec.NewLoss("power", total).Weight(2).Named("energy"), spec.MSE(x.Then(spec.Dense(3)), x))
	got := evaluate(t, m, 2, map[string]*ir.Tensor{"x": f64([]int{2, 3}, formulaX...), "dense1/w": f64([]int{3, 3}, make([]float64, 9)...), "dense1/b": f64([]int{3}, 0, 0, 0)})
	want := (98 + 1.3125) / 2
	near(t, "the loss", got["loss/energy"].F64[0], want)
	near(t, "the mean square", got["loss/mse1"].F64[0], want/3)
	near(t, "the total", got["loss"].F64[0], 2*want+want/3)
	if err := spec.NewModel("m", spec.NewLoss("a", total).Named("same"), spec.NewLoss("b", total).Named("same")).Err(); err == nil || !strings.Contains(err.Error(), `value "loss/same": name already used`) {
		t.Errorf("got %v", err)
	}
}

// TestFormulasOfFreeLengths runs formulas along a length that is known at a run only.
func TestFormulasOfFreeLengths(t *testing.T) {
	x := spec.Input("x", 4, 2).Free("T") // f32[N T 2]
	in := &ir.Tensor{DType: ir.F64, Shape: []int{1, 3, 2}, F64: []float64{1, 2, 3, 5, -1, 0.5}}
	for _, c := range []struct {
		name string
		v    *spec.Value
		typ  string
		want []float64
	}{
		{"Sum", x.Then(spec.Sum(0)), "f32[N 2]", []float64{3, 7.5}},
		{"Mean", x.Then(spec.Mean(0, 1)), "f32[N]", []float64{10.5 / 6}},
		{"Max", x.Then(spec.Max(0).Keep()), "f32[N 1 2]", []float64{3, 5}},
		{"Slice", spec.Concat(0, x, x).Then(spec.Slice(0, 1, spec.End)), "f32[N (2*T-1) 2]", append(slices.Clone(in.F64[2:]), in.F64...)},
		{"the last", x.Then(spec.Slice(0, -1, spec.End), spec.Reshape(2)), "f32[N 2]", []float64{-1, 0.5}},
		{"Permute", x.Then(spec.Permute(1, 0)), "f32[N 2 T]", []float64{1, 3, -1, 2, 5, 0.5}},
		{"BatchMean", x.Then(spec.BatchMean()), "f32[T 2]", in.F64},
		{"a row for each step", spec.Sub(x, x.Then(spec.Slice(0, 0, 1), spec.Reshape(2))), "f32[N T 2]", []float64{0, 0, 2, 3, -2, -1.5}},
	} {
		if got := c.v.Type().String(); c.v.Err() != nil || got != c.typ {
			t.Errorf("%s is %s, want %s (%v)", c.name, got, c.typ, c.v.Err())
			continue
		}
		g, _, err := spec.GraphOf("g", c.v.Named("y"))
		if err != nil {
			t.Fatal(err)
		}
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1).With("T", 3), UpdateRows: 1}, map[string]*ir.Tensor{"x": in})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := vals[g.Outputs[0]].F64; !slices.Equal(got, c.want) {
			t.Errorf("%s is %v, want %v", c.name, got, c.want)
		}
	}
	for want, s := range map[string]*spec.FormulaLayer{
		"[1, 3) is empty or not within axis 0 of length T (x is f32[N T 2])":                spec.Slice(0, 1, 3),
		"[1, End) of axis 0 would be empty at the smallest T, which is 1 (x is f32[N T 2])": spec.Slice(0, 1, spec.End),
		"[-2, End) is empty or not within axis 0 of length T (x is f32[N T 2])":             spec.Slice(0, -2, spec.End),
	} {
		if err := spec.Input("x", 4, 2).Free("T").Then(s).Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestFormulasInParts asks which losses over the batch may be computed in parts: those
// that are linear in what goes over it. Others are refused with the layer and its line.
func TestFormulasInParts(t *testing.T) {
	x := spec.Input("x", 3).Then(spec.Dense(3)) // of data columns alone a sum would be known beforehand
	centred := spec.Sub(x, x.Then(spec.BatchMean()))
	for _, c := range []struct {
		loss *spec.Loss
		want string
	}{
		{spec.NewLoss("rows", x.Then(spec.Square(), spec.Sum(0))), ""},
		{spec.NewLoss("linear", x.Then(spec.Square(), spec.BatchMean(), spec.Sum(0), spec.Scale(2))), ""},
		{spec.NewLoss("summed", x.Then(spec.Square(), spec.Mean(0), spec.BatchSum())), ""},
		{spec.NewLoss("root", x.Then(spec.Square(), spec.Mean(0), spec.BatchMean(), spec.Sqrt())), `layer "sqrt1": Sqrt: it is not linear in a sum or mean over the rows (ReduceMean)`},
		{spec.NewLoss("centred", centred.Then(spec.Square())), `layer "sub1": Sub: it brings a sum or mean over the rows (ReduceMean) back to them, so that a row depends on the others`},
	} {
		g, err := spec.NewModel("m", c.loss).Graph()
		if err != nil {
			t.Fatal(err)
		}
		switch err := ir.Separable(g, g.Outputs[1]); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", g.Outputs[1].Name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "formula_test.go:")):
			t.Errorf("%s: got %v, want %s", g.Outputs[1].Name, err, c.want)
		}
	}
}

// TestRowsBesideAllAxes: a constant with as many axes as there may be leaves none for the
// batch, so that rows would be taken for columns.
func TestRowsBesideAllAxes(t *testing.T) {
	all := spec.Data([]int{1, 1, 1, 1, 1, 1, 1, 1}, []float32{2})
	if err := spec.Mul(spec.Input("x"), all).Err(); err == nil || !strings.Contains(err.Error(), "8 axes and the batch, at most 8") {
		t.Errorf("error is %v", err)
	}
	most := spec.Data([]int{1, 1, 1, 1, 1, 1, 1}, []float32{2})
	if got := spec.Mul(spec.Input("x"), most).Type().String(); got != "f32[N 1 1 1 1 1 1 1]" {
		t.Errorf("seven axes give %s", got)
	}
}
