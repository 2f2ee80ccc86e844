package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuse joins what one kernel does in one go. A product of matrices becomes a
// Gemm that reads its operands transposed where a Transpose stood; a row bias
// and then a Relu go into its stores; the gradients of a weight used twice
// become one chain, the first being where the second starts.
func fuse(g *ir.Graph, _ *state) error {
	for _, f := range []func(*ir.Builder, *ir.Node, func(*ir.Value) bool) *ir.Value{fuseGemm, fuseAdd, fuseRelu} {
		uses := map[*ir.Value]int{}
		for v, ns := range g.Uses() {
			uses[v] = len(ns)
		}
		kept := outputSet(g)
		once := func(v *ir.Value) bool { return uses[v] <= 1 && !kept[v] }
		_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
			v := f(b, n, once)
			if v == nil {
				return nil
			}
			uses[v] = uses[n.Out[0]]
			if kept[n.Out[0]] {
				kept[v] = true
			}
			return []*ir.Value{v}
		})
		if err != nil {
			return err
		}
		sweep(g)
	}
	return nil
}

// fuseGemm turns a product of two matrices into a Gemm and lets a Gemm read
// what a Transpose reads.
func fuseGemm(b *ir.Builder, n *ir.Node, _ func(*ir.Value) bool) *ir.Value {
	op, fused := n.Op.(ops.Gemm)
	if !fused && (n.Op != (ops.MatMul{}) || n.In[0].Type.Rank() != 2 || n.In[1].Type.Rank() != 2) {
		return nil
	}
	in := append([]*ir.Value{}, n.In...)
	for i, trans := range []*bool{&op.TransA, &op.TransB} {
		if t := in[i].Def; t != nil && isTranspose2(t) {
			in[i], *trans = t.In[0], !*trans
		}
	}
	if fused && op == n.Op {
		return nil
	}
	return b.Op(op, in...)
}

// fuseAdd puts the other operand of an Add into a Gemm that nothing else reads:
// a row bias, or the chain of another weight gradient.
func fuseAdd(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Add{}) {
		return nil
	}
	open := func(v *ir.Value) (ops.Gemm, bool) {
		if v.Def == nil || !once(v) {
			return ops.Gemm{}, false
		}
		op, ok := v.Def.Op.(ops.Gemm)
		return op, ok && len(v.Def.In) == 2
	}
	first, second := n.In[0], n.In[1]
	if op, ok := open(first); ok && isRow(second.Type, first.Type) {
		return gemmAt(b, first.Def, op, second)
	}
	if op, ok := open(second); ok && isRow(first.Type, second.Type) {
		return gemmAt(b, second.Def, op, first)
	}
	op, ok := open(second)
	if !ok || first.Def == nil || !first.Type.Equal(second.Type) {
		return nil
	}
	start, ok := first.Def.Op.(ops.Gemm)
	if ok && once(first) && isWeightGradient(op) && isWeightGradient(start) {
		return gemmAt(b, second.Def, op, first)
	}
	return nil
}

// fuseRelu puts a Relu into the Gemm with a row bias that only it reads.
func fuseRelu(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Relu{}) || n.In[0].Def == nil || !once(n.In[0]) {
		return nil
	}
	product := n.In[0].Def
	op, ok := product.Op.(ops.Gemm)
	if !ok || len(product.In) != 3 || !isRow(product.In[2].Type, n.In[0].Type) {
		return nil
	}
	b.Layer, b.Pos = product.Layer, product.Pos
	return b.Op(ops.GemmRelu(op), product.In...)
}

// gemmAt makes product again with c added, under the product's layer and line.
func gemmAt(b *ir.Builder, product *ir.Node, op ops.Gemm, c *ir.Value) *ir.Value {
	b.Layer, b.Pos = product.Layer, product.Pos
	return b.Op(op, product.In[0], product.In[1], c)
}

// isRow reports whether c is a bias for the rows of t.
func isRow(c, t ir.Type) bool {
	return c.DType == t.DType && c.Rank() == 1 && t.Rank() == 2 && c.Shape[0] == t.Shape[1]
}

// isWeightGradient reports whether a Gemm sums over the rows of both operands.
func isWeightGradient(op ops.Gemm) bool { return op.TransA && !op.TransB }
