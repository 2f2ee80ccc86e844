package ops

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// maxElems bounds the elements of a result, every symbolic length counted as the least
// it may be.
const maxElems = 1 << 40

// describe returns "(x is f32[N 30], w is f32[784 100])".
func describe(in []ir.Type, names []string) string {
	parts := make([]string, 0, len(in))
	for i, t := range in {
		if i < len(names) {
			parts = append(parts, names[i]+" is "+t.String())
		}
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// operands checks that one operand came for each name and that each is a type.
func operands(in []ir.Type, names ...string) error {
	if len(in) != len(names) {
		if len(names) == 0 {
			return fmt.Errorf("takes no operand, got %d", len(in))
		}
		return fmt.Errorf("takes %d operand(s) (%s), got %d", len(names), strings.Join(names, ", "), len(in))
	}
	for i, t := range in {
		if err := valid(t, names[i]); err != nil {
			return err
		}
	}
	return nil
}

// valid checks that t is a type of bounded size.
func valid(t ir.Type, name string) error {
	if t.DType.Size() == 0 {
		return fmt.Errorf("%s has no dtype", name)
	}
	return validShape(t.Shape, name)
}

func validShape(s ir.Shape, name string) error {
	if len(s) > ir.MaxRank {
		return fmt.Errorf("%s has %d axes, at most %d are possible", name, len(s), ir.MaxRank)
	}
	n := 1
	for _, d := range s {
		if !d.Valid() {
			return fmt.Errorf("%s has an axis of length %v in %v", name, d, s)
		}
		least := d.Least()
		if least > 0 && n > maxElems/least {
			return fmt.Errorf("%s of shape %v is too large", name, s)
		}
		if least > 0 {
			n *= least
		}
	}
	if _, ok := s.Elems(); !ok {
		return fmt.Errorf("%s of shape %v has too many symbolic lengths", name, s)
	}
	return nil
}

// empty reports whether a value of shape s may have no elements.
func empty(s ir.Shape) bool {
	for _, d := range s {
		if d.Least() < 1 {
			return true
		}
	}
	return false
}

// result returns the one type of a result after checking its size.
func result(d ir.DType, s ir.Shape) ([]ir.Type, error) {
	if err := validShape(s, "the result"); err != nil {
		return nil, err
	}
	return []ir.Type{{DType: d, Shape: s}}, nil
}

// sameDType checks that all operands have one dtype.
func sameDType(in []ir.Type, names ...string) error {
	for i := 1; i < len(in); i++ {
		if in[i].DType != in[0].DType {
			return fmt.Errorf("%s and %s must have one dtype %s", names[0], names[i], describe(in, names))
		}
	}
	return nil
}

// floats is operands, and one floating-point dtype for all.
func floats(in []ir.Type, names ...string) error {
	if err := operands(in, names...); err != nil {
		return err
	}
	for i, t := range in {
		if !t.DType.Float() {
			return fmt.Errorf("%s must be floating point %s", names[i], describe(in, names))
		}
	}
	return sameDType(in, names...)
}

// numbers is operands, and one dtype for all that is not bool.
func numbers(in []ir.Type, names ...string) error {
	if err := operands(in, names...); err != nil {
		return err
	}
	for i, t := range in {
		if t.DType == ir.Bool {
			return fmt.Errorf("%s must be numbers %s", names[i], describe(in, names))
		}
	}
	return sameDType(in, names...)
}

// broadcast returns the shape of an elementwise op on operands of these types.
func broadcast(in []ir.Type, names ...string) (ir.Shape, error) {
	rank := 0
	for _, t := range in {
		rank = max(rank, t.Rank())
	}
	out := make(ir.Shape, rank)
	for i := range out {
		out[i] = ir.Fixed(1)
		for _, t := range in {
			k := i - (rank - t.Rank())
			if k < 0 || t.Shape[k] == ir.Fixed(1) || t.Shape[k] == out[i] {
				continue
			}
			if out[i] != ir.Fixed(1) {
				return nil, fmt.Errorf("lengths %v and %v do not broadcast: they must be equal, or one a fixed 1 %s", out[i], t.Shape[k], describe(in, names))
			}
			out[i] = t.Shape[k]
		}
	}
	return out, nil
}

// axisIn checks an axis of an operand.
func axisIn(axis int, t ir.Type, name string) error {
	switch {
	case t.Rank() == 0:
		return fmt.Errorf("axis %d does not exist: %s is a scalar (%s is %v)", axis, name, name, t)
	case axis < 0 || axis >= t.Rank():
		return fmt.Errorf("axis %d does not exist: %s has axes 0 to %d (%s is %v)", axis, name, t.Rank()-1, name, t)
	}
	return nil
}

// axesIn returns the axes of a reduction, all of them for an empty list.
func axesIn(axes ir.Axes, t ir.Type, name string) ([]int, error) {
	if axes.Len < 0 || axes.Len > ir.MaxRank {
		return nil, fmt.Errorf("%d axes are given, 0 to %d are possible", axes.Len, ir.MaxRank)
	}
	list := allAxes(axes, t.Rank())
	for i, a := range list {
		if err := axisIn(a, t, name); err != nil {
			return nil, err
		}
		if i > 0 && a <= list[i-1] {
			return nil, fmt.Errorf("axes %v must ascend without repetition (%s is %v)", list, name, t)
		}
	}
	return list, nil
}

// allAxes returns the axes as a slice, every axis of the rank for an empty list.
func allAxes(axes ir.Axes, rank int) []int {
	if axes.Len > 0 {
		return axes.Slice()
	}
	list := make([]int, rank)
	for i := range list {
		list[i] = i
	}
	return list
}

// reduced returns the shape without the axes, or with length 1 there.
func reduced(s ir.Shape, axes []int, keep bool) ir.Shape {
	out := ir.Shape{}
	for i, d := range s {
		switch {
		case !slices.Contains(axes, i):
			out = append(out, d)
		case keep:
			out = append(out, ir.Fixed(1))
		}
	}
	return out
}

// dimsIn returns a shape attribute after checking it.
func dimsIn(d ir.Dims, name string) (ir.Shape, error) {
	if d.Len < 0 || d.Len > ir.MaxRank {
		return nil, fmt.Errorf("%s has %d axes, 0 to %d are possible", name, d.Len, ir.MaxRank)
	}
	s := d.Shape()
	return s, validShape(s, name)
}

// axisWord names an axis in a message.
func axisWord(axis, rank int) string {
	switch axis {
	case rank - 1:
		return "last"
	case 0:
		return "first"
	case rank - 2:
		return "last but one"
	}
	return fmt.Sprintf("number %d", axis)
}
