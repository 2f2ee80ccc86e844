package compiler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// Program is a compiled model.
type Program struct {
	Name string
	Hash string // of the model's text form without positions
	// Graph is what the front end makes of the model for training: ops whole,
	// the batch still N. Its outputs are the losses and the taps.
	Graph  *ir.Graph
	Params []spec.Param
	// Train computes the losses and the updates of the parameters, or their
	// gradients; Eval the losses and the taps without what exists in training
	// only. Both have the segments of all parameters, in the order of Params.
	Train, Eval *plan.Plan
	// TrainTotals and EvalTotals are what the plans take besides the data columns, or nil:
	// sums over the rows of a whole update, or over all rows that are evaluated.
	TrainTotals, EvalTotals *plan.Totals
	Losses                  []string // the outputs that are losses, the weighted sum first

	report []string
}

// Compile returns the plans of a model.
//
// Errors: all mistakes of the declaration, joined, each an *ir.Error with its
// layer and line; *PassError, as a parameter that no loss reaches;
// *InternalError; a capacity that is not positive; a frozen parameter or
// state that the model does not have.
func Compile(m *spec.Model, o Options) (*Program, error) {
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	params := m.Params()
	for name := range o.Frozen {
		if !slices.ContainsFunc(params, func(p spec.Param) bool { return p.Name == name }) && !slices.ContainsFunc(m.States(), func(s spec.State) bool { return s.Name == name }) {
			return nil, fmt.Errorf("compiler: the frozen parameter %q is neither a parameter nor a state of model %q", name, m.Name())
		}
	}
	t, err := compileTwin(g, segments(params), o)
	if err != nil {
		return nil, err
	}
	return &Program{Name: m.Name(), Hash: m.Hash(), Graph: t.graph, Params: params,
		Train: t.train, Eval: t.eval, TrainTotals: t.totals[0], EvalTotals: t.totals[1], Losses: t.losses, report: t.report}, nil
}

// segments describes a model's parameters to the plans.
func segments(params []spec.Param) []plan.Segment {
	segs := make([]plan.Segment, len(params))
	for i, p := range params {
		segs[i] = plan.Segment{Name: p.Name, Layer: p.Layer, Shape: p.Type.Shape.Lengths(), Decay: p.Decay}
	}
	return segs
}

// Explain returns the program as text: the passes that ran, then each plan with
// its phases, groups, steps and buffers.
func (p *Program) Explain() string { return p.ExplainWith(nil) }

// ExplainWith is Explain with the kernel that the engine binds to each step of a
// plan, as kernel names it, and with bytes and floating-point operations.
func (p *Program) ExplainWith(kernel func(p *plan.Plan, step int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s, %d parameter tensors, hash %s\n", p.Name, len(p.Params), p.Hash)
	for _, r := range p.report {
		b.WriteString(r)
	}
	plans := []*plan.Plan{p.Train, p.Eval}
	if p.TrainTotals != nil {
		plans = append(plans, p.TrainTotals.Plan)
	}
	for _, x := range plans {
		var name func(int) string
		if kernel != nil {
			name = func(step int) string { return kernel(x, step) }
		}
		b.WriteString("\n" + plan.Explain(x, name))
	}
	return b.String()
}
