package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// flatten makes a product of [.. m k] with a matrix [k n] a product of matrices
// between two views, which cost nothing, so that whatever is fused into one is
// fused into the other: a row bias, a Relu, the mask of its gradient. These move in
// front of the view behind the product. A sum or mean over axis 0 becomes one that
// many workers share (flatSum).
func flatten(g *ir.Graph, _ *state) error {
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if v := flat(b, n); v != nil {
			return []*ir.Value{v}
		}
		return nil
	})
	if err != nil {
		return err
	}
	sweep(g)
	return nil
}

// flat returns the value of a node that works on matrices in its place, or nil.
func flat(b *ir.Builder, n *ir.Node) *ir.Value {
	if len(n.Out) != 1 {
		return nil
	}
	out := n.Out[0].Type
	switch op := n.Op.(type) {
	case ops.Reshape:
		if v := through[ops.Reshape](n.In[0]); v != nil {
			return viewed(b, v, out.Shape)
		}
	case ops.MatMul:
		x, w := n.In[0], n.In[1]
		if x.Type.Rank() > 2 && w.Type.Rank() == 2 {
			return viewed(b, b.Op(op, viewed(b, x, matrix(x.Type.Shape)), w), out.Shape)
		}
	case ops.ReduceSum:
		return flatSum(b, n, op.Axes, func(a ir.Axes) ir.Op { return ops.ReduceSum{Axes: a} })
	case ops.ReduceMean:
		return flatSum(b, n, op.Axes, func(a ir.Axes) ir.Op { return ops.ReduceMean{Axes: a} })
	case ops.Relu:
		if m := rowsOf(n.In[0]); m != nil {
			return viewed(b, b.Op(op, m), out.Shape)
		}
	case ops.ReluGrad:
		if m := rowsOf(n.In[0]); m != nil && n.In[1].Type.Equal(out) {
			return viewed(b, b.Op(op, m, viewed(b, n.In[1], m.Type.Shape)), out.Shape)
		}
	case ops.Add:
		for i, v := range n.In {
			m, other := rowsOf(v), n.In[1-i]
			if m == nil {
				continue
			}
			if !isRow(other.Type, m.Type) {
				if other = rowsOf(other); other == nil || !other.Type.Equal(m.Type) {
					continue
				}
			}
			in := []*ir.Value{m, other}
			if i == 1 {
				in = []*ir.Value{other, m}
			}
			return viewed(b, b.Op(op, in...), out.Shape)
		}
	}
	return nil
}

// rowsOf returns the matrix that v shows with more axes, the last one being the
// matrix's own, or nil.
func rowsOf(v *ir.Value) *ir.Value {
	m, r := through[ops.Reshape](v), v.Type.Rank()
	if m == nil || m.Type.Rank() != 2 || r < 3 || m.Type.Shape[1] != v.Type.Shape[r-1] {
		return nil
	}
	return m
}

// matrix returns the shape of a value as rows of its last axis.
func matrix(s ir.Shape) ir.Shape {
	last := len(s) - 1
	rows, _ := s[:last].Elems()
	return ir.Shape{rows, s[last]}
}

// viewed returns v in the shape s, without a node if that is its own.
func viewed(b *ir.Builder, v *ir.Value, s ir.Shape) *ir.Value {
	if u := through[ops.Reshape](v); u != nil {
		v = u
	}
	if v.Type.Shape.Equal(s) {
		return v
	}
	return b.Op(ops.Reshape{Shape: ir.MakeDims(s)}, v)
}

// firstAxes is the list 0, 1, … of n axes.
func firstAxes(n int) ir.Axes {
	var a ir.Axes
	for a.Len = range n {
		a.At[a.Len] = a.Len
	}
	a.Len = n
	return a
}
