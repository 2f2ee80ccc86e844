// Package celu is an op of one's own, and the activation that uses it.
package celu

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// Op is x for x ≥ 0, else α·(exp(x/α)-1) (Barron 2017). Its fields are its attributes,
// in the text form and in ONNX.
type Op struct {
	Alpha float64 `attr:"alpha"`
}

// Name returns the name in the text form.
func (Op) Name() string { return "Celu" }

// Infer returns the type of x, which must be floating point.
func (Op) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 1 || !in[0].DType.Float() {
		return nil, fmt.Errorf("takes one floating point operand, got %v", in)
	}
	return in[:1], nil
}

// Eval is the reference: what the op means, in float64. Without [Kernel] the engine
// computes it so too, and slowly.
func (op Op) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y := in[0].Clone()
	for i, x := range y.F64 {
		if x < 0 {
			y.F64[i] = op.Alpha * math.Expm1(x/op.Alpha)
		}
	}
	return []*ir.Tensor{y}, nil
}

// VJP is the gradient: dout·exp(min(x, 0)/α).
func (op Op) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ops.Mul{}, dout[0], op.tail(b, n.In[0]))}
}

// Decompose says the same in ops of Lamina: the form in ONNX where the file's opset is
// too old for the op itself. Without Bound the error bound would come of it too.
func (op Op) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	number := func(x float64) *ir.Value { return b.Const(in[0].Type.DType, x) }
	low := b.Op(ops.Mul{}, b.Op(ops.Sub{}, op.tail(b, in[0]), number(1)), number(op.Alpha))
	return []*ir.Value{b.Op(ops.Add{}, b.Op(ops.Max{}, in[0], number(0)), low)}
}

// tail is exp(min(x, 0)/α).
func (op Op) tail(b *ir.Builder, x *ir.Value) *ir.Value {
	low := b.Op(ops.Min{}, x, b.Const(x.Type.DType, 0))
	return b.Op(ops.Exp{}, b.Op(ops.Div{}, low, b.Const(x.Type.DType, op.Alpha)))
}

// Bound says how far rounding may take the result: two roundings of itself, and, as
// exp(x/α)-1 is computed in steps, four of α.
func (op Op) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Pointwise(2, 4*op.Alpha) }

// Cost counts four operations for each element.
func (Op) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	n := int64(out[0].Shape.ElemsAt(at))
	return 4 * n, 2 * n * int64(out[0].DType.Size())
}

// MixesRows says that rows stay apart.
func (Op) MixesRows([]ir.Type) bool { return false }

// ONNX is the operator of the same meaning, whose attributes are the op's.
func (Op) ONNX() ir.ONNX { return ir.ONNX{Type: "Celu", Since: 12} }

// Split says that each row of the result needs its own row of x alone, so that several
// workers share the work.
func (Op) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis0}, in[0].Rank() > 0
}

// Follow says that every slice of x stays in its place. So of a parameter the result is
// kept: an update makes it again for the rows that it changes.
func (Op) Follow(_ []ir.Type, axis int) (ir.Track, bool) { return ir.Track{Axis: axis}, true }

// Layer is the activation.
type Layer struct {
	spec.Base
	alpha float64
}

// New returns the activation of that α. Mistakes: α is not positive.
func New(alpha float64) *Layer { return &Layer{spec.Here("celu"), alpha} }

// Named gives the layer a name.
func (l *Layer) Named(name string) *Layer { return spec.Named(l, name) }

// Build applies the op.
func (l *Layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if !(l.alpha > 0) || math.IsInf(l.alpha, 0) {
		return b.Errorf("alpha must be positive, got %v", l.alpha)
	}
	return b.Op(Op{l.alpha}, x[0])
}

// Image says that a mirror has the activation too.
func (l *Layer) Image(ir.Type, bool) spec.Image { return spec.Repeated(New(l.alpha)) }
