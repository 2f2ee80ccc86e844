package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// freeze turns a model into the function that ships: what exists in training
// only ([ir.Passer]), as Dropout, noise and StopGradient, becomes its operand, what means
// something else for inference ([ir.Inferrer]) becomes that, and state stays as it is.
func freeze(g *ir.Graph, _ *state) error { return ship(g, true) }

// ship is freeze, and without whole leaves alone what exists in training only, which may
// be what a gradient is taken along.
func ship(g *ir.Graph, whole bool) error {
	for i := range g.State {
		g.State[i].Out = g.State[i].In
	}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if whole && ir.TrainingOnly(n.Op) {
			return n.In[:1]
		}
		if op, ok := ir.Inferred(n.Op); ok {
			return op.Inference(b, n.In)
		}
		return nil
	})
	sweep(g)
	return err
}
