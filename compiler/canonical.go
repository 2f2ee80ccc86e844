package compiler

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// canonical brings what means the same into one form: no-ops vanish, chains of
// views become one view, constants and parameters stand second where the order
// is free. After autodiff StopGradient has done its work and vanishes, and the
// transpose of a product becomes the product of the transposes, so that the
// gradient of a transposed weight comes in the weight's own orientation.
func canonical(g *ir.Graph, s *state) error {
	// Each round removes a node or moves a transpose towards the operands.
	for limit := 8*len(g.Nodes) + 8; ; limit-- {
		if limit == 0 {
			return fmt.Errorf("does not come to rest")
		}
		uses := g.Uses()
		moved := false
		changed, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
			if len(n.Out) != 1 {
				return nil
			}
			moved = order(n) || moved
			v := simpler(g, b, n)
			if v == nil && s.differentiated {
				v = afterAutodiff(b, n, uses)
			}
			if v == nil {
				return nil
			}
			return []*ir.Value{v}
		})
		if err != nil {
			return err
		}
		sweep(g)
		if !changed && !moved {
			return nil
		}
	}
}

// order puts a parameter or a constant second in a commutative op. Two computed
// operands stay as they are: their order is the order of a sum's chain.
func order(n *ir.Node) bool {
	if c, ok := n.Op.(ir.Commuter); !ok || !c.Commutes() || len(n.In) != 2 {
		return false
	}
	class := func(v *ir.Value) int {
		switch v.Kind {
		case ir.DataValue:
			return 2
		case ir.ParamValue:
			return 1
		}
		return 0
	}
	if class(n.In[0]) <= class(n.In[1]) {
		return false
	}
	n.In[0], n.In[1] = n.In[1], n.In[0]
	return true
}

// still reports whether all axes that are flipped have one index.
func still(op ops.Flip, s ir.Shape) bool {
	for i, d := range s {
		if op.Flips(i) && d != ir.Fixed(1) {
			return false
		}
	}
	return true
}

// simpler returns a value that equals the node's result with less work, or nil.
func simpler(g *ir.Graph, b *ir.Builder, n *ir.Node) *ir.Value {
	if len(n.In) == 0 {
		return nil
	}
	x, out := n.In[0], n.Out[0].Type
	same := x.Type.Equal(out)
	if same {
		if ir.IsView(n.Op, ir.TypesOf(n.In), ir.TypesOf(n.Out)) && !ir.StopsGradient(n.Op) {
			return x
		}
		switch op := n.Op.(type) {
		case ops.Expand, ops.Cast, ops.Slice, ops.ReduceSum, ops.ReduceMean, ops.ReduceMax:
			return x // the shape says that nothing is left out, moved or summed
		case ops.Concat:
			if len(n.In) == 1 {
				return x
			}
		case ops.Pad:
			if op.Before == ir.Fixed(0) && op.After == ir.Fixed(0) {
				return x
			}
		case ops.Flip:
			if still(op, x.Type.Shape) {
				return x
			}
			if inner := x.Def; inner != nil && inner.Op == n.Op {
				return inner.In[0]
			}
		case ops.Add, ops.Sub:
			if splat(g, n.In[1], 0) {
				return x
			}
		case ops.Mul, ops.Div, ops.Pow:
			if splat(g, n.In[1], 1) {
				return x
			}
		}
	}
	switch op := n.Op.(type) {
	case ops.Transpose:
		perm := op.Perm.Slice()
		if inner := x.Def; inner != nil {
			if t, ok := inner.Op.(ops.Transpose); ok {
				both := make([]int, len(perm))
				for i, p := range perm {
					both[i] = t.Perm.At[p]
				}
				return transpose(b, inner.In[0], both)
			}
		}
		if identityPerm(perm) {
			return x
		}
	case ops.Reshape:
		if v := through[ops.Reshape](x); v != nil {
			return b.Op(op, v)
		}
		if v := through[ops.Flatten](x); v != nil {
			return b.Op(op, v)
		}
	case ops.Expand:
		if v := through[ops.Expand](x); v != nil {
			return b.Op(op, v)
		}
		if v := through[ops.Reshape](x); v != nil && onesBefore(x.Type.Shape, v.Type.Shape) {
			return b.Op(op, v)
		}
	case ops.Neg:
		if v := through[ops.Expand](x); v != nil {
			return b.Op(x.Def.Op, b.Op(ops.Neg{}, v)) // fewer elements, and a reader may take the scalar
		}
		return through[ops.Neg](x)
	case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Pow, ops.Max, ops.Min:
		return unexpanded(b, n)
	}
	return nil
}

// through returns the operand of v's op if that is an O, else nil.
func through[O ir.Op](v *ir.Value) *ir.Value {
	if v.Def == nil {
		return nil
	}
	if _, ok := v.Def.Op.(O); !ok {
		return nil
	}
	return v.Def.In[0]
}

// unexpanded lets an elementwise op broadcast what an Expand, or a Reshape that
// only puts ones in front, spells out.
func unexpanded(b *ir.Builder, n *ir.Node) *ir.Value {
	for i, v := range n.In {
		small := through[ops.Expand](v)
		if r := through[ops.Reshape](v); r != nil && onesBefore(v.Type.Shape, r.Type.Shape) {
			small = r
		}
		if small == nil {
			continue
		}
		in := append([]*ir.Value{}, n.In...)
		in[i] = small
		types := make([]ir.Type, len(in))
		for j, w := range in {
			types[j] = w.Type
		}
		if t, err := n.Op.Infer(types); err == nil && t[0].Equal(n.Out[0].Type) {
			return b.Op(n.Op, in...)
		}
	}
	return nil
}

// onesBefore reports whether s is t with axes of length 1 in front.
func onesBefore(s, t ir.Shape) bool {
	lead := len(s) - len(t)
	if lead < 0 || !s[lead:].Equal(t) {
		return false
	}
	for _, d := range s[:lead] {
		if d != ir.Fixed(1) {
			return false
		}
	}
	return true
}

// afterAutodiff holds the rules that would hide something from autodiff or from
// a reader of the exported graph.
func afterAutodiff(b *ir.Builder, n *ir.Node, uses map[*ir.Value][]*ir.Node) *ir.Value {
	x := n.In
	if ir.StopsGradient(n.Op) && ir.IsView(n.Op, ir.TypesOf(x), ir.TypesOf(n.Out)) && x[0].Type.Equal(n.Out[0].Type) {
		return x[0]
	}
	switch op := n.Op.(type) {
	case ops.Add:
		if twice(x[0], x[1]) { // the gradient of a square
			return b.Op(ops.Mul{}, x[0], b.Const(x[0].Type.DType, 2))
		}
		return expandLater(b, n)
	case ops.Reshape:
		if s := through[ops.Expand](x[0]); s != nil && s.Type.Rank() == 0 {
			return b.Op(ops.Expand{Shape: op.Shape}, s)
		}
	case ops.Mul:
		if v := expandLater(b, n); v != nil {
			return v
		}
		return gather(b, op, x, uses)
	case ops.Sub, ops.Div:
		return expandLater(b, n)
	case ops.Transpose:
		product := x[0].Def
		if !isTranspose2(n) || product == nil || len(product.In) != 2 || len(uses[x[0]]) > 1 {
			return nil
		}
		p, q := product.In[0], product.In[1]
		if p.Type.Rank() != 2 || q.Type.Rank() != 2 {
			return nil
		}
		b.Layer, b.Pos = product.Layer, product.Pos
		switch op := product.Op.(type) {
		case ops.MatMul:
			return b.Op(op, transpose(b, q, []int{1, 0}), transpose(b, p, []int{1, 0}))
		case ops.Gemm:
			return b.Op(ops.Gemm{TransA: !op.TransB, TransB: !op.TransA}, q, p)
		}
	}
	return nil
}

// twice reports whether two values are one: cse comes later.
func twice(v, w *ir.Value) bool {
	if v == w {
		return true
	}
	a, b := v.Def, w.Def
	return a != nil && b != nil && a.Op == b.Op && len(a.Out) == 1 && slices.Equal(a.In, b.In)
}

// expandLater applies an op to two scalars before one of them is expanded, so
// that the scale of a mean stays a scalar.
func expandLater(b *ir.Builder, n *ir.Node) *ir.Value {
	in := append([]*ir.Value{}, n.In...)
	for i, v := range in {
		if s := through[ops.Expand](v); s != nil {
			in[i] = s
		}
		if in[i].Type.Rank() > 0 {
			return nil
		}
	}
	if n.Out[0].Type.Rank() == 0 {
		return nil
	}
	return b.Op(ops.Expand{Shape: ir.MakeDims(n.Out[0].Type.Shape)}, b.Op(n.Op, in...))
}

// gather multiplies two scalars that scale one tensor with each other first.
func gather(b *ir.Builder, op ops.Mul, x []*ir.Value, uses map[*ir.Value][]*ir.Node) *ir.Value {
	split := func(x []*ir.Value) (tensor, scalar *ir.Value) {
		switch {
		case x[0].Type.Rank() > 0 && x[1].Type.Rank() == 0:
			return x[0], x[1]
		case x[1].Type.Rank() > 0 && x[0].Type.Rank() == 0:
			return x[1], x[0]
		}
		return nil, nil
	}
	inner, s := split(x)
	if inner == nil || inner.Def == nil || inner.Def.Op != op || len(uses[inner]) > 1 {
		return nil
	}
	tensor, t := split(inner.Def.In)
	if tensor == nil {
		return nil
	}
	return b.Op(op, tensor, b.Op(op, t, s))
}

// transpose returns v with its axes permuted, without a node if they stay.
func transpose(b *ir.Builder, v *ir.Value, perm []int) *ir.Value {
	if identityPerm(perm) {
		return v
	}
	return b.Op(ops.Transpose{Perm: ir.MakeAxes(perm...)}, v)
}

func identityPerm(perm []int) bool {
	for i, p := range perm {
		if i != p {
			return false
		}
	}
	return true
}

// isTranspose2 reports whether n transposes a matrix.
func isTranspose2(n *ir.Node) bool {
	return ir.Turns(n.Op)
}

// splat reports whether v is a constant whose elements all are x.
func splat(g *ir.Graph, v *ir.Value, x float64) bool {
	t := g.Data[v]
	if t == nil || t.Len() == 0 {
		return false
	}
	for i := range t.Len() {
		if t.At(i) != x {
			return false
		}
	}
	return true
}
