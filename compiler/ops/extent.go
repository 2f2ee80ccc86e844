package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

var negInf = math.Inf(-1)

// Extent is the number of elements of the shape Of, a scalar of dtype To. The
// batch counts with the rows of the whole update, so that a gradient summed over
// parts of an update is that of the whole mean. It has no operand but is not a
// constant, since it depends on the update.
type Extent struct {
	Of ir.Dims  `attr:"of"`
	To ir.DType `attr:"to"`
}

// Name returns Extent.
func (Extent) Name() string { return "Extent" }

// ONNX says why there is no counterpart.
func (Extent) ONNX() ir.ONNX {
	return ir.ONNX{Why: "a sum of one 1 for each element is written"}
}

// Infer returns a scalar of dtype To, which must be a float.
func (op Extent) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in); err != nil {
		return nil, err
	}
	if !op.To.Float() {
		return nil, fmt.Errorf("to must be floating point, got %v", op.To)
	}
	if _, err := dimsIn(op.Of, "of"); err != nil {
		return nil, err
	}
	return result(op.To, ir.Shape{})
}

// Eval is the reference meaning. UpdateRows 0 stands for the rows of the run.
func (op Extent) Eval(env *ir.Env, _ []*ir.Tensor) ([]*ir.Tensor, error) {
	at := env.Binding
	if env.UpdateRows != 0 {
		at = at.WithRows(env.UpdateRows)
	}
	n := 1.0
	for _, d := range op.Of.Shape() {
		n *= float64(d.At(at))
	}
	return one(ir.Scalar(n))
}

// Bound adds no rounding.
func (Extent) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Exact() }

// Sizes is the shape Of.
func (op Extent) Sizes() ir.Shape { return op.Of.Shape() }

// WhyNoGradient gives the reason.
func (Extent) WhyNoGradient() string { return "it counts elements and depends on no value" }

// Cost counts nothing.
func (Extent) Cost(_, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(nil, out, at)
}
