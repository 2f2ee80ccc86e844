package compiler

import (
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// lossName is the output that is trained: the weighted sum of the losses, each
// of which is an output loss/NAME.
const lossName = "loss"

// twin is what becomes of a model's graph: the graph that export and tests tap,
// and one plan for training and one for evaluation over the same parameters.
type twin struct {
	graph       *ir.Graph
	train, eval *plan.Plan
	totals      [2]*plan.Totals // of the two plans, nil for none
	losses      []string
	report      []string // what ran and what was dropped
}

// compileTwin compiles a graph whose outputs are its losses and its taps. The
// training plan computes the losses and the updates, the evaluation plan the
// losses and the taps without what exists in training only.
func compileTwin(g *ir.Graph, segments []plan.Segment, o Options) (*twin, error) {
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	s := &state{opt: o, planned: true, loss: lossName}
	settled, _ := g.Clone() // before any Grad is ops: the gradient of what is frozen is another one
	if err := Settle(settled, o.Frozen); err != nil {
		return nil, err
	}
	whole, err := s.front(settled)
	if err != nil {
		return nil, err
	}
	t := &twin{graph: whole}
	h, _ := whole.Clone()
	h.Outputs = nil
	for _, v := range g.Outputs {
		if v.Name == lossName || strings.HasPrefix(v.Name, lossName+"/") {
			t.losses = append(t.losses, v.Name)
		}
	}
	for _, name := range t.losses {
		h.Outputs = append(h.Outputs, h.Value(name))
	}
	if o.Average != 0 {
		if err := average(h, o); err != nil {
			return nil, err
		}
	}
	if t.totals[0], err = s.takeTotals(h); err != nil {
		return nil, err
	}
	t.train, err = s.finish(h, lowerOptions{capacity: o.capacity(h), segments: segments, train: true, storeGrads: o.StoreGrads, shards: o.Shards, loss: lossName, spread: o.spread, panels: o.panels})
	if err != nil {
		return nil, err
	}
	t.report = append(t.report, s.report("training"))
	o.BF16 = nil // what is measured is what ships
	s = &state{opt: o, planned: true, inference: true}
	e, err := s.front(g)
	if err != nil {
		return nil, err
	}
	if t.totals[1], err = s.takeTotals(e); err != nil {
		return nil, err
	}
	if t.eval, err = s.finish(e, lowerOptions{capacity: o.capacity(e), segments: segments, spread: o.spread, panels: o.panels}); err != nil {
		return nil, err
	}
	t.report = append(t.report, s.report("evaluation"))
	return t, nil
}

// AveragePrefix begins the name of the state that is the average of a parameter.
const AveragePrefix = "average/"

// AverageShare is the name of the state that is the share by which averages move, if it
// follows a schedule.
const AverageShare = "average-share"

// average adds to a graph the moving average of every parameter that is trained.
func average(g *ir.Graph, o Options) error {
	b := ir.Extend(g)
	var share *ir.Value
	if o.AverageShare {
		share = &ir.Value{Name: b.Unique(AverageShare), Type: ir.T(ir.F32), Kind: ir.StateValue}
		if share.Name != AverageShare {
			return fmt.Errorf("the name %q is taken, so the share by which averages move has none", AverageShare)
		}
		g.State = append(g.State, ir.StateVar{In: share, Out: share, When: ir.AfterUpdate})
	}
	for _, p := range g.Params {
		if o.Frozen[p.Name] {
			continue
		}
		name := AveragePrefix + p.Name
		if b.Unique(name) != name {
			return fmt.Errorf("the name %q is taken, so the average of %q has none", name, p.Name)
		}
		in := &ir.Value{Name: name, Type: p.Type, Kind: ir.StateValue}
		by := share
		if by == nil {
			by = b.Const(p.Type.DType, 1-o.Average)
		}
		next := b.Op(ops.Lerp{}, in, p, by)
		g.State = append(g.State, ir.StateVar{In: in, Out: next, When: ir.AfterUpdate})
	}
	return b.Err()
}

// report says which passes ran and what they had to say.
func (s *state) report(use string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s passes: %s\n", use, strings.Join(s.ran, ", "))
	for _, n := range s.notes {
		fmt.Fprintf(&b, "%s note: %s\n", use, n)
	}
	return b.String()
}
