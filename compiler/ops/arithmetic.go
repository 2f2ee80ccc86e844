package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Add is a + b; for integers, the low bits of it.
type Add struct{ counting }

// Name returns Add.
func (Add) Name() string { return "Add" }

// Commutes states that the order of the operands is free.
func (Add) Commutes() bool { return true }

// ONNX returns Add.
func (Add) ONNX() ir.ONNX { return ir.ONNX{Type: "Add", Since: 14} }

// Eval is the reference meaning.
func (Add) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts2(in, func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b })
}

// Bound adds the variances; of twice the same value it is that of 2x. Sums of small whole numbers are exact.
func (Add) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		if p.same {
			return 4 * p.sx, !p.whole()
		}
		return p.sx + p.sy, !p.whole()
	})
}

// Linear states that it is in both operands.
func (Add) Linear([]bool) bool { return true }

// VJP gives dy to both operands.
func (Add) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{sumTo(b, dout[0], n.In[0].Type), sumTo(b, dout[0], n.In[1].Type)}
}

// Sub is a - b; for integers, the low bits of it.
type Sub struct{ counting }

// Name returns Sub.
func (Sub) Name() string { return "Sub" }

// ONNX returns Sub.
func (Sub) ONNX() ir.ONNX { return ir.ONNX{Type: "Sub", Since: 14} }

// Eval is the reference meaning.
func (Sub) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts2(in, func(a, b float64) float64 { return a - b }, func(a, b int64) int64 { return a - b })
}

// Bound adds the variances; x-x is exact, and so are differences of small whole numbers.
func (Sub) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		if p.same {
			return 0, true
		}
		return p.sx + p.sy, !p.whole()
	})
}

// Linear states that it is in both operands.
func (Sub) Linear([]bool) bool { return true }

// VJP gives dy and -dy.
func (Sub) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{sumTo(b, dout[0], n.In[0].Type), b.Op(Neg{}, sumTo(b, dout[0], n.In[1].Type))}
}

// Mul is a * b; for integers, the low bits of it.
type Mul struct{ counting }

// Name returns Mul.
func (Mul) Name() string { return "Mul" }

// Commutes states that the order of the operands is free.
func (Mul) Commutes() bool { return true }

// ONNX returns Mul.
func (Mul) ONNX() ir.ONNX { return ir.ONNX{Type: "Mul", Since: 14} }

// Eval is the reference meaning.
func (Mul) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts2(in, func(a, b float64) float64 { return a * b }, func(a, b int64) int64 { return a * b })
}

// Bound is by derivative, and that of x² for twice the same value.
func (Mul) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		switch {
		case p.same:
			return 4*p.x*p.x*p.sx + 2*p.sx*p.sx, true
		case p.sy > 0 && math.IsInf(p.x, 0) && math.Abs(p.y) <= reach(p.sy), p.sx > 0 && math.IsInf(p.y, 0) && math.Abs(p.x) <= reach(p.sx):
			return math.Inf(1), false // what is infinite times 0 is no number
		}
		return p.y*p.y*p.sx + p.x*p.x*p.sy + p.sx*p.sy, true
	})
}

// Linear states that it is in either operand.
func (Mul) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

// VJP gives dy*b and dy*a.
func (Mul) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, y := n.In[0], n.In[1]
	return []*ir.Value{
		sumTo(b, b.Op(Mul{}, dout[0], y), x.Type),
		sumTo(b, b.Op(Mul{}, dout[0], x), y.Type),
	}
}

// Div is a / b; for integers without the fraction, and 0 where b is 0.
type Div struct{ counting }

// Name returns Div.
func (Div) Name() string { return "Div" }

// ONNX returns Div.
func (Div) ONNX() ir.ONNX { return ir.ONNX{Type: "Div", Since: 14} }

// Eval is the reference meaning.
func (Div) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts2(in, func(a, b float64) float64 { return a / b }, func(a, b int64) int64 {
		switch {
		case b == 0:
			return 0 // as NumPy; ONNX leaves it open
		case in[0].DType == ir.U64:
			return int64(uint64(a) / uint64(b))
		}
		return a / b
	})
}

// Bound is by derivative; a quotient is open if its divisor may be 0.
func (Div) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		if p.sy > 0 && math.Abs(p.y) <= reach(p.sy) {
			return math.Inf(1), false
		}
		return (p.sx + p.z*p.z*p.sy) / (p.y * p.y), true
	})
}

// Linear states that it is in a.
func (Div) Linear(vary []bool) bool { return !vary[1] }

// VJP gives q and -q*y, where q is dy/b.
func (Div) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	q := b.Op(Div{}, dout[0], n.In[1])
	return []*ir.Value{
		sumTo(b, q, n.In[0].Type),
		b.Op(Neg{}, sumTo(b, b.Op(Mul{}, q, n.Out[0]), n.In[1].Type)),
	}
}

// Pow is a to the power b.
type Pow struct{ binary }

// Name returns Pow.
func (Pow) Name() string { return "Pow" }

// ONNX returns Pow.
func (Pow) ONNX() ir.ONNX { return ir.ONNX{Type: "Pow", Since: 15} }

// Eval is the reference meaning.
func (Pow) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) { return apply2(in, math.Pow) }

// Bound is by the change over one standard deviation of either operand, and three roundings
// of the result and one of the exponent; beside the edge of the domain it is open.
func (Pow) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (s float64, rounds bool) {
		if openPower(p) {
			return math.Inf(1), false
		}
		d := func(x, y float64) float64 { r := math.Pow(x, y) - p.z; return r * r }
		if p.sx > 0 {
			s += max(d(p.x+math.Sqrt(p.sx), p.y), d(p.x-math.Sqrt(p.sx), p.y))
		}
		if p.sy > 0 {
			s += max(d(p.x, p.y+math.Sqrt(p.sy)), d(p.x, p.y-math.Sqrt(p.sy)))
		}
		r := p.u * p.z * (3 + math.Abs(p.y*math.Log(math.Abs(p.x))))
		if !math.IsNaN(r) {
			s += r * r
		}
		return s, true
	})
}

// VJP gives dy*b*a^(b-1) and dy*y*log(a). The first is 0 where b is 0 and the
// second where a is 0, also where the factors alone would be infinite.
func (Pow) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, p, d := n.In[0], n.In[1], n.In[0].Type.DType
	zero, unit := b.Const(d, 0), b.Const(d, 1)
	less := b.Op(Where{}, b.Op(Equal{}, p, zero), unit, b.Op(Sub{}, p, unit))
	dx := b.Op(Mul{}, dout[0], b.Op(Mul{}, p, b.Op(Pow{}, x, less)))
	log := b.Op(Log{}, b.Op(Where{}, b.Op(Equal{}, x, zero), unit, x))
	dp := b.Op(Mul{}, dout[0], b.Op(Mul{}, n.Out[0], log))
	return []*ir.Value{sumTo(b, dx, x.Type), sumTo(b, dp, p.Type)}
}

// Max is the greater of a and b, NaN if either is.
type Max struct{ counting }

// Name returns Max.
func (Max) Name() string { return "Max" }

// Commutes states that the order of the operands is free.
func (Max) Commutes() bool { return true }

// ONNX returns Max.
func (Max) ONNX() ir.ONNX { return ir.ONNX{Type: "Max", Since: 13} }

// Eval is the reference meaning.
func (Max) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return extreme(in, func(a, b float64) float64 { return max(a, b) }, func(a, b int64) bool { return a > b })
}

// Bound is that of the operand chosen; where they are nearer than their errors, of both.
func (Max) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundChoice(c) }

// VJP gives dy to the greater operand and half to each of equal ones.
func (Max) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return choice(b, n, dout[0], Greater{})
}

// Min is the lesser of a and b, NaN if either is.
type Min struct{ counting }

// Name returns Min.
func (Min) Name() string { return "Min" }

// Commutes states that the order of the operands is free.
func (Min) Commutes() bool { return true }

// ONNX returns Min.
func (Min) ONNX() ir.ONNX { return ir.ONNX{Type: "Min", Since: 13} }

// Eval is the reference meaning.
func (Min) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return extreme(in, func(a, b float64) float64 { return min(a, b) }, func(a, b int64) bool { return a < b })
}

// Bound is that of the operand chosen; where they are nearer than their errors, of both.
func (Min) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundChoice(c) }

// VJP gives dy to the lesser operand and half to each of equal ones.
func (Min) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return choice(b, n, dout[0], Less{})
}

// extreme evaluates Max or Min: f on floats, the winner of integers.
func extreme(in []*ir.Tensor, f func(a, b float64) float64, wins func(a, b int64) bool) ([]*ir.Tensor, error) {
	turn := int64(0) // U64 in the order of int64
	if in[0].DType == ir.U64 {
		turn = math.MinInt64
	}
	return applyInts2(in, f, func(a, b int64) int64 {
		if wins(a^turn, b^turn) {
			return a
		}
		return b
	})
}

// choice gives dy to the operand that wins against the other.
func choice(b *ir.Builder, n *ir.Node, dy *ir.Value, wins ir.Op) []*ir.Value {
	x, y, d := n.In[0], n.In[1], n.In[0].Type.DType
	half, zero := b.Const(d, 0.5), b.Const(d, 0)
	shared := b.Op(Where{}, b.Op(Equal{}, x, y), b.Op(Mul{}, dy, half), zero)
	return []*ir.Value{
		sumTo(b, b.Op(Where{}, b.Op(wins, x, y), dy, shared), x.Type),
		sumTo(b, b.Op(Where{}, b.Op(wins, y, x), dy, shared), y.Type),
	}
}
