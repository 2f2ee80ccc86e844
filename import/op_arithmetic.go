package onnximport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// arithmetic lists the elementwise operators on numbers.
func arithmetic() map[string]row {
	return map[string]row{
		"Add":  {min: 2, max: 2, lower: elementwise(ops.Add{}, addLength)},
		"Sub":  {min: 2, max: 2, lower: elementwise(ops.Sub{}, subLength)},
		"Mul":  {min: 2, max: 2, lower: elementwise(ops.Mul{}, mulLength)},
		"Div":  {min: 2, max: 2, lower: elementwise(ops.Div{}, divLength)},
		"Mod":  {min: 2, max: 2, lower: mod},
		"Pow":  {min: 2, max: 2, lower: pow},
		"Max":  {min: 1, max: -1, lower: chain(ops.Max{}, (*call).numbers, false)},
		"Min":  {min: 1, max: -1, lower: chain(ops.Min{}, (*call).numbers, false)},
		"Sum":  {min: 1, max: -1, lower: chain(ops.Add{}, (*call).floats, false)},
		"Mean": {min: 1, max: -1, lower: chain(ops.Add{}, (*call).floats, true)},
		"Clip": {min: 1, max: 3, lower: clip},
	}
}

// elementwise is op on numbers; on lengths it is computed by f.
func elementwise(op ir.Op, f func(a, b ir.Dim) (ir.Dim, bool)) func(c *call) []*value {
	return func(c *call) []*value {
		a, b := c.numbers(0), c.numbers(1)
		if c.err == nil && (a.dims != nil || b.dims != nil) {
			return c.one(c.integers(a, b, f))
		}
		return c.one(c.op(op, a, b))
	}
}

// mod is of integers; it takes the sign of the divisor unless fmod says otherwise.
func mod(c *call) []*value {
	fmod := c.flag("fmod", false)
	a, b := c.x(0), c.x(1)
	switch d := typ(a).DType; {
	case c.err != nil:
		return nil
	case !d.Integer():
		return c.one(c.cannot("elements are %v", d))
	case a.dims != nil || b.dims != nil:
		return c.one(c.integers(a, b, func(a, b ir.Dim) (ir.Dim, bool) { return modLength(a, b, fmod) }))
	}
	r := c.op(ops.Sub{}, a, c.op(ops.Mul{}, c.op(ops.Div{}, a, b), b)) // it has the sign of a
	if fmod || !typ(a).DType.Signed() {
		return c.one(r)
	}
	zero := c.like(r, 0)
	same := c.op(ops.Equal{}, c.op(ops.Less{}, r, zero), c.op(ops.Less{}, b, zero))
	done := c.op(ops.Where{}, same, same, c.op(ops.Equal{}, r, zero))
	return c.one(c.op(ops.Where{}, done, r, c.op(ops.Add{}, r, b)))
}

// modLength is the remainder of lengths that are known.
func modLength(a, b ir.Dim, fmod bool) (ir.Dim, bool) {
	x, ok1 := a.Known()
	y, ok2 := b.Known()
	if !ok1 || !ok2 || y == 0 {
		return ir.Dim{}, false
	}
	r := x % y
	if !fmod && r != 0 && (r < 0) != (y < 0) {
		r += y
	}
	return ir.Fixed(r), true
}

// maxInteger bounds integers computed while reading, so that none overflows.
const maxInteger = 1 << 53

// ranged refuses a length that is too large to compute with.
func ranged(d ir.Dim, ok bool) (ir.Dim, bool) {
	n := d.Least()
	return d, ok && n >= -maxInteger && n <= maxInteger
}

func addLength(a, b ir.Dim) (ir.Dim, bool) { return ranged(ir.Sum(a, b)) }

func subLength(a, b ir.Dim) (ir.Dim, bool) {
	x, ok1 := a.Known()
	y, ok2 := b.Known()
	if ok1 && ok2 {
		return ranged(ir.Fixed(x-y), true)
	}
	return ranged(ir.Sub(a, b))
}

func mulLength(a, b ir.Dim) (ir.Dim, bool) {
	d, ok := ir.Mul(a, b)
	return ranged(d, ok && (d.Valid() || !d.Symbolic()))
}

// divLength is the quotient, towards 0 for known lengths. Others are never below 0.
func divLength(a, b ir.Dim) (ir.Dim, bool) {
	x, ok1 := a.Known()
	y, ok2 := b.Known()
	if ok1 && ok2 {
		if y == 0 {
			return ir.Dim{}, false
		}
		return ir.Fixed(x / y), true
	}
	if d, ok := ir.Div(a, b); ok {
		return d, d.Valid()
	}
	if !ok2 || y < 1 || a.Least() < 0 {
		return ir.Dim{}, false
	}
	return ranged(ir.Affine(a, 0, y, 0))
}

// integers computes f elementwise on lengths, open ones among them, and known
// integers of their type.
func (c *call) integers(a, b *value, f func(a, b ir.Dim) (ir.Dim, bool)) *value {
	if a.t == nil && a.dims == nil || b.t == nil && b.dims == nil {
		return c.cannot("elements are integers that depend on the inputs")
	}
	if x, y := typ(a).DType, typ(b).DType; x != y {
		return c.failf("operands are %v and %v, must be of one type", x, y)
	}
	x, y, rank0 := c.pairs(a, b)
	if c.err != nil {
		return c.fail(c.err)
	}
	out := &value{dims: make([]ir.Dim, len(x)), rank0: rank0, whole: typ(a).DType}
	for i := range out.dims {
		d, ok := f(x[i], y[i])
		if !ok {
			return c.cannot("computes with an open length in a way that has no form")
		}
		out.dims[i] = d
	}
	return c.settled(out)
}

// asLengths returns a known integer value of rank 0 or 1 as lengths.
func (c *call) asLengths(v *value) []ir.Dim {
	if v.dims != nil {
		return v.dims
	}
	if v.t == nil || !v.t.DType.Integer() || len(v.t.Shape) > 1 || v.t.Len() > ir.MaxRank {
		c.cannot("computes with an open length in a way that has no form")
		return nil
	}
	out := make([]ir.Dim, v.t.Len())
	for i, n := range v.t.To(ir.I64).I64 {
		if n < -maxInteger || n > maxInteger {
			c.failf("holds %d, which is not a length", n)
		}
		out[i] = ir.Fixed(int(n))
	}
	return out
}

// settled turns lengths that are all fixed into a constant.
func (c *call) settled(v *value) *value {
	t := ir.NewTensor(typ(v).DType, len(v.dims))
	if v.rank0 {
		t.Shape = []int{}
	}
	for i, d := range v.dims {
		n, known := d.Known()
		if !known {
			return v
		}
		t.SetInt(i, int64(n))
	}
	return &value{t: t}
}

// pow converts an exponent of another type, as ONNX does.
func pow(c *call) []*value {
	x, y := c.floats(0), c.x(1)
	if c.err == nil && typ(y).DType != typ(x).DType {
		if d := typ(y).DType; d.Float() && d.Size() > typ(x).DType.Size() {
			return c.one(c.cannot("an exponent of %v for a base of %v", d, typ(x).DType))
		}
		y = c.op(ops.Cast{To: typ(x).DType}, y)
	}
	return c.one(c.op(ops.Pow{}, x, y))
}

// chain applies a binary op to all operands from the left.
func chain(op ir.Op, operand func(*call, int) *value, mean bool) func(c *call) []*value {
	return func(c *call) []*value {
		v := operand(c, 0)
		for i := 1; i < len(c.in); i++ {
			v = c.op(op, v, operand(c, i))
		}
		if mean {
			v = c.op(ops.Div{}, v, c.like(v, float64(len(c.in))))
		}
		return c.one(v)
	}
}

// clip is Max with the lower bound, then Min with the upper one.
func clip(c *call) []*value {
	v := c.numbers(0)
	for i, op := range []ir.Op{ops.Max{}, ops.Min{}} {
		if !c.has(i + 1) {
			continue
		}
		if n, _ := typ(c.in[i+1]).Shape.Elems(); c.err == nil && n != ir.Fixed(1) {
			return c.one(c.failf("a bound is %v, must be a scalar", typ(c.in[i+1])))
		}
		if b := c.in[i+1]; b.t != nil && math.IsInf(b.t.At(0), 2*i-1) {
			continue // no bound
		}
		v = c.op(op, v, c.in[i+1])
	}
	return c.one(v)
}
