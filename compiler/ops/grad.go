package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Grad is the gradient, with respect to x, of the sum of all elements of score; the pass
// grad replaces it with ops before any other pass looks at the graph. Score must depend
// on x. At a kink it is what the op's VJP says: that of Relu is 0 at 0.
type Grad struct{}

// Name returns Grad.
func (Grad) Name() string { return "Grad" }

// ReplacedBy is the pass grad.
func (Grad) ReplacedBy() string { return "grad" }

// ONNX says why there is no counterpart.
func (Grad) ONNX() ir.ONNX {
	return ir.ONNX{Why: "the compiler replaces it with plain ops: export the graph that compiler.Front returns"}
}

// Infer returns x's type. Both operands must be floating point.
func (Grad) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "score", "x"); err != nil {
		return nil, err
	}
	for i, name := range []string{"score", "x"} {
		if !in[i].DType.Float() {
			return nil, fmt.Errorf("%s must be floating point: what is %s has no slope %s", name, in[i].DType, describe(in, []string{"score", "x"}))
		}
	}
	return result(in[1].DType, in[1].Shape.Clone())
}

// WhyNoGradient gives the reason.
func (Grad) WhyNoGradient() string {
	return "the ops that take its place have gradients"
}

// MixesRows states that it may: what stands between its operands decides.
func (Grad) MixesRows([]ir.Type) bool { return true }

// Cost counts nothing.
func (Grad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}
