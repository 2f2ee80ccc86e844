package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// rememberWinners lets a pool store which element of each window it took, and its gradient go
// by that instead of looking for it again. Then what was pooled, many times as large, need not
// live until the gradient is made, unless something else reads it there; even then what the
// gradient reads is a fraction of it.
func rememberWinners(g *ir.Graph) error {
	pools := map[*ir.Node]*ir.Node{} // of gradients
	grads := map[*ir.Node][]*ir.Node{}
	uses := g.Uses()
	for _, n := range g.Nodes {
		if op, ok := n.Op.(ops.MaxPoolLast); ok && ir.Elems(op.Kernel.Slice()) <= ops.NoWinner {
			grads[n] = gradsOfPool(op, n.In[0], uses[n.In[0]])
		}
		for _, grad := range grads[n] {
			pools[grad] = n
		}
	}
	made := map[*ir.Node][]*ir.Value{}
	pool := func(b *ir.Builder, n *ir.Node, x *ir.Value) []*ir.Value {
		if made[n] == nil {
			op := n.Op.(ops.MaxPoolLast)
			b.Layer, b.Pos = n.Layer, n.Pos
			made[n] = b.Ops(ops.MaxPoolWinnersLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads,
				Relu: grads[n][0].Op.(ops.MaxPoolGradLast).Relu}, x)
		}
		return made[n]
	}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if len(grads[n]) > 0 {
			return pool(b, n, n.In[0])[:1]
		}
		if pools[n] == nil {
			return nil
		}
		layer, pos := b.Layer, b.Pos
		won := pool(b, pools[n], n.In[0])[1] // which may come before the pool
		b.Layer, b.Pos = layer, pos
		op, shape := n.Op.(ops.MaxPoolGradLast), n.In[0].Type.Shape
		lengths, _ := shape[1 : len(shape)-1].Fixed()
		return []*ir.Value{b.Op(ops.MaxPoolWinnersGradLast{Lengths: ir.MakeAxes(lengths...), Kernel: op.Kernel, Strides: op.Strides,
			Dilations: op.Dilations, Pads: op.Pads}, won, n.In[1])}
	})
	return err
}

// gradsOfPool returns the gradients of a pool of x among x's readers, none if some are masked by a
// rectifier and others not.
func gradsOfPool(pool ops.MaxPoolLast, x *ir.Value, readers []*ir.Node) (grads []*ir.Node) {
	for _, n := range readers {
		op, ok := n.Op.(ops.MaxPoolGradLast)
		same := ops.MaxPoolLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads} == pool
		if !ok || !same || n.In[0] != x {
			continue
		}
		if grads = append(grads, n); op.Relu != grads[0].Op.(ops.MaxPoolGradLast).Relu {
			return nil
		}
	}
	return grads
}
