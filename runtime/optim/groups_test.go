package optim_test

import (
	"slices"
	"testing"

	. "github.com/lamina-ml/lamina/runtime/optim"
)

// TestGroupsOfEach asks every optimizer for what its groups were told, and holds an
// update with a share of the decay against one of an optimizer with that decay.
func TestGroupsOfEach(t *testing.T) {
	const decay, share = 0.25, 0.5
	for name, made := range map[string]func(decay float64) Optimizer{
		"sgd": func(d float64) Optimizer {
			return SGD(0.1).Momentum(0.5).Decay(d).Group("a", 2).GroupDecay("b", 3).LayerDecay(0.5)
		},
		"rmsprop": func(d float64) Optimizer {
			return RMSProp(0.1).Decay(d).Group("a", 2).GroupDecay("b", 3).LayerDecay(0.5)
		},
		"adam": func(d float64) Optimizer {
			return Adam(0.1).Decay(d).Group("a", 2).GroupDecay("b", 3).LayerDecay(0.5)
		},
		"adamw": func(d float64) Optimizer { return AdamW(0.1, d).Group("a", 2).GroupDecay("b", 3).LayerDecay(0.5) },
	} {
		o := made(decay)
		if err := o.Err(); err != nil {
			t.Fatal(err)
		}
		for layer, want := range map[string][2]float64{"a/w": {2, 1}, "b/w": {1, 3}, "c": {1, 1}} {
			f, _ := o.Factor(layer)
			d, _ := o.DecayFactor(layer)
			if f != want[0] || d != want[1] {
				t.Errorf("%s: %s has the factors %v and %v, want %v", name, layer, f, d, want)
			}
		}
		if o.LayerFactor() != 0.5 || !slices.Equal(o.Patterns(), []string{"a", "b"}) {
			t.Errorf("%s: a factor of %v a layer, patterns %q", name, o.LayerFactor(), o.Patterns())
		}
		update := func(o Optimizer, s Step) []float32 {
			w, slots := []float32{1, -2, 3}, make([][]float32, len(o.Slots()))
			for i := range slots {
				slots[i] = make([]float32, len(w))
			}
			s.LR = 0.1
			for s.T = 1; s.T <= 3; s.T++ {
				o.Update(s, w, []float32{0.5, 0.25, 1}, slots)
			}
			return w
		}
		whole := update(o, Step{Decay: true})
		for what, c := range map[string]struct {
			s Step
			d float64 // that comes to the same
		}{
			"a share": {Step{Decay: true, Share: share}, share * decay},
			"none":    {Step{Decay: false, Share: share}, 0},
			"all":     {Step{Decay: true, Share: 1}, decay},
		} {
			got, want := update(o, c.s), update(made(c.d), Step{Decay: true})
			if !slices.Equal(got, want) || (c.d != decay) == slices.Equal(got, whole) {
				t.Errorf("%s: %s of the decay makes %v, want %v; all of it makes %v", name, what, got, want, whole)
			}
		}
	}
}
