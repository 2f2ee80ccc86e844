package ir

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/internal/float16"
)

// Tensor is a dense value in row-major order. One of the slices, that of DType,
// holds the elements: Raw those of the types that have no slice of their own, one
// behind the other, each little-endian, as ONNX and NumPy files have them. A
// tensor of U8 holds its elements themselves.
type Tensor struct {
	DType DType
	Shape []int
	F32   []float32
	F64   []float64
	I64   []int64
	Bool  []bool
	Raw   []byte
}

// NewTensor returns a tensor of zeros.
func NewTensor(d DType, shape ...int) *Tensor {
	t := &Tensor{DType: d, Shape: append([]int{}, shape...)}
	n := Elems(shape)
	switch {
	case d == F32:
		t.F32 = make([]float32, n)
	case d == F64:
		t.F64 = make([]float64, n)
	case d == I64:
		t.I64 = make([]int64, n)
	case d == Bool:
		t.Bool = make([]bool, n)
	case d.raw():
		t.Raw = make([]byte, n*d.Size())
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
	switch {
	case t.DType == F32:
		return len(t.F32)
	case t.DType == F64:
		return len(t.F64)
	case t.DType == I64:
		return len(t.I64)
	case t.DType == Bool:
		return len(t.Bool)
	case t.DType.raw():
		return len(t.Raw) / t.DType.Size()
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
	if t.DType.raw() && len(t.Raw) != n*t.DType.Size() {
		return fmt.Errorf("tensor: %d elements of %s are %d bytes, got %d", n, t.DType, n*t.DType.Size(), len(t.Raw))
	}
	return nil
}

// Type returns the tensor's type, every axis of known length.
func (t *Tensor) Type() Type { return Type{DType: t.DType, Shape: ShapeOf(t.Shape...)} }

// To returns the tensor converted to d, itself if it has that dtype:
//
//   - to a float: the nearest one, of two the even one; infinity beyond the greatest
//   - an integer to an integer: its low bits
//   - a float to an integer: the fraction is dropped. What is then out of range, or
//     no number, is the least I32 for types up to I32 and the least I64 for wider
//     ones, and its low bits are taken if the type is narrower or unsigned; but
//     U64 is exact up to its greatest element, and 0 above
//   - to Bool: whether it is not 0; NaN is not
func (t *Tensor) To(d DType) *Tensor {
	if t.DType == d {
		return t
	}
	out := NewTensor(d, t.Shape...)
	n := t.Len()
	switch {
	case d == F64 && t.DType == F32:
		for i, x := range t.F32 {
			out.F64[i] = float64(x)
		}
	case d == F32 && t.DType == F64:
		for i, x := range t.F64 {
			out.F32[i] = float32(x)
		}
	case d == F32 && t.DType == U64: // rounded once, as the next
		for i := range n {
			out.F32[i] = float32(uint64(t.Int(i)))
		}
	case d == F32 && t.DType == I64:
		for i, x := range t.I64 {
			out.F32[i] = float32(x)
		}
	case d.Integer() && !t.DType.Float():
		for i := range n {
			out.SetInt(i, t.Int(i))
		}
	case d == Bool && t.DType.Integer():
		for i := range n {
			out.Bool[i] = t.Int(i) != 0
		}
	default:
		for i := range n {
			out.Set(i, t.At(i))
		}
	}
	return out
}

// Widen returns floats as F64, in which references are computed: the tensor
// itself if it has other elements or is F64 already.
func (t *Tensor) Widen() *Tensor {
	if t.DType.Float() {
		return t.To(F64)
	}
	return t
}

// Reference returns the dtype in which references compute elements of d: F64 for
// floats, d itself for others.
func (d DType) Reference() DType {
	if d.Float() {
		return F64
	}
	return d
}

// At returns element i, in row-major order, as a float64: the nearest one for
// integers of 64 bits.
func (t *Tensor) At(i int) float64 {
	switch t.DType {
	case F32:
		return float64(t.F32[i])
	case F64:
		return t.F64[i]
	case F16:
		return float64(float16.Half(binary.LittleEndian.Uint16(t.Raw[2*i:])))
	case BF16:
		return float64(float16.Brain(binary.LittleEndian.Uint16(t.Raw[2*i:])))
	case U64:
		return float64(uint64(t.Int(i)))
	}
	return float64(t.Int(i))
}

// Set makes x element i, converted as To does.
func (t *Tensor) Set(i int, x float64) {
	switch t.DType {
	case F32:
		t.F32[i] = float32(x)
	case F64:
		t.F64[i] = x
	case Bool:
		t.Bool[i] = x != 0
	case F16:
		binary.LittleEndian.PutUint16(t.Raw[2*i:], float16.HalfBits(x))
	case BF16:
		binary.LittleEndian.PutUint16(t.Raw[2*i:], float16.BrainBits(x))
	default:
		t.SetInt(i, truncate(x, t.DType))
	}
}

// truncate drops the fraction of x; see To for what d cannot hold.
func truncate(x float64, d DType) int64 {
	switch {
	case d == U64 && x >= 0x1p64:
		return 0
	case d == U64 && x >= 0x1p63:
		return int64(uint64(x))
	case d == U64 || d == I64 || d == U32:
		if x >= -0x1p63 && x < 0x1p63 {
			return int64(x)
		}
		return math.MinInt64
	}
	if x > math.MinInt32-1 && x < math.MaxInt32+1 {
		return int64(x)
	}
	return math.MinInt32
}

// Int returns element i of a tensor of integers or booleans; of U64 its bits.
func (t *Tensor) Int(i int) int64 {
	le := binary.LittleEndian
	switch t.DType {
	case I64:
		return t.I64[i]
	case Bool:
		if t.Bool[i] {
			return 1
		}
	case U8:
		return int64(t.Raw[i])
	case I8:
		return int64(int8(t.Raw[i]))
	case U16:
		return int64(le.Uint16(t.Raw[2*i:]))
	case I16:
		return int64(int16(le.Uint16(t.Raw[2*i:])))
	case U32:
		return int64(le.Uint32(t.Raw[4*i:]))
	case I32:
		return int64(int32(le.Uint32(t.Raw[4*i:])))
	case U64:
		return int64(le.Uint64(t.Raw[8*i:]))
	}
	return 0
}

// SetInt makes the low bits of x element i of a tensor of integers; a boolean
// becomes x != 0.
func (t *Tensor) SetInt(i int, x int64) {
	switch t.DType {
	case I64:
		t.I64[i] = x
	case Bool:
		t.Bool[i] = x != 0
	case U8, I8:
		t.Raw[i] = byte(x)
	case U16, I16:
		binary.LittleEndian.PutUint16(t.Raw[2*i:], uint16(x))
	case U32, I32:
		binary.LittleEndian.PutUint32(t.Raw[4*i:], uint32(x))
	case U64:
		binary.LittleEndian.PutUint64(t.Raw[8*i:], uint64(x))
	}
}

// Part returns the elements [from,to) as a vector that shares their memory.
func (t *Tensor) Part(from, to int) *Tensor {
	p := &Tensor{DType: t.DType, Shape: []int{to - from}}
	switch {
	case t.DType == F32:
		p.F32 = t.F32[from:to:to]
	case t.DType == F64:
		p.F64 = t.F64[from:to:to]
	case t.DType == I64:
		p.I64 = t.I64[from:to:to]
	case t.DType == Bool:
		p.Bool = t.Bool[from:to:to]
	case t.DType.raw():
		k := t.DType.Size()
		p.Raw = t.Raw[from*k : to*k : to*k]
	}
	return p
}

// Rows returns what lies from lo to hi along the first axis, and shares its memory.
func (t *Tensor) Rows(lo, hi int) *Tensor {
	row := Elems(t.Shape[1:])
	rows := t.Part(lo*row, hi*row)
	rows.Shape = append([]int{hi - lo}, t.Shape[1:]...)
	return rows
}

// Copy copies the elements of src, of the same dtype, to the places from at on, as
// many as there are on either side.
func (t *Tensor) Copy(at int, src *Tensor) {
	switch {
	case t.DType == F32:
		copy(t.F32[at:], src.F32)
	case t.DType == F64:
		copy(t.F64[at:], src.F64)
	case t.DType == I64:
		copy(t.I64[at:], src.I64)
	case t.DType == Bool:
		copy(t.Bool[at:], src.Bool)
	case t.DType.raw():
		copy(t.Raw[at*t.DType.Size():], src.Raw)
	}
}

// Append appends the elements of src, of the same dtype; the shape stays.
func (t *Tensor) Append(src *Tensor) {
	t.F32, t.F64, t.I64 = append(t.F32, src.F32...), append(t.F64, src.F64...), append(t.I64, src.I64...)
	t.Bool, t.Raw = append(t.Bool, src.Bool...), append(t.Raw, src.Raw...)
}

// Clone returns a copy that shares nothing.
func (t *Tensor) Clone() *Tensor {
	return &Tensor{DType: t.DType, Shape: append([]int{}, t.Shape...),
		F32: append([]float32(nil), t.F32...), F64: append([]float64(nil), t.F64...),
		I64: append([]int64(nil), t.I64...), Bool: append([]bool(nil), t.Bool...), Raw: append([]byte(nil), t.Raw...)}
}
