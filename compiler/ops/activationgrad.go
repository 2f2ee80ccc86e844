package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

var gradONNX = ir.ONNX{Why: "it is part of a gradient and never of a model"}

// activationGrad is embedded by the gradients of activations, of dy and the
// activation's result y, both of one shape.
type activationGrad struct{ pointwise }

// Infer returns dy's type, which y must have too.
func (activationGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "dy", "y"); err != nil {
		return nil, err
	}
	if !in[0].Shape.Equal(in[1].Shape) {
		return nil, fmt.Errorf("dy and y must have one shape %s", describe(in, []string{"dy", "y"}))
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// ReluGrad is 0 where y is at most 0, and dy elsewhere: also where y is not a
// number, so that what went wrong is not hidden.
type ReluGrad struct{ activationGrad }

// Name returns ReluGrad.
func (ReluGrad) Name() string { return "ReluGrad" }

// ONNX says why there is no counterpart.
func (ReluGrad) ONNX() ir.ONNX { return gradONNX }

// Eval is the reference meaning.
func (ReluGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply2(in, func(dy, y float64) float64 {
		if y <= 0 {
			return 0
		}
		return dy
	})
}

// VJP gives ReluGrad to dy; y has none, as its derivative is 0 wherever it exists.
func (ReluGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ReluGrad{}, dout[0], n.In[1]), nil}
}

// SigmoidGrad is dy*y*(1-y).
type SigmoidGrad struct{ activationGrad }

// Name returns SigmoidGrad.
func (SigmoidGrad) Name() string { return "SigmoidGrad" }

// ONNX says why there is no counterpart.
func (SigmoidGrad) ONNX() ir.ONNX {
	return gradONNX
}

// Eval is the reference meaning.
func (SigmoidGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply2(in, func(dy, y float64) float64 { return dy * y * (1 - y) })
}

// VJP gives SigmoidGrad to dy and d*dy*(1-2*y) to y.
func (SigmoidGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	dy, y := n.In[0], n.In[1]
	slope := b.Op(Sub{}, b.Const(y.Type.DType, 1), scale(b, y, 2))
	return []*ir.Value{
		b.Op(SigmoidGrad{}, dout[0], y),
		b.Op(Mul{}, dout[0], b.Op(Mul{}, dy, slope)),
	}
}

// TanhGrad is dy*(1-y*y).
type TanhGrad struct{ activationGrad }

// Name returns TanhGrad.
func (TanhGrad) Name() string { return "TanhGrad" }

// ONNX says why there is no counterpart.
func (TanhGrad) ONNX() ir.ONNX { return gradONNX }

// Eval is the reference meaning.
func (TanhGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply2(in, func(dy, y float64) float64 { return dy * (1 - y*y) })
}

// VJP gives TanhGrad to dy and -2*d*dy*y to y.
func (TanhGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	dy, y := n.In[0], n.In[1]
	return []*ir.Value{
		b.Op(TanhGrad{}, dout[0], y),
		b.Op(Mul{}, dout[0], b.Op(Mul{}, dy, scale(b, y, -2))),
	}
}
