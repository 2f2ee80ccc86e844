package spec_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestNoiseMistakes gives noise what it refuses.
func TestNoiseMistakes(t *testing.T) {
	for _, c := range []struct {
		layer spec.Layer
		want  string
	}{
		{spec.MaskingNoise(1), "MaskingNoise: rate must be in [0, 1), got 1"},
		{spec.MaskingNoise(-0.1), "rate must be in [0, 1), got -0.1"},
		{spec.MaskingNoise(math.NaN()), "got NaN"},
		{spec.GaussianNoise(-1), "GaussianNoise: sd must be finite and at least 0, got -1"},
		{spec.GaussianNoise(math.Inf(1)), "got +Inf"},
		{spec.SaltAndPepper(1.5), "SaltAndPepper: rate must be in [0, 1), got 1.5"},
		{spec.SaltAndPepper(0.5).Range(1, 1), "low below high, got 1 to 1"},
		{spec.SaltAndPepper(0.5).Range(math.Inf(-1), 1), "must be finite"},
	} {
		err := spec.Input("x", 4).Then(c.layer).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "noise_test.go:") {
			t.Errorf("%v: got %v, want %q", c.layer, err, c.want)
		}
	}
}

// TestNoiseStreams has one noise layer at two places: each draws from a stream
// of its own, and a mirror leaves noise out.
func TestNoiseStreams(t *testing.T) {
	x := spec.Input("x", 4)
	noise := spec.SaltAndPepper(0.2).Range(-1, 3)
	if got := fmt.Sprint(noise); got != "SaltAndPepper(0.2).Range(-1, 3)" {
		t.Errorf("it prints as %s", got)
	}
	enc := spec.Sequential("encoder", noise, spec.Dense(3), spec.GaussianNoise(0.5), spec.Tanh())
	y := x.Then(enc, spec.Mirror("decoder", enc).Tied())
	m := spec.NewModel("m", spec.MSE(y, x), spec.MSE(x.Then(noise), y))
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, n := range g.Nodes {
		switch op := n.Op.(type) {
		case ops.SaltAndPepper:
			seen[op.Stream] = true
			if op.Low != -1 || op.High != 3 || op.Rate != 0.2 {
				t.Errorf("the op is %+v", op)
			}
		case ops.GaussianNoise:
			seen[op.Stream] = true
		}
	}
	if len(seen) != 3 || seen[0] {
		t.Errorf("streams %v, want three from 1 on", seen)
	}
}
