package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuse joins what one kernel does in one go. A product of matrices becomes a
// Gemm that reads its operands transposed where a Transpose stood; a row bias
// and then a Relu go into its stores, or the mask of a Relu's gradient; products
// of one type that are added become one chain, the first being where the second
// starts; a squared error becomes one step with its gradient, and so does a sum of
// softplus.
//
// Convolutions take no sums and masks where products are to be in bf16, since those have neither in their stores.
func fuse(g *ir.Graph, s *state) error {
	list := []fusion{fuseGemm, fuseBias, fuseSum, fuseRelu, fuseReluGrad}
	if s.opt.BF16 == nil {
		list = append(list, fuseImageSum, fuseImageReluGrad)
	}
	return fuseBy(g, append(list, fuseImageRelu, fusePoolGrad, fuseBatchRelu))
}

// fusion returns what takes a node's place, or nil; once reports whether nothing
// but the node reads a value.
type fusion func(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value

func fuseBy(g *ir.Graph, fusions []fusion) error {
	for _, f := range fusions {
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
	if err := narrowSums(g); err != nil {
		return err
	}
	if err := sumPooled(g); err != nil { // before the pools that it reads store their winners
		return err
	}
	if err := rememberWinners(g); err != nil {
		return err
	}
	if err := fuseSoftplus(g); err != nil {
		return err
	}
	if err := fuseSquaredError(g); err != nil {
		return err
	}
	return fuseWeightedError(g)
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

// fuseBias puts a row bias into the Gemm that it is added to and that nothing
// else reads.
func fuseBias(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Add{}) {
		return nil
	}
	for i, v := range n.In {
		if op, ok := open(v, once); ok && isRow(n.In[1-i].Type, v.Type) {
			return gemmAt(b, v.Def, op, n.In[1-i])
		}
	}
	return nil
}

// fuseSum starts the chains of one Gemm where those of another end that it is
// added to: one sum over both, with fewer roundings than two that are added.
func fuseSum(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.Add{}) {
		return nil
	}
	first, second := n.In[0], n.In[1]
	op, ok := open(second, once)
	if !ok || first.Def == nil || !once(first) || !first.Type.Equal(second.Type) {
		return nil
	}
	if start, ok := first.Def.Op.(ops.Gemm); ok && start.TransA == op.TransA && matrixStart(first.Def) {
		return gemmAt(b, second.Def, op, first)
	}
	return nil
}

// open returns the Gemm without a third operand that makes v, if v is read once.
func open(v *ir.Value, once func(*ir.Value) bool) (ops.Gemm, bool) {
	if v.Def == nil || !once(v) {
		return ops.Gemm{}, false
	}
	op, ok := v.Def.Op.(ops.Gemm)
	return op, ok && len(v.Def.In) == 2
}

// matrixStart reports whether a Gemm's chains start at 0 or at a matrix, so that
// another's may start at its result.
func matrixStart(n *ir.Node) bool {
	return len(n.In) == 2 || n.In[2].Type.Equal(n.Out[0].Type)
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

// fuseReluGrad puts the mask of a Relu's gradient into the Gemm without a bias
// that only it reads.
func fuseReluGrad(b *ir.Builder, n *ir.Node, once func(*ir.Value) bool) *ir.Value {
	if n.Op != (ops.ReluGrad{}) || n.In[0].Def == nil || !once(n.In[0]) || n.In[0] == n.In[1] {
		return nil
	}
	product := n.In[0].Def
	op, ok := product.Op.(ops.Gemm)
	if !ok || !matrixStart(product) {
		return nil
	}
	b.Layer, b.Pos = product.Layer, product.Pos
	in := []*ir.Value{product.In[0], product.In[1], n.In[1]}
	return b.Op(ops.GemmReluGrad(op), append(in, product.In[2:]...)...)
}

// narrowSums leaves out the gradient along a scale or a bias that nobody asks for, as of
// one that is frozen, so that what is left is a chain of its own.
func narrowSums(g *ir.Graph) error {
	uses, kept := g.Uses(), outputSet(g)
	asked := func(v *ir.Value) bool { return kept[v] || len(uses[v]) > 0 }
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if n.Op != (ops.NormSums{Bias: true}) || asked(n.Out[0]) == asked(n.Out[1]) {
			return nil
		}
		sum := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, n.In[0])
		if asked(n.Out[0]) {
			sum = b.Op(ops.NormSums{}, n.In...)
		}
		return []*ir.Value{sum, sum}
	})
	if err == nil {
		sweep(g)
	}
	return err
}

// replaceNodes puts the nodes that were made in place of those that are gone, and
// brings the graph in order again.
func replaceNodes(g *ir.Graph, made []*ir.Node, gone map[*ir.Node]bool) error {
	if len(made) == 0 {
		return nil
	}
	nodes := g.Nodes
	g.Nodes = made
	for _, n := range nodes {
		if !gone[n] {
			g.Nodes = append(g.Nodes, n)
		}
	}
	if err := sortNodes(g); err != nil {
		return err
	}
	renumber(g)
	return nil
}
