package train

import (
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// checkGroups returns the mistakes of the optimizer's groups.
//
// Errors: a pattern that matches no layer; factors of a decay that is 0; factors
// that leave nothing to train.
func (o *Options) checkGroups(m *spec.Model) error {
	params := m.Params()
	var errs []error
	for _, pattern := range o.Optimizer.Patterns() {
		hit := false
		for _, p := range params {
			hit = hit || optim.Match(pattern, p.Layer) || optim.Match(pattern, p.Name)
		}
		if !hit {
			errs = append(errs, fmt.Errorf("train: group %q matches no layer; the layers are those of Model.Summary, such as %q", pattern, example(params)))
		}
	}
	if d, ok := o.Optimizer.Describe().(optim.Description); ok && len(d.Decays) > 0 && d.Options["decay"] == 0 {
		errs = append(errs, fmt.Errorf("train: GroupDecay of %q: the optimizer %s has no weight decay to multiply", d.Decays[0].Pattern, d.Name))
	}
	frozen, err := o.frozen(m)
	trained := err != nil || len(params) == 0 // told by Freeze
	for _, p := range params {
		trained = trained || !frozen[p.Name] && factorOf(o.Optimizer.Factor, p.Name, p.Layer) != 0
	}
	if !trained {
		errs = append(errs, errors.New("train: the groups of the optimizer have the factor 0 for every parameter that is not frozen, so nothing is left to train"))
	}
	return errors.Join(errs...)
}

// factorOf is a group's factor of a parameter: that of its own name, else that of
// its layer.
func factorOf(of func(string) (float64, bool), name, layer string) float64 {
	if f, ok := of(name); ok {
		return f
	}
	f, _ := of(layer)
	return f
}

// group works out the factors of each parameter's rate and decay.
func (t *Trainer) group() {
	o := t.opt.Optimizer
	above := t.above()
	plain := true
	for _, seg := range t.store.Segments() {
		f := factorOf(o.Factor, seg.Name, seg.Layer)
		for range above[seg.Layer] {
			f *= o.LayerFactor()
		}
		t.factors = append(t.factors, f)
		d := factorOf(o.DecayFactor, seg.Name, seg.Layer)
		t.update.Decays = append(t.update.Decays, float32(d))
		plain = plain && d == 1
	}
	t.update.Rates = make([]float32, len(t.factors))
	if plain {
		t.update.Decays = nil
	}
}

// above counts, for each layer with parameters, those that the model uses after it
// for the first time.
func (t *Trainer) above() map[string]int {
	layer := map[string]string{} // of a parameter
	for _, p := range t.prog.Params {
		layer[p.Name] = p.Layer
	}
	var order []string
	seen := map[string]bool{}
	for _, n := range t.prog.Graph.Nodes {
		for _, v := range n.In {
			if l, ok := layer[v.Name]; ok && !seen[l] {
				seen[l] = true
				order = append(order, l)
			}
		}
	}
	above := map[string]int{}
	for i, l := range order {
		above[l] = len(order) - 1 - i
	}
	return above
}
