package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// foldLimit is the greatest number of elements a folded constant may have, so
// that a small file does not become a large model.
const foldLimit = 1 << 16

// fold evaluates nodes of constants by their reference meaning, and the number
// of elements along axes of known length.
func fold(g *ir.Graph, _ *state) error {
	var failed error
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if failed != nil || !foldable(g, n) {
			return nil
		}
		types := make([]ir.Type, len(n.In))
		args := make([]*ir.Tensor, len(n.In))
		for i, v := range n.In {
			types[i], args[i] = v.Type, g.Data[v].Widen()
		}
		res, err := ir.EvalOp(&ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, n.Op, types, args)
		if err != nil {
			failed = nodeError(n, "%v", err)
			return nil
		}
		out := make([]*ir.Value, len(res))
		for i, t := range res {
			out[i] = b.Data("", n.Out[i].Type.DType, t)
		}
		return out
	})
	if failed != nil {
		return failed
	}
	sweep(g)
	return err
}

// foldable reports whether the node's results are known before anything runs.
func foldable(g *ir.Graph, n *ir.Node) bool {
	if ir.Draws(n.Op) || ir.Sizes(n.Op).Symbolic() {
		return false // anew in each run
	}
	if ir.StopsGradient(n.Op) && !ir.ShapeOnly(n.Op) || n.Op == (ops.Identity{}) {
		return false // the first has a purpose, the second is a name
	}
	for _, v := range n.In {
		if g.Data[v] == nil {
			return false
		}
	}
	for _, v := range n.Out {
		elems := 1
		for _, d := range v.Type.Shape {
			n, known := d.Known()
			if !known || n > 0 && elems > foldLimit/n {
				return false
			}
			elems *= n
		}
	}
	return true
}
