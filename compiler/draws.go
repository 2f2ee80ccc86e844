package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// KeepDraws puts what they mean in training in the place of Dropout and noise, of all that exists in training only and draws, so
// that the function that ships draws too: for looking at, as ONNX has no random stream that is fixed. g is changed.
//
// Errors: those of what is put there.
func KeepDraws(g *ir.Graph) error {
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		d, ok := n.Op.(ir.Decomposer)
		if _, draws := n.Op.(ir.Drawer); !ok || !draws || !ir.TrainingOnly(n.Op) {
			return nil
		}
		return d.Decompose(b, n.In)
	})
	return err
}
