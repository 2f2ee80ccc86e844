package ir

import (
	"fmt"
	"strings"
)

// MaxRank is the greatest number of axes a value may have.
const MaxRank = 8

// Shape is the list of a value's axes, outermost first; empty for a scalar.
type Shape []Dim

// ShapeOf returns the shape of known lengths.
func ShapeOf(dims ...int) Shape {
	s := make(Shape, len(dims))
	for i, d := range dims {
		s[i] = Fixed(d)
	}
	return s
}

// Equal reports whether both shapes have the same dims.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if s[i] != t[i] {
			return false
		}
	}
	return true
}

// String returns [N 784].
func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(d.String())
	}
	b.WriteByte(']')
	return b.String()
}

// At returns the lengths in a run, and panics as [Dim.At] does.
func (s Shape) At(b Binding) []int {
	out := make([]int, len(s))
	for i, d := range s {
		out[i] = d.At(b)
	}
	return out
}

// ElemsAt returns the number of elements in a run, and panics as [Dim.At] does.
func (s Shape) ElemsAt(b Binding) int {
	n := 1
	for _, d := range s {
		n *= d.At(b)
	}
	return n
}

// Least returns the number of elements where every named length is 1, as those of
// one row.
func (s Shape) Least() int {
	n := 1
	for _, d := range s {
		n *= d.Least()
	}
	return n
}

// Elems returns the number of elements; ok is false for more than four symbols.
func (s Shape) Elems() (n Dim, ok bool) { return Product(s...) }

// Fixed returns the lengths if all are known before a run.
func (s Shape) Fixed() (lengths []int, ok bool) {
	if s.Symbolic() {
		return nil, false
	}
	return s.Lengths(), true
}

// Lengths returns the known lengths. It panics if one is symbolic.
func (s Shape) Lengths() []int {
	out := make([]int, len(s))
	for i, d := range s {
		out[i] = d.Length()
	}
	return out
}

// Count returns the number of elements of a shape of known lengths. It panics if
// one is symbolic.
func (s Shape) Count() int {
	n := 1
	for _, d := range s {
		n *= d.Length()
	}
	return n
}

// Has reports whether a length depends on that of this name.
func (s Shape) Has(name string) bool {
	for _, d := range s {
		if d.Has(name) {
			return true
		}
	}
	return false
}

// Symbolic reports whether any axis is symbolic.
func (s Shape) Symbolic() bool {
	for _, d := range s {
		if d.Symbolic() {
			return true
		}
	}
	return false
}

// OfRows reports whether no length depends on another symbol than the batch.
func (s Shape) OfRows() bool {
	for _, d := range s {
		for _, f := range d.of {
			if !f.none() && f != batch {
				return false
			}
		}
	}
	return true
}

// RowWise reports whether the first axis, and only it, is the batch. Others may
// have a free length.
func (s Shape) RowWise() bool {
	return len(s) > 0 && s[0] == Rows() && !s[1:].Has(Batch)
}

// Clone returns a copy that shares nothing.
func (s Shape) Clone() Shape { return append(Shape{}, s...) }

// Type is what is known of a value before anything runs.
type Type struct {
	DType DType
	Shape Shape
}

// T returns the type of that dtype and shape.
func T(d DType, s ...Dim) Type { return Type{DType: d, Shape: Shape(s)} }

// Equal reports whether dtype and shape are the same.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && t.Shape.Equal(u.Shape) }

// Rank returns the number of axes.
func (t Type) Rank() int { return len(t.Shape) }

// Last returns the length of the last axis, 0 for a scalar or a symbolic one.
func (t Type) Last() int {
	if len(t.Shape) == 0 || t.Shape[len(t.Shape)-1].Symbolic() {
		return 0
	}
	return t.Shape[len(t.Shape)-1].Length()
}

// String returns f32[N 784].
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// Dims is a shape as an op's attribute: a comparable array.
type Dims struct {
	Len int
	At  [MaxRank]Dim
}

// MakeDims returns s as an attribute. It panics above MaxRank axes, which Infer
// of every op that makes a value refuses first.
func MakeDims(s Shape) Dims {
	d := Dims{Len: len(s)}
	if len(s) > MaxRank {
		panic(fmt.Sprintf("ir: rank %d is above %d", len(s), MaxRank))
	}
	copy(d.At[:], s)
	return d
}

// Shape returns the attribute as a shape.
func (d Dims) Shape() Shape { return append(Shape{}, d.At[:d.Len]...) }

// Axes is a list of axes as an op's attribute: a comparable array.
type Axes struct {
	Len int
	At  [MaxRank]int
}

// MakeAxes returns the list as an attribute. It panics above MaxRank axes.
func MakeAxes(axes ...int) Axes {
	a := Axes{Len: len(axes)}
	if len(axes) > MaxRank {
		panic(fmt.Sprintf("ir: %d axes are above %d", len(axes), MaxRank))
	}
	copy(a.At[:], axes)
	return a
}

// Slice returns the axes as a slice.
func (a Axes) Slice() []int { return append([]int{}, a.At[:a.Len]...) }
