package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// BatchApplyRelu is a BatchApply, plus a sixth operand of x's type if there is one, and then
// a Relu.
type BatchApplyRelu struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchApplyRelu.
func (BatchApplyRelu) Name() string { return "BatchApplyRelu" }

// ONNX says why there is no counterpart.
func (BatchApplyRelu) ONNX() ir.ONNX { return lowered }

// WhyNoGradient gives the reason.
func (BatchApplyRelu) WhyNoGradient() string { return batchNormParts }

// Infer returns x's type.
func (op BatchApplyRelu) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) == 6 {
		if !in[5].Equal(in[0]) {
			return nil, fmt.Errorf("what is added must have x's type, %v, got %v", in[0], in[5])
		}
		in = in[:5]
	}
	return BatchApply(op).Infer(in)
}

// Eval is the reference meaning.
func (op BatchApplyRelu) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out, err := BatchApply(op).Eval(env, in[:5])
	if err != nil {
		return nil, err
	}
	for i, v := range out[0].F64 {
		if len(in) == 6 {
			v += in[5].F64[i]
		}
		if v < 0 {
			v = 0
		}
		out[0].F64[i] = v
	}
	return out, nil
}

// Sizes is the rows of the update, whose moments they are.
func (BatchApplyRelu) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// MixesRows states that rows stay apart.
func (BatchApplyRelu) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (BatchApplyRelu) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access, ok := splitNorm(in[:5], 1, 1)
	if len(in) == 6 {
		access = append(access, ir.Axis0)
	}
	return access, ok
}

// InPlace states that the result may overwrite x.
func (BatchApplyRelu) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts an operation for each element and operand.
func (BatchApplyRelu) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return int64(len(in)-1) * count(out, at), traffic(in, out, at)
}
