package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// pointwise is embedded by ops whose element depends on one element of each
// operand, broadcasting included.
type pointwise struct{}

// Split states that a slice of rows needs the same rows of an operand that has
// them, and everything of one that is broadcast along the rows.
func (pointwise) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitBroadcast(in, out)
}

// MixesRows states that rows stay apart.
func (pointwise) MixesRows([]ir.Type) bool { return false }

// InPlace states that the result may overwrite operand 0 if it has its type.
func (pointwise) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Cost counts one operation for each element of the result.
func (pointwise) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(in, out, at)
}

func splitBroadcast(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	if out.Rank() == 0 {
		return nil, false
	}
	access := make([]ir.Access, len(in))
	for i, t := range in {
		if t.Rank() == out.Rank() && t.Shape[0] == out.Shape[0] {
			access[i] = ir.Axis0
		}
	}
	return access, true
}

// rows0 is the access of an op that keeps axis 0 of its operands apart.
func rows0(in []ir.Type, ok bool) ([]ir.Access, bool) {
	if !ok {
		return nil, false
	}
	access := make([]ir.Access, len(in))
	for i := range access {
		access[i] = ir.Axis0
	}
	return access, true
}

// along reports whether an op along these axes of a value goes along its rows.
func along(axes []int, t ir.Type) bool {
	axis, _ := ir.BatchAxis(t.Shape)
	return axis >= 0 && slices.Contains(axes, axis)
}

// drawnRows reports whether what is drawn for a row depends on other rows: draws
// have numbers in the order of the elements, where rows that are not on the first
// axis do not follow each other.
func drawnRows(t ir.Type) bool {
	axis, _ := ir.BatchAxis(t.Shape)
	return axis > 0
}

// count returns the elements of the types.
func count(ts []ir.Type, at ir.Binding) int64 {
	var n int64
	for _, t := range ts {
		n += int64(t.Shape.ElemsAt(at))
	}
	return n
}

// traffic returns the bytes of operands and results.
func traffic(in, out []ir.Type, at ir.Binding) int64 {
	var n int64
	for _, t := range in {
		n += int64(t.Shape.ElemsAt(at)) * int64(t.DType.Size())
	}
	for _, t := range out {
		n += int64(t.Shape.ElemsAt(at)) * int64(t.DType.Size())
	}
	return n
}

// unary is embedded by pointwise ops of one float operand.
type unary struct{ pointwise }

// Follow states that every slice stays in its place.
func (unary) Follow(_ []ir.Type, axis int) (ir.Track, bool) { return ir.Track{Axis: axis}, true }

// Infer returns x's type, which must be floating point.
func (unary) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// signed is embedded by pointwise ops of one operand whose numbers may be below 0.
type signed struct{ pointwise }

// Follow states that every slice stays in its place.
func (signed) Follow(_ []ir.Type, axis int) (ir.Track, bool) { return ir.Track{Axis: axis}, true }

// Infer returns x's type, floating point or integers with a sign.
func (signed) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if d := in[0].DType; !d.Float() && !d.Signed() {
		return nil, fmt.Errorf("x must be floating point or integers with a sign %s", describe(in, []string{"x"}))
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// counting is embedded by pointwise ops of two operands that are numbers.
type counting struct{ pointwise }

// Infer returns the broadcast shape of a and b, in their dtype.
func (counting) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := numbers(in, "a", "b"); err != nil {
		return nil, err
	}
	s, err := broadcast(in, "a", "b")
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, s)
}

// binary is embedded by pointwise ops of two float operands.
type binary struct{ pointwise }

// Infer returns the broadcast shape of a and b, in their dtype.
func (binary) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "a", "b"); err != nil {
		return nil, err
	}
	s, err := broadcast(in, "a", "b")
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, s)
}
