package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// openImages returns the convolution that makes v, if nothing else reads v and its stores
// neither rectify nor mask, and whether they add something.
func openImages(v *ir.Value, once func(*ir.Value) bool) (n *ir.Node, sum, ok bool) {
	if v.Def == nil || !once(v) {
		return nil, false, false
	}
	op, ok := v.Def.Op.(ops.LastStorer)
	if !ok {
		return nil, false, false
	}
	return v.Def, op.Operands(ir.TypesOf(v.Def.In)).Plus >= 0, op.Stores() == ops.LastStores{}
}

// bareImages reports whether n is a transposed convolution that leaves pixels alone.
func bareImages(n *ir.Node) bool {
	op, ok := n.Op.(ops.ConvTransposeLast)
	return ok && op.Bare(ir.TypesOf(n.In)) != nil
}

// masked returns n, a convolution, with y as the mask of its results, in.
func masked(b *ir.Builder, n *ir.Node, y *ir.Value, in []*ir.Value) *ir.Value {
	b.Layer, b.Pos = n.Layer, n.Pos
	return b.Op(n.Op.(ops.LastStorer).Storing(ops.LastStores{Mask: true}), append(slices.Clone(in), y)...)
}

// fuseImageSum puts what is added to a convolution that only the sum reads, element by element,
// into it: the end of a residual block whose normalisation is part of the filters, and the
// gradients that meet where a block begins. Of two convolutions it goes into the one that leaves
// pixels alone, which then has nothing to do for them.
func fuseImageSum(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Add{}) {
		return nil
	}
	var into *ir.Node
	var plus *ir.Value
	for i, v := range n.In {
		other := n.In[1-i]
		c, sum, ok := openImages(v, once)
		if ok && !sum && other.Type.Equal(v.Type) && (into == nil || bareImages(c) && !bareImages(into)) {
			into, plus = c, other
		}
	}
	if into == nil {
		return nil
	}
	b.Layer, b.Pos = into.Layer, into.Pos
	return b.Op(into.Op, append(slices.Clone(into.In), plus)...)
}

// fuseImageReluGrad puts the mask of the gradient of a Relu into the convolution that only it
// reads. One that leaves pixels alone does not mask them: what it adds must be masked.
func fuseImageReluGrad(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.ReluGrad{}) || n.In[0] == n.In[1] {
		return nil
	}
	y := n.In[1]
	c, sum, ok := openImages(n.In[0], once)
	if !ok {
		return nil
	}
	if !bareImages(c) || len(c.In) == 2 { // what is left alone is 0
		return masked(b, c, y, c.In)
	}
	if !sum || len(c.In) > 3 { // it has a bias
		return nil
	}
	first, _, ok := openImages(c.In[2], once)
	if !ok || bareImages(first) {
		return nil
	}
	return masked(b, c, y, []*ir.Value{c.In[0], c.In[1], masked(b, first, y, first.In)})
}

// fuseImageRelu puts a Relu into the convolution that only it reads.
func fuseImageRelu(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Relu{}) {
		return nil
	}
	product, _, ok := openImages(n.In[0], once)
	if !ok {
		return nil
	}
	b.Layer, b.Pos = product.Layer, product.Pos
	return b.Op(product.Op.(ops.LastStorer).Storing(ops.LastStores{Relu: true}), product.In...)
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
