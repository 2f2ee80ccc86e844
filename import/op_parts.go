package onnximport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// parts lists the operators that take parts of a value.
func parts() map[string]row {
	return map[string]row{
		"Slice":  {min: 3, max: 5, lower: slice},
		"Split":  {min: 1, max: 2, lower: split},
		"Gather": {min: 2, max: 2, lower: gather},
	}
}

// cut returns [lo,hi) of x along an axis.
func (c *call) cut(x *value, axis, lo, hi int) *value {
	if c.err == nil && x.dims != nil {
		if x.rank0 || lo < 0 || hi > len(x.dims) || lo > hi {
			return c.failf("[%d, %d) is not within %d lengths", lo, hi, len(x.dims))
		}
		return c.settled(&value{dims: append([]ir.Dim{}, x.dims[lo:hi]...), whole: x.whole})
	}
	return c.op(ops.Slice{Axis: axis, Start: ir.Fixed(lo), End: ir.Fixed(hi)}, x)
}

func slice(c *call) []*value {
	x := c.x(0)
	starts, ends := c.bounds(1, "starts"), c.bounds(2, "ends")
	axes := []int64{}
	if c.has(3) {
		axes = c.ints(3, "axes")
	} else {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	steps := make([]int64, len(starts))
	for i := range steps {
		steps[i] = 1
	}
	if c.has(4) {
		steps = c.ints(4, "steps")
	}
	if c.err == nil && (len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts)) {
		return c.one(c.failf("%d starts, %d ends, %d axes and %d steps do not go together", len(starts), len(ends), len(axes), len(steps)))
	}
	if c.axes(axes, rank(x)); c.err != nil {
		return nil
	}
	for i, a := range axes {
		axis := c.axis(a, rank(x))
		whole := typ(x).Shape[axis]
		if steps[i] == -1 && x.dims == nil && backwards(starts[i], ends[i], whole) {
			if x = c.op(ops.Flip{Axes: ir.MakeAxes(axis)}, x); c.err != nil {
				return nil
			}
			continue
		}
		if steps[i] != 1 {
			return c.one(c.cannot("a step other than 1, or -1 along a whole axis"))
		}
		lo, ok1 := place(starts[i], whole)
		hi, ok2 := place(ends[i], whole)
		if ok1 && ok2 && (whole.Symbolic() || lo.Symbolic() || hi.Symbolic()) {
			if lo == ir.Fixed(0) && hi == whole {
				continue
			}
			if x.dims == nil {
				x = c.op(ops.Slice{Axis: axis, Start: lo, End: hi}, x)
				continue
			}
			ok1 = false
		}
		n, known := whole.Known()
		if !ok1 || !ok2 || !known {
			return c.one(c.cannot("the bounds %v and %v of axis %d of %v, which may lie outside it", starts[i], ends[i], axis, typ(x)))
		}
		if from, to := lo.Length(), max(lo.Length(), hi.Length()); from != 0 || to != n {
			x = c.cut(x, axis, from, to)
		}
		if c.err != nil {
			return nil
		}
	}
	return c.one(x)
}

// backwards reports whether an axis is read from its last index to its first.
func backwards(start, end, whole ir.Dim) bool {
	from, ok := start.Known()
	to, known := end.Known()
	if !ok || !known {
		return false
	}
	n, fixed := whole.Known()
	if !fixed {
		return from == -1 && to <= math.MinInt32 || from >= math.MaxInt32 && to <= math.MinInt32
	}
	return (from == -1 || from >= n-1) && to < -n
}

// bounds returns operand i as places along axes: numbers of any size, or lengths.
func (c *call) bounds(i int, what string) []ir.Dim {
	if v := c.x(i); v.dims != nil {
		return v.dims
	}
	var out []ir.Dim
	for _, n := range c.ints(i, what) {
		out = append(out, ir.Fixed(int(n)))
	}
	return out
}

// place returns where an index is within an axis, from its start; it is false if that
// cannot be told for every length of the axis.
func place(at, whole ir.Dim) (ir.Dim, bool) {
	i, known := at.Known()
	n, fixed := whole.Known()
	switch {
	case known && fixed:
		return ir.Fixed(clampIndex(int64(i), n)), true
	case known && i < 0:
		return ir.Sub(whole, ir.Fixed(-max(i, -math.MaxInt32)))
	case known && i >= math.MaxInt32:
		return whole, true
	case at == whole:
		return at, true
	case fixed: // the op holds the capacity against it
		return at, at.Valid() && at.Least() <= n && !at.Has(ir.Batch)
	}
	_, within := ir.Sub(whole, at)
	return at, within
}

func clampIndex(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(max(0, min(i, int64(n))))
}

// split takes its lengths from an operand, else divides as evenly as the
// opset's rule says.
func split(c *call) []*value {
	x := c.x(0)
	axis := c.axis(c.int("axis", 0), rank(x))
	if c.err != nil {
		return nil
	}
	n, outs := c.fixed(x, axis), len(c.n.Output)
	var sizes []int64
	switch {
	case c.has(1):
		sizes = c.ints(1, "split")
	case c.im.opset >= 18:
		k := c.int("num_outputs", 0)
		if c.err == nil && (k < 1 || int(k) != outs) {
			return c.one(c.failf("num_outputs is %d, the node has %d", k, outs))
		}
		part := (int64(n) + int64(outs) - 1) / int64(outs)
		for i := range outs {
			sizes = append(sizes, max(0, min(part, int64(n)-int64(i)*part)))
		}
	default:
		if n%outs != 0 {
			return c.one(c.failf("a length of %d does not divide into %d parts", n, outs))
		}
		for range outs {
			sizes = append(sizes, int64(n/outs))
		}
	}
	if c.err == nil && len(sizes) != outs {
		return c.one(c.failf("split has %d lengths, the node %d outputs", len(sizes), outs))
	}
	var parts []*value
	at := int64(0)
	for _, k := range sizes {
		if k < 0 || k > int64(n)-at {
			return c.one(c.failf("the parts %d do not fill a length of %d", sizes, n))
		}
		parts = append(parts, c.cut(x, axis, int(at), int(at+k)))
		at += k
	}
	if at != int64(n) {
		return c.one(c.failf("the parts %d do not fill a length of %d", sizes, n))
	}
	return parts
}

// maxGathered is the greatest number of parts that a Gather of known indices may have.
const maxGathered = 256

// gather is a join of slices where the indices are known.
func gather(c *call) []*value {
	x, idx := c.x(0), c.x(1)
	axis := c.axis(c.int("axis", 0), rank(x))
	if c.err != nil {
		return nil
	}
	if !typ(idx).DType.Integer() {
		return c.one(c.failf("indices are %v, must be integers", typ(idx)))
	}
	if idx.count != (ir.Dim{}) {
		return c.one(c.counted(x, idx, axis))
	}
	if idx.t == nil {
		return c.one(c.lookup(x, idx, axis))
	}
	s := typ(x).Shape
	list := idx.t.To(ir.I64).I64
	if s[axis].Symbolic() {
		return c.one(c.pick(x, idx.t.To(ir.I64), axis))
	}
	n := c.fixed(x, axis)
	if len(list) > maxGathered {
		return c.one(c.cannot("%d indices, at most %d are possible", len(list), maxGathered))
	}
	if len(list) == 0 {
		return c.one(c.cannot("no indices"))
	}
	var runs []*value
	for i := 0; i < len(list) && c.err == nil; {
		lo, ok := index(list[i], n)
		if !ok {
			return c.one(c.failf("index %d is outside a length of %d", list[i], n))
		}
		k := 1
		for i+k < len(list) {
			if next, ok := index(list[i+k], n); !ok || next != lo+k {
				break
			}
			k++
		}
		runs = append(runs, c.cut(x, axis, lo, lo+k))
		i += k
	}
	y := c.join(runs, axis)
	out := append(ir.Shape{}, s[:axis]...)
	out = append(append(out, ir.ShapeOf(idx.t.Shape...)...), s[axis+1:]...)
	return c.one(c.view(y, out))
}

// counted takes the elements 0, 1, … of an axis, as many as a Range has.
func (c *call) counted(x, idx *value, axis int) *value {
	s := typ(x).Shape
	end, ok := place(idx.count, s[axis])
	if !ok {
		return c.cannot("indices up to %v of axis %d of %v, which may lie outside it", idx.count, axis, typ(x))
	}
	y := x
	if end != s[axis] {
		y = c.op(ops.Slice{Axis: axis, Start: ir.Fixed(0), End: end}, x)
	}
	out := append(ir.Shape{}, s[:axis]...)
	return c.view(y, append(append(out, idx.shape...), s[axis+1:]...))
}

// pick takes one index of an axis whose length is open: the first, or one counted from
// the end that every length has.
func (c *call) pick(x *value, idx *ir.Tensor, axis int) *value {
	s := typ(x).Shape
	if len(idx.I64) != 1 {
		return c.cannot("%d indices of axis %d of %v, whose length is open", len(idx.I64), axis, typ(x))
	}
	lo, ok := place(ir.Fixed(int(idx.I64[0])), s[axis])
	hi, fits := ir.Sum(lo, ir.Fixed(1))
	_, within := ir.Sub(s[axis], hi)
	if !ok || !fits || !within {
		return c.cannot("index %d of axis %d of %v, which may lie outside it", idx.I64[0], axis, typ(x))
	}
	y := c.op(ops.Slice{Axis: axis, Start: lo, End: hi}, x)
	out := append(ir.Shape{}, s[:axis]...)
	return c.view(y, append(append(out, ir.ShapeOf(idx.Shape...)...), s[axis+1:]...))
}

func index(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

// lookup reads rows of a table by indices that depend on the inputs.
func (c *call) lookup(table, idx *value, axis int) *value {
	if axis != 0 || table.dims != nil || rank(table) == 0 || typ(table).Shape[0].Symbolic() {
		return c.cannot("indices that depend on the inputs, along another axis than the first, or into a table of an open length")
	}
	if typ(idx).DType != ir.I64 {
		idx = c.op(ops.Cast{To: ir.I64}, idx)
	}
	return c.op(ops.Gather{}, table, idx)
}
