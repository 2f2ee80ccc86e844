package onnximport

import (
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// reductions lists the operators that reduce axes.
func reductions() map[string]row {
	return map[string]row{
		"ReduceSum":         {min: 1, max: 2, lower: reduction(13, sum)},
		"ReduceMean":        {min: 1, max: 2, lower: reduction(18, mean)},
		"ReduceMax":         {min: 1, max: 2, lower: reduction(18, greatest)},
		"ReduceMin":         {min: 1, max: 2, lower: reduction(18, least)},
		"ReduceL1":          {min: 1, max: 2, lower: reduction(18, l1)},
		"ReduceL2":          {min: 1, max: 2, lower: reduction(18, l2)},
		"ReduceSumSquare":   {min: 1, max: 2, lower: reduction(18, sumSquare)},
		"ReduceLogSum":      {min: 1, max: 2, lower: reduction(18, logSum)},
		"ReduceLogSumExp":   {min: 1, max: 2, lower: reduction(18, logSumExp)},
		"ArgMax":            {min: 1, max: 1, lower: argMax},
		"ArgMin":            {min: 1, max: 1, lower: argMin},
		"GlobalAveragePool": {min: 1, max: 1, lower: global(mean)},
		"GlobalMaxPool":     {min: 1, max: 1, lower: global(greatest)},
		"GlobalLpPool":      {min: 1, max: 1, lower: globalLpPool},
	}
}

// reducer reduces axes of x.
type reducer func(c *call, x *value, axes ir.Axes, keep bool) *value

func sum(c *call, x *value, axes ir.Axes, keep bool) *value {
	return c.op(ops.ReduceSum{Axes: axes, Keep: keep}, x)
}

func mean(c *call, x *value, axes ir.Axes, keep bool) *value {
	return c.op(ops.ReduceMean{Axes: axes, Keep: keep}, x)
}

// greatest is -Inf for no elements.
func greatest(c *call, x *value, axes ir.Axes, keep bool) *value {
	if c.err != nil {
		return c.fail(c.err)
	}
	op, s := ops.ReduceMax{Axes: axes, Keep: keep}, typ(x).Shape.Clone()
	empty := false
	for i, d := range s {
		if d.Least() < 1 {
			empty, s[i] = true, ir.Fixed(1)
		}
	}
	if !empty {
		return c.op(op, x)
	}
	// The result's shape is that of another x, but for axes of length 0 that stay.
	out, err := op.Infer([]ir.Type{{DType: typ(x).DType, Shape: s}})
	if err != nil {
		return c.fail(err)
	}
	for i, d := range typ(x).Shape {
		if d.Least() < 1 && axes.Len > 0 && !slices.Contains(axes.Slice(), i) {
			return c.cannot("the greatest elements of an axis of none beside others")
		}
	}
	return c.expandTo(c.like(x, math.Inf(-1)), out[0].Shape)
}

func least(c *call, x *value, axes ir.Axes, keep bool) *value {
	return c.op(ops.Neg{}, greatest(c, c.op(ops.Neg{}, x), axes, keep))
}

func l1(c *call, x *value, axes ir.Axes, keep bool) *value {
	return sum(c, c.op(ops.Abs{}, x), axes, keep)
}

func sumSquare(c *call, x *value, axes ir.Axes, keep bool) *value {
	return sum(c, c.op(ops.Mul{}, x, x), axes, keep)
}

func l2(c *call, x *value, axes ir.Axes, keep bool) *value {
	return c.op(ops.Sqrt{}, sumSquare(c, x, axes, keep))
}

func logSum(c *call, x *value, axes ir.Axes, keep bool) *value {
	return c.op(ops.Log{}, sum(c, x, axes, keep))
}

// logSumExp takes the greatest element out, so that no exponential overflows. If
// that is infinite nothing is taken out: the exponentials of infinities are right.
func logSumExp(c *call, x *value, axes ir.Axes, keep bool) *value {
	top := greatest(c, x, axes, true)
	finite := c.op(ops.Less{}, c.op(ops.Abs{}, top), c.like(top, math.Inf(1)))
	top = c.op(ops.Where{}, finite, top, c.like(top, 0))
	s := c.op(ops.Log{}, sum(c, c.op(ops.Exp{}, c.op(ops.Sub{}, x, top)), axes, true))
	y := c.op(ops.Add{}, s, top)
	if keep || c.err != nil {
		return y
	}
	return c.op(ops.Reshape{Shape: ir.MakeDims(without(typ(y).Shape, axes))}, y)
}

// without returns a shape less the axes, all of them for an empty list.
func without(s ir.Shape, axes ir.Axes) ir.Shape {
	out := ir.Shape{}
	drop := map[int]bool{}
	for _, a := range axes.Slice() {
		drop[a] = true
	}
	for i, d := range s {
		if axes.Len > 0 && !drop[i] {
			out = append(out, d)
		}
	}
	return out
}

// reduction reads the axes from an operand from the opset given on, from an
// attribute before.
func reduction(operand int64, f reducer) func(c *call) []*value {
	return func(c *call) []*value {
		keep := c.flag("keepdims", true)
		x := c.floats(0)
		var list []int64
		empty := false
		if c.im.opset >= operand {
			empty = c.flag("noop_with_empty_axes", false)
			if c.has(1) {
				list = c.ints(1, "axes")
			}
		} else {
			if len(c.in) > 1 {
				return c.one(c.failf("has its axes as an input, at opset %d they are an attribute", c.im.opset))
			}
			list = c.list("axes")
		}
		axes := c.axes(list, rank(x))
		if c.err != nil {
			return nil
		}
		if len(axes) == 0 && empty {
			if c.n.OpType == "ReduceSum" || c.n.OpType == "ReduceMean" || c.n.OpType == "ReduceMax" || c.n.OpType == "ReduceMin" {
				return c.one(x)
			}
			return c.one(c.cannot("noop_with_empty_axes without axes"))
		}
		return c.one(f(c, x, ir.MakeAxes(axes...), keep))
	}
}

// global reduces all axes behind the first two.
func global(f reducer) func(c *call) []*value {
	return func(c *call) []*value {
		x := c.floats(0)
		if c.err == nil && rank(x) < 3 {
			return c.one(c.failf("x is %v, must have 3 axes or more", typ(x)))
		}
		axes := ir.Axes{}
		for a := 2; a < rank(x); a++ {
			axes.At[axes.Len] = a
			axes.Len++
		}
		return c.one(f(c, x, axes, true))
	}
}

func globalLpPool(c *call) []*value {
	p := c.norm()
	return global(func(c *call, x *value, axes ir.Axes, keep bool) *value {
		return c.root(sum(c, c.powers(x, p), axes, keep), p)
	})(c)
}

func argMax(c *call) []*value { return c.one(c.argMax(c.floats(0))) }

// argMin of x is argMax of -x.
func argMin(c *call) []*value { return c.one(c.argMax(c.op(ops.Neg{}, c.floats(0)))) }

// argMax is the first of equal elements, or the last if the node asks for it.
func (c *call) argMax(x *value) *value {
	last := c.flag("select_last_index", false)
	op := c.tagged(ops.ArgMax{Keep: true}, rank(x))
	if last && c.err == nil {
		x = c.lastGreatest(x, op.(ops.ArgMax).Axis)
	}
	return c.op(op, x)
}

// lastGreatest has the place along the axis where x is greatest or NaN, which
// counts as greatest, and -1 elsewhere: its own greatest element is at the last
// such place.
func (c *call) lastGreatest(x *value, axis int) *value {
	const most = 1 << 24 // the places are exact as f32
	n := c.fixed(x, axis)
	if c.err == nil && n > most {
		return c.cannot("the last of more than %d elements", most)
	}
	places := ir.NewTensor(ir.F32, n)
	for i := range places.F32 {
		places.F32[i] = float32(i)
	}
	s := make(ir.Shape, rank(x))
	for i := range s {
		s[i] = ir.Fixed(1)
	}
	if c.err != nil {
		return c.fail(c.err)
	}
	s[axis] = ir.Fixed(n)
	number := c.op(ops.Equal{}, x, x)
	top := c.op(ops.Equal{}, x, greatest(c, x, ir.MakeAxes(axis), true))
	at := c.op(ops.Reshape{Shape: ir.MakeDims(s)}, &value{t: places})
	none := c.scalar(ir.F32, -1)
	return c.op(ops.Where{}, number, c.op(ops.Where{}, top, at, none), at)
}
