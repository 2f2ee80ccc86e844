package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// Settle makes ops that mean others for inference those in training too where all the
// state that they have is named in frozen: a frozen BatchNorm normalises by its running
// statistics, which stay as they are. g is changed.
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

// StateAsParams makes parameters of the state of a graph that ships, which nothing changes.
func StateAsParams(g *ir.Graph) {
	for _, s := range g.State {
		s.In.Kind = ir.ParamValue
		g.Params = append(g.Params, s.In)
	}
	g.State = nil // what it becomes is read by nothing then
}
