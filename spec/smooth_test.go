package spec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

// TestSmooth holds smoothed losses to numbers worked out here.
func TestSmooth(t *testing.T) {
	z, w := spec.Input("z", 3), spec.Input("w")
	labels, shares := spec.Labels("y", 3).Optional(), spec.Input("t", 3)
	m := spec.NewModel("m",
		spec.CrossEntropy(z, labels).Smooth(0.3),
		spec.CrossEntropy(z, labels).Smooth(0),
		spec.CrossEntropy(z, shares).Smooth(0.3),
		spec.CrossEntropy(z, labels).Smooth(0.3).WeightedBy(w).Named("weighted"),
		spec.CrossEntropy(z, labels).Smooth(0.3).WeightedBy(spec.ClassWeights(labels, 1, 1, 4)).Weight(2).Named("classes"))
	in := map[string]*ir.Tensor{
		"z": f64([]int{3, 3}, 1, 2, 3, 0, 5, 0, -1, 0, 1),
		"t": f64([]int{3, 3}, 1, 0, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.5),
		"w": f64([]int{3}, 2, 7, 1),
		"y": {DType: ir.I64, Shape: []int{3}, I64: []int64{2, -1, 0}},
	}
	got := evaluate(t, m, 3, in)
	ce := func(z []float64, target ...float64) float64 {
		sum, loss := 0.0, 0.0
		for _, x := range z {
			sum += math.Exp(x)
		}
		for i, x := range z {
			loss -= target[i] * (x - math.Log(sum))
		}
		return loss
	}
	zs := in["z"].F64
	a, c := ce(zs[:3], 0.1, 0.1, 0.8), ce(zs[6:], 0.8, 0.1, 0.1)
	for name, want := range map[string]float64{
		"loss/crossentropy1": (a + c) / 2,
		"loss/crossentropy2": (ce(zs[:3], 0, 0, 1) + ce(zs[6:], 1, 0, 0)) / 2,
		"loss/crossentropy3": (ce(zs[:3], 0.8, 0.1, 0.1) + ce(zs[3:6], 0.45, 0.45, 0.1) + ce(zs[6:], 0.275, 0.275, 0.45)) / 3,
		"loss/weighted":      (2*a + c) / 3,
		"loss/classes":       (4*a + c) / 5,
	} {
		if x := got[name]; x == nil || !(math.Abs(x.F64[0]-want) <= 1e-12) {
			t.Errorf("%s is %v, want %v", name, x, want)
		}
	}
}

// TestLabelHeads holds the gradients of heads of every kind to differences in float64: smoothed and weighted classes, several
// labels of a row as integers, of which some are absent, and numbers.
func TestLabelHeads(t *testing.T) {
	x := spec.Input("x", 3)
	y := x.Then(spec.Dense(4), spec.Tanh(), spec.Dense(3))
	labels := spec.Labels("y", 3).Optional()
	tags := spec.Tokens("tags", 3, 2).Optional()
	for name, loss := range map[string]*spec.Loss{
		"smoothed":          spec.CrossEntropy(y, labels).Smooth(0.1),
		"smoothed, weights": spec.CrossEntropy(y, labels).Smooth(0.2).WeightedBy(spec.ClassWeights(labels, 1, 2, 5)),
		"smoothed shares":   spec.CrossEntropy(y, spec.Input("t", 3)).Smooth(0.1),
		"tags":              spec.BinaryCrossEntropy(y, tags.Then(spec.Floats())).WeightedBy(spec.Labelled(tags)),
		"MSE":               spec.MSE(y, spec.Input("target", 3)),
		"MAE":               spec.MAE(y, spec.Input("target", 3)),
		"Huber":             spec.Huber(y, spec.Input("target", 3), 0.5),
	} {
		m := spec.NewModel("m", loss)
		g, err := m.Graph()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := spec.Parse(text); err != nil || again.Hash() != m.Hash() {
			t.Errorf("%s: the text form is of another model: %v", name, err)
		}
		d, err := compiler.Gradient(g, "loss")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key := random.New(3)
		in := map[string]*ir.Tensor{
			"x":      f64([]int{4, 3}, 0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.7, 0.1, 0.2, 0.9, 0.8, 0.3),
			"t":      f64([]int{4, 3}, 1, 0, 0, 0.3, 0.4, 0.3, 0, 0.5, 0.5, 0.2, 0.2, 0.6),
			"target": f64([]int{4, 3}, 3, -1, 0.5, 2, 2, 1, -4, 0.1, 0, 1, 0, 7),
			"y":      {DType: ir.I64, Shape: []int{4}, I64: []int64{2, 1, -1, 0}},
			"tags":   {DType: ir.I64, Shape: []int{4, 3}, I64: []int64{1, 0, 1, -1, 1, 0, 0, -1, -1, 1, 1, 1}},
		}
		for i, p := range g.Params {
			v := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
			for j := range v.F64 {
				v.F64[j] = key.Derive(uint64(i)).Normal(uint64(j))
			}
			in[p.Name] = v
		}
		env := &ir.Env{Binding: ir.RowsOf(4), UpdateRows: 4}
		at := func(what string) *ir.Tensor {
			vals, err := ir.Evaluate(d, env, in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return vals[d.Value(what)]
		}
		for _, p := range g.Params {
			grad := at("grad/" + p.Name).Clone()
			for j := range grad.F64 {
				const h = 1e-6
				was := in[p.Name].F64[j]
				in[p.Name].F64[j] = was + h
				up := at("loss").F64[0]
				in[p.Name].F64[j] = was - h
				down := at("loss").F64[0]
				in[p.Name].F64[j] = was
				if want := (up - down) / (2 * h); !(math.Abs(grad.F64[j]-want) <= 1e-6*(1+math.Abs(want))) {
					t.Errorf("%s: the gradient of %s[%d] is %v, want %v", name, p.Name, j, grad.F64[j], want)
				}
			}
		}
	}
}

func TestSmoothMistakes(t *testing.T) {
	z, y := spec.Input("z", 3), spec.Labels("y", 3)
	given := spec.CrossEntropy(z, y)
	_ = spec.NewModel("first", given)
	m := spec.NewModel("m", given,
		given.Smooth(0.1),
		spec.MSE(z, z).Smooth(0.1),
		spec.CrossEntropy(z, y).Smooth(1),
		spec.CrossEntropy(z, y).Smooth(math.NaN()),
		spec.CrossEntropy(z, y).WeightedBy(spec.Input("w")).Smooth(0.1),
		spec.CrossEntropy(z, spec.Labels("k", 4)).Smooth(0.1),
		spec.L1(z).Smooth(0.1))
	if nothing := (*spec.Loss)(nil).Smooth(0.1); nothing != nil {
		t.Error("no loss became one")
	}
	var e *spec.Error
	if !errors.As(m.Err(), &e) || !strings.HasSuffix(e.Made.File, "smooth_test.go") {
		t.Fatalf("error is %v", m.Err())
	}
	for _, want := range []string{
		`loss CrossEntropy: Smooth after the loss was given to a model at smooth_test.go:`,
		`loss MSE: Smooth of a loss other than CrossEntropy`,
		`loss CrossEntropy: the share must be at least 0 and below 1, got 1`,
		`loss CrossEntropy: the share must be at least 0 and below 1, got NaN`,
		`loss CrossEntropy: Smooth of a loss that has weights: write Smooth before WeightedBy`,
		`the logits are for 3 classes (f32[N 3]) but the labels have 4`,
		`loss L1: Smooth of a loss other than CrossEntropy`,
	} {
		if !strings.Contains(m.Err().Error(), want) {
			t.Errorf("%q is not in\n%v", want, m.Err())
		}
	}
}
