package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// layout gives images the channels as their last axis inside the plan. Convolutions in one
// group and pools become ops of that form; whatever works element by element, by channel or
// along axes between them follows, so that images are turned only where they come in and go
// out. Parameters keep ONNX's order: what a kernel reads is derived from them, and a gradient
// is turned back before its update.
func layout(g *ir.Graph, _ *state) error {
	if !slices.ContainsFunc(g.Nodes, hasImages) {
		return nil
	}
	l := &layouts{last: map[*ir.Value]*ir.Value{}}
	if _, err := rewrite(g, l.node); err != nil {
		return err
	}
	sweep(g)
	return nil
}

// hasImages reports whether a node is one that layout changes of its own accord.
func hasImages(n *ir.Node) bool {
	switch op := n.Op.(type) {
	case ops.Conv:
		return op.Group == 1 && isImage(n.In[0]) && !n.In[1].Type.Shape.Symbolic()
	case ops.ConvTranspose:
		return op.Group == 1 && isImage(n.In[0])
	case ops.ConvFilterGrad:
		return op.Group == 1 && isImage(n.In[0])
	case ops.MaxPool, ops.MaxPoolGrad, ops.AveragePool, ops.AveragePoolGrad:
		return isImage(n.In[0])
	}
	return false
}

// isImage reports whether a value is f32[N C L] or f32[N C H W] with all lengths known but N.
func isImage(v *ir.Value) bool {
	t := v.Type
	return t.DType == ir.F32 && (t.Rank() == 3 || t.Rank() == 4) && t.Shape[0].Symbolic() && !t.Shape[1:].Symbolic()
}

// layouts is what the pass knows: of images with their channels first, the same with them last.
type layouts struct {
	last map[*ir.Value]*ir.Value
}

// of returns v, an image, with its channels last.
func (l *layouts) of(b *ir.Builder, v *ir.Value) *ir.Value {
	if y := l.last[v]; y != nil {
		return y
	}
	s, r := v.Type.Shape, v.Type.Rank()
	var y *ir.Value
	if n := v.Def; n != nil && v.Kind == ir.NodeOutput && len(n.In) == 1 { // rather than turned when it is made
		x := n.In[0]
		switch n.Op.(type) {
		case ops.Expand:
			if x.Type.Rank() == r && (isImage(x) || !x.Type.Shape.Symbolic()) {
				y = b.Op(ops.Expand{Shape: ir.MakeDims(lastShape(s))}, l.small(b, x))
			}
		case ops.Reshape: // [N C] to [N C 1 1]
			if x.Type.Rank() == 2 && x.Type.Shape[0] == s[0] && x.Type.Shape[1] == s[1] {
				y = b.Op(ops.Reshape{Shape: ir.MakeDims(lastShape(s))}, x)
			}
		}
	}
	if y == nil {
		y = l.small(b, v)
	}
	l.last[v] = y
	return y
}

// small turns a value of as many axes as an image, by a view where that is the same.
func (l *layouts) small(b *ir.Builder, v *ir.Value) *ir.Value {
	s, r := v.Type.Shape, v.Type.Rank()
	places, _ := s[2:].Elems()
	if s[1] == ir.Fixed(1) || places == ir.Fixed(1) {
		return b.Op(ops.Reshape{Shape: ir.MakeDims(lastShape(s))}, v)
	}
	return b.Op(ops.Transpose{Perm: ops.ChannelsLast(r)}, v)
}

// lastShape returns the shape of an image with its channels last.
func lastShape(s ir.Shape) ir.Shape {
	return append(append(ir.Shape{s[0]}, s[2:]...), s[1])
}

// back returns an image whose channels are last with them first, and remembers it.
func (l *layouts) back(b *ir.Builder, y *ir.Value) *ir.Value {
	s, r := y.Type.Shape, y.Type.Rank()
	places, _ := s[1 : r-1].Elems()
	first := append(ir.Shape{s[0], s[r-1]}, s[1:r-1]...)
	var v *ir.Value
	if s[r-1] == ir.Fixed(1) || places == ir.Fixed(1) {
		v = b.Op(ops.Reshape{Shape: ir.MakeDims(first)}, y)
	} else {
		v = b.Op(ops.Transpose{Perm: ops.ChannelsFirst(r)}, y)
	}
	l.last[v] = y
	return v
}

// filters returns w [O C …] as [… C O].
func (l *layouts) filters(b *ir.Builder, w *ir.Value) *ir.Value {
	return b.Op(ops.Transpose{Perm: ops.FiltersLast(w.Type.Rank())}, w)
}

// node is the rule of the pass.
func (l *layouts) node(b *ir.Builder, n *ir.Node) []*ir.Value {
	if hasImages(n) {
		return l.image(b, n)
	}
	if !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return l.last[v] != nil }) {
		return nil
	}
	return l.follow(b, n)
}

// image makes convolutions and pools of the form with channels last.
func (l *layouts) image(b *ir.Builder, n *ir.Node) []*ir.Value {
	in := n.In
	one := func(v *ir.Value) []*ir.Value { return []*ir.Value{l.back(b, v)} }
	switch op := n.Op.(type) {
	case ops.Conv:
		args := append([]*ir.Value{l.of(b, in[0]), l.filters(b, in[1])}, in[2:]...)
		return one(b.Op(ops.ConvLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads}, args...))
	case ops.ConvTranspose:
		return one(l.transposed(b, op, in))
	case ops.ConvFilterGrad:
		parts := partsOf(n.Out[0].Type)
		y := b.Op(ops.ConvFilterGradLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Parts: parts}, l.of(b, in[0]), l.of(b, in[1]))
		y = b.Op(ops.SumParts{}, y)
		return []*ir.Value{b.Op(ops.Transpose{Perm: ops.FiltersFirst(y.Type.Rank())}, y)}
	case ops.MaxPool:
		return one(b.Op(ops.MaxPoolLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads}, l.of(b, in[0])))
	case ops.MaxPoolGrad:
		return one(b.Op(ops.MaxPoolGradLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads}, l.of(b, in[0]), l.of(b, in[1])))
	case ops.AveragePool:
		return one(b.Op(ops.AveragePoolLast{Kernel: op.Kernel, Strides: op.Strides, Pads: op.Pads, CountPads: op.CountPads}, l.of(b, in[0])))
	case ops.AveragePoolGrad:
		return one(b.Op(ops.AveragePoolGradLast{Lengths: op.Lengths, Kernel: op.Kernel, Strides: op.Strides, Pads: op.Pads, CountPads: op.CountPads}, l.of(b, in[0])))
	}
	return nil
}

// transposed makes a ConvTranspose that moves by one a convolution by the mirrored filters.
func (l *layouts) transposed(b *ir.Builder, op ops.ConvTranspose, in []*ir.Value) *ir.Value {
	x, w := l.of(b, in[0]), in[1]
	axes := w.Type.Rank() - 2
	if pads, ok := mirroredPads(op, w.Type.Shape[2:].Lengths()); ok {
		if slices.ContainsFunc(w.Type.Shape[2:], func(d ir.Dim) bool { return d != ir.Fixed(1) }) {
			w = b.Op(ops.Flip{Axes: lastAxes(axes)}, w)
		}
		args := append([]*ir.Value{x, b.Op(ops.Transpose{Perm: ops.FiltersTurned(w.Type.Rank())}, w)}, in[2:]...)
		return b.Op(ops.ConvLast{Strides: op.Strides, Dilations: op.Dilations, Pads: pads}, args...)
	}
	args := append([]*ir.Value{x, b.Op(ops.Transpose{Perm: ops.FiltersTurned(w.Type.Rank())}, w)}, in[2:]...)
	return b.Op(ops.ConvTransposeLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: op.OutputPadding}, args...)
}

// lastAxes lists the axes of filters behind the first two.
func lastAxes(axes int) ir.Axes {
	var a ir.Axes
	for i := range axes {
		a.At[i] = 2 + i
	}
	a.Len = axes
	return a
}

// mirroredPads returns the pads of the convolution that a ConvTranspose is which moves by one.
func mirroredPads(op ops.ConvTranspose, kernel []int) (ir.Axes, bool) {
	axes := len(kernel)
	pads := ir.Axes{Len: 2 * axes}
	for i, k := range kernel {
		at := func(a ir.Axes, i, none int) int {
			if a.Len == 0 {
				return none
			}
			return a.At[i]
		}
		reach := at(op.Dilations, i, 1)*(k-1) + 1
		pads.At[i] = reach - 1 - at(op.Pads, i, 0)
		pads.At[axes+i] = reach - 1 - at(op.Pads, axes+i, 0)
		if at(op.Strides, i, 1) != 1 || pads.At[i] < 0 || pads.At[axes+i] < 0 {
			return pads, false
		}
	}
	return pads, true
}

// partsOf returns into how many parts the sum over rows of a filter's gradient is cut, by its
// size alone: so many that the workers share the work, as few as memory wants.
func partsOf(w ir.Type) int {
	switch n := w.Shape.Count(); {
	case n <= 1<<16:
		return 16
	case n <= 1<<18:
		return 8
	}
	return 4
}

// follow makes a node that reads an image work on the one with its channels last, or returns
// nil.
func (l *layouts) follow(b *ir.Builder, n *ir.Node) []*ir.Value {
	x := n.In[0]
	types, outs := ir.TypesOf(n.In), ir.TypesOf(n.Out)
	if ir.Draws(n.Op) || ir.IsView(n.Op, types, outs) {
		return nil
	}
	axis := func(a int) int { return channelsLastAxis(a, x.Type.Rank()) }
	switch op := n.Op.(type) {
	case ops.ReduceSum:
		return l.reduce(b, n, op.Axes, func(a ir.Axes) ir.Op { return ops.ReduceSum{Axes: a} })
	case ops.ReduceMean:
		return l.reduce(b, n, op.Axes, func(a ir.Axes) ir.Op { return ops.ReduceMean{Axes: a} })
	case ops.ReduceMax:
		return l.reduce(b, n, op.Axes, func(a ir.Axes) ir.Op { return ops.ReduceMax{Axes: a} })
	case ops.BatchNorm:
		return l.byChannel(b, n, 1, op.Axis, ops.BatchNorm{Axis: axis(1), Epsilon: op.Epsilon})
	case ops.BatchApply:
		return l.byChannel(b, n, 1, op.Axis, ops.BatchApply{Axis: axis(1), Epsilon: op.Epsilon})
	case ops.BatchMoments:
		if each, ok := manyPlaces(x, op.Axis); ok {
			rows := b.Ops(ops.RowMoments{}, l.of(b, x))
			return b.Ops(ops.JoinMoments{Each: each}, rows...)
		}
		return l.byChannel(b, n, 1, op.Axis, ops.BatchMoments{Axis: axis(1)})
	case ops.BatchNormSums:
		if each, ok := manyPlaces(x, op.Axis); ok {
			rows := b.Ops(ops.RowDots{}, l.of(b, x), l.of(b, n.In[1]), n.In[2])
			return b.Ops(ops.JoinDots{Each: each, Epsilon: op.Epsilon}, rows[0], rows[1], n.In[3])
		}
		return l.byChannel(b, n, 2, op.Axis, ops.BatchNormSums{Axis: axis(1), Epsilon: op.Epsilon})
	case ops.BatchNormGrad:
		return l.byChannel(b, n, 2, op.Axis, ops.BatchNormGrad{Axis: axis(1), Epsilon: op.Epsilon})
	case ops.Concat:
		if !isImage(x) || op.Axis == 0 {
			return nil
		}
		if slices.ContainsFunc(n.In, func(v *ir.Value) bool { return !isImage(v) }) {
			return nil
		}
		in := make([]*ir.Value, len(n.In))
		for i, v := range n.In {
			in[i] = l.of(b, v)
		}
		return []*ir.Value{l.back(b, b.Op(ops.Concat{Axis: axis(op.Axis)}, in...))}
	case ops.Slice:
		if !isImage(x) || op.Axis == 0 {
			return nil
		}
		op.Axis = axis(op.Axis)
		return []*ir.Value{l.back(b, b.Op(op, l.of(b, x)))}
	case ops.Pad:
		if !isImage(x) || op.Axis == 0 {
			return nil
		}
		op.Axis = axis(op.Axis)
		return []*ir.Value{l.back(b, b.Op(op, l.of(b, x)))}
	}
	return l.pointwise(b, n)
}

// rowPlaces is how many places an image has at least whose statistics are made row by row.
const rowPlaces = 16

// manyPlaces reports whether the statistics of an image by channel are made of those of each
// row, and how many elements a row has for each channel.
func manyPlaces(x *ir.Value, axis int) (each int, ok bool) {
	if axis != 1 || !isImage(x) || !x.Type.Shape.RowWise() {
		return 0, false
	}
	each = x.Type.Shape[2:].Count()
	return each, each >= rowPlaces
}

// channelsLastAxis returns where an axis of an image of so many is with the channels last.
func channelsLastAxis(a, rank int) int {
	switch a {
	case 0:
		return 0
	case 1:
		return rank - 1
	}
	return a - 1
}

// reduce makes a reduction that keeps the order of the axes which it leaves.
func (l *layouts) reduce(b *ir.Builder, n *ir.Node, axes ir.Axes, op func(ir.Axes) ir.Op) []*ir.Value {
	x := n.In[0]
	if !isImage(x) {
		return nil
	}
	list := make([]int, axes.Len)
	for i, a := range axes.Slice() {
		list[i] = channelsLastAxis(a, x.Type.Rank())
	}
	slices.Sort(list)
	behind := 0 // axes behind the channels that are left
	for a := 2; a < x.Type.Rank() && axes.Len > 0; a++ {
		if !slices.Contains(axes.Slice(), a) {
			behind++
		}
	}
	if behind > 0 && !slices.Contains(axes.Slice(), 1) {
		return nil // the result would have another order
	}
	y := l.of(b, x)
	if _, ok := manyPlaces(x, 1); ok && n.Op == (ops.ReduceSum{Axes: axes}) && axes.Len == x.Type.Rank()-1 && !slices.Contains(axes.Slice(), 1) {
		// of each row, where it is in the cache, and then of the rows
		y = b.Op(ops.ReduceSum{Axes: ir.MakeAxes(list[1:]...)}, y)
		return []*ir.Value{b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, y)}
	}
	return []*ir.Value{b.Op(op(ir.MakeAxes(list...)), y)}
}

// byChannel gives an op by channel, whose first operands are so many images, its new axis. A
// result that is an image is remembered.
func (l *layouts) byChannel(b *ir.Builder, n *ir.Node, images, axis int, op ir.Op) []*ir.Value {
	if axis != 1 || !isImage(n.In[0]) {
		return nil
	}
	in := slices.Clone(n.In)
	for i := range images {
		in[i] = l.of(b, in[i])
	}
	out := slices.Clone(b.Ops(op, in...))
	for i, v := range out {
		if v != nil && isImage(n.Out[i]) {
			out[i] = l.back(b, v)
		}
	}
	return out
}

// pointwise makes an op that works element by element, its other operands being images too, or
// a number for each channel, each row and channel, or everything.
func (l *layouts) pointwise(b *ir.Builder, n *ir.Node) []*ir.Value {
	p, ok := n.Op.(ir.InPlacer)
	if !ok || len(n.Out) != 1 || !isImage(n.Out[0]) {
		return nil
	}
	if _, elementwise := p.InPlace(ir.TypesOf(n.In)); !elementwise {
		return nil
	}
	out := n.Out[0].Type
	image := func(t ir.Type) bool { return t.Shape.Equal(out.Shape) && t.DType == ir.F32 }
	channels := func(t ir.Type) bool { // [C 1 1]
		return t.Rank() == out.Rank()-1 && !t.Shape.Symbolic() && t.Shape.Count() == t.Shape[0].Length()
	}
	for _, v := range n.In {
		t := v.Type
		if few := t.Rank() == out.Rank() && t.DType == ir.F32 && !t.Shape[1:].Symbolic(); !image(t) && !few && !channels(t) && t.Rank() > 0 {
			return nil
		}
	}
	in := make([]*ir.Value, len(n.In))
	for i, v := range n.In {
		switch t := v.Type; {
		case image(t):
			in[i] = l.of(b, v)
		case t.Rank() == 0:
			in[i] = v
		case channels(t):
			in[i] = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{t.Shape[0]})}, v)
		default:
			in[i] = l.small(b, v)
		}
	}
	return []*ir.Value{l.back(b, b.Op(n.Op, in...))}
}
