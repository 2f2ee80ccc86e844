package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// norms lists the normalisations, as they are for inference.
func norms() map[string]row {
	return map[string]row{
		"BatchNormalization":    {min: 5, max: 5, lower: batchNorm},
		"GroupNormalization":    {min: 3, max: 3, since: 18, lower: groupNorm},
		"InstanceNormalization": {min: 3, max: 3, lower: instanceNorm},
		"LayerNormalization":    {min: 2, max: 3, since: 17, lower: layerNorm},
		"RMSNormalization":      {min: 2, max: 2, since: 23, lower: rmsNorm},
	}
}

// channels gives a value of one length per channel the rank of x, the channel
// being axis 1.
func (c *call) channels(i int, x *value) *value {
	v := c.floats(i)
	if c.err != nil {
		return c.fail(c.err)
	}
	if rank(v) != 1 || rank(x) < 2 || typ(v).Shape[0] != typ(x).Shape[1] {
		return c.failf("input %d is %v, must have the length of axis 1 of x, which is %v", i+1, typ(v), typ(x))
	}
	s := make(ir.Shape, rank(x)-1)
	for k := range s {
		s[k] = ir.Fixed(1)
	}
	s[0] = typ(v).Shape[0]
	return c.op(ops.Reshape{Shape: ir.MakeDims(s)}, v)
}

// batchNorm is (x-mean)/sqrt(var+epsilon)*scale + b per channel, in parts where the op
// does not take it, as for rows on another axis.
func batchNorm(c *call) []*value {
	eps := c.float("epsilon", 1e-5)
	c.float("momentum", 0.9)
	if c.int("training_mode", 0) != 0 {
		return c.one(c.cannot("training_mode is set"))
	}
	x := c.floats(0)
	if in := []*value{x, c.floats(1), c.floats(2), c.floats(3), c.floats(4)}; c.err == nil && c.fits(ops.BatchNorm{Axis: 1, Epsilon: eps}, in...) {
		return c.one(c.op(ops.BatchNorm{Axis: 1, Epsilon: eps}, in...))
	}
	scale, b, mean, variance := c.channels(1, x), c.channels(2, x), c.channels(3, x), c.channels(4, x)
	dev := c.op(ops.Sqrt{}, c.op(ops.Add{}, variance, c.like(x, eps)))
	y := c.op(ops.Mul{}, c.op(ops.Sub{}, x, mean), c.op(ops.Div{}, scale, dev))
	return c.one(c.op(ops.Add{}, y, b))
}

// standardize returns x with mean 0 and variance 1 over the axes, the mean and
// one over the deviation.
func (c *call) standardize(x *value, axes ir.Axes, eps float64) (y, mean, inverse *value) {
	mean = c.op(ops.ReduceMean{Axes: axes, Keep: true}, x)
	d := c.op(ops.Sub{}, x, mean)
	inverse = c.inverseRoot(d, axes, eps)
	return c.op(ops.Mul{}, d, inverse), mean, inverse
}

// inverseRoot is 1/sqrt(mean(x*x) + epsilon) over the axes.
func (c *call) inverseRoot(x *value, axes ir.Axes, eps float64) *value {
	m := c.op(ops.ReduceMean{Axes: axes, Keep: true}, c.op(ops.Mul{}, x, x))
	return c.op(ops.Reciprocal{}, c.op(ops.Sqrt{}, c.op(ops.Add{}, m, c.like(x, eps))))
}

// fits reports whether an op takes the operands, so that a node is that op and runs by
// its kernel; else the node is read as its parts.
func (c *call) fits(op ir.Op, in ...*value) bool {
	types := make([]ir.Type, len(in))
	for i, v := range in {
		types[i] = typ(v)
	}
	_, err := op.Infer(types)
	return c.err == nil && err == nil
}

func instanceNorm(c *call) []*value {
	eps, x := c.float("epsilon", 1e-5), c.floats(0)
	if c.err == nil && rank(x) < 3 {
		return c.one(c.failf("x is %v, must have 3 axes or more", typ(x)))
	}
	if op := (ops.InstanceNorm{Epsilon: eps}); c.fits(op, x, c.floats(1), c.floats(2)) {
		return c.one(c.op(op, x, c.x(1), c.x(2)))
	}
	scale, b := c.channels(1, x), c.channels(2, x)
	axes := ir.Axes{}
	for a := 2; a < rank(x); a++ {
		axes.At[axes.Len] = a
		axes.Len++
	}
	y, _, _ := c.standardize(x, axes, eps)
	return c.one(c.op(ops.Add{}, c.op(ops.Mul{}, y, scale), b))
}

// groupNorm has a scale and a bias for each channel from opset 21 on, and before for
// each group, which is an InstanceNormalization of the groups.
func groupNorm(c *call) []*value {
	eps, x := c.float("epsilon", 1e-5), c.floats(0)
	groups := c.int("num_groups", 0)
	if c.im.opset >= 21 {
		c.stash()
	}
	if c.err == nil && rank(x) < 3 {
		return c.one(c.failf("x is %v, must have 3 axes or more", typ(x)))
	}
	if c.err != nil {
		return nil
	}
	channels := c.fixed(x, 1)
	if c.err == nil && (groups < 1 || int64(channels)%groups != 0) {
		return c.one(c.failf("num_groups is %d, which does not divide %d channels", groups, channels))
	}
	if c.im.opset >= 21 {
		return c.one(c.op(ops.GroupNorm{Groups: int(groups), Epsilon: eps}, x, c.floats(1), c.floats(2)))
	}
	s := typ(x).Shape
	each, ok := append(ir.ShapeOf(channels/int(groups)), s[2:]...).Elems()
	if !ok {
		return c.one(c.cannot("lengths of %v", typ(x)))
	}
	byGroup := c.op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{s[0], ir.Fixed(int(groups)), each})}, x)
	y := c.op(ops.InstanceNorm{Epsilon: eps}, byGroup, c.floats(1), c.floats(2))
	return c.one(c.op(ops.Reshape{Shape: ir.MakeDims(s)}, y))
}

// stash looks at the type in which statistics are made.
func (c *call) stash() {
	if t := c.int("stash_type", elemFloat); t != elemFloat {
		c.cannot("stash_type %d", t)
	}
}

// from returns the axes from the attribute axis on.
func (c *call) from(x *value) ir.Axes {
	axes := ir.Axes{}
	for a := c.axis(c.int("axis", -1), rank(x)); a < rank(x); a++ {
		axes.At[axes.Len] = a
		axes.Len++
	}
	c.stash()
	return axes
}

func layerNorm(c *call) []*value {
	eps, x := c.float("epsilon", 1e-5), c.floats(0)
	axes, in := c.from(x), []*value{x, c.floats(1)}
	if c.has(2) {
		in = append(in, c.floats(2))
	}
	whole := ops.LayerNorm{Axis: axes.At[0], Epsilon: eps}
	fits := c.fits(whole, in...)
	if fits && len(c.n.Output) < 2 {
		return c.one(c.op(whole, in...))
	}
	y, mean, inverse := c.standardize(x, axes, eps)
	if fits {
		return []*value{c.op(whole, in...), mean, inverse}
	}
	return []*value{c.affine(x, y), mean, inverse}
}

func rmsNorm(c *call) []*value {
	eps, x := c.float("epsilon", 1e-5), c.floats(0)
	axes := c.from(x)
	if op := (ops.RMSNorm{Axis: axes.At[0], Epsilon: eps}); c.fits(op, x, c.floats(1)) {
		return c.one(c.op(op, x, c.x(1)))
	}
	return c.one(c.affine(x, c.op(ops.Mul{}, x, c.inverseRoot(x, axes, eps))))
}

// affine multiplies by operand 1 and adds operand 2, which broadcast to x.
func (c *call) affine(x, y *value) *value {
	y = c.op(ops.Mul{}, y, c.floats(1))
	if c.has(2) {
		y = c.op(ops.Add{}, y, c.floats(2))
	}
	if c.err == nil && !typ(y).Equal(typ(x)) {
		return c.failf("scale and bias do not broadcast to x, which is %v", typ(x))
	}
	return y
}
