package onnximport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ops"
)

// activations lists the activation functions.
func activations() map[string]row {
	return map[string]row{
		"Relu":            {min: 1, max: 1, lower: plain(ops.Relu{})},
		"LeakyRelu":       {min: 1, max: 1, lower: plain(ops.LeakyRelu{Alpha: 0.01})},
		"Elu":             {min: 1, max: 1, lower: plain(ops.Elu{Alpha: 1})},
		"Selu":            {min: 1, max: 1, lower: selu},
		"Celu":            {min: 1, max: 1, lower: celu},
		"Gelu":            {min: 1, max: 1, since: 20, lower: gelu},
		"Sigmoid":         {min: 1, max: 1, lower: plain(ops.Sigmoid{})},
		"Tanh":            {min: 1, max: 1, lower: plain(ops.Tanh{})},
		"Softplus":        {min: 1, max: 1, lower: plain(ops.Softplus{})},
		"Softsign":        {min: 1, max: 1, lower: softsign},
		"HardSigmoid":     {min: 1, max: 1, lower: hardSigmoid},
		"HardSwish":       {min: 1, max: 1, since: 14, lower: plain(ops.HardSwish{})},
		"Mish":            {min: 1, max: 1, since: 18, lower: mish},
		"Swish":           {min: 1, max: 1, since: 24, lower: swish},
		"ThresholdedRelu": {min: 1, max: 1, lower: thresholdedRelu},
		"PRelu":           {min: 2, max: 2, lower: prelu},
		"Softmax":         {min: 1, max: 1, lower: plain(ops.Softmax{Axis: -1})},
		"LogSoftmax":      {min: 1, max: 1, lower: plain(ops.LogSoftmax{Axis: -1})},
	}
}

func selu(c *call) []*value {
	alpha, gamma := c.float("alpha", ops.SeluAlpha), c.float("gamma", ops.SeluGamma)
	x := c.floats(0)
	if alpha == float64(float32(ops.SeluAlpha)) && gamma == float64(float32(ops.SeluGamma)) {
		return c.one(c.op(ops.Selu{}, x))
	}
	return c.one(c.op(ops.Mul{}, c.op(ops.Elu{Alpha: alpha}, x), c.like(x, gamma)))
}

// celu is max(0, x) + min(0, alpha*(exp(x/alpha) - 1)). Elu is more exact than the
// difference near 0, but above 0, where a negative alpha leads, it is another
// function.
func celu(c *call) []*value {
	alpha, x := c.float("alpha", 1), c.floats(0)
	if alpha == 0 {
		return c.one(c.failf("alpha is 0"))
	}
	u := c.op(ops.Div{}, x, c.like(x, alpha))
	if alpha > 0 {
		u = c.op(ops.Elu{Alpha: 1}, u)
	} else {
		u = c.op(ops.Sub{}, c.op(ops.Exp{}, u), c.like(x, 1))
	}
	low := c.op(ops.Min{}, c.op(ops.Mul{}, u, c.like(x, alpha)), c.like(x, 0))
	return c.one(c.op(ops.Add{}, c.op(ops.Max{}, x, c.like(x, 0)), low))
}

func gelu(c *call) []*value {
	x := c.floats(0)
	switch how := c.str("approximate", "none"); how {
	case "none":
		return c.one(c.op(ops.Gelu{}, x))
	case "tanh": // 0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x³)))
		cube := c.op(ops.Mul{}, c.op(ops.Mul{}, x, x), x)
		arg := c.op(ops.Add{}, x, c.op(ops.Mul{}, cube, c.like(x, 0.044715)))
		t := c.op(ops.Tanh{}, c.op(ops.Mul{}, arg, c.like(x, math.Sqrt(2/math.Pi))))
		return c.one(c.op(ops.Mul{}, c.op(ops.Mul{}, x, c.like(x, 0.5)), c.op(ops.Add{}, t, c.like(x, 1))))
	default:
		return c.one(c.failf("approximate is %s, must be none or tanh", quote(how)))
	}
}

func softsign(c *call) []*value {
	x := c.floats(0)
	return c.one(c.op(ops.Div{}, x, c.op(ops.Add{}, c.op(ops.Abs{}, x), c.like(x, 1))))
}

func (c *call) hardSigmoid(x *value, alpha, beta float64) *value {
	y := c.op(ops.Add{}, c.op(ops.Mul{}, x, c.like(x, alpha)), c.like(x, beta))
	return c.op(ops.Max{}, c.op(ops.Min{}, y, c.like(x, 1)), c.like(x, 0))
}

func hardSigmoid(c *call) []*value {
	return c.one(c.hardSigmoid(c.floats(0), c.float("alpha", 0.2), c.float("beta", 0.5)))
}

func mish(c *call) []*value {
	x := c.floats(0)
	return c.one(c.op(ops.Mul{}, x, c.op(ops.Tanh{}, c.op(ops.Softplus{}, x))))
}

func swish(c *call) []*value {
	alpha, x := c.float("alpha", 1), c.floats(0)
	if alpha == 1 {
		return c.one(c.op(ops.Silu{}, x))
	}
	return c.one(c.op(ops.Mul{}, x, c.op(ops.Sigmoid{}, c.op(ops.Mul{}, x, c.like(x, alpha)))))
}

func thresholdedRelu(c *call) []*value {
	alpha, x := c.float("alpha", 1), c.floats(0)
	return c.one(c.op(ops.Where{}, c.op(ops.Greater{}, x, c.like(x, alpha)), x, c.like(x, 0)))
}

// prelu has a slope for each place, which broadcasts to x.
func prelu(c *call) []*value {
	x := c.floats(0)
	y := c.op(ops.Where{}, c.op(ops.Less{}, x, c.like(x, 0)), c.op(ops.Mul{}, x, c.floats(1)), x)
	if c.err == nil && !typ(y).Equal(typ(x)) {
		return c.one(c.failf("the slope %v does not broadcast to x, which is %v", typ(c.x(1)), typ(x)))
	}
	return c.one(y)
}
