package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuseImageSum puts what is added to a convolution that only the sum reads, element by element,
// into it: the end of a residual block whose normalisation is part of the filters.
func fuseImageSum(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Add{}) {
		return nil
	}
	for i, v := range n.In {
		plus := n.In[1-i]
		if v.Def == nil || !once(v) || !plus.Type.Equal(v.Type) {
			continue
		}
		op, ok := v.Def.Op.(ops.ConvLast)
		if !ok || op.Relu {
			continue
		}
		if _, sum := op.Operands(ir.TypesOf(v.Def.In)); sum >= 0 {
			continue
		}
		b.Layer, b.Pos = v.Def.Layer, v.Def.Pos
		return b.Op(op, append(append([]*ir.Value{}, v.Def.In...), plus)...)
	}
	return nil
}

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

// fuseBatchRelu puts a Relu into the normalisation that only it reads, and with it what is
// added between them: the end of a residual block.
func fuseBatchRelu(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Relu{}) {
		return nil
	}
	apply := func(v, plus *ir.Value) *ir.Value {
		if v.Def == nil || !once(v) {
			return nil
		}
		op, ok := v.Def.Op.(ops.BatchApply)
		if !ok || plus != nil && !plus.Type.Equal(v.Type) {
			return nil
		}
		b.Layer, b.Pos = v.Def.Layer, v.Def.Pos
		in := append([]*ir.Value{}, v.Def.In...)
		if plus != nil {
			in = append(in, plus)
		}
		return b.Op(ops.BatchApplyRelu(op), in...)
	}
	x := n.In[0]
	if y := apply(x, nil); y != nil {
		return y
	}
	if sum := x.Def; sum != nil && sum.Op == (ops.Add{}) && once(x) {
		if y := apply(sum.In[0], sum.In[1]); y != nil {
			return y
		}
		return apply(sum.In[1], sum.In[0])
	}
	return nil
}
