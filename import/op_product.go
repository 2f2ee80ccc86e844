package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// products lists the matrix products.
func products() map[string]row {
	return map[string]row{
		"MatMul": {min: 2, max: 2, lower: func(c *call) []*value { return c.one(c.op(ops.MatMul{}, c.floats(0), c.floats(1))) }},
		"Gemm":   {min: 2, max: 3, lower: gemm},
	}
}

// gemm is alpha*a*b + beta*c, where c broadcasts to the product.
func gemm(c *call) []*value {
	alpha, beta := c.float("alpha", 1), c.float("beta", 1)
	op := c.tagged(ops.Gemm{}, 2)
	a, b := c.floats(0), c.floats(1)
	if alpha != 1 {
		y := c.op(op, a, b)
		return c.one(c.bias(c.op(ops.Mul{}, y, c.like(y, alpha)), beta))
	}
	if !c.has(2) || beta != 1 {
		return c.one(c.bias(c.op(op, a, b), beta))
	}
	bias := c.floats(2)
	out, err := op.Infer([]ir.Type{typ(a), typ(b)})
	if c.err == nil && err != nil {
		return c.one(c.fail(err))
	}
	if c.err == nil && !typ(bias).Shape.Equal(out[0].Shape) && !typ(bias).Shape.Equal(out[0].Shape[1:]) {
		return c.one(c.bias(c.op(op, a, b), 1))
	}
	return c.one(c.op(op, a, b, bias))
}

// bias adds beta times operand 2, if there is one, which must broadcast to y. A
// beta of 0 leaves it out, whatever is in it.
func (c *call) bias(y *value, beta float64) *value {
	if !c.has(2) || c.err != nil {
		return y
	}
	b := c.floats(2)
	if beta == 0 {
		if out, err := (ops.Add{}).Infer([]ir.Type{typ(y), typ(b)}); c.err == nil && (err != nil || !out[0].Equal(typ(y))) {
			return c.failf("c, which is %v, does not broadcast to the product %v", typ(b), typ(y))
		}
		return y
	}
	if beta != 1 {
		b = c.op(ops.Mul{}, b, c.like(b, beta))
	}
	z := c.op(ops.Add{}, y, b)
	if c.err == nil && !typ(z).Equal(typ(y)) {
		return c.failf("c, which is %v, does not broadcast to the product %v", typ(b), typ(y))
	}
	return z
}
