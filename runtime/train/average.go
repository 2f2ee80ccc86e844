package train

import (
	"errors"
	"slices"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// average makes a store what the training's is, with the averages of the parameters in
// their place.
func (t *Trainer) average(s *engine.Store) {
	for _, p := range t.prog.Params {
		copy(s.Param(p.Name), t.store.Param(p.Name)) // of one that is not trained
		copy(s.Param(p.Name), t.store.State(compiler.AveragePrefix+p.Name))
	}
	for _, v := range t.store.States() {
		copy(s.State(v.Name), t.store.State(v.Name))
	}
}

// Averaged returns the result with the moving averages of [Options].Average in place of
// the parameters, from the same epoch. Without them it is a mistake, which its Nets
// return.
func (r *Result) Averaged() *Result {
	out := *r
	out.params = map[string][]float32{}
	if r.opt.Average == 0 {
		out.err = errors.New("train: Averaged: no averages were made: set Options.Average to their momentum, such as 0.999")
		return &out
	}
	for name, w := range r.params {
		if a, ok := r.states[compiler.AveragePrefix+name]; ok {
			w = a
		}
		out.params[name] = slices.Clone(w)
	}
	out.averaged = true
	return &out
}
