package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestNormalize(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return spec.Normalize([]float64{0.5, -1, 2}, []float64{0.25, 4, 1.5}) }, 3, 2, 5)
	spectest.Layer(t, func() spec.Layer { return spec.Normalize([]float64{0.5}, []float64{3}) }, 4)
}

// TestNormalizeMeans holds the formula to its definition, and the mirror to undoing it.
func TestNormalizeMeans(t *testing.T) {
	mean, deviation := []float64{0.5, -1}, []float64{0.25, 4}
	x := spec.Input("x", 2, 3)
	l := spec.Normalize(mean, deviation)
	y := x.Then(l).Named("y")
	back := y.Then(spec.Mirror("back", l)).Named("z")
	mean[0] = 99 // what was given may be changed afterwards
	g, _, err := spec.GraphOf("g", y, back)
	if err != nil {
		t.Fatal(err)
	}
	in := []float64{0, 0.25, 1, 5, -3, 8}
	out, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": f64([]int{1, 2, 3}, in...)})
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) []float64 { return out[g.Outputs[i]].F64 }
	for i, v := range in {
		want := (v - []float64{0.5, -1}[i/3]) / []float64{0.25, 4}[i/3]
		if got := of(0)[i]; math.Abs(got-want) > 1e-12 {
			t.Errorf("element %d is %v, want %v", i, got, want)
		}
		if got := of(1)[i]; math.Abs(got-v) > 1e-6 {
			t.Errorf("the mirror makes %v of what was %v", got, v)
		}
	}
}

func TestNormalizeMistakes(t *testing.T) {
	one := []float64{1}
	for want, v := range map[string]*spec.Value{
		"there are 2 means and deviations, but 3 channels (x is f32[N 3 4 4])": spec.Input("x", 3, 4, 4).Then(spec.Normalize([]float64{1, 2}, []float64{1, 2})),
		"one for each channel, got 2 and 1":                                    spec.Input("x", 3).Then(spec.Normalize([]float64{1, 2}, one)),
		"one for each channel, got 0 and 0":                                    spec.Input("x", 3).Then(spec.Normalize(nil, nil)),
		"means must be finite in f32, got 1e+39 at 0":                          spec.Input("x", 3).Then(spec.Normalize([]float64{1e39}, one)),
		"got NaN at 0":                          spec.Input("x", 3).Then(spec.Normalize([]float64{math.NaN()}, one)),
		"got 0 at 0":                            spec.Input("x", 3).Then(spec.Normalize(one, []float64{0})),
		"got -1 at 0":                           spec.Input("x", 3).Then(spec.Normalize(one, []float64{-1})),
		"got 1e-39 at 0":                        spec.Input("x", 3).Then(spec.Normalize(one, []float64{1e-39})),
		"x must be floating point, got u8[N 3]": spec.Bytes("x", 3).Then(spec.Normalize(one, one)),
		"x must be f32[N C …], got f32[N]":      spec.Input("x").Then(spec.Normalize(one, one)),
	} {
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "normalize_test.go") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
