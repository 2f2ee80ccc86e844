package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestStateMistakes declares averages, queues and scheduled numbers with mistakes.
func TestStateMistakes(t *testing.T) {
	x := func() *spec.Value { return spec.Input("x", 4) }
	placed := func(v *spec.Value) *spec.DenseLayer {
		l := spec.Dense(4)
		_ = v.Then(l)
		return l
	}
	for name, c := range map[string]struct {
		value func() *spec.Value
		want  string
	}{
		"momentum 1":   {func() *spec.Value { v := x(); return v.Then(spec.Average(placed(v), 1)) }, "the momentum must be at least 0 and below 1, got 1"},
		"momentum NaN": {func() *spec.Value { v := x(); return v.Then(spec.Average(placed(v), math.NaN())) }, "got NaN"},
		"nil":          {func() *spec.Value { return x().Then(spec.Average(nil, 0.9)) }, "is nil"},
		"not placed":   {func() *spec.Value { return x().Then(spec.Average(spec.Dense(4), 0.9)) }, "was not placed yet"},
		"twice": {func() *spec.Value {
			v := x()
			a := spec.Average(placed(v), 0.9)
			_ = v.Then(a)
			return v.Then(spec.Average(a, 0.9))
		}, "an average of an average is not possible"},
		"new inside": {func() *spec.Value {
			v := x()
			f := spec.Func("f", func(v *spec.Value) *spec.Value { return v.Then(spec.Dense(4)) })
			_ = v.Then(f)
			return v.Then(spec.Average(f, 0.9))
		}, "an average has the weights that its layer already had, and this one is new"},
		"late": {func() *spec.Value {
			v := x()
			a := spec.Average(placed(v), 0.9)
			y := v.Then(a)
			a.Schedule(optim.Cosine(0))
			return y
		}, "Schedule after the layer was placed"},
		"no rows":     {func() *spec.Value { return x().Then(spec.Queue(0)) }, "the number of rows must be positive, got 0"},
		"of a queue":  {func() *spec.Value { return x().Then(spec.Queue(3), spec.Queue(3)) }, "takes f32[N …] with known lengths, got f32[3 4]"},
		"queue twice": {func() *spec.Value { v, q := x(), spec.Queue(3); _ = v.Then(q); return v.Then(q) }, `state "rows" is given a next value twice`},
		"no schedule": {func() *spec.Value { return spec.Scheduled("tau", 1, nil) }, "the schedule is nil"},
		"losses":      {func() *spec.Value { return spec.Scheduled("tau", 1, optim.Plateau(1, 0.5)) }, "the schedule depends on losses"},
		"wrong":       {func() *spec.Value { return spec.Scheduled("tau", 1, optim.StepDecay(0, 0.5)) }, "every must be a positive number"},
		"infinite":    {func() *spec.Value { return spec.Scheduled("tau", math.Inf(1), optim.Cosine(0)) }, "the value"},
		"a bad name":  {func() *spec.Value { return spec.Scheduled("a/b", 1, optim.Cosine(0)) }, `Scheduled "a/b"`},
		"one name": {func() *spec.Value {
			return spec.Mul(spec.Mul(x(), spec.Scheduled("tau", 1, optim.Cosine(0))), spec.Scheduled("tau", 2, optim.Cosine(0)))
		}, "name already used"},
	} {
		err := c.value().Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		} else if !strings.Contains(err.Error(), "state_test.go:") {
			t.Errorf("%s: the error has no line: %v", name, err)
		}
	}
}

// TestAverageSummary shows whose averages a layer has.
func TestAverageSummary(t *testing.T) {
	x := spec.Input("x", 4)
	enc := spec.Sequential("encoder", spec.Dense(3), spec.Tanh())
	code := x.Then(enc)
	slow := x.Then(spec.Average(enc, 0.5).Named("target"))
	dec := spec.Mirror("decoder", enc).Tied()
	y := code.Then(dec)
	z := slow.Then(spec.Average(dec, 0.5).Named("back"))
	m := spec.NewModel("m", spec.MSE(y, x), spec.MSE(z, x), spec.MSE(code, slow))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	if s := m.Summary(); !strings.Contains(s, "target/encoder/dense1") || !strings.Contains(s, "average of encoder/dense1") || !strings.Contains(s, "19 parameters in 3 tensors") {
		t.Error(s)
	}
	var names []string
	for _, s := range m.States() {
		names = append(names, s.Name)
		if p, ok := s.Like(); !ok || !strings.HasSuffix(s.Name, p.Name) || !s.Same(s) {
			t.Errorf("%s starts as %v", s.Name, p.Name)
		}
	}
	if got := strings.Join(names, " "); got != "target/encoder/dense1/w target/encoder/dense1/b back/encoder/dense1/w back/decoder/tied1/b" {
		t.Error(got)
	}
}
