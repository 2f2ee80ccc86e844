package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/spec"
)

// TestBatchNorm declares layers that are whole and layers with mistakes.
func TestBatchNorm(t *testing.T) {
	x := spec.Input("x", 3, 4)
	y := x.Then(spec.BatchNorm().Named("first").Axis(0), spec.Flatten(), spec.Dense(5), spec.BatchNorm().NoScale().NoBias())
	m := spec.NewModel("m", spec.MSE(y.Then(spec.Dense(12), spec.Reshape(3, 4)), x))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"first/mean": "f32[3]", "first/variance": "f32[3]", "batchnorm1/mean": "f32[5]", "batchnorm1/variance": "f32[5]"}
	for _, s := range m.States() {
		if want[s.Name] != s.Type.String() || !s.Running() {
			t.Errorf("state %q is %v, running %v", s.Name, s.Type, s.Running())
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("there is no state %v", want)
	}
	if s := m.Summary(); !strings.Contains(s, "16 elements of state, which no gradient trains, in 4 tensors\n") {
		t.Error(s)
	}
	for name, c := range map[string]struct {
		value func() *spec.Value
		want  string
	}{
		"momentum":   {func() *spec.Value { return spec.Input("x", 4).Then(spec.BatchNorm().Momentum(1)) }, "the momentum must be at least 0 and below 1, got 1"},
		"epsilon":    {func() *spec.Value { return spec.Input("x", 4).Then(spec.BatchNorm().Epsilon(math.NaN())) }, "epsilon must be finite and above 0"},
		"axis":       {func() *spec.Value { return spec.Input("x", 4).Then(spec.BatchNorm().Axis(1)) }, "axis 1 does not exist"},
		"labels":     {func() *spec.Value { return spec.Labels("y", 4).Then(spec.BatchNorm()) }, "x must be f32[N … C], got i64[N]"},
		"a constant": {func() *spec.Value { return spec.Data([]int{2, 2}, []float32{1, 2, 3, 4}).Then(spec.BatchNorm()) }, "x must be f32[N … C], got f32[2 2]"},
		"length":     {func() *spec.Value { return spec.Input("x", 5, 2).Free("T").Then(spec.BatchNorm().Axis(0)) }, "the number of channels must be known"},
	} {
		if err := c.value().Err(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "batchnorm_test.go:") {
			t.Errorf("%s: got %v, want %q and the line", name, err, c.want)
		}
	}
}

// TestBatchNormTwice: a model may have a layer at one place, several models of one layer
// each its own, and what ships any number.
func TestBatchNormTwice(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Dense(3), spec.BatchNorm())
	x, x2 := spec.Input("x", 4), spec.Input("x2", 4)
	a, b := x.Then(enc), x2.Then(enc)
	one := spec.NewModel("one", spec.MSE(a.Then(spec.Dense(4)), x))
	two := spec.NewModel("two", spec.MSE(b.Then(spec.Dense(4)), x2))
	if one.Err() != nil || two.Err() != nil {
		t.Fatal(one.Err(), two.Err())
	}
	for _, m := range []*spec.Model{one, two} {
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range g.Nodes {
			if x.Op.Name() == "BatchNormTraining" {
				n++
			}
		}
		if n != 1 || g.State[0].Out == g.State[0].In {
			t.Errorf("model %s has %d layers, its state becomes %v", m.Name(), n, g.State[0].Out)
		}
	}
	if _, _, err := spec.GraphOf("codes", a.Named("a"), b.Named("b")); err != nil {
		t.Error("both places of what ships:", err)
	}
	err := spec.NewModel("both", spec.MSE(a, b)).Err()
	for _, want := range []string{"a model has it at two places, also at", `layer "encoder/batchnorm1"`, "batchnorm_test.go:", "GroupNorm"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("both places in a model: got %v, want %q", err, want)
		}
	}
}
