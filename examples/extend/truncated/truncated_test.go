package truncated_test

import (
	"slices"
	"testing"

	"example.com/extend/truncated"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestNormal(t *testing.T) {
	n := truncated.Normal{SD: 0.5}
	a, b := make([]float32, 4000), make([]float32, 4000)
	n.Fill(random.New(1), []int{40, 100}, a)
	n.Fill(random.New(1), []int{40, 100}, b)
	if !slices.Equal(a, b) {
		t.Error("the same key gives other numbers")
	}
	if lo, hi := slices.Min(a), slices.Max(a); lo < -1 || lo > -0.9 || hi > 1 || hi < 0.9 {
		t.Errorf("from %v to %v, want about -1 to 1", lo, hi)
	}
	spectest.Layer(t, func() spec.Layer { return spec.Dense(4).Init(n) }, 6)
}
