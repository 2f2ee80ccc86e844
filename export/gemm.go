package onnxexport

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// plan finds the nodes that another node may take in: transposes of a matrix,
// which Gemm reads by a flag, and products that only a bias reads.
func (w *writer) plan() {
	uses := w.p.graph.Uses()
	isOut := map[*ir.Value]bool{}
	for _, o := range w.p.outputs {
		isOut[o.value] = true
	}
	for _, n := range w.p.graph.Nodes {
		switch n.Op.(type) {
		case ops.Transpose:
			if matrixTranspose(n) && !isOut[n.Out[0]] {
				w.absorbed[n] = true
			}
		case ops.Add:
			if m, _, ok := w.dense(n); ok && len(uses[m.Out[0]]) == 1 && !isOut[m.Out[0]] {
				w.absorbed[m] = true
			}
		}
	}
}

func matrixTranspose(n *ir.Node) bool {
	op, ok := n.Op.(ops.Transpose)
	return ok && n.In[0].Type.Rank() == 2 && op.Perm.Len == 2 && op.Perm.At[0] == 1 && op.Perm.At[1] == 0
}

// dense returns the rank-2 product and the row bias that n adds.
func (w *writer) dense(n *ir.Node) (product *ir.Node, bias *ir.Value, ok bool) {
	for i := range n.In {
		m, c := w.producer[n.In[i]], n.In[1-i]
		if m == nil {
			continue
		}
		if _, is := m.Op.(ops.MatMul); !is || m.In[0].Type.Rank() != 2 || m.In[1].Type.Rank() != 2 {
			continue
		}
		if t := m.Out[0].Type; c != m.Out[0] && t.DType.Float() && c.Type.Rank() == 1 && c.Type.Shape[0] == t.Shape[1] {
			return m, c, true
		}
	}
	return nil, nil, false
}

// addNode writes Gemm for a product with a bias, else Add.
func (w *writer) addNode(n *ir.Node) (string, error) {
	if m, c, ok := w.dense(n); ok && w.absorbed[m] {
		return w.gemm(n, m.In[0], false, m.In[1], false, c)
	}
	in, err := w.operands(n)
	if err != nil {
		return "", err
	}
	return w.add(n, "Add", n.Out[0].Type, nil, in...), nil
}

// matMul writes Gemm where that reads a transpose by a flag, else MatMul.
func (w *writer) matMul(n *ir.Node) (string, error) {
	a, b := n.In[0], n.In[1]
	if a.Type.Rank() == 2 && b.Type.Rank() == 2 && n.Out[0].Type.DType.Float() {
		_, ta := w.untranspose(a, false)
		_, tb := w.untranspose(b, false)
		if ta || tb {
			return w.gemm(n, a, false, b, false, nil)
		}
	}
	in, err := w.operands(n)
	if err != nil {
		return "", err
	}
	if a.Type.Rank() > 1 && b.Type.Rank() == 1 {
		return w.matVec(n, in[0], in[1]), nil
	}
	return w.add(n, "MatMul", n.Out[0].Type, nil, in...), nil
}

// matVec writes matrices times a vector with the vector as a column: a transpose
// times a vector onnxruntime fuses, and computes something else (measured of 1.32.0,
// at its default level). That goes for every matrix, as it moves transposes about.
func (w *writer) matVec(n *ir.Node, a, b string) string {
	one := ir.Fixed(1)
	to := n.Out[0].Type
	column := w.add(n, "Reshape", ir.Type{DType: to.DType, Shape: ir.Shape{n.In[1].Type.Shape[0], one}}, nil, b, w.ints("shape", 0, 1))
	product := w.add(n, "MatMul", ir.Type{DType: to.DType, Shape: append(slices.Clone(to.Shape), one)}, nil, a, column)
	return w.add(n, "Reshape", to, nil, product, w.ints("shape", make([]int64, to.Rank())...))
}

func (w *writer) gemmOp(n *ir.Node, op ops.Gemm) (string, error) {
	var c *ir.Value
	if len(n.In) > 2 {
		c = n.In[2]
	}
	return w.gemm(n, n.In[0], op.TransA, n.In[1], op.TransB, c)
}

// gemm writes Gemm(a, b[, c]), reading through transposes, so that a tied weight
// stays one initializer.
func (w *writer) gemm(n *ir.Node, a *ir.Value, ta bool, b *ir.Value, tb bool, c *ir.Value) (string, error) {
	a, ta = w.untranspose(a, ta)
	b, tb = w.untranspose(b, tb)
	operands := []*ir.Value{a, b}
	if c != nil {
		operands = append(operands, c)
	}
	in := make([]string, len(operands))
	for i, v := range operands {
		var err error
		if in[i], err = w.use(v); err != nil {
			return "", err
		}
	}
	var attrs []*onnxpb.AttributeProto
	if ta {
		attrs = append(attrs, attrInt("transA", 1))
	}
	if tb {
		attrs = append(attrs, attrInt("transB", 1))
	}
	return w.add(n, "Gemm", n.Out[0].Type, attrs, in...), nil
}

// untranspose returns what v transposes, with the flag turned for each step.
func (w *writer) untranspose(v *ir.Value, t bool) (*ir.Value, bool) {
	for n := w.producer[v]; n != nil && matrixTranspose(n); n = w.producer[v] {
		v, t = n.In[0], !t
	}
	return v, t
}
