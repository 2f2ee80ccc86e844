package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// WeightedSquaredError is SquaredError with a scale s for each row of p and t, [N 1 …],
// and with some rows left out: where keep, bool[N 1 …], is false, the difference counts as
// 0, whatever it is, and so does its gradient.
type WeightedSquaredError struct{}

// Name returns WeightedSquaredError.
func (WeightedSquaredError) Name() string { return "WeightedSquaredError" }

// ONNX says why there is no counterpart.
func (WeightedSquaredError) ONNX() ir.ONNX { return fusedONNX }

// Infer returns p's type and that of a number for each of its rows, which must have
// elements.
func (WeightedSquaredError) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"p", "t", "s", "keep"}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	if err := floats(in[:3], names[:3]...); err != nil {
		return nil, err
	}
	column := in[0].Shape.Clone()
	for i := 1; i < len(column); i++ {
		column[i] = ir.Fixed(1)
	}
	if in[0].Rank() < 2 || !in[1].Equal(in[0]) || !in[2].Shape.Equal(column) || in[3].DType != ir.Bool || !in[3].Shape.Equal(column) {
		return nil, fmt.Errorf("p and t must be of one type [N n …], s of its rows, [N 1 …], and keep bool of these %s", describe(in, names))
	}
	if empty(in[0].Shape[1:]) {
		return nil, fmt.Errorf("p's rows are empty %s", describe(in, names))
	}
	return []ir.Type{in[0], ir.T(in[0].DType, in[0].Shape[0])}, nil
}

// Decompose is the meaning.
func (WeightedSquaredError) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	zero := b.Const(in[0].Type.DType, 0)
	d := b.Op(Where{}, in[3], b.Op(Sub{}, in[0], in[1]), zero)
	return []*ir.Value{b.Op(Where{}, in[3], b.Op(Mul{}, d, in[2]), zero), b.Op(ReduceMean{Axes: InnerAxes(in[0].Type)}, b.Op(Mul{}, d, d))}
}

// Split states that rows stay apart.
func (WeightedSquaredError) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis0, ir.Axis0, ir.Axis0, ir.Axis0}, true
}

// TakesColumns states that columns of the gradient need those of p and t alone, and that the
// means go on from part to part.
func (WeightedSquaredError) TakesColumns(in []ir.Type) bool { return in[0].Rank() == 2 }

// InPlace states that the gradient may overwrite p.
func (WeightedSquaredError) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Cost counts four operations for each element.
func (WeightedSquaredError) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 4 * count(in[:1], at), traffic(in, out, at)
}
