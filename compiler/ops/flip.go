package ops

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Flip reverses the order of the elements along Axes, along every axis if the list is
// empty, as needed for the filter in the gradient of a convolution.
type Flip struct {
	Axes ir.Axes `attr:"axes"`
}

// Name returns Flip.
func (Flip) Name() string { return "Flip" }

// ONNX returns Slice with steps of -1.
func (Flip) ONNX() ir.ONNX { return ir.ONNX{Type: "Slice", Since: 13} }

// Infer returns x's type; Axes must ascend without repetition.
func (op Flip) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if _, err := axesIn(op.Axes, in[0], "x"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// Eval is the reference meaning.
func (op Flip) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape, st := in[0].Shape, strides(in[0].Shape)
	first := 0
	for _, a := range allAxes(op.Axes, len(shape)) {
		first += max(shape[a]-1, 0) * st[a]
		st[a] = -st[a]
	}
	idx := walk(shape, st)
	for i := range idx {
		idx[i] += first
	}
	return one(gather(in[0], shape, idx))
}

// Bound moves the variances as the elements.
func (Flip) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Moved() }

// VJP gives dy, reversed again.
func (op Flip) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(op, dout[0])}
}

// MixesRows states that rows stay apart unless they change places.
func (op Flip) MixesRows(in []ir.Type) bool { return along(allAxes(op.Axes, in[0].Rank()), in[0]) }

// Linear states that it is.
func (Flip) Linear([]bool) bool { return true }

// Split states that rows stay apart unless they change places.
func (op Flip) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	if op.Flips(0) {
		return []ir.Access{ir.Whole}, in[0].Rank() > 0
	}
	return rows0(in, in[0].Rank() > 0)
}

// Follow states that the slices of an axis stay in order, or are in the reverse one.
func (op Flip) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	return ir.Track{Axis: axis, Mirrored: op.Flips(axis)}, true
}

// Flips reports whether the order along that axis of x is reversed.
func (op Flip) Flips(axis int) bool {
	return op.Axes.Len == 0 || slices.Contains(op.Axes.Slice(), axis)
}

// Cost counts no arithmetic.
func (Flip) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}
