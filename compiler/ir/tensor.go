package ir

import "fmt"

// Tensor is a dense value in row-major order. One of the slices, that of DType,
// holds the elements.
type Tensor struct {
	DType DType
	Shape []int
	F32   []float32
	F64   []float64
	I64   []int64
	Bool  []bool
}

// NewTensor returns a tensor of zeros.
func NewTensor(d DType, shape ...int) *Tensor {
	t := &Tensor{DType: d, Shape: append([]int{}, shape...)}
	n := Elems(shape)
	switch d {
	case F32:
		t.F32 = make([]float32, n)
	case F64:
		t.F64 = make([]float64, n)
	case I64:
		t.I64 = make([]int64, n)
	case Bool:
		t.Bool = make([]bool, n)
	default:
		panic("ir: NewTensor of an invalid dtype")
	}
	return t
}

// Scalar returns an F64 tensor of rank 0.
func Scalar(x float64) *Tensor { return &Tensor{DType: F64, Shape: []int{}, F64: []float64{x}} }

// Elems returns the product of the lengths.
func Elems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Len returns the number of elements held.
func (t *Tensor) Len() int {
	switch t.DType {
	case F32:
		return len(t.F32)
	case F64:
		return len(t.F64)
	case I64:
		return len(t.I64)
	case Bool:
		return len(t.Bool)
	}
	return 0
}

// Check returns an error if the elements held do not fill the shape.
func (t *Tensor) Check() error {
	if t.DType.Size() == 0 {
		return fmt.Errorf("tensor: dtype is invalid")
	}
	n := 1
	for _, d := range t.Shape {
		if d < 0 {
			return fmt.Errorf("tensor: negative length in shape %v", t.Shape)
		}
		if d > 0 && n > (1<<40)/d {
			return fmt.Errorf("tensor: shape %v is too large", t.Shape)
		}
		n *= d
	}
	if n != t.Len() {
		return fmt.Errorf("tensor: shape %v holds %d elements, got %d", t.Shape, n, t.Len())
	}
	return nil
}

// Type returns the tensor's type, every axis of known length.
func (t *Tensor) Type() Type { return Type{DType: t.DType, Shape: ShapeOf(t.Shape...)} }

// To returns the tensor converted to d: itself if it has that dtype. Floats
// convert to integers by truncation and to bool by x != 0.
func (t *Tensor) To(d DType) *Tensor {
	if t.DType == d {
		return t
	}
	out := NewTensor(d, t.Shape...)
	for i, n := 0, t.Len(); i < n; i++ {
		if t.DType == I64 && d == Bool {
			out.Bool[i] = t.I64[i] != 0
			continue
		}
		x := t.At(i)
		switch d {
		case F32:
			out.F32[i] = float32(x)
		case F64:
			out.F64[i] = x
		case I64:
			out.I64[i] = int64(x)
		case Bool:
			out.Bool[i] = x != 0
		}
	}
	return out
}

// Widen returns floats as F64, in which references are computed: the tensor
// itself unless it is F32.
func (t *Tensor) Widen() *Tensor {
	if t.DType == F32 {
		return t.To(F64)
	}
	return t
}

// At returns element i, in row-major order, as a float64.
func (t *Tensor) At(i int) float64 {
	switch t.DType {
	case F32:
		return float64(t.F32[i])
	case F64:
		return t.F64[i]
	case I64:
		return float64(t.I64[i])
	case Bool:
		if t.Bool[i] {
			return 1
		}
	}
	return 0
}

// Clone returns a copy that shares nothing.
func (t *Tensor) Clone() *Tensor {
	return &Tensor{DType: t.DType, Shape: append([]int{}, t.Shape...),
		F32: append([]float32(nil), t.F32...), F64: append([]float64(nil), t.F64...),
		I64: append([]int64(nil), t.I64...), Bool: append([]bool(nil), t.Bool...)}
}
