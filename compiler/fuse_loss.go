package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuseSquaredError joins a difference, the row means of its square and the
// gradient, which is the difference times a scalar. All of them read what the
// row's task has just made, and go over it once instead of four times.
func fuseSquaredError(g *ir.Graph) error {
	uses, kept := g.Uses(), outputSet(g)
	gone := map[*ir.Node]bool{}
	var made []*ir.Node
	for _, n := range g.Nodes {
		q := squaredError(n, uses, kept)
		if q == nil || gone[q.mean] || ir.Above(q.scale)[q.mean.Out[0]] {
			continue
		}
		gone[q.diff], gone[q.square], gone[q.mean], gone[n] = true, true, true, true
		f := &ir.Node{ID: n.ID, Op: ops.SquaredError{}, In: []*ir.Value{q.diff.In[0], q.diff.In[1], q.scale},
			Out: []*ir.Value{n.Out[0], q.mean.Out[0]}, Layer: q.diff.Layer, Pos: q.diff.Pos}
		n.Out[0].Def, q.mean.Out[0].Def = f, f
		made = append(made, f)
	}
	return replaceNodes(g, made, gone)
}

// errorParts are the nodes of a squared error, whose gradient is the node asked
// for.
type errorParts struct {
	diff, square, mean *ir.Node
	scale              *ir.Value
}

// squaredError returns the parts of the squared error whose gradient n is, or
// nil.
func squaredError(n *ir.Node, uses map[*ir.Value][]*ir.Node, kept map[*ir.Value]bool) *errorParts {
	if n.Op != (ops.Mul{}) {
		return nil
	}
	d, s := n.In[0], n.In[1]
	if d.Type.Rank() == 0 {
		d, s = s, d
	}
	if s.Type.Rank() != 0 || d.Type.Rank() < 2 || d.Def == nil || d.Def.Op != (ops.Sub{}) || kept[d] || len(uses[d]) != 3 ||
		!d.Def.In[0].Type.Equal(d.Type) || !d.Def.In[1].Type.Equal(d.Type) {
		return nil
	}
	for _, u := range uses[d] { // the square counts twice
		if u == n {
			continue
		}
		sq := u.Out[0]
		if u.Op != (ops.Mul{}) || u.In[0] != u.In[1] || kept[sq] || len(uses[sq]) != 1 {
			return nil
		}
		mean := uses[sq][0]
		if mean.Op != (ops.ReduceMean{Axes: ops.InnerAxes(d.Type)}) {
			return nil
		}
		return &errorParts{d.Def, u, mean, s}
	}
	return nil
}
