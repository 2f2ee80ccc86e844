package ops

import "github.com/lamina-ml/lamina/compiler/ir"

// copying is embedded by ops whose result is their operand, of any dtype.
type copying struct{ pointwise }

// Infer returns x's type.
func (copying) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// Eval is the reference meaning.
func (copying) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) { return one(in[0].Clone()) }

// Bound is that of x.
func (copying) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Operand() }

// View states that it is one.
func (copying) View([]ir.Type) bool { return true }

// Linear states that it is.
func (copying) Linear([]bool) bool { return true }

// Cost counts no arithmetic.
func (copying) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}

// Identity is x.
type Identity struct{ copying }

// Name returns Identity.
func (Identity) Name() string { return "Identity" }

// ONNX returns Identity.
func (Identity) ONNX() ir.ONNX { return ir.ONNX{Type: "Identity", Since: 16} }

// VJP gives dy.
func (Identity) VJP(_ *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{dout[0]}
}

// StopGradient is x, but passes no gradient.
type StopGradient struct{ copying }

// Name returns StopGradient.
func (StopGradient) Name() string { return "StopGradient" }

// ONNX returns Identity.
func (StopGradient) ONNX() ir.ONNX { return ir.ONNX{Type: "Identity", Since: 16} }

// WhyNoGradient gives the reason.
func (StopGradient) WhyNoGradient() string { return "stopping it is the op's purpose" }

// StopsGradient states that it does.
func (StopGradient) StopsGradient() bool { return true }

// TrainingOnly states that it is: nothing is trained by inference.
func (StopGradient) TrainingOnly() bool { return true }
