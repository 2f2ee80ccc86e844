package onnximport

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// shapes lists the operators that change or tell a shape.
func shapes() map[string]row {
	return map[string]row{
		"Reshape":   {min: 2, max: 2, lower: reshape},
		"Flatten":   {min: 1, max: 1, lower: flatten},
		"Transpose": {min: 1, max: 1, lower: transpose},
		"Squeeze":   {min: 1, max: 2, lower: squeeze},
		"Unsqueeze": {min: 2, max: 2, lower: unsqueeze},
		"Shape":     {min: 1, max: 1, lower: shapeOf},
		"Size":      {min: 1, max: 1, lower: sizeOf},
		"Expand":    {min: 2, max: 2, lower: expand},
	}
}

// view gives x another shape; open lengths keep what they are.
func (c *call) view(x *value, s ir.Shape) *value {
	if n, ok := s.Elems(); c.err == nil && x.count != (ir.Dim{}) && ok && n == x.count && len(s) <= ir.MaxRank {
		return &value{count: x.count, shape: s}
	}
	if c.err != nil || x.dims == nil {
		if c.err == nil && len(s) > ir.MaxRank {
			return c.failf("the result has %d axes, at most %d are possible", len(s), ir.MaxRank)
		}
		return c.op(ops.Reshape{Shape: ir.MakeDims(s[:min(len(s), ir.MaxRank)])}, x)
	}
	if n, ok := s.Elems(); len(s) > 1 || !ok || n != ir.Fixed(len(x.dims)) {
		return c.cannot("gives lengths the shape %v", s)
	}
	return &value{dims: x.dims, rank0: len(s) == 0, whole: x.whole}
}

// reshape has 0 for a length that stays and -1 for the one that the others
// leave.
func reshape(c *call) []*value {
	zero := c.flag("allowzero", false)
	x, want := c.x(0), c.lengthsOf(1, "the shape")
	if c.err != nil {
		return nil
	}
	from := typ(x).Shape
	s, hole := ir.Shape(slices.Clone(want)), -1
	for i, d := range s {
		switch {
		case d == ir.Fixed(0) && !zero:
			if i >= len(from) {
				return c.one(c.failf("the shape %v keeps axis %d, which x of shape %v does not have", s, i, from))
			}
			s[i] = from[i]
		case d == ir.Fixed(-1):
			if hole >= 0 {
				return c.one(c.failf("the shape leaves two lengths open"))
			}
			hole = i
		}
	}
	if hole >= 0 {
		d, ok := quotient(from, s, hole)
		if !ok {
			return c.one(c.failf("x of shape %v does not have the elements of the shape %v", from, s))
		}
		s[hole] = d
	}
	return c.one(c.view(x, s))
}

// quotient returns the length that the axes of from leave for axis hole of s.
func quotient(from, s ir.Shape, hole int) (ir.Dim, bool) {
	n, ok := from.Elems()
	rest := slices.Delete(slices.Clone(s), hole, hole+1)
	m, ok2 := rest.Elems()
	if !ok || !ok2 {
		return ir.Dim{}, false
	}
	return ir.Div(n, m)
}

func flatten(c *call) []*value {
	x, a := c.x(0), c.int("axis", 1)
	r := int64(rank(x))
	if a < 0 {
		a += r
	}
	if c.err == nil && (a < 0 || a > r) {
		return c.one(c.failf("axis %d is outside 0 to %d", a, r))
	}
	return c.one(c.op(ops.Flatten{Axis: int(a)}, x))
}

func transpose(c *call) []*value {
	x := c.x(0)
	r := rank(x)
	perm := c.list("perm")
	if !c.given("perm") {
		for i := range r {
			perm = append(perm, int64(r-1-i))
		}
	}
	if c.err == nil && len(perm) != r {
		return c.one(c.failf("perm names %d axes, x has %d", len(perm), r))
	}
	axes := ir.Axes{Len: r}
	for i, a := range perm {
		axes.At[i] = c.axis(a, r)
	}
	return c.one(c.op(ops.Transpose{Perm: axes}, x))
}

func squeeze(c *call) []*value {
	x := c.x(0)
	s := typ(x).Shape
	var axes []int
	if c.has(1) {
		axes = c.axes(c.ints(1, "axes"), len(s))
	} else {
		for i, d := range s {
			if d == ir.Fixed(1) {
				axes = append(axes, i)
			}
		}
	}
	out := ir.Shape{}
	for i, d := range s {
		if !slices.Contains(axes, i) {
			out = append(out, d)
		} else if d != ir.Fixed(1) {
			return c.one(c.failf("axis %d of x, which is %v, is not of length 1", i, typ(x)))
		}
	}
	return c.one(c.view(x, out))
}

func unsqueeze(c *call) []*value {
	x := c.x(0)
	list := c.ints(1, "axes")
	s := typ(x).Shape
	if c.err == nil && len(list)+len(s) > ir.MaxRank {
		return c.one(c.failf("the result has %d axes, at most %d are possible", len(list)+len(s), ir.MaxRank))
	}
	axes := c.axes(list, len(list)+len(s))
	if c.err != nil {
		return nil
	}
	out, next := ir.Shape{}, 0
	for i := range len(list) + len(s) {
		if slices.Contains(axes, i) {
			out = append(out, ir.Fixed(1))
			continue
		}
		out = append(out, s[next])
		next++
	}
	return c.one(c.view(x, out))
}

// shapeOf is known before anything runs but for open lengths.
func shapeOf(c *call) []*value {
	s := typ(c.x(0)).Shape
	clamp := func(n int64) int {
		if n < 0 {
			n += int64(len(s))
		}
		return int(max(0, min(n, int64(len(s)))))
	}
	lo, hi := 0, len(s)
	if c.im.opset >= 15 {
		lo, hi = clamp(c.int("start", 0)), clamp(c.int("end", int64(len(s))))
	}
	return c.one(c.settled(&value{dims: append([]ir.Dim{}, s[lo:max(lo, hi)]...)}))
}

func sizeOf(c *call) []*value {
	n := ir.Fixed(1)
	for _, d := range typ(c.x(0)).Shape {
		p, ok := mulLength(n, d)
		if !ok {
			return c.one(c.cannot("computes with an open length in a way that has no form"))
		}
		n = p
	}
	return c.one(c.settled(&value{dims: []ir.Dim{n}, rank0: true}))
}

// expand broadcasts both ways: a 1 in the shape leaves the length of x.
func expand(c *call) []*value {
	x, want := c.x(0), c.lengthsOf(1, "the shape")
	if c.err != nil {
		return nil
	}
	return c.one(c.expandTo(x, want))
}

func (c *call) expandTo(x *value, want ir.Shape) *value {
	from := typ(x).Shape
	out := make(ir.Shape, max(len(from), len(want)))
	for i := range out {
		a, b := ir.Fixed(1), ir.Fixed(1)
		if k := i - len(out) + len(from); k >= 0 {
			a = from[k]
		}
		if k := i - len(out) + len(want); k >= 0 {
			b = want[k]
		}
		switch {
		case b.Least() < 0:
			return c.failf("the shape holds the length %v", b)
		case a == b || b == ir.Fixed(1):
			out[i] = a
		case a == ir.Fixed(1):
			out[i] = b
		default:
			return c.failf("x, which is %v, does not broadcast to %v", typ(x), want)
		}
	}
	if out.Equal(from) {
		return x
	}
	return c.op(ops.Expand{Shape: ir.MakeDims(out)}, x)
}
