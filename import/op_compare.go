package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// comparisons lists the operators with a bool result, and Where.
func comparisons() map[string]row {
	return map[string]row{
		"Greater":        {min: 2, max: 2, lower: relation(ops.Greater{}, false)},
		"Less":           {min: 2, max: 2, lower: relation(ops.Less{}, false)},
		"Equal":          {min: 2, max: 2, lower: relation(ops.Equal{}, false)},
		"GreaterOrEqual": {min: 2, max: 2, lower: relation(ops.Greater{}, true)},
		"LessOrEqual":    {min: 2, max: 2, lower: relation(ops.Less{}, true)},
		"And":            {min: 2, max: 2, lower: and},
		"Or":             {min: 2, max: 2, lower: or},
		"Xor":            {min: 2, max: 2, lower: xor},
		"Not":            {min: 1, max: 1, lower: not},
		"Where":          {min: 3, max: 3, lower: where},
		"IsNaN":          {min: 1, max: 1, lower: isNaN},
	}
}

func relation(op ir.Op, equal bool) func(c *call) []*value {
	return func(c *call) []*value {
		v := c.op(op, c.x(0), c.x(1))
		if equal {
			v = c.op(ops.Where{}, v, v, c.op(ops.Equal{}, c.x(0), c.x(1)))
		}
		return c.one(v)
	}
}

// bools returns both operands, which must be bool.
func (c *call) bools() (a, b *value) {
	a, b = c.x(0), c.x(1)
	if c.err == nil && (typ(a).DType != ir.Bool || typ(b).DType != ir.Bool) {
		c.failf("operands are %v and %v, must be bool", typ(a), typ(b))
	}
	return a, b
}

func and(c *call) []*value {
	a, b := c.bools()
	return c.one(c.op(ops.Where{}, a, b, a))
}

func or(c *call) []*value {
	a, b := c.bools()
	return c.one(c.op(ops.Where{}, a, a, b))
}

func xor(c *call) []*value {
	a, b := c.bools()
	return c.one(c.op(ops.Equal{}, c.op(ops.Equal{}, a, b), c.scalar(ir.Bool, 0)))
}

func not(c *call) []*value {
	x := c.x(0)
	if c.err == nil && typ(x).DType != ir.Bool {
		return c.one(c.failf("the operand is %v, must be bool", typ(x)))
	}
	return c.one(c.op(ops.Equal{}, x, c.scalar(ir.Bool, 0)))
}

func where(c *call) []*value { return c.one(c.op(ops.Where{}, c.x(0), c.x(1), c.x(2))) }

// isNaN uses that NaN alone differs from itself.
func isNaN(c *call) []*value {
	x := c.floats(0)
	return c.one(c.op(ops.Equal{}, c.op(ops.Equal{}, x, x), c.scalar(ir.Bool, 0)))
}
