package spec_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

func f64(shape []int, x ...float64) *ir.Tensor {
	return &ir.Tensor{DType: ir.F64, Shape: shape, F64: x}
}

// evaluate returns the outputs of a model by name for that many rows.
func evaluate(t *testing.T, m *spec.Model, rows int, in map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, in)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ir.Tensor{}
	for _, v := range g.Outputs {
		out[v.Name] = vals[v]
	}
	return out
}

func TestLosses(t *testing.T) {
	p, q := spec.Input("p", 2), spec.Input("q", 2)
	in := map[string]*ir.Tensor{
		"p": f64([]int{2, 2}, 1, 2, -3, 0.5),
		"q": f64([]int{2, 2}, 0, 1, 1, 0.25),
		"y": {DType: ir.I64, Shape: []int{2}, I64: []int64{1, 0}},
	}
	bce := func(z, t float64) float64 {
		s := 1 / (1 + math.Exp(-z))
		return -t*math.Log(s) - (1-t)*math.Log(1-s)
	}
	for _, c := range []struct {
		name string
		loss *spec.Loss
		want float64
	}{
		{"mse1", spec.MSE(p, q), (1 + 1 + 16 + 0.0625) / 4},
		{"mae1", spec.MAE(p, q), (1 + 1 + 4 + 0.25) / 4},
		{"huber1", spec.Huber(p, q, 0.5), (0.375 + 0.375 + 1.875 + 0.03125) / 4},
		{"binarycrossentropy1", spec.BinaryCrossEntropy(p, q), (bce(1, 0) + bce(2, 1) + bce(-3, 1) + bce(0.5, 0.25)) / 4},
		{"crossentropy1", spec.CrossEntropy(p, spec.Labels("y", 2)),
			(math.Log(1+math.Exp(-1)) + math.Log(1+math.Exp(3.5))) / 2},
	} {
		got := evaluate(t, spec.NewModel("m", c.loss.Weight(3)), 2, in)
		if x := got["loss/"+c.name]; x == nil || math.Abs(x.F64[0]-c.want) > 1e-12 {
			t.Errorf("%s is %v, want %v", c.name, x, c.want)
			continue
		}
		if x := got["loss"].F64[0]; math.Abs(x-3*c.want) > 1e-12 {
			t.Errorf("three times %s is %v, want %v", c.name, x, 3*c.want)
		}
	}
}

// TestLossesFarOut has logits at which exp overflows.
func TestLossesFarOut(t *testing.T) {
	z := spec.Input("z", 2)
	m := spec.NewModel("m",
		spec.BinaryCrossEntropy(z, spec.Input("t", 2)),
		spec.CrossEntropy(z, spec.Labels("y", 2)))
	got := evaluate(t, m, 1, map[string]*ir.Tensor{
		"z": f64([]int{1, 2}, 1000, -1000),
		"t": f64([]int{1, 2}, 0, 1),
		"y": {DType: ir.I64, Shape: []int{1}, I64: []int64{1}},
	})
	for name, want := range map[string]float64{"loss/binarycrossentropy1": 1000, "loss/crossentropy1": 2000, "loss": 3000} {
		if x := got[name].F64[0]; x != want {
			t.Errorf("%s is %v, want %v", name, x, want)
		}
	}
}

func TestWeightedSum(t *testing.T) {
	p, q := spec.Input("p", 2), spec.Input("q", 2)
	m := spec.NewModel("m", spec.MSE(p, q).Weight(0.5), spec.MAE(p, q), spec.MSE(q, p).Weight(-2))
	got := evaluate(t, m, 1, map[string]*ir.Tensor{"p": f64([]int{1, 2}, 1, 5), "q": f64([]int{1, 2}, 2, 2)})
	if a, b, c := got["loss/mse1"].F64[0], got["loss/mae1"].F64[0], got["loss/mse2"].F64[0]; a != 5 || b != 2 || c != 5 {
		t.Errorf("the losses are %v, %v, %v", a, b, c)
	}
	if x := got["loss"].F64[0]; x != 0.5*5+2-2*5 {
		t.Errorf("the sum is %v", x)
	}
}

// TestUnlabelledFarOut: a row without a label adds nothing, whatever its logits are.
func TestUnlabelledFarOut(t *testing.T) {
	z, y := spec.Input("z", 2), spec.Labels("y", 2).Optional()
	m := spec.NewModel("m", spec.CrossEntropy(z, y), spec.CrossEntropy(z, y).Smooth(0.5), spec.CrossEntropy(z, y).WeightedBy(spec.ClassWeights(y, 1, 3)))
	got := evaluate(t, m, 3, map[string]*ir.Tensor{"z": f64([]int{3, 2}, 1, 1, math.Inf(1), 0, math.NaN(), 2), "y": {DType: ir.I64, Shape: []int{3}, I64: []int64{1, -1, -1}}})
	for _, name := range []string{"loss/crossentropy1", "loss/crossentropy2", "loss/crossentropy3"} {
		if x := got[name]; math.Abs(x.F64[0]-math.Ln2) > 1e-12 {
			t.Errorf("%s is %v", name, x.F64[0])
		}
	}
}
