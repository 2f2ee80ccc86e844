package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// Settle replaces ops by their inference form in training too, if all of their state is
// named in frozen: a frozen BatchNorm normalises with its running statistics, which do not
// change. g is changed.
func Settle(g *ir.Graph, frozen map[string]bool) error {
	if len(frozen) == 0 {
		return nil
	}
	still := map[*ir.Value]bool{}
	for i, s := range g.State {
		if frozen[s.In.Name] {
			g.State[i].Out, still[s.In] = s.In, true
		}
	}
	if len(still) == 0 {
		return nil
	}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		op, ok := ir.Inferred(n.Op)
		if !ok {
			return nil
		}
		settled := false
		for _, v := range n.In {
			if v.Kind != ir.StateValue {
				continue
			}
			if !still[v] {
				return nil
			}
			settled = true
		}
		if !settled {
			return nil
		}
		return op.Inference(b, n.In)
	})
	sweep(g)
	return err
}

// StateAsParams turns the state of a graph that ships into parameters, since nothing changes it.
func StateAsParams(g *ir.Graph) {
	for _, s := range g.State {
		s.In.Kind = ir.ParamValue
		g.Params = append(g.Params, s.In)
	}
	g.State = nil // what it becomes is read by nothing then
}
