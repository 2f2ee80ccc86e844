package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// freeze turns a model into the function that ships: what exists in training
// only ([ir.Passer]), as Dropout, noise and StopGradient, becomes its operand, what means
// something else for inference ([ir.Inferrer]) becomes that, and state stays as it is.
func freeze(g *ir.Graph, _ *state) error {
	return ship(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if ir.TrainingOnly(n.Op) {
			return n.In[:1]
		}
		return inferred(b, n)
	})
}

// inferred returns what a node means for inference, nil if that is what it is.
func inferred(b *ir.Builder, n *ir.Node) []*ir.Value {
	if op, ok := ir.Inferred(n.Op); ok {
		return op.Inference(b, n.In)
	}
	return nil
}

// ship lets state stay as it is and puts what f returns in the place of nodes.
func ship(g *ir.Graph, f func(b *ir.Builder, n *ir.Node) []*ir.Value) error {
	for i := range g.State {
		g.State[i].Out = g.State[i].In
	}
	_, err := rewrite(g, f)
	sweep(g)
	return err
}
