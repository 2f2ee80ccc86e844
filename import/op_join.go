package onnximport

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// joins lists the operators that put values together or around others.
func joins() map[string]row {
	return map[string]row{
		"Concat": {min: 1, max: -1, lower: concat},
		"Tile":   {min: 2, max: 2, lower: tile},
		"Pad":    {min: 2, max: 4, lower: pad},
	}
}

// maxTiles bounds the copies that Tile makes.
const maxTiles = 64

func concat(c *call) []*value {
	if !c.given("axis") {
		return c.one(c.failf("attribute axis is missing"))
	}
	axis := c.axis(c.int("axis", 0), rank(c.x(0)))
	if c.err != nil {
		return nil
	}
	for i := range c.in {
		c.x(i)
	}
	return c.one(c.join(c.in, axis))
}

// join concatenates along an axis.
func (c *call) join(list []*value, axis int) *value {
	if c.err != nil {
		return c.fail(c.err)
	}
	if len(list) == 1 {
		return list[0]
	}
	for _, v := range list {
		if v.dims == nil {
			continue
		}
		out := &value{}
		for _, v := range list {
			if rank(v) != 1 {
				return c.failf("lengths of rank %d cannot be joined", rank(v))
			}
			out.dims = append(out.dims, c.asLengths(v)...)
		}
		if len(out.dims) > ir.MaxRank {
			return c.cannot("joins %d lengths", len(out.dims))
		}
		return c.settled(out)
	}
	return c.op(ops.Concat{Axis: axis}, list...)
}

func tile(c *call) []*value {
	x, repeats := c.x(0), c.ints(1, "repeats")
	if c.err == nil && len(repeats) != rank(x) {
		return c.one(c.failf("%d repeats for %d axes", len(repeats), rank(x)))
	}
	for axis, n := range repeats {
		if n < 1 || n > maxTiles {
			return c.one(c.cannot("%d repetitions, 1 to %d are possible", n, maxTiles))
		}
		copies := make([]*value, n)
		for i := range copies {
			copies[i] = x
		}
		x = c.join(copies, axis)
	}
	return c.one(x)
}

// pad puts a constant around x, or elements of x; a negative width takes away.
func pad(c *call) []*value {
	mode := c.str("mode", "constant")
	x, widths := c.x(0), c.ints(1, "pads")
	border := map[string]func(c *call, x *value, axis, n, before, after int) *value{"constant": nil, "edge": edges, "reflect": reflections, "wrap": wraps}
	of, ok := border[mode]
	if c.err == nil && !ok {
		return c.one(c.failf("attribute mode is %s, must be constant, edge, reflect or wrap", quote(mode)))
	}
	fill := 0.0
	if c.has(2) {
		fill = c.known(2, "the constant value")
	}
	axes := make([]int64, rank(x))
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.has(3) {
		if c.im.opset < 18 {
			return c.one(c.failf("has 4 inputs, at most 3 are possible at opset %d", c.im.opset))
		}
		axes = c.ints(3, "axes")
	}
	if c.err == nil && len(widths) != 2*len(axes) {
		return c.one(c.failf("%d pads for %d axes", len(widths), len(axes)))
	}
	if c.axes(axes, rank(x)); c.err != nil {
		return nil
	}
	for i, a := range axes {
		before, after := widths[i], widths[len(axes)+i]
		if before == 0 && after == 0 {
			continue
		}
		axis := c.axis(a, rank(x))
		whole, limit := typ(x).Shape[axis], c.im.limits.Elements
		if min(before, after) < -limit || max(before, after) > limit {
			return c.one(c.failf("pads %d and %d do not go with a length of %v", before, after, whole))
		}
		if before < 0 || after < 0 {
			start := ir.Fixed(int(-min(before, 0)))
			end, ok := ir.Sub(whole, ir.Fixed(int(-min(after, 0))))
			if _, within := ir.Sub(end, start); !ok || !within {
				return c.one(c.failf("pads %d and %d do not go with a length of %v", before, after, whole))
			}
			x = c.op(ops.Slice{Axis: axis, Start: start, End: end}, x)
		}
		if of == nil {
			x = c.around(x, axis, int(max(before, 0)), int(max(after, 0)), fill)
		} else if n, known := typ(x).Shape[axis].Known(); !known || n < 1 {
			return c.one(c.cannot("mode %s of an axis of length %v", mode, typ(x).Shape[axis]))
		} else {
			x = of(c, x, axis, n, int(max(before, 0)), int(max(after, 0)))
		}
		if c.err != nil {
			return nil
		}
	}
	return c.one(x)
}

// around puts before and after elements of fill around x along an axis.
func (c *call) around(x *value, axis, before, after int, fill float64) *value {
	if before == 0 && after == 0 || c.err != nil {
		return x
	}
	if fill == 0 {
		return c.op(ops.Pad{Axis: axis, Before: ir.Fixed(before), After: ir.Fixed(after)}, x)
	}
	var list []*value
	for i, n := range []int{before, -1, after} {
		if n == 0 {
			continue
		}
		if i == 1 {
			list = append(list, x)
			continue
		}
		s := typ(x).Shape.Clone()
		s[axis] = ir.Fixed(n)
		list = append(list, c.op(ops.Expand{Shape: ir.MakeDims(s)}, c.like(x, fill)))
	}
	return c.join(list, axis)
}

// part is the elements from from to to of an axis.
func (c *call) part(x *value, axis, from, to int) *value {
	return c.op(ops.Slice{Axis: axis, Start: ir.Fixed(from), End: ir.Fixed(to)}, x)
}

// bordered joins what lies before x, x and what lies behind, nil being nothing.
func (c *call) bordered(axis int, list ...*value) *value {
	return c.join(slices.DeleteFunc(list, func(v *value) bool { return v == nil }), axis)
}

// edges repeats the first and the last of the n elements of an axis.
func edges(c *call, x *value, axis, n, before, after int) *value {
	repeated := func(at, times int) *value {
		if times == 0 {
			return nil
		}
		s := typ(x).Shape.Clone()
		s[axis] = ir.Fixed(times)
		return c.op(ops.Expand{Shape: ir.MakeDims(s)}, c.part(x, axis, at, at+1))
	}
	return c.bordered(axis, repeated(0, before), x, repeated(n-1, after))
}

// reflections mirrors an axis at its ends, which are not repeated.
func reflections(c *call, x *value, axis, n, before, after int) *value {
	if max(before, after) >= n {
		return c.cannot("mode reflect with pads %d and %d of an axis of length %d", before, after, n)
	}
	turned := func(from, to int) *value {
		if from == to {
			return nil
		}
		return c.op(ops.Flip{Axes: ir.MakeAxes(axis)}, c.part(x, axis, from, to))
	}
	return c.bordered(axis, turned(1, 1+before), x, turned(n-1-after, n-1))
}

// wraps continues an axis from its other end.
func wraps(c *call, x *value, axis, n, before, after int) *value {
	if c.im.opset < 19 {
		return c.failf("mode wrap came with opset 19, the file has %d", c.im.opset)
	}
	if max(before, after) > n {
		return c.cannot("mode wrap with pads %d and %d of an axis of length %d", before, after, n)
	}
	of := func(from, to int) *value {
		if from == to {
			return nil
		}
		return c.part(x, axis, from, to)
	}
	return c.bordered(axis, of(n-before, n), x, of(0, after))
}
