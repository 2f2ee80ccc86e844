package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// freeze turns a model into the function that ships: what exists in training
// only, as Dropout, noise and StopGradient, becomes its operand.
func freeze(g *ir.Graph, _ *state) error {
	_, err := rewrite(g, func(_ *ir.Builder, n *ir.Node) []*ir.Value {
		if ops.TrainingOnly(n.Op) {
			return n.In[:1]
		}
		return nil
	})
	sweep(g)
	return err
}
