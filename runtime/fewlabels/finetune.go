package fewlabels

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// FineTune trains the whole net on the labelled rows, from the weights of
// Options.InitFrom (Hinton and Salakhutdinov 2006; Bengio et al. 2007). Without InitFrom it is a
// training from scratch, the control of every comparison.
type FineTune struct {
	// FrozenTo names a layer by its path, as [optim.Match] reads it: the parameters from
	// the input up to the last one that matches stay as they are, and so do running
	// statistics (Yosinski et al. 2014). "" trains all.
	FrozenTo string
}

// Name implements [Way].
func (f FineTune) Name() string {
	if f.FrozenTo != "" {
		return "fine-tuning above " + f.FrozenTo
	}
	return "fine-tuning"
}

// Train implements [Way]. It does not use unlabelled rows. Errors: those of Way; no
// parameter matches FrozenTo, or none is left to train.
func (f FineTune) Train(ctx context.Context, t Task, labelled, _ dataset.Source, o train.Options) (*Learned, error) {
	rows, _, err := t.begin(f.Name(), labelled)
	if err != nil {
		return nil, err
	}
	m := spec.NewModel("finetune", spec.CrossEntropy(t.Logits, t.labels()))
	o = t.options(o)
	if f.FrozenTo != "" {
		below, err := upTo(m, f.FrozenTo)
		if err != nil {
			return nil, err
		}
		o.Freeze = append(slices.Clone(o.Freeze), below...)
	}
	return t.fit(ctx, m, rows, o)
}

// fit trains a model of the task's layers. What ships has their averages, if there are some.
func (t Task) fit(ctx context.Context, m *spec.Model, rows dataset.Source, o train.Options) (*Learned, error) {
	r, err := train.Fit(ctx, m, rows, o)
	if err != nil {
		return nil, err
	}
	if o.Average != 0 {
		r = r.Averaged()
	}
	return ofNet(r.Net(t.probabilities(t.Logits)), r)
}

// upTo returns the parameters and running statistics that are used no later than
// the last one that a pattern matches, in the order of the graph.
func upTo(m *spec.Model, pattern string) ([]string, error) {
	if err := optim.CheckPattern(pattern); err != nil {
		return nil, fmt.Errorf("fewlabels: FineTune.FrozenTo: %q: %w", pattern, err)
	}
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	running := map[string]bool{}
	for _, s := range m.States() {
		running[s.Name] = s.Running()
	}
	var names, params []string
	last := -1
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if v.Kind != ir.ParamValue && !(v.Kind == ir.StateValue && running[v.Name]) || slices.Contains(names, v.Name) {
				continue
			}
			if optim.Match(pattern, v.Name) {
				last = len(names)
			}
			if names = append(names, v.Name); v.Kind == ir.ParamValue {
				params = append(params, v.Name)
			}
		}
	}
	if last < 0 {
		return nil, fmt.Errorf("fewlabels: FineTune.FrozenTo: %q matches no parameter; the model has %s", pattern, strings.Join(params, ", "))
	}
	for last+1 < len(names) && running[names[last+1]] && path.Dir(names[last+1]) == path.Dir(names[last]) {
		last++ // a layer's statistics stand behind its parameters
	}
	return names[:last+1], nil
}
