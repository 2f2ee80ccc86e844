package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Interleave cuts an axis of x, a row or a matrix, into Groups runs of one length and takes an
// element of each in turn: the features [C P] of images whose channels come first become
// [P C], as those of images whose channels come last, with C groups, and go back with P. With
// Turned set x is a matrix and the result is transposed.
type Interleave struct {
	Axis   int  `attr:"axis"`
	Groups int  `attr:"groups"`
	Turned bool `attr:"turned"`
}

// Name returns Interleave.
func (Interleave) Name() string { return "Interleave" }

// ONNX says why there is no counterpart.
func (Interleave) ONNX() ir.ONNX { return lowered }

// Infer returns x's type, or that of its transpose; Groups must divide the length of the axis,
// which must be known.
func (op Interleave) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	x := in[0]
	if err := axisIn(op.Axis, x, "x"); err != nil {
		return nil, err
	}
	if x.Rank() > 2 || op.Turned && x.Rank() != 2 {
		return nil, fmt.Errorf("x must be a row or a matrix, and a matrix to be transposed (x is %v)", x)
	}
	if n, known := x.Shape[op.Axis].Known(); !known || op.Groups < 1 || n%op.Groups != 0 {
		return nil, fmt.Errorf("axis %d must have a known length, which %d groups must divide (x is %v)", op.Axis, op.Groups, x)
	}
	out := x.Shape.Clone()
	if op.Turned {
		out[0], out[1] = out[1], out[0]
	}
	return result(x.DType, out)
}

// Decompose is the meaning: the axis as two, which change places.
func (op Interleave) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x := in[0]
	s := x.Type.Shape
	if len(s) > 2 || op.Groups < 1 {
		return in // Infer has said so
	}
	two := append(append(ir.Shape{}, s[:op.Axis]...), ir.Fixed(op.Groups), ir.Fixed(s[op.Axis].Length()/op.Groups))
	perm := []int{1, 0}
	switch {
	case op.Axis == 1:
		perm = []int{0, 2, 1}
	case len(s) == 2:
		two, perm = append(two, s[1]), []int{1, 0, 2}
	}
	y := b.Op(Reshape{Shape: ir.MakeDims(two)}, x)
	y = b.Op(Transpose{Perm: ir.MakeAxes(perm...)}, y)
	y = b.Op(Reshape{Shape: ir.MakeDims(s)}, y)
	if op.Turned {
		y = b.Op(Transpose{Perm: ir.MakeAxes(1, 0)}, y)
	}
	return []*ir.Value{y}
}

// Split states that rows of the result need the same rows or columns of x, unless they change
// places.
func (op Interleave) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	switch {
	case op.Turned == (op.Axis == 1):
		return []ir.Access{ir.Whole}, true
	case op.Turned:
		return []ir.Access{ir.Axis1}, true
	}
	return []ir.Access{ir.Axis0}, true
}

// Follow states where the axes go, and that the groups of one are interleaved.
func (op Interleave) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	t := ir.Track{Axis: axis}
	if op.Turned {
		t.Axis = 1 - axis
	}
	if axis == op.Axis {
		t.Groups = op.Groups
	}
	return t, true
}

// Cost counts no arithmetic.
func (Interleave) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}
