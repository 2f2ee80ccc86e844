package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// freeze turns a model into the function that ships: what exists in training
// only ([ir.Passer]), as Dropout, noise and StopGradient, becomes its operand, and state
// stays as it is.
func freeze(g *ir.Graph, _ *state) error {
	_, err := rewrite(g, func(_ *ir.Builder, n *ir.Node) []*ir.Value {
		if ir.TrainingOnly(n.Op) {
			return n.In[:1]
		}
		return nil
	})
	for i := range g.State {
		g.State[i].Out = g.State[i].In
	}
	sweep(g)
	return err
}
