package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxRank is the greatest number of axes a value may have.
const MaxRank = 8

// Symbol names a length that is known only when a plan runs.
type Symbol string

// Batch is the symbol of the batch, the first axis of a row-wise value.
const Batch Symbol = "N"

// Dim is the length of one axis: N, or N times a symbol.
type Dim struct {
	N   int
	Sym Symbol
}

// Fixed returns the dim of a known length.
func Fixed(n int) Dim { return Dim{N: n} }

// Rows is the dim of the batch axis.
func Rows() Dim { return Dim{N: 1, Sym: Batch} }

// Symbolic reports whether the length is known only at run time.
func (d Dim) Symbolic() bool { return d.Sym != "" }

// String returns 784, N or 4*N.
func (d Dim) String() string {
	switch {
	case d.Sym == "":
		return strconv.Itoa(d.N)
	case d.N == 1:
		return string(d.Sym)
	}
	return strconv.Itoa(d.N) + "*" + string(d.Sym)
}

// Bind returns the length with every symbol taken as rows.
func (d Dim) Bind(rows int) int {
	if d.Sym == "" {
		return d.N
	}
	return d.N * rows
}

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

// Bind returns the lengths with every symbol taken as rows.
func (s Shape) Bind(rows int) []int {
	out := make([]int, len(s))
	for i, d := range s {
		out[i] = d.Bind(rows)
	}
	return out
}

// Elems returns the number of elements with every symbol taken as rows.
func (s Shape) Elems(rows int) int {
	n := 1
	for _, d := range s {
		n *= d.Bind(rows)
	}
	return n
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

// RowWise reports whether the first axis, and only it, is the batch.
func (s Shape) RowWise() bool {
	return len(s) > 0 && s[0] == Rows() && !s[1:].Symbolic()
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
	return t.Shape[len(t.Shape)-1].N
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
