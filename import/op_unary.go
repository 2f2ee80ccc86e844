package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// unaries lists the operators of one operand without parameters, and casts.
func unaries() map[string]row {
	return map[string]row{
		"Neg":        {min: 1, max: 1, lower: neg},
		"Abs":        {min: 1, max: 1, lower: counted(ops.Abs{})},
		"Sign":       {min: 1, max: 1, lower: counted(ops.Sign{})},
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
	if x := c.x(0); x.dims != nil {
		return c.one(c.integers(c.like(x, 0), x, subLength))
	}
	return counted(ops.Neg{})(c)
}

// counted is an op of one operand that is numbers.
func counted(op ir.Op) func(c *call) []*value {
	return func(c *call) []*value { return c.one(c.op(op, c.numbers(0))) }
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

// castTo converts to an element type. Lengths stay lengths as integers that can
// hold them.
func (c *call) castTo(x *value, elem int64) *value {
	if elem <= 0 || elem > int64(len(elemNames)) {
		return c.failf("the element type %d does not exist", elem)
	}
	d, err := dtype(int32(elem))
	if err != nil {
		return c.cannot("converts to %s", elemName(int32(elem)))
	}
	return c.convert(x, d)
}

func (c *call) convert(x *value, d ir.DType) *value {
	switch {
	case c.err != nil || typ(x).DType == d:
		return x
	case x.dims != nil && d.Integer() && d.Size() >= 4:
		return &value{dims: x.dims, rank0: x.rank0, whole: d}
	}
	return c.op(ops.Cast{To: d}, x)
}

func castLike(c *call) []*value {
	c.flag("saturate", true)
	c.str("round_mode", "up")
	return c.one(c.convert(c.x(0), typ(c.x(1)).DType))
}
