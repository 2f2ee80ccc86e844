package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// selections lists the operators on indices.
func selections() map[string]row {
	return map[string]row{
		"OneHot": {min: 3, max: 3, lower: oneHot},
		"TopK":   {min: 2, max: 2, lower: topK},
	}
}

// topK gives the elements and their indices. The order that sorted = 0 leaves open
// is that of sorted = 1 here.
func topK(c *call) []*value {
	x, k := c.x(0), c.known(1, "k")
	axis := c.axis(c.int("axis", -1), rank(x))
	largest := c.flag("largest", true)
	c.flag("sorted", true)
	if c.err != nil {
		return nil
	}
	n := c.fixed(x, axis)
	if c.err == nil && (k != float64(int(k)) || k < 1 || int(k) > n) {
		return c.one(c.failf("k is %v, must be a whole number from 1 to %d, the length of axis %d", k, n, axis))
	}
	at := c.op(ops.TopK{K: int(k), Axis: axis, Largest: largest}, x)
	if c.err != nil || len(c.n.Output) != 2 || !c.im.need.Names[c.n.Output[0]] {
		return []*value{at, at} // the first is read by nobody
	}
	if r := rank(x); axis != r-1 || r == ir.MaxRank || !typ(x).DType.Float() {
		return c.one(c.cannot("the elements themselves, and not only their indices, along another axis than the last"))
	}
	hot := c.op(ops.OneHot{Depth: n}, at)
	row := typ(x).Shape.Clone()
	row = append(row[:axis:axis], ir.Fixed(1), ir.Fixed(n))
	wide := c.op(ops.Reshape{Shape: ir.MakeDims(row)}, x)
	chosen := c.op(ops.Where{}, c.op(ops.Greater{}, hot, c.like(hot, 0)), wide, c.like(wide, 0))
	return []*value{c.op(ops.ReduceSum{Axes: ir.MakeAxes(axis + 1)}, chosen), at}
}

// maxClasses bounds the classes of a one-hot value.
const maxClasses = 1 << 24

// oneHot has an off and an on value and may have the new axis anywhere.
func oneHot(c *call) []*value {
	x, depth := c.x(0), c.known(1, "depth")
	if c.err != nil {
		return nil
	}
	if depth != float64(int(depth)) || depth < 1 || depth > maxClasses {
		return c.one(c.failf("depth is %v, must be a whole number from 1 to %d", depth, maxClasses))
	}
	v := c.x(2)
	if v.t == nil || v.t.Len() != 2 {
		return c.one(c.cannot("values that are not two constants"))
	}
	off, on := v.t.At(0), v.t.At(1)
	r := rank(x) + 1
	axis := c.axis(c.int("axis", -1), r)
	if c.err == nil && r > ir.MaxRank {
		return c.one(c.failf("the result has %d axes, at most %d are possible", r, ir.MaxRank))
	}
	if c.err == nil && !typ(x).DType.Integer() {
		x = c.op(ops.Cast{To: ir.I64}, x)
	}
	y := c.op(ops.OneHot{Depth: int(depth)}, x)
	if v.t.DType == ir.F64 {
		y = c.op(ops.Cast{To: ir.F64}, y)
	}
	if off != 0 || on != 1 {
		hot := c.op(ops.Greater{}, y, c.like(y, 0.5))
		y = c.op(ops.Where{}, hot, c.scalar(v.t.DType, on), c.scalar(v.t.DType, off))
	} else if v.t.DType != typ(y).DType {
		y = c.op(ops.Cast{To: v.t.DType}, y)
	}
	if axis == r-1 {
		return c.one(y)
	}
	perm := ir.Axes{Len: r}
	for i := range r {
		switch {
		case i < axis:
			perm.At[i] = i
		case i == axis:
			perm.At[i] = r - 1
		default:
			perm.At[i] = i - 1
		}
	}
	return c.one(c.op(ops.Transpose{Perm: perm}, y))
}
