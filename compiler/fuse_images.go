package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuseImageRelu puts a Relu into the convolution that only it reads.
func fuseImageRelu(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Relu{}) || n.In[0].Def == nil || !once(n.In[0]) {
		return nil
	}
	product := n.In[0].Def
	var fused ir.Op
	switch op := product.Op.(type) {
	case ops.ConvLast:
		op.Relu = true
		fused = op
	case ops.ConvTransposeLast:
		op.Relu = true
		fused = op
	default:
		return nil
	}
	b.Layer, b.Pos = product.Layer, product.Pos
	return b.Op(fused, product.In...)
}

// fusePoolGrad puts the mask of the gradient of a Relu, whose result is pooled, into the
// gradient of the pool.
func fusePoolGrad(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.ReluGrad{}) || n.In[0].Def == nil || !once(n.In[0]) {
		return nil
	}
	pool := n.In[0].Def
	op, ok := pool.Op.(ops.MaxPoolGradLast)
	if !ok || pool.In[0] != n.In[1] {
		return nil
	}
	op.Relu = true
	b.Layer, b.Pos = pool.Layer, pool.Pos
	return b.Op(op, pool.In...)
}
