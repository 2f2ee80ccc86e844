package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// takeTotals is splitTotals under guard.
func (s *state) takeTotals(g *ir.Graph) (t *plan.Totals, err error) {
	err = guard("totals", g, func() error {
		t, err = s.splitTotals(g)
		return err
	})
	return t, err
}

// splitTotals makes the totals of g that its outputs or its state depend on inputs of
// g, and returns the plan that makes what they are the totals of; nil if there are none.
func (s *state) splitTotals(g *ir.Graph) (*plan.Totals, error) {
	roots := append([]*ir.Value{}, g.Outputs...)
	for _, x := range g.State {
		roots = append(roots, x.Out)
	}
	needed := ir.Above(roots...)
	var of []*ir.Node
	for _, n := range ir.Totals(g) {
		if n.Makes(needed) {
			of = append(of, n)
		}
	}
	if len(of) == 0 {
		return nil, nil
	}
	rows, copies := g.Clone()
	rows.Outputs, rows.State = nil, nil
	t := &plan.Totals{}
	gone := map[*ir.Node]bool{}
	for _, n := range of {
		v := n.Out[0]
		mean, _ := n.Op.(ir.Totaler).Total(ir.TypesOf(n.In))
		t.Of = append(t.Of, plan.Sum{Input: v.Name, Rows: n.In[0].Name, Mean: mean, Op: n.Op.Name(), Layer: n.Layer, Pos: n.Pos})
		if out := copies[n.In[0]]; !outputSet(rows)[out] {
			rows.Outputs = append(rows.Outputs, out)
		}
		v.Kind, v.Def, gone[n] = ir.InputValue, nil, true
		g.Inputs = append(g.Inputs, v)
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *ir.Node) bool { return gone[n] })
	sweep(rows) // what reads state is no part of a total, and there is no state here
	own := &state{opt: s.opt, planned: true, inference: true}
	var err error
	t.Plan, err = own.finish(rows, lowerOptions{capacity: s.opt.capacity(rows), segments: segmentsOf(&ir.Graph{}), spread: s.opt.spread})
	return t, err
}
