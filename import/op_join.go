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

// pad puts a constant around x, or what mode takes from it; a negative width takes away.
func pad(c *call) []*value {
	mode := c.str("mode", "constant")
	x, widths := c.x(0), c.ints(1, "pads")
	known := []string{"constant", "edge", "reflect"}
	if c.im.opset >= 19 {
		known = append(known, "wrap")
	}
	if c.err == nil && !slices.Contains(known, mode) {
		return c.one(c.failf("attribute \"mode\" is %s, must be one of %v", quote(mode), known))
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
		if mode != "constant" {
			x = c.extended(x, axis, int(max(before, 0)), int(max(after, 0)), mode)
		} else {
			x = c.around(x, axis, int(max(before, 0)), int(max(after, 0)), fill)
		}
		if c.err != nil {
			return nil
		}
	}
	return c.one(x)
}

// extended puts before and after elements around x along an axis that are like those at its
// ends (edge), like those behind them in a mirror (reflect), or those of the other end (wrap).
func (c *call) extended(x *value, axis, before, after int, mode string) *value {
	if before == 0 && after == 0 || c.err != nil {
		return x
	}
	n := c.fixed(x, axis)
	most := map[string]int{"reflect": n - 1, "wrap": n}
	if limit, ok := most[mode]; c.err == nil && (ok && max(before, after) > limit || n < 1) {
		return c.cannot("mode %s with %d and %d elements around %d", quote(mode), before, after, n)
	}
	side := func(k, edge, mirror, other int) []*value { // k elements from a place of each mode
		switch {
		case k == 0 || c.err != nil:
			return nil
		case mode == "edge":
			s := typ(x).Shape.Clone()
			s[axis] = ir.Fixed(k)
			return []*value{c.op(ops.Expand{Shape: ir.MakeDims(s)}, c.cut(x, axis, edge, edge+1))}
		case mode == "reflect":
			return []*value{c.op(ops.Flip{Axes: ir.MakeAxes(axis)}, c.cut(x, axis, mirror, mirror+k))}
		}
		return []*value{c.cut(x, axis, other, other+k)}
	}
	list := append(side(before, 0, 1, n-before), x)
	return c.join(append(list, side(after, n-1, n-1-after, 0)...), axis)
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
