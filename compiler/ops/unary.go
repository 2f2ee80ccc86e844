package ops

import (
	"cmp"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Neg is -x; for integers, the low bits of it.
type Neg struct{ signed }

// Name returns Neg.
func (Neg) Name() string { return "Neg" }

// ONNX returns Neg.
func (Neg) ONNX() ir.ONNX { return ir.ONNX{Type: "Neg", Since: 13} }

// Eval is the reference meaning.
func (Neg) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts(in, func(x float64) float64 { return -x }, func(x int64) int64 { return -x })
}

// Bound adds no rounding.
func (Neg) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(0, 0) }

// Linear states that it is.
func (Neg) Linear([]bool) bool { return true }

// VJP gives -dy.
func (Neg) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Neg{}, dout[0])}
}

// Abs is the absolute value of x; for integers, the low bits of it.
type Abs struct{ signed }

// Name returns Abs.
func (Abs) Name() string { return "Abs" }

// ONNX returns Abs.
func (Abs) ONNX() ir.ONNX { return ir.ONNX{Type: "Abs", Since: 13} }

// Eval is the reference meaning.
func (Abs) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts(in, math.Abs, func(x int64) int64 { return max(x, -x) })
}

// Bound adds no rounding.
func (Abs) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(0, 0) }

// VJP gives dy*sign(x), which is 0 at 0 and for the gradient of the gradient a constant.
func (Abs) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Mul{}, dout[0], b.Op(StopGradient{}, b.Op(Sign{}, n.In[0])))}
}

// Sign is -1, 0 or 1, NaN for NaN.
type Sign struct{ signed }

// Name returns Sign.
func (Sign) Name() string { return "Sign" }

// ONNX returns Sign.
func (Sign) ONNX() ir.ONNX { return ir.ONNX{Type: "Sign", Since: 13} }

// Eval is the reference meaning.
func (Sign) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return applyInts(in, sign, func(x int64) int64 { return int64(cmp.Compare(x, 0)) })
}

// Bound leaves the sign of a number that is nearer to 0 than its error open.
func (Sign) Bound(c *ir.Call) ([]ir.Estimate, error) {
	if c.DType().Integer() {
		return c.Whole()
	}
	out, err := c.Exact()
	if err != nil {
		return nil, err
	}
	for i := range out[0].Value.F64 {
		if s := c.In[0].At(i); s > 0 && !(math.Abs(c.In[0].Value.F64[i]) > ir.Sigmas*math.Sqrt(s)) {
			out[0].Open(i)
		}
	}
	return out, nil
}

// WhyNoGradient gives the reason.
func (Sign) WhyNoGradient() string { return "it is 0 wherever it exists" }

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	case x == 0:
		return 0
	}
	return x
}

// Sqrt is the square root of x, NaN below 0.
type Sqrt struct{ unary }

// Name returns Sqrt.
func (Sqrt) Name() string { return "Sqrt" }

// ONNX returns Sqrt.
func (Sqrt) ONNX() ir.ONNX { return ir.ONNX{Type: "Sqrt", Since: 13} }

// Eval is the reference meaning.
func (Sqrt) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, math.Sqrt)
}

// Bound adds one rounding; beside 0 it is open.
func (Sqrt) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return openFrom(c, 1, 0, func(lo, hi float64) bool { return lo < 0 && hi >= 0 })
}

// VJP gives dy*0.5/y.
func (Sqrt) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Div{}, scale(b, dout[0], 0.5), n.Out[0])}
}

// Exp is e to the power x.
type Exp struct{ unary }

// Name returns Exp.
func (Exp) Name() string { return "Exp" }

// ONNX returns Exp.
func (Exp) ONNX() ir.ONNX { return ir.ONNX{Type: "Exp", Since: 13} }

// Eval is the reference meaning.
func (Exp) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, math.Exp)
}

// Bound allows for twice the 1.2 units of onnxruntime on CPU, as the others here do.
func (Exp) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(3, 0) }

// VJP gives dy*y.
func (Exp) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Mul{}, dout[0], n.Out[0])}
}

// Log is the natural logarithm of x, -Inf at 0 and NaN below.
type Log struct{ unary }

// Name returns Log.
func (Log) Name() string { return "Log" }

// ONNX returns Log.
func (Log) ONNX() ir.ONNX { return ir.ONNX{Type: "Log", Since: 13} }

// Eval is the reference meaning.
func (Log) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, math.Log)
}

// Bound allows for twice the 3.3 units of onnxruntime on CPU; beside 0 it is open.
func (Log) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return openFrom(c, 4, 0.01, func(lo, hi float64) bool { return lo <= 0 && hi >= 0 })
}

// VJP gives dy/x.
func (Log) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Div{}, dout[0], n.In[0])}
}

// Erf is the error function of x.
type Erf struct{ unary }

// Name returns Erf.
func (Erf) Name() string { return "Erf" }

// ONNX returns Erf.
func (Erf) ONNX() ir.ONNX { return ir.ONNX{Type: "Erf", Since: 13} }

// Eval is the reference meaning.
func (Erf) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, math.Erf)
}

// Bound allows for twice the 1.3 units of onnxruntime on CPU.
func (Erf) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(3, 0) }

// VJP gives dy*2/sqrt(pi)*exp(-x*x).
func (Erf) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x := n.In[0]
	g := b.Op(Exp{}, b.Op(Neg{}, b.Op(Mul{}, x, x)))
	return []*ir.Value{b.Op(Mul{}, dout[0], scale(b, g, 2/math.SqrtPi))}
}

// Reciprocal is 1/x.
type Reciprocal struct{ unary }

// Name returns Reciprocal.
func (Reciprocal) Name() string { return "Reciprocal" }

// ONNX returns Reciprocal.
func (Reciprocal) ONNX() ir.ONNX { return ir.ONNX{Type: "Reciprocal", Since: 13} }

// Eval is the reference meaning.
func (Reciprocal) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 { return 1 / x })
}

// Bound adds one rounding; beside 0 it is open.
func (Reciprocal) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return openFrom(c, 1, 0, func(lo, hi float64) bool { return lo <= 0 && hi >= 0 })
}

// VJP gives -dy*y*y.
func (Reciprocal) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	y := n.Out[0]
	return []*ir.Value{b.Op(Neg{}, b.Op(Mul{}, dout[0], b.Op(Mul{}, y, y)))}
}
