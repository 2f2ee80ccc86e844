// Package twoway holds ops with two results, such as a user's module could add, to test
// everything that an op with several results passes through.
package twoway

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Halves are the two halves of x along its last axis. It has a reference and is Split
// in ONNX.
type Halves struct {
	Axis int `attr:"axis"`
}

// Name returns Halves.
func (Halves) Name() string { return "Halves" }

// ONNX returns Split.
func (Halves) ONNX() ir.ONNX { return ir.ONNX{Type: "Split", Since: 13} }

// Infer returns two types with half the last axis of x, which must be Axis.
func (op Halves) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 1 || in[0].Rank() < 2 || op.Axis != in[0].Rank()-1 || in[0].Last()%2 != 0 {
		return nil, fmt.Errorf("x must have an even last axis, %d (x is %v)", op.Axis, in)
	}
	t := ir.Type{DType: in[0].DType, Shape: in[0].Shape.Clone()}
	t.Shape[op.Axis] = ir.Fixed(in[0].Last() / 2)
	return []ir.Type{t, t}, nil
}

// Eval is the reference meaning.
func (op Halves) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape := append([]int{}, in[0].Shape...)
	n := shape[op.Axis] / 2
	shape[op.Axis] = n
	a, b := ir.NewTensor(in[0].DType, shape...), ir.NewTensor(in[0].DType, shape...)
	for i := range a.F64 {
		a.F64[i], b.F64[i] = in[0].F64[i/n*2*n+i%n], in[0].F64[i/n*2*n+n+i%n]
	}
	return []*ir.Tensor{a, b}, nil
}

// Bound states that each half has the errors of its elements.
func (Halves) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Moved() }

// VJP joins the two gradients; a result that nothing reads has one of zeros.
func (op Halves) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	both := make([]*ir.Value, len(dout))
	for i, d := range dout {
		if both[i] = d; d == nil {
			both[i] = b.Op(ops.Mul{}, n.Out[i], b.Const(ir.F32, 0))
		}
	}
	return []*ir.Value{b.Op(ops.Concat{Axis: op.Axis}, both...)}
}

// Split states that rows stay apart.
func (Halves) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

// Slices is Halves without a form in ONNX: it means two slices.
type Slices struct {
	Axis int `attr:"axis"`
}

// Name returns Slices.
func (Slices) Name() string { return "Slices" }

// ONNX says why there is none.
func (Slices) ONNX() ir.ONNX { return ir.ONNX{Why: "it is taken apart"} }

// Infer is that of Halves.
func (op Slices) Infer(in []ir.Type) ([]ir.Type, error) { return Halves(op).Infer(in) }

// Split is that of Halves.
func (op Slices) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return Halves(op).Split(in, out)
}

// VJP is that of Halves.
func (op Slices) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return Halves(op).VJP(b, n, dout)
}

// Decompose gives the two slices.
func (op Slices) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	n := in[0].Type.Last() / 2
	return []*ir.Value{
		b.Op(ops.Slice{Axis: op.Axis, Start: ir.Fixed(0), End: ir.Fixed(n)}, in[0]),
		b.Op(ops.Slice{Axis: op.Axis, Start: ir.Fixed(n), End: ir.Fixed(2 * n)}, in[0]),
	}
}
