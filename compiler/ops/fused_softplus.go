package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// SoftplusSum is the sigmoid of x and the sum of softplus(x) over the elements of
// each row: the hidden units of an RBM and their part of its free energy, whose
// gradient is the sigmoid.
type SoftplusSum struct{}

// Name returns SoftplusSum.
func (SoftplusSum) Name() string { return "SoftplusSum" }

// ONNX says why there is no counterpart.
func (SoftplusSum) ONNX() ir.ONNX { return fusedONNX }

// Infer returns x's type and that of a number for each of its rows.
func (SoftplusSum) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if in[0].Rank() < 2 {
		return nil, fmt.Errorf("x must have rows of elements (x is %v)", in[0])
	}
	return []ir.Type{in[0], ir.T(in[0].DType, in[0].Shape[0])}, nil
}

// Decompose is the meaning.
func (SoftplusSum) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Sigmoid{}, in[0]), b.Op(ReduceSum{Axes: InnerAxes(in[0].Type)}, b.Op(Softplus{}, in[0]))}
}

// Split states that rows stay apart.
func (SoftplusSum) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

// Cost counts three operations for each element.
func (SoftplusSum) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 3 * count(in, at), traffic(in, out, at)
}
