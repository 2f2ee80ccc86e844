package spec_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestSharesOfClasses holds the cross-entropy of probabilities to numbers worked out here, with and without weights of the
// rows, and to that of labels.
func TestSharesOfClasses(t *testing.T) {
	z, p := spec.Input("z", 3), spec.Input("t", 3)
	m := spec.NewModel("m",
		spec.CrossEntropy(z, p).Named("mixed"),
		spec.CrossEntropy(z, p).WeightedBy(spec.Input("w")).Named("weighted"),
		spec.CrossEntropy(z, spec.Input("hot", 3)).Named("hot"),
		spec.CrossEntropy(z, spec.Labels("y", 3)).Named("labels"))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	if got := m.UnitInputs(); !slices.Equal(got, []string{"t", "hot"}) && !slices.Equal(got, []string{"hot", "t"}) {
		t.Errorf("values in [0, 1] are of %v", got)
	}
	logits := []float64{1, 2, -1, 0.5, 0, 3}
	shares := []float64{0.25, 0.75, 0, 0.5, 0.2, 0.3}
	got := evaluate(t, m, 2, map[string]*ir.Tensor{
		"z": f64([]int{2, 3}, logits...), "t": f64([]int{2, 3}, shares...), "w": f64([]int{2}, 3, 0.5),
		"hot": f64([]int{2, 3}, 0, 0, 1, 1, 0, 0), "y": {DType: ir.I64, Shape: []int{2}, I64: []int64{2, 0}},
	})
	row := func(i int) float64 {
		all, s := 0.0, 0.0
		for j := range 3 {
			all += math.Exp(logits[3*i+j])
		}
		for j := range 3 {
			s -= shares[3*i+j] * (logits[3*i+j] - math.Log(all))
		}
		return s
	}
	for name, want := range map[string]float64{"mixed": (row(0) + row(1)) / 2, "weighted": (3*row(0) + 0.5*row(1)) / 3.5, "hot": got["loss/labels"].F64[0]} {
		if x := got["loss/"+name].F64[0]; !(math.Abs(x-want) <= 1e-12) {
			t.Errorf("%s is %v, want %v", name, x, want)
		}
	}

	wide := spec.NewModel("wide", spec.CrossEntropy(spec.Input("z", 3), spec.Input("t", 3)).WeightedBy(spec.Input("mask", 3)))
	if err := wide.Err(); err == nil || !strings.Contains(err.Error(), "which are [N], as f32[N], got f32[N 3]") {
		t.Errorf("a weight for each class: got %v", err)
	}

	// Its gradient is softmax(z) - t, here of the bias alone.
	in := map[string]*ir.Tensor{"x": f64([]int{1, 2}, 0, 0), "t": f64([]int{1, 3}, 0.25, 0.75, 0)}
	g, err := spec.NewModel("g", spec.CrossEntropy(spec.Input("x", 2).Then(spec.Dense(3)), p)).Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range g.Params {
		in[q.Name] = ir.NewTensor(ir.F64, q.Type.Shape.Lengths()...)
		if q.Type.Rank() == 1 {
			copy(in[q.Name].F64, logits)
		}
	}
	d, err := compiler.Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	values, err := ir.Evaluate(d, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	sum := math.Exp(1) + math.Exp(2) + math.Exp(-1)
	for _, q := range g.Params {
		if q.Type.Rank() != 1 {
			continue
		}
		grad := values[d.Value("grad/"+q.Name)]
		for j, x := range grad.F64 {
			if want := math.Exp(logits[j])/sum - in["t"].F64[j]; !(math.Abs(x-want) <= 1e-12) {
				t.Errorf("the gradient of class %d is %v, want %v", j, x, want)
			}
		}
	}
}
