package onnximport

import (
	"slices"

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
		if a, b := c.x(0), c.x(1); op == (ops.Equal{}) && (a.dims != nil || b.dims != nil) {
			return c.one(c.sameLengths(a, b))
		}
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

func where(c *call) []*value {
	if cond, a, b := c.x(0), c.x(1), c.x(2); cond.t != nil && (a.dims != nil || b.dims != nil) {
		return c.one(c.chosenLengths(cond.t, a, b))
	}
	return c.one(c.op(ops.Where{}, c.x(0), c.x(1), c.x(2)))
}

// pairs returns two lists of lengths, broadcast to as many.
func (c *call) pairs(a, b *value) (x, y []ir.Dim, rank0 bool) {
	x, y = c.asLengths(a), c.asLengths(b)
	n := max(len(x), len(y))
	if c.err == nil && (len(x) != n && len(x) != 1 || len(y) != n && len(y) != 1 || n == 0) {
		c.failf("lists of %d and %d lengths do not broadcast", len(x), len(y))
	}
	if c.err != nil {
		return nil, nil, false
	}
	for len(x) < n {
		x = append(slices.Clone(x), x[0])
	}
	for len(y) < n {
		y = append(slices.Clone(y), y[0])
	}
	return x, y, rank(a) == 0 && rank(b) == 0
}

// sameLengths compares lengths where that is known whatever the open ones are.
func (c *call) sameLengths(a, b *value) *value {
	x, y, rank0 := c.pairs(a, b)
	t := ir.NewTensor(ir.Bool, len(x))
	for i := range x {
		more, ok1 := ir.Sub(x[i], y[i])
		less, ok2 := ir.Sub(y[i], x[i])
		apart := ok1 && more.Least() > 0 || ok2 && less.Least() > 0
		if t.Bool[i] = x[i] == y[i]; !t.Bool[i] && !apart {
			return c.cannot("compares %v with %v", x[i], y[i])
		}
	}
	if rank0 && len(t.Bool) == 1 {
		t.Shape = []int{}
	}
	return &value{t: t}
}

// chosenLengths is Where of lengths.
func (c *call) chosenLengths(cond *ir.Tensor, a, b *value) *value {
	x, y, rank0 := c.pairs(a, b)
	if c.err == nil && (cond.DType != ir.Bool || len(cond.Shape) > 1 || cond.Len() != 1 && cond.Len() != len(x) && len(x) != 1) {
		return c.cannot("chooses between lengths by %v%v", cond.DType, cond.Shape)
	}
	out := &value{rank0: rank0 && len(cond.Shape) == 0}
	for i := range max(len(x), cond.Len()) {
		d := y[min(i, len(y)-1)]
		if cond.Bool[min(i, cond.Len()-1)] {
			d = x[min(i, len(x)-1)]
		}
		out.dims = append(out.dims, d)
	}
	if c.err != nil {
		return c.fail(c.err)
	}
	return c.settled(out)
}

// isNaN uses that NaN alone differs from itself.
func isNaN(c *call) []*value {
	x := c.floats(0)
	return c.one(c.op(ops.Equal{}, c.op(ops.Equal{}, x, x), c.scalar(ir.Bool, 0)))
}
