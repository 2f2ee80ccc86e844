package compiler

import "github.com/lamina-ml/lamina/compiler/ir"

// expandLimit bounds how often ops may decompose into ops that decompose.
const expandLimit = 32

// expand replaces ops by the ops they mean where the stages that follow need
// it: in training those without a gradient of their own, else those without a
// reference evaluation, which is what the engine falls back to. All others stay
// whole, for their kernels.
func expand(g *ir.Graph, s *state) error {
	training := !s.inference && !s.differentiated
	for range expandLimit {
		changed, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
			d, ok := n.Op.(ir.Decomposer)
			if !ok || whole(n.Op, training) {
				return nil
			}
			return d.Decompose(b, n.In)
		})
		if err != nil {
			return err
		}
		if !changed {
			return nil
		}
	}
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ir.Decomposer); ok && !whole(n.Op, training) {
			return nodeError(n, "still decomposes after %d rounds", expandLimit)
		}
	}
	return nil
}

// whole reports whether op needs no decomposition.
func whole(op ir.Op, training bool) bool {
	if training {
		switch op.(type) {
		case ir.Differentiable, ir.NotDifferentiable:
			return true
		}
		return false
	}
	_, ok := op.(ir.Evaluator)
	return ok
}
