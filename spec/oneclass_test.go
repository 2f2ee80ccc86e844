package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

func TestOneClass(t *testing.T) {
	x := spec.Input("x", 2)
	centre := []float64{1, -2}
	m := spec.NewModel("m", spec.OneClass(x, centre), spec.OneClass(x, centre).WeightedBy(spec.Input("w")))
	got := evaluate(t, m, 2, map[string]*ir.Tensor{"x": f64([]int{2, 2}, 1, 2, -3, 0.5), "w": f64([]int{2}, 3, 1)})
	first, second := 16.0, 16+6.25
	for name, want := range map[string]float64{"loss/oneclass1": (first + second) / 2, "loss/oneclass2": (3*first + second) / 4} {
		if v := got[name]; v == nil || math.Abs(v.F64[0]-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	score := shippedValues(t, 2, map[string]*ir.Tensor{"x": f64([]int{2, 2}, 1, 2, -3, 0.5)}, x.Then(spec.SquaredDistance(centre)).Named("score"))["score"]
	if score.F64[0] != first || score.F64[1] != second {
		t.Errorf("scores are %v", score.F64)
	}
}

// TestOneClassTakes has layers that give 0 for 0 and have no bound.
func TestOneClassTakes(t *testing.T) {
	x := spec.Input("x", 1, 8, 8)
	h := x.Then(spec.Shift(-0.5), spec.GaussianNoise(0.1), // of the data, not of the encoder
		spec.Sequential("encoder",
			spec.Conv(4, 3).Same().NoBias(), spec.BatchNorm().Axis(0).NoBias(), spec.LeakyReLU(), spec.MaxPool(2),
			spec.Residual("res", spec.Conv(4, 3).Same().NoBias(), spec.BatchNorm().Axis(0).NoScale().NoBias(), spec.SiLU(), spec.Dropout(0.5)),
			spec.AveragePool(2), spec.GELU(), spec.Upsample(2).Linear(), spec.HardSwish(), spec.Conv(6, 3).NoBias().Same(),
			spec.GlobalMaxPool(), spec.Dense(6).NoBias(), spec.KSparse(3)))
	h = spec.Add(h, spec.Mul(h, spec.Const(2)))
	h = spec.Where(spec.Greater(h, spec.Const(0)), h, h.Then(spec.Scale(0.1)))
	code := h.Then(spec.ReLU(), spec.Dense(2).NoBias())
	if err := spec.NewModel("m", spec.OneClass(code, []float64{1, 1})).Err(); err != nil {
		t.Error(err)
	}
}

func TestOneClassMistakes(t *testing.T) {
	centre := []float64{1, 1}
	for want, l := range map[string]spec.Layer{
		`conv1": loss OneClass: a one-class encoder must have no bias, but this layer adds its parameter "b"`:                            spec.Conv(4, 3).Same(),
		`convtranspose1": loss OneClass: a one-class encoder must have no bias, but this layer adds its parameter "b"`:                   spec.ConvTranspose(4, 3),
		`dense1": loss OneClass: a one-class encoder must have no bias, but this layer adds its parameter "b"`:                           spec.Dense(4),
		`batchnorm1": loss OneClass: a one-class encoder must have no bias, but this layer adds its parameter "bias"`:                    spec.BatchNorm(),
		`layernorm1": loss OneClass: a one-class encoder must have no bias, but LayerNorm, which need not`:                               spec.LayerNorm().NoBias(),
		`sigmoid1": loss OneClass: a one-class encoder must have no bias, but Sigmoid, which need not`:                                   spec.Sigmoid(),
		`softmax1": loss OneClass: a one-class encoder must have no bias, but Softmax, which need not`:                                   spec.Softmax(-1),
		`shift1": loss OneClass: a one-class encoder must have no bias, but this layer adds operand 2 of Add`:                            spec.Shift(1),
		`tanh1": loss OneClass: a one-class encoder must have no activation with a bound other than 0, but Tanh has the bound 1;`:        spec.Tanh(),
		`elu1": loss OneClass: a one-class encoder must have no activation with a bound other than 0, but Elu has the bound -1;`:         spec.ELU(),
		`clip/minimum1": loss OneClass: a one-class encoder must have no activation with a bound other than 0, but Min has the bound 6;`: spec.Func("clip", func(x *spec.Value) *spec.Value { return spec.Minimum(x, spec.Const(6)) }),
	} {
		encoder := spec.Sequential("encoder", spec.Conv(3, 3).Same().NoBias().Named("first"), l, spec.Flatten(), spec.Dense(2).NoBias().Named("code"))
		err := spec.NewModel("m", spec.OneClass(spec.Input("x", 1, 8, 8).Then(encoder), centre)).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "oneclass_test.go:") || strings.Count(err.Error(), "Ruff") != 1 {
			t.Errorf("got\n\t%v\nwant\n\t%s", err, want)
		}
	}
	code := spec.Input("x", 4).Then(spec.Dense(2).NoBias())
	for want, centre := range map[string][]float64{
		"coordinate 1 of the centre is 0, but weights of 0 give 0":                 {1, 0},
		"the centre must have a number for each of the 2 units of the code, got 3": {1, 1, 1},
		"the centre must be finite in f32, got NaN at 0":                           {math.NaN(), 1},
	} {
		err := spec.NewModel("m", spec.OneClass(code, centre)).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "oneclass_test.go:") {
			t.Errorf("got\n\t%v\nwant\n\t%s", err, want)
		}
	}
	// Both layers that break a rule are named, each at its own line.
	err := spec.NewModel("m", spec.OneClass(spec.Input("x", 4).Then(
		spec.Dense(3),
		spec.Sigmoid(),
		spec.Dense(2)), centre)).Err()
	if n := strings.Count(err.Error(), "proposition 2"); n != 3 {
		t.Errorf("%d mistakes: %v", n, err)
	}
}
