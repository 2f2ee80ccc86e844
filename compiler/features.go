package compiler

import (
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// features spares the turns of images at a Flatten, and at its mirror image. A model flattens
// images with their channels first, [C P], while a plan has them last, [P C]. The products that
// read the features, or make them, read a twin of their weights instead, whose rows or columns
// are in the order of the plan: then a Flatten is a view again. What is computed element by
// element between the two is in that order too, and the gradient of a weight is brought back
// into its own.
//
// Features stay as they are where something else needs their order: an output, a random draw,
// a norm over them. So they do if fewer turns would be spared than made, or if the weights are
// large beside the images of an update. This does not depend on the rows of a run, as sums are
// to have the same order however an update is divided.
func features(g *ir.Graph, s *state) error {
	if s.opt.BF16 != nil {
		return nil // whose products read tiles that are derived from the parameter itself
	}
	if _, err := rewrite(g, early); err != nil {
		return err
	}
	sweep(g)
	t := &twins{g: g, train: !s.inference, rows: s.opt.updateRows(), uses: g.Uses(), kept: outputSet(g), of: map[*ir.Node]*region{}, last: map[*ir.Value]*ir.Value{}, made: map[derivedKey]*ir.Value{}}
	seen := map[*ir.Node]bool{}
	for _, n := range g.Nodes {
		if f, ok := t.border(n); ok && !seen[n] {
			c := &region{groups: f.groups, features: f.features, axis: map[*ir.Value]int{}, at: map[*ir.Node][]int{}}
			ok := t.grow(c, n) && t.pays(c)
			for n := range c.at {
				seen[n] = true
				ok = ok && t.of[n] == nil
			}
			for n := range c.at {
				if ok {
					t.of[n] = c
				}
			}
		}
	}
	if len(t.of) == 0 {
		return nil
	}
	if _, err := rewrite(g, t.node); err != nil {
		return err
	}
	sweep(g)
	return nil
}

// twinWorth is how many halves of an element of images a training must spare for each element
// of weights and gradients that it moves for that. Measured, the two even out between 2 and 3.
const twinWorth = 3

// region is what has the features of images of one kind on an axis: values, and the nodes
// that compute them.
type region struct {
	groups   int // channels
	features int
	axis     map[*ir.Value]int  // of each value, which of its axes it is
	at       map[*ir.Node][]int // of each node, the axes of the operands and then of the result, -1 for none
}

// twins is the state of the pass.
type twins struct {
	g     *ir.Graph
	train bool
	rows  int // of an update
	uses  map[*ir.Value][]*ir.Node
	kept  map[*ir.Value]bool
	of    map[*ir.Node]*region     // what is to be rewritten
	last  map[*ir.Value]*ir.Value  // images with their channels first that are made of those with them last
	made  map[derivedKey]*ir.Value // twins
}

// edge is a node between images and their features.
type edge struct {
	groups, features int
	flattens         bool
}

// border reports whether a node makes features of images, or images of features, whose order
// differs between the two.
func (t *twins) border(n *ir.Node) (edge, bool) {
	switch n.Op.(type) {
	case ops.Reshape, ops.Flatten:
	default:
		return edge{}, false
	}
	e := edge{flattens: n.Out[0].Type.Rank() == 2}
	image, flat := n.In[0], n.Out[0]
	if !e.flattens {
		image, flat = flat, image
	}
	if !isImage(image) || flat.Type.Rank() != 2 || flat.Type.Shape[0] != image.Type.Shape[0] {
		return edge{}, false
	}
	s := image.Type.Shape
	e.groups, e.features = s[1].Length(), s[1:].Count()
	return e, e.groups > 1 && e.groups < e.features
}

// grow finds all that has features together with the border n, or reports that something needs
// their order.
func (t *twins) grow(c *region, n *ir.Node) bool {
	queue := []*ir.Node{n}
	for len(queue) > 0 {
		n, queue = queue[0], queue[1:]
		at, ok := t.axes(c, n)
		if !ok {
			c.at[n] = nil
			return false
		}
		before := c.at[n]
		if slices.Equal(before, at) {
			continue
		}
		c.at[n] = at
		for i, axis := range at {
			v := n.Out[0]
			if i < len(n.In) {
				v = n.In[i]
			}
			if axis < 0 {
				continue
			}
			if known, ok := c.axis[v]; ok {
				if known != axis {
					return false
				}
				continue
			}
			c.axis[v] = axis
			if given(v) {
				continue // of which there is a twin
			}
			if v.Def == nil || !t.mayTurn(v) {
				return false
			}
			queue = append(append(queue, v.Def), t.uses[v]...)
		}
	}
	return true
}

// mayTurn reports whether nobody but nodes reads a value, or it is the gradient of a parameter
// and nothing reads it but the update.
func (t *twins) mayTurn(v *ir.Value) bool {
	return !t.kept[v] || strings.HasPrefix(v.Name, gradPrefix) && len(t.uses[v]) == 0 && !v.Type.Shape.Symbolic()
}

// axes returns where the operands and the result of a node have features, given those that are
// known to, or false if their order matters to it.
func (t *twins) axes(c *region, n *ir.Node) ([]int, bool) {
	if len(n.Out) != 1 {
		return nil, false
	}
	at := make([]int, len(n.In)+1)
	for i := range at {
		at[i] = -1
	}
	out := len(n.In)
	known := func(i int) (int, bool) {
		v := n.Out[0]
		if i < out {
			v = n.In[i]
		}
		if i < out && given(v) {
			return -1, false // it has features only where they are asked for
		}
		axis, ok := c.axis[v]
		return axis, ok
	}
	if e, ok := t.border(n); ok {
		if e.flattens {
			at[out] = 1
		} else {
			at[0] = 1
		}
		return at, e.groups == c.groups
	}
	if ir.Turns(n.Op) {
		if axis, ok := known(0); ok {
			at[0], at[1] = axis, 1-axis
		} else if axis, ok := known(1); ok {
			at[0], at[1] = 1-axis, axis
		}
		return at, true
	}
	switch op := n.Op.(type) {
	case ops.MatMul:
		return productAxes(n, ops.Gemm{}, at, known)
	case ops.Gemm:
		return productAxes(n, op, at, known)
	case ops.ReduceSum:
		axis, ok := known(0)
		if !ok { // the result has features
			if axis, ok = known(1); !ok || op.Keep || op.Axes != ir.MakeAxes(0) || n.In[0].Type.Rank() != 2 {
				return nil, false
			}
			axis++
		}
		if op.Axes != ir.MakeAxes(0) || axis != 1 || op.Keep {
			return nil, false
		}
		at[0], at[1] = 1, 0
		return at, true
	}
	return elementAxes(n, at, known)
}

// productAxes gives a product of matrices its axes of features: the one that is summed over, or
// one of the result.
func productAxes(n *ir.Node, op ops.Gemm, at []int, known func(int) (int, bool)) ([]int, bool) {
	x, w, out := n.In[0].Type, n.In[1].Type, len(n.In)
	if x.Rank() != 2 || w.Rank() != 2 {
		return nil, false
	}
	sumX, sumW := 1, 0
	if op.TransA {
		sumX = 0
	}
	if op.TransB {
		sumW = 1
	}
	rows, summed, columns := false, false, false
	if axis, ok := known(0); ok {
		rows, summed = axis != sumX, axis == sumX
	}
	if axis, ok := known(1); ok {
		columns, summed = columns || axis != sumW, summed || axis == sumW
	}
	if axis, ok := known(out); ok {
		rows, columns = rows || axis == 0, columns || axis == 1
	}
	if len(n.In) > 2 {
		if axis, ok := known(2); ok {
			behind := axis + 2 - n.In[2].Type.Rank()
			rows, columns = rows || behind == 0, columns || behind == 1
		}
	}
	switch {
	case summed && !rows && !columns:
		at[0], at[1] = sumX, sumW
	case rows && !summed && !columns:
		at[0], at[out] = 1-sumX, 0
	case columns && !summed && !rows:
		at[1], at[out] = 1-sumW, 1
	default:
		return nil, false // one axis of features is what this pass can turn
	}
	if len(n.In) > 2 && at[out] >= 0 {
		if at[2] = at[out] - 2 + n.In[2].Type.Rank(); at[2] < 0 {
			at[2] = -1
		}
	}
	return at, true
}

// elementAxes gives what works element by element the same axis everywhere, but where an
// operand is repeated along it.
func elementAxes(n *ir.Node, at []int, known func(int) (int, bool)) ([]int, bool) {
	types := ir.TypesOf(n.In)
	p, ok := n.Op.(ir.InPlacer)
	if !ok || ir.Draws(n.Op) || ir.IsView(n.Op, types, ir.TypesOf(n.Out)) {
		return nil, false
	}
	if _, ok = p.InPlace(types); !ok {
		return nil, false
	}
	out := n.Out[0].Type
	behind := -1 // how many axes are behind that of the features
	for i := range at {
		axis, ok := known(i)
		if !ok {
			continue
		}
		t := out
		if i < len(types) {
			t = types[i]
		}
		if b := t.Rank() - 1 - axis; behind < 0 || b == behind {
			behind = b
		} else {
			return nil, false
		}
	}
	if behind < 0 || out.Rank() <= behind {
		return nil, false
	}
	length := out.Shape[out.Rank()-1-behind]
	for i := range at {
		t := out
		if i < len(types) {
			t = types[i]
		}
		if axis := t.Rank() - 1 - behind; axis >= 0 && t.Shape[axis] == length {
			at[i] = axis
		}
	}
	return at, true
}

// pays reports whether turns of images are spared and cost more than what takes their place.
func (t *twins) pays(c *region) bool {
	spared, moved, twins := 0, 0, map[derivedKey]bool{}
	for n, at := range c.at {
		if e, ok := t.border(n); ok {
			spared += t.spared(n, e)
			continue
		}
		for i, v := range n.In {
			if at[i] < 0 || !given(v) || v.Type.Rank() < 2 {
				continue
			}
			turned := rightTurned(n, i)
			if !t.train && (turned || at[len(n.In)] < 0) && n.Out[0].Type.Rank() == 2 && columnsOf(n) > panelFrom {
				return false // panels, in which one row is read fastest, follow no weight whose rows are in another order
			}
			if key := (derivedKey{v, ops.Interleave{Axis: at[i], Turned: turned}}); !twins[key] {
				twins[key] = true
				moved += v.Type.Shape.Count()
			}
		}
		if y := n.Out[0]; t.kept[y] && at[len(n.In)] >= 0 && y.Type.Rank() == 2 {
			moved += y.Type.Shape.Count() // a gradient
		}
	}
	if !t.train {
		return spared > 0 // what is read of weights is made once
	}
	return spared > 0 && 2*spared*c.features*t.rows >= twinWorth*moved
}

// rightTurned reports whether operand i of a node is the right one of a product and taken
// transposed.
func rightTurned(n *ir.Node, i int) bool {
	op, _ := n.Op.(ops.Gemm)
	if _, ok := n.Op.(ops.MatMul); !ok && op != n.Op || i != 1 {
		return false
	}
	return op.TransB != (n.In[1].Def != nil)
}

// columnsOf returns the columns of a matrix that a node makes, 0 if they are not known.
func columnsOf(n *ir.Node) int {
	columns, _ := n.Out[0].Type.Shape[1].Known()
	return columns
}

// spared returns 1 if a border no longer turns images, 0 if it still does, and -1 if it does
// only now.
func (t *twins) spared(n *ir.Node, e edge) int {
	if e.flattens {
		x := n.In[0]
		switch {
		case !turns(x.Def, ops.ChannelsFirst):
			return -1
		case t.kept[x] || slices.ContainsFunc(t.uses[x], func(u *ir.Node) bool { b, ok := t.border(u); return !ok || !b.flattens }):
			return 0
		}
		return 1
	}
	y := n.Out[0]
	others := t.kept[y]
	last := false
	for _, u := range t.uses[y] {
		if turns(u, ops.ChannelsLast) {
			last = true
		} else {
			others = true
		}
	}
	switch {
	case last && !others:
		return 1
	case last:
		return 0
	}
	return -1
}

// turns reports whether a node gives images that order of axes.
func turns(n *ir.Node, order func(rank int) ir.Axes) bool {
	if n == nil {
		return false
	}
	op, ok := n.Op.(ops.Transpose)
	return ok && op.Perm == order(op.Perm.Len)
}

// node is the rule of the pass.
func (t *twins) node(b *ir.Builder, n *ir.Node) []*ir.Value {
	if turns(n, ops.ChannelsLast) {
		if y := t.last[n.In[0]]; y != nil {
			return []*ir.Value{y}
		}
	}
	c := t.of[n]
	if c == nil {
		return nil
	}
	if e, ok := t.border(n); ok {
		return []*ir.Value{t.view(b, n, e)}
	}
	in, changed := slices.Clone(n.In), false
	at := c.at[n]
	for i, v := range in {
		if at[i] >= 0 && given(v) {
			in[i], changed = t.twin(b, v, ops.Interleave{Axis: at[i], Groups: c.groups}), true
		}
	}
	y := n.Out[0]
	back := t.kept[y]
	if !changed && !back {
		return nil // its operands are in the other order already
	}
	v := b.Op(n.Op, in...)
	if axis := at[len(in)]; back && axis >= 0 {
		v = b.Op(ops.Interleave{Axis: axis, Groups: y.Type.Shape[axis].Length() / c.groups}, v)
	}
	return []*ir.Value{v}
}

// view makes a border a view of images with their channels last.
func (t *twins) view(b *ir.Builder, n *ir.Node, e edge) *ir.Value {
	x, s := n.In[0], n.Out[0].Type.Shape
	if e.flattens {
		y := x
		if turns(x.Def, ops.ChannelsFirst) {
			y = x.Def.In[0]
		} else {
			y = b.Op(ops.Transpose{Perm: ops.ChannelsLast(x.Type.Rank())}, x)
		}
		return b.Op(ops.Reshape{Shape: ir.MakeDims(s)}, y)
	}
	y := b.Op(ops.Reshape{Shape: ir.MakeDims(lastShape(s))}, x)
	v := b.Op(ops.Transpose{Perm: ops.ChannelsFirst(len(s))}, y)
	t.last[v] = y
	return v
}

// given reports whether a value is a weight or a constant, or the transpose of one, of which
// each region has its own.
func given(v *ir.Value) bool {
	if n := v.Def; n != nil && ir.Turns(n.Op) {
		v = n.In[0]
	}
	return v.Kind == ir.ParamValue || v.Kind == ir.DataValue
}

// twin returns what is given in the other order.
func (t *twins) twin(b *ir.Builder, w *ir.Value, op ops.Interleave) *ir.Value {
	key := derivedKey{w, op}
	if t.made[key] != nil {
		return t.made[key]
	}
	if n := w.Def; n != nil {
		op.Axis = 1 - op.Axis
		t.made[key] = transpose(b, t.twin(b, n.In[0], op), []int{1, 0})
	} else {
		t.made[key] = b.Op(op, w)
	}
	return t.made[key]
}

// early moves what is computed of each element alone in front of a Reshape that makes images of
// features: a Relu between a Dense and the Reshape goes into the product.
func early(b *ir.Builder, n *ir.Node) []*ir.Value {
	if len(n.In) != 1 || len(n.Out) != 1 {
		return nil
	}
	x := through[ops.Reshape](n.In[0])
	p, ok := n.Op.(ir.InPlacer)
	if !ok || x == nil || x.Type.Rank() != 2 || !isImage(n.In[0]) || ir.Draws(n.Op) || ir.IsView(n.Op, ir.TypesOf(n.In), ir.TypesOf(n.Out)) {
		return nil
	}
	if _, ok := p.InPlace(ir.TypesOf(n.In)); !ok || !n.Out[0].Type.Equal(n.In[0].Type) {
		return nil
	}
	return []*ir.Value{b.Op(n.In[0].Def.Op, b.Op(n.Op, x))}
}
