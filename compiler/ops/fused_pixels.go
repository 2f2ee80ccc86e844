package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ReluGradSums is, of images dy and y [N … C] with their channels last, the sum of ReluGrad of
// the two over the pixels of each image, [N C]: the gradient along a bias behind which a
// rectifier stands.
type ReluGradSums struct{}

// Name returns ReluGradSums.
func (ReluGradSums) Name() string { return "ReluGradSums" }

// ONNX says why there is no counterpart.
func (ReluGradSums) ONNX() ir.ONNX { return fusedONNX }

// Infer returns a number for each image and channel.
func (ReluGradSums) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"dy", "y"}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	if r := in[0].Rank(); r < 3 || r > 5 || !in[1].Equal(in[0]) {
		return nil, fmt.Errorf("dy and y must be of one type [N … C] %s", describe(in, names))
	}
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[0], in[0].Shape[in[0].Rank()-1])}, nil
}

// PixelAxes is every axis of images t but the rows and the channels, which are last.
func PixelAxes(t ir.Type) ir.Axes {
	var axes ir.Axes
	for i := 1; i < t.Rank()-1; i++ {
		axes.At[axes.Len], axes.Len = i, axes.Len+1
	}
	return axes
}

// Decompose is the meaning.
func (ReluGradSums) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ReduceSum{Axes: PixelAxes(in[0].Type)}, b.Op(ReluGrad{}, in[0], in[1]))}
}

// MixesRows states that rows stay apart.
func (ReluGradSums) MixesRows([]ir.Type) bool { return false }

// Split states that rows of the result need those of the operands.
func (ReluGradSums) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis0, ir.Axis0}, true
}

// Cost counts a comparison and an addition for each element.
func (ReluGradSums) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 2 * count(in[:1], at), traffic(in, out, at)
}
