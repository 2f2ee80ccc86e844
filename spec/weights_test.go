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

// TestWeightedLosses holds every kind of weights to numbers worked out here.
func TestWeightedLosses(t *testing.T) {
	p, q := spec.Input("p", 2), spec.Input("q", 2)
	w, column := spec.Input("w"), spec.Input("column", 1)
	labels := spec.Labels("y", 2).Optional()
	steps, mask := p.Then(spec.Reshape(2, 1)), spec.Input("mask", 2)
	m := spec.NewModel("m",
		spec.MSE(p, q).WeightedBy(w),
		spec.MAE(p, q).WeightedBy(column),
		spec.MSE(steps, q.Then(spec.Reshape(2, 1))).WeightedBy(mask),
		spec.NewLoss("own", spec.Mul(p, q)).WeightedBy(w),
		spec.CrossEntropy(p, labels),
		spec.CrossEntropy(p, labels).WeightedBy(spec.ClassWeights(labels, 1, 3)),
		spec.MAE(p, q).WeightedBy(spec.Sub(w, w)))
	got := evaluate(t, m, 3, map[string]*ir.Tensor{
		"p":      f64([]int{3, 2}, 1, 2, -3, 0.5, 4, 5),
		"q":      f64([]int{3, 2}, 0, 1, 1, 0.25, 2, 2),
		"w":      f64([]int{3}, 2, 0, 0.5),
		"column": f64([]int{3, 1}, 2, 0, 0.5),
		"mask":   f64([]int{3, 2}, 1, 0, 1, 1, 0, 0),
		"y":      {DType: ir.I64, Shape: []int{3}, I64: []int64{0, -1, 1}},
	})
	ce := func(z0, z1 float64, label int) float64 {
		return math.Log(math.Exp(z0)+math.Exp(z1)) - []float64{z0, z1}[label]
	}
	a, c := ce(1, 2, 0), ce(4, 5, 1)
	for name, want := range map[string]float64{
		"loss/mse1":          (2*1 + 0.5*6.5) / 2.5,
		"loss/mae1":          (2*1 + 0.5*2.5) / 2.5,
		"loss/mse2":          (1 + 16 + 0.0625) / 3,
		"loss/own1":          (2*1 + 0.5*9) / 2.5,
		"loss/crossentropy1": (a + c) / 2,
		"loss/crossentropy2": (a + 3*c) / 4,
		"loss/mae2":          0,
	} {
		if x := got[name]; x == nil || !(math.Abs(x.F64[0]-want) <= 1e-12) {
			t.Errorf("%s is %v, want %v", name, x, want)
		}
	}
}

// TestWeightedGradients holds the gradient of weighted losses to differences in float64.
func TestWeightedGradients(t *testing.T) {
	x := spec.Input("x", 3)
	y := x.Then(spec.Dense(4), spec.Tanh(), spec.Dense(3))
	labels := spec.Labels("y", 3).Optional()
	noisy := x.Then(spec.MaskingNoise(0.5))
	for name, loss := range map[string]*spec.Loss{
		"MSE":      spec.MSE(y, x).WeightedBy(spec.Input("w")),
		"Huber":    spec.Huber(y, x, 0.3).WeightedBy(spec.Input("w")),
		"BCE":      spec.BinaryCrossEntropy(y, x).WeightedBy(spec.Input("w")),
		"labels":   spec.CrossEntropy(y, labels).WeightedBy(spec.Input("w")),
		"own":      spec.NewLoss("own", spec.Mul(y, y)).WeightedBy(spec.Input("w")),
		"emphasis": spec.MSE(noisy.Then(spec.Dense(3)), x).Emphasis(noisy, 2, 0.5).WeightedBy(spec.Input("w")),
	} {
		g, err := spec.NewModel("m", loss).Graph()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := compiler.Gradient(g, "loss")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key := random.New(3)
		in := map[string]*ir.Tensor{
			"x": f64([]int{4, 3}, 0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.7, 0.1, 0.2, 0.9, 0.8, 0.3),
			"w": f64([]int{4}, 0.5, 0, 3, 100),
			"y": {DType: ir.I64, Shape: []int{4}, I64: []int64{2, 1, -1, 0}},
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

// TestWeightMistakes names what may not be weights, and where.
func TestWeightMistakes(t *testing.T) {
	x, w := spec.Input("x", 3), spec.Input("w")
	y := x.Then(spec.Dense(3))
	given := spec.MSE(y, x)
	whole := spec.NewModel("whole", given)
	given.WeightedBy(w)
	m := spec.NewModel("m", given,
		spec.MSE(y, x).WeightedBy(y),
		spec.MSE(y, x).WeightedBy(spec.Input("v", 2)),
		spec.MSE(y, x).WeightedBy(x.Then(spec.GaussianNoise(1))),
		spec.MSE(y, x).WeightedBy(spec.Labels("l", 3)),
		spec.MSE(y, x).WeightedBy(w).WeightedBy(w),
		spec.L1(y).WeightedBy(w),
		spec.MSE(y, x).WeightedBy(nil),
		spec.MSE(y, x).WeightedBy(x.Optional()),
		spec.CrossEntropy(y, spec.Labels("k", 3)).WeightedBy(spec.ClassWeights(spec.Labels("k2", 3), 1, -1, 1)),
		spec.CrossEntropy(y, spec.Labels("j", 3)).WeightedBy(spec.ClassWeights(spec.Labels("j2", 3), 1, 2)))
	_ = whole
	var e *spec.Error
	if !errors.As(m.Err(), &e) || !strings.HasSuffix(e.Made.File, "weights_test.go") {
		t.Fatalf("error is %v", m.Err())
	}
	for _, want := range []string{
		`weights_test.go:123: loss MSE: WeightedBy after the loss was given to a model at weights_test.go:122`,
		`weights_test.go:125: loss MSE: the weights must be made of data columns alone, row by row, but they depend on the parameter`,
		`weights_test.go:126: loss MSE: the weights must be f32 of the first axes of the loss's elements, which are [N 3], as f32[N], got f32[N 2]`,
		`weights_test.go:127: loss MSE: the weights must be made of data columns alone, row by row, but they depend on the draws of GaussianNoise`,
		`weights_test.go:128: loss MSE: the weights must be f32 of the first axes of the loss's elements, which are [N 3], as f32[N], got i64[N]`,
		`weights_test.go:129: loss MSE: WeightedBy of a loss that has weights: multiply the weights`,
		`weights_test.go:130: loss L1: WeightedBy of a loss that has no elements`,
		`weights_test.go:131: WeightedBy: the value is nil`,
		`weights_test.go:132: Optional: input "x" was read before, at weights_test.go:120; write Optional right behind the input`,
		`the weight of a class must be finite and at least 0, got -1 for class 1`,
		`needs a weight for each class; the labels have 3 classes, got 2 weights`,
	} {
		if !strings.Contains(m.Err().Error(), want) {
			t.Errorf("%q is not in\n%v", want, m.Err())
		}
	}
}

// TestWeightsKeepEmphasis: weights of a loss that has an emphasis are of its emphasised elements.
func TestWeightsKeepEmphasis(t *testing.T) {
	x, w := spec.Input("x", 3), spec.Input("w")
	noisy := x.Then(spec.MaskingNoise(0.3))
	m := spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(3)), x).Emphasis(noisy, 2, 1).WeightedBy(w))
	if text, err := m.Text(); err != nil || strings.Count(text, "Emphasis") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}
