package onnximport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// unaries lists the operators of one operand without parameters, and casts.
func unaries() map[string]row {
	return map[string]row{
		"Neg":        {min: 1, max: 1, lower: neg},
		"Abs":        {min: 1, max: 1, lower: plain(ops.Abs{})},
		"Sign":       {min: 1, max: 1, lower: plain(ops.Sign{})},
		"Sqrt":       {min: 1, max: 1, lower: plain(ops.Sqrt{})},
		"Exp":        {min: 1, max: 1, lower: plain(ops.Exp{})},
		"Log":        {min: 1, max: 1, lower: plain(ops.Log{})},
		"Erf":        {min: 1, max: 1, lower: plain(ops.Erf{})},
		"Reciprocal": {min: 1, max: 1, lower: plain(ops.Reciprocal{})},
		"Identity":   {min: 1, max: 1, lower: func(c *call) []*value { return c.one(c.x(0)) }},
		"Dropout":    {min: 1, max: 3, lower: dropout},
		"Cast":       {min: 1, max: 1, lower: cast},
		"CastLike":   {min: 2, max: 2, since: 15, lower: castLike},
	}
}

func neg(c *call) []*value {
	if x := c.x(0); typ(x).DType == ir.I64 {
		return c.one(c.integers(c.scalar(ir.I64, 0), x, subLength))
	}
	return plain(ops.Neg{})(c)
}

// dropout is its operand for inference: opset 13 and up say so with a
// training_mode that is absent or false.
func dropout(c *call) []*value {
	c.int("seed", 0)
	if c.has(2) && c.known(2, "training_mode") != 0 {
		return c.one(c.cannot("training_mode is set"))
	}
	x := c.floats(0)
	if len(c.n.Output) < 2 || c.n.Output[1] == "" {
		return c.one(x)
	}
	// The mask of a Dropout that drops nothing.
	return []*value{x, c.op(ops.Expand{Shape: ir.MakeDims(typ(x).Shape)}, c.scalar(ir.Bool, 1))}
}

func cast(c *call) []*value {
	to := c.int("to", 0)
	c.flag("saturate", true)
	c.str("round_mode", "up")
	if c.err != nil {
		return nil
	}
	return c.one(c.castTo(c.x(0), to))
}

// castTo converts to an element type. Integers narrower than i64 would wrap, so
// only what cannot leave their range, or has no meaning there, is accepted.
func (c *call) castTo(x *value, elem int64) *value {
	if elem <= 0 || elem > int64(len(elemNames)) {
		return c.failf("the element type %d does not exist", elem)
	}
	d, err := dtype(int32(elem))
	if err != nil {
		return c.cannot("converts to %s", elemName(int32(elem)))
	}
	if x.dims != nil && d == ir.I64 {
		return x
	}
	from := typ(x).DType
	if d == ir.I64 && elem != elemInt64 && from != ir.Bool {
		if lo, hi := intRange(int32(elem)); x.t != nil && from == ir.I64 {
			for _, n := range x.t.I64 {
				if n < lo || n > hi {
					return c.failf("converts %d to %s", n, elemName(int32(elem)))
				}
			}
		} else if from == ir.I64 || elem != elemInt32 {
			return c.cannot("converts to %s", elemName(int32(elem)))
		} else {
			x = c.withinInt32(x)
		}
	}
	if d == from {
		return x
	}
	return c.op(ops.Cast{To: d}, x)
}

// withinInt32 puts the least i32 in the place of floats that are none, NaN among
// them. The standard leaves open what they become; so does onnxruntime, where the
// processor decides, and this is what those of Intel and AMD do.
func (c *call) withinInt32(x *value) *value {
	const least, above = math.MinInt32, math.MaxInt32 + 1
	within := func(v float64) bool { return v > least-1 && v < above }
	if x.t != nil { // it stays known
		outside := false
		for i := range x.t.Len() {
			outside = outside || !within(x.t.At(i))
		}
		if !outside {
			return x
		}
	}
	low := c.like(x, least)
	x = c.op(ops.Where{}, c.op(ops.Less{}, x, c.like(x, above)), x, low)
	return c.op(ops.Where{}, c.op(ops.Greater{}, x, c.like(x, least-1)), x, low)
}

func castLike(c *call) []*value {
	c.flag("saturate", true)
	c.str("round_mode", "up")
	to, x := typ(c.x(1)).DType, c.x(0)
	switch {
	case c.err != nil:
	case to == ir.I64: // its width is not known here
		return c.one(c.cannot("converts to an integer"))
	case to != typ(x).DType:
		x = c.op(ops.Cast{To: to}, x)
	}
	return c.one(x)
}
