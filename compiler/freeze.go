package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// freeze turns a model into the function that ships: Dropout and StopGradient,
// which exist in training only, become their operand.
func freeze(g *ir.Graph, _ *state) error {
	_, err := rewrite(g, func(_ *ir.Builder, n *ir.Node) []*ir.Value {
		switch n.Op.(type) {
		case ops.Dropout, ops.StopGradient:
			return n.In[:1]
		}
		return nil
	})
	sweep(g)
	return err
}
