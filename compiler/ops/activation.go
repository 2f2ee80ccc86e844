package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Relu is x above 0 and 0 below, NaN for NaN.
type Relu struct{ unary }

// Name returns Relu.
func (Relu) Name() string { return "Relu" }

// ONNX returns Relu.
func (Relu) ONNX() ir.ONNX { return ir.ONNX{Type: "Relu", Since: 14} }

// Eval is the reference meaning.
func (Relu) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 {
		if x <= 0 {
			return 0
		}
		return x
	})
}

// Bound adds no rounding.
func (Relu) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(0, 0) }

// VJP gives ReluGrad, which is 0 at 0.
func (Relu) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ReluGrad{}, dout[0], n.Out[0])}
}

// LeakyRelu is x above 0 and Alpha*x elsewhere.
type LeakyRelu struct {
	unary
	Alpha float64 `attr:"alpha"`
}

// Name returns LeakyRelu.
func (LeakyRelu) Name() string { return "LeakyRelu" }

// ONNX returns LeakyRelu.
func (LeakyRelu) ONNX() ir.ONNX { return ir.ONNX{Type: "LeakyRelu", Since: 16} }

// Eval is the reference meaning.
func (op LeakyRelu) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 {
		if x > 0 {
			return x
		}
		return op.Alpha * x
	})
}

// Bound adds two roundings, as the slope is itself rounded.
func (LeakyRelu) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(2, 0) }

// VJP gives dy above 0 and Alpha*dy elsewhere.
func (op LeakyRelu) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{above(b, n.In[0], dout[0], scale(b, dout[0], op.Alpha))}
}

// above returns v where x > 0 and w elsewhere.
func above(b *ir.Builder, x, v, w *ir.Value) *ir.Value {
	return b.Op(Where{}, b.Op(Greater{}, x, b.Const(x.Type.DType, 0)), v, w)
}

// Elu is x above 0 and Alpha*(exp(x)-1) elsewhere (Clevert, Unterthiner and Hochreiter 2016).
type Elu struct {
	unary
	Alpha float64 `attr:"alpha"`
}

// Name returns Elu.
func (Elu) Name() string { return "Elu" }

// ONNX returns Elu.
func (Elu) ONNX() ir.ONNX { return ir.ONNX{Type: "Elu", Since: 6} }

// Eval is the reference meaning.
func (op Elu) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 {
		if x > 0 {
			return x
		}
		return op.Alpha * math.Expm1(x)
	})
}

// Bound allows for exp(x)-1 in two steps, so that results near 0 are off by units of Alpha.
func (op Elu) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(2, 2*math.Abs(op.Alpha)) }

// VJP gives dy above 0 and dy*(y+Alpha) elsewhere.
func (op Elu) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	low := b.Op(Add{}, n.Out[0], b.Const(n.Out[0].Type.DType, op.Alpha))
	return []*ir.Value{above(b, n.In[0], dout[0], b.Op(Mul{}, dout[0], low))}
}

// The constants of Selu, as ONNX gives them: the float32 next to those of the
// paper.
const (
	SeluAlpha = 1.67326319217681884765625
	SeluGamma = 1.05070102214813232421875
)

// Selu is SeluGamma times x above 0 and times SeluAlpha*(exp(x)-1) elsewhere (Klambauer, Unterthiner, Mayr and Hochreiter 2017).
type Selu struct{ unary }

// Name returns Selu.
func (Selu) Name() string { return "Selu" }

// ONNX returns Selu.
func (Selu) ONNX() ir.ONNX { return ir.ONNX{Type: "Selu", Since: 6} }

// Eval is the reference meaning.
func (Selu) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 {
		if x > 0 {
			return SeluGamma * x
		}
		return SeluGamma * SeluAlpha * math.Expm1(x)
	})
}

// Bound is that of Elu.
func (Selu) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(2, 2*SeluAlpha*SeluGamma) }

// VJP gives SeluGamma*dy above 0 and dy*(y+SeluGamma*SeluAlpha) elsewhere.
func (Selu) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	low := b.Op(Add{}, n.Out[0], b.Const(n.Out[0].Type.DType, SeluGamma*SeluAlpha))
	return []*ir.Value{above(b, n.In[0], scale(b, dout[0], SeluGamma), b.Op(Mul{}, dout[0], low))}
}

// Gelu is x times the normal distribution function at x, 0.5*x*(1+erf(x/sqrt(2))) (Hendrycks and Gimpel 2016).
type Gelu struct{ unary }

// Name returns Gelu.
func (Gelu) Name() string { return "Gelu" }

// ONNX returns Gelu.
func (Gelu) ONNX() ir.ONNX { return ir.ONNX{Type: "Gelu", Since: 20} }

// Decompose is the meaning.
func (Gelu) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x, d := in[0], in[0].Type.DType
	phi := b.Op(Add{}, b.Op(Erf{}, scale(b, x, 1/math.Sqrt2)), b.Const(d, 1))
	return []*ir.Value{b.Op(Mul{}, scale(b, x, 0.5), phi)}
}

// Silu is x times sigmoid(x) (Elfwing, Uchibe and Doya 2018; Ramachandran, Zoph and Le 2017, as Swish).
type Silu struct{ unary }

// Name returns Silu.
func (Silu) Name() string { return "Silu" }

// ONNX returns Swish, whose alpha is 1 unless given.
func (Silu) ONNX() ir.ONNX { return ir.ONNX{Type: "Swish", Since: 24} }

// Decompose is the meaning.
func (Silu) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Mul{}, in[0], b.Op(Sigmoid{}, in[0]))}
}

// HardSwish is x times x/6 + 1/2, where the factor is clipped to [0, 1] (Howard and others 2019).
type HardSwish struct{ unary }

// Name returns HardSwish.
func (HardSwish) Name() string { return "HardSwish" }

// ONNX returns HardSwish.
func (HardSwish) ONNX() ir.ONNX { return ir.ONNX{Type: "HardSwish", Since: 14, First: 14} }

// Eval is the reference meaning.
func (HardSwish) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 { return x * max(min(x/6+0.5, 1), 0) })
}

// Decompose is the meaning in ops that every opset has.
func (HardSwish) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x, d := in[0], in[0].Type.DType
	slope := b.Op(Add{}, scale(b, x, 1.0/6), b.Const(d, 0.5))
	return []*ir.Value{b.Op(Mul{}, x, b.Op(Max{}, b.Op(Min{}, slope, b.Const(d, 1)), b.Const(d, 0)))}
}

// VJP gives 0 up to -3, dy from 3 on and dy*(x/3 + 1/2) between.
func (HardSwish) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, dy, d := n.In[0], dout[0], n.In[0].Type.DType
	middle := b.Op(Mul{}, dy, b.Op(Add{}, scale(b, x, 1.0/3), b.Const(d, 0.5)))
	high := b.Op(Where{}, b.Op(Less{}, x, b.Const(d, 3)), middle, dy)
	return []*ir.Value{b.Op(Where{}, b.Op(Greater{}, x, b.Const(d, -3)), high, b.Const(d, 0))}
}

// Sigmoid is 1/(1+exp(-x)).
type Sigmoid struct{ unary }

// Name returns Sigmoid.
func (Sigmoid) Name() string { return "Sigmoid" }

// ONNX returns Sigmoid.
func (Sigmoid) ONNX() ir.ONNX { return ir.ONNX{Type: "Sigmoid", Since: 13} }

// Eval is the reference meaning.
func (Sigmoid) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, sigmoid)
}

// Bound allows for what was measured of onnxruntime on CPU, 2.6 units of 1 and cut at ±18.
func (Sigmoid) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(3, 1) }

// VJP gives SigmoidGrad.
func (Sigmoid) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(SigmoidGrad{}, dout[0], n.Out[0])}
}

// sigmoid never takes the exponential of a positive number.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// Tanh is the hyperbolic tangent of x.
type Tanh struct{ unary }

// Name returns Tanh.
func (Tanh) Name() string { return "Tanh" }

// ONNX returns Tanh.
func (Tanh) ONNX() ir.ONNX { return ir.ONNX{Type: "Tanh", Since: 13} }

// Eval is the reference meaning.
func (Tanh) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, math.Tanh)
}

// Bound allows for the 4.5 units of onnxruntime on CPU.
func (Tanh) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(6, 0) }

// VJP gives TanhGrad.
func (Tanh) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(TanhGrad{}, dout[0], n.Out[0])}
}

// Softplus is log(1+exp(x)).
type Softplus struct{ unary }

// Name returns Softplus.
func (Softplus) Name() string { return "Softplus" }

// ONNX returns Softplus.
func (Softplus) ONNX() ir.ONNX { return ir.ONNX{Type: "Softplus", Since: 1} }

// Eval is the reference meaning.
func (Softplus) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply(in, func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) })
}

// Bound allows for the 4.8 units of onnxruntime on CPU.
func (Softplus) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(6, 1) }

// VJP gives dy*sigmoid(x).
func (Softplus) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Mul{}, dout[0], b.Op(Sigmoid{}, n.In[0]))}
}
