package compiler

import (
	"slices"

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

// fuseWeightedError joins the squared error of rows that have weights as
// fuseSquaredError does the plain one: the difference of the rows that are kept, the
// means of its square, and the gradient, which is the difference times a number of the
// row and times a power of two.
func fuseWeightedError(g *ir.Graph) error {
	uses, kept := g.Uses(), outputSet(g)
	b := ir.Extend(g)
	gone := map[*ir.Node]bool{}
	var made []*ir.Node
	for _, n := range slices.Clone(g.Nodes) {
		q := weightedError(g, n, uses, kept)
		if q == nil || gone[q.mean] || ir.Above(q.scale)[q.mean.Out[0]] {
			continue
		}
		for _, m := range append(q.inner, q.diff, q.square, q.mean, n) {
			gone[m] = true
		}
		b.Layer, b.Pos = q.diff.Layer, q.diff.Pos
		f := &ir.Node{ID: n.ID, Op: ops.WeightedSquaredError{}, In: []*ir.Value{q.diff.In[0], q.diff.In[1], b.Op(ops.Mul{}, q.scale, q.factor), q.keep},
			Out: []*ir.Value{n.Out[0], q.mean.Out[0]}, Layer: q.diff.Layer, Pos: q.diff.Pos}
		n.Out[0].Def, q.mean.Out[0].Def = f, f
		made = append(made, f)
	}
	if err := b.Err(); err != nil {
		return err
	}
	return replaceNodes(g, made, gone)
}

// weightedParts are the nodes of a squared error of rows with weights, whose gradient is
// the node asked for.
type weightedParts struct {
	errorParts
	inner        []*ir.Node // between
	keep, factor *ir.Value
}

// weightedError returns the parts of the squared error whose gradient n is, or nil:
//
//	n    = Where(keep, (scale·d)·factor, 0)
//	d    = Where(keep, p - t, 0)
//	mean = ReduceMean(d·d)
func weightedError(g *ir.Graph, n *ir.Node, uses map[*ir.Value][]*ir.Node, kept map[*ir.Value]bool) *weightedParts {
	once := func(v *ir.Value) bool { return len(uses[v]) == 1 && !kept[v] }
	masked := func(n *ir.Node) bool {
		return n != nil && n.Op == (ops.Where{}) && n.Out[0].Type.Rank() >= 2 && n.In[1].Type.Equal(n.Out[0].Type) && splat(g, n.In[2], 0)
	}
	if !masked(n) {
		return nil
	}
	q := &weightedParts{keep: n.In[0]}
	times := n.In[1].Def
	if times == nil || times.Op != (ops.Mul{}) || !once(n.In[1]) || !splat(g, times.In[1], 2) {
		return nil
	}
	q.factor = times.In[1]
	scaled := times.In[0].Def
	if scaled == nil || scaled.Op != (ops.Mul{}) || !once(times.In[0]) {
		return nil
	}
	d := scaled.In[0]
	if q.scale = scaled.In[1]; d.Type.Equal(q.keep.Type) || q.scale.Type.Equal(n.Out[0].Type) {
		d, q.scale = q.scale, d
	}
	if !masked(d.Def) || d.Def.In[0] != q.keep || kept[d] || len(uses[d]) != 3 || !once(d.Def.In[1]) {
		return nil
	}
	q.inner = []*ir.Node{d.Def, times, scaled}
	q.diff = d.Def.In[1].Def
	if q.diff == nil || q.diff.Op != (ops.Sub{}) {
		return nil
	}
	for _, u := range uses[d] { // the square counts twice
		if u == scaled {
			continue
		}
		if u.Op != (ops.Mul{}) || u.In[0] != u.In[1] || !once(u.Out[0]) {
			return nil
		}
		q.square, q.mean = u, uses[u.Out[0]][0]
	}
	if q.square == nil || q.mean.Op != (ops.ReduceMean{Axes: ops.InnerAxes(d.Type)}) {
		return nil
	}
	types := ir.TypesOf([]*ir.Value{q.diff.In[0], q.diff.In[1], q.scale, q.keep})
	if _, err := ir.InferOp(ops.WeightedSquaredError{}, types); err != nil {
		return nil
	}
	return q
}
