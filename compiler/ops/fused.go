package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

var fusedONNX = ir.ONNX{Why: "it is made by fusion, after the point where export takes the graph"}

// GemmReluGrad is ReluGrad, with y, of the Gemm of x and w, and of c if given: the
// gradient that a dense layer passes back to the Relu before it.
type GemmReluGrad struct {
	TransA bool `attr:"transA"`
	TransB bool `attr:"transB"`
}

// Name returns GemmReluGrad.
func (GemmReluGrad) Name() string { return "GemmReluGrad" }

// ONNX says why there is no counterpart.
func (GemmReluGrad) ONNX() ir.ONNX { return fusedONNX }

// Infer returns Gemm's type, which y must have, and c too if given.
func (op GemmReluGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "w", "y", "c"}
	if len(in) == 3 {
		names = names[:3]
	}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	out, err := Gemm(op).Infer(in[:2])
	if err != nil {
		return nil, err
	}
	for i, t := range in[2:] {
		if !t.Equal(out[0]) {
			return nil, fmt.Errorf("%s must be %v %s", names[2+i], out[0], describe(in, names))
		}
	}
	return out, nil
}

// Decompose is the meaning.
func (op GemmReluGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	args := append(append([]*ir.Value{}, in[:2]...), in[3:]...)
	return []*ir.Value{b.Op(ReluGrad{}, b.Op(Gemm(op), args...), in[2])}
}

// Transposed states which operands are.
func (op GemmReluGrad) Transposed() (a, b bool) { return op.TransA, op.TransB }

// WithTransposed returns the product that takes them so.
func (GemmReluGrad) WithTransposed(a, b bool) ir.Op { return GemmReluGrad{TransA: a, TransB: b} }

// InPlace states that the result may overwrite c, where its chains start.
func (GemmReluGrad) InPlace(in []ir.Type) (operand int, elementwise bool) {
	if len(in) == 4 {
		return 3, false
	}
	return -1, false
}

// Split is Gemm's; slices of y and c are those of the result.
func (op GemmReluGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access, ok := splitGemm(in[:2], op.TransA)
	for range in[2:] {
		access = append(access, ir.Axis0)
	}
	return access, ok
}

// Cost is Gemm's and one comparison for each element.
func (op GemmReluGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops, _ = costGemm(in[:2], out, at, op.TransA)
	return flops + int64(len(in)-2)*count(out, at), traffic(in, out, at)
}

// SquaredError is, for p and t with the difference d = p - t and a scalar s, the
// gradient d*s and the mean of d² over the elements of each row.
type SquaredError struct{}

// Name returns SquaredError.
func (SquaredError) Name() string { return "SquaredError" }

// ONNX says why there is no counterpart.
func (SquaredError) ONNX() ir.ONNX { return fusedONNX }

// Infer returns p's type and that of a number for each of its rows, which must
// have elements.
func (SquaredError) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"p", "t", "s"}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	if in[0].Rank() < 2 || !in[1].Equal(in[0]) || in[2].Rank() != 0 {
		return nil, fmt.Errorf("p and t must be of one type [N n …] and s a scalar %s", describe(in, names))
	}
	if empty(in[0].Shape[1:]) {
		return nil, fmt.Errorf("p's rows are empty %s", describe(in, names))
	}
	return []ir.Type{in[0], ir.T(in[0].DType, in[0].Shape[0])}, nil
}

// Decompose is the meaning.
func (SquaredError) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	d := b.Op(Sub{}, in[0], in[1])
	return []*ir.Value{b.Op(Mul{}, d, in[2]), b.Op(ReduceMean{Axes: InnerAxes(in[0].Type)}, b.Op(Mul{}, d, d))}
}

// InnerAxes is every axis of t but the first.
func InnerAxes(t ir.Type) ir.Axes {
	var axes []int
	for i := 1; i < t.Rank(); i++ {
		axes = append(axes, i)
	}
	return ir.MakeAxes(axes...)
}

// Split states that rows stay apart.
func (SquaredError) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis0, ir.Axis0, ir.Whole}, true
}

// TakesColumns states that columns of the gradient need those of p and t alone, and that the
// means go on from part to part.
func (SquaredError) TakesColumns(in []ir.Type) bool { return in[0].Rank() == 2 }

// InPlace states that the gradient may overwrite p.
func (SquaredError) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Cost counts four operations for each element.
func (SquaredError) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 4 * count(in[:1], at), traffic(in, out, at)
}
