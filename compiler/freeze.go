package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// freeze turns a model into the function that ships: what exists in training
// only ([ir.Passer]), as Dropout, noise and StopGradient, becomes its operand, what means
// something else for inference ([ir.Inferrer]) becomes that, and state stays as it is.
func freeze(g *ir.Graph, _ *state) error {
	if err := infers(g); err != nil {
		return err
	}
	_, err := rewrite(g, func(_ *ir.Builder, n *ir.Node) []*ir.Value {
		if ir.TrainingOnly(n.Op) {
			return n.In[:1]
		}
		return nil
	})
	sweep(g)
	return err
}

// infers makes ops that mean something else for inference that, and lets state stay as it is,
// since what it would become may be made of results that they do not have there.
func infers(g *ir.Graph) error {
	for i := range g.State {
		g.State[i].Out = g.State[i].In
	}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if op, ok := ir.Inferred(n.Op); ok {
			return op.Inference(b, n.In)
		}
		return nil
	})
	sweep(g)
	return err
}
