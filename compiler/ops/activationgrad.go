package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// gradONNX is that of the ops that only gradients are made of.
var gradONNX = ir.ONNX{Why: "ONNX has no gradients: its parts are written"}

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

// ReluGrad is 0 where y is at most 0, and dy elsewhere, including where y is NaN, so
// that errors are not hidden.
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

// Decompose is the meaning. Both comparisons are false of a y that is not a number.
func (ReluGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	dy, y := in[0], in[1]
	zero := b.Const(dy.Type.DType, 0)
	kept := b.Op(Where{}, b.Op(Less{}, y, zero), zero, dy)
	return []*ir.Value{b.Op(Where{}, b.Op(Equal{}, y, zero), zero, kept)}
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
func (SigmoidGrad) ONNX() ir.ONNX { return gradONNX }

// Eval is the reference meaning.
func (SigmoidGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return apply2(in, func(dy, y float64) float64 { return dy * y * (1 - y) })
}

// Decompose is the meaning.
func (SigmoidGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	dy, y := in[0], in[1]
	return []*ir.Value{b.Op(Mul{}, b.Op(Mul{}, dy, y), b.Op(Sub{}, b.Const(y.Type.DType, 1), y))}
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

// Decompose is the meaning.
func (TanhGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	dy, y := in[0], in[1]
	return []*ir.Value{b.Op(Mul{}, dy, b.Op(Sub{}, b.Const(y.Type.DType, 1), b.Op(Mul{}, y, y)))}
}

// VJP gives TanhGrad to dy and -2*d*dy*y to y.
func (TanhGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	dy, y := n.In[0], n.In[1]
	return []*ir.Value{
		b.Op(TanhGrad{}, dout[0], y),
		b.Op(Mul{}, dout[0], b.Op(Mul{}, dy, scale(b, y, -2))),
	}
}
