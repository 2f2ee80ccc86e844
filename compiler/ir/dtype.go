package ir

import (
	"math"
	"slices"
	"strings"
)

// DType is the type of a tensor's elements. The zero DType is invalid.
type DType uint8

// The element types. Bool elements take one byte; F16 is binary16 of IEEE 754 and
// BF16 the upper half of an F32.
const (
	Invalid DType = iota
	F32
	F64
	I64
	Bool
	U8
	U16
	U32
	U64
	I8
	I16
	I32
	F16
	BF16
)

// dtypeKind tells what the elements of a type are.
type dtypeKind uint8

const (
	truth dtypeKind = iota
	float
	signed
	unsigned
)

var dtypes = [...]struct {
	name string
	size int
	kind dtypeKind
}{
	Invalid: {"invalid", 0, truth},
	F32:     {"f32", 4, float},
	F64:     {"f64", 8, float},
	I64:     {"i64", 8, signed},
	Bool:    {"bool", 1, truth},
	U8:      {"u8", 1, unsigned},
	U16:     {"u16", 2, unsigned},
	U32:     {"u32", 4, unsigned},
	U64:     {"u64", 8, unsigned},
	I8:      {"i8", 1, signed},
	I16:     {"i16", 2, signed},
	I32:     {"i32", 4, signed},
	F16:     {"f16", 2, float},
	BF16:    {"bf16", 2, float},
}

func (d DType) kind() dtypeKind {
	if int(d) < len(dtypes) {
		return dtypes[d].kind
	}
	return truth
}

// String returns the name used in the text form: f32, u8, bf16, bool and so on.
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return dtypes[Invalid].name
}

// Size returns the bytes of one element, 0 for an invalid type.
func (d DType) Size() int {
	if int(d) < len(dtypes) {
		return dtypes[d].size
	}
	return 0
}

// Float reports whether d is a floating-point type.
func (d DType) Float() bool { return d.kind() == float }

// Integer reports whether d is a type of integers; Bool is none.
func (d DType) Integer() bool { return d.kind() >= signed }

// Signed reports whether d is a type of integers that may be below 0.
func (d DType) Signed() bool { return d.kind() == signed }

// Range returns the least and the greatest element of a type of integers.
func (d DType) Range() (least int64, greatest uint64) {
	bits := 8 * d.Size()
	switch d.kind() {
	case signed:
		return math.MinInt64 >> (64 - bits), 1<<(bits-1) - 1
	case unsigned:
		return 0, math.MaxUint64 >> (64 - bits)
	}
	return 0, 0
}

// raw reports whether tensors hold elements of the type as bytes.
func (d DType) raw() bool { return d >= U8 && d.Size() > 0 }

// DTypes returns every element type.
func DTypes() []DType {
	list := make([]DType, 0, len(dtypes)-1)
	for d := Invalid + 1; int(d) < len(dtypes); d++ {
		list = append(list, d)
	}
	return list
}

// ParseDType returns the type of that name, or Invalid.
func ParseDType(s string) DType {
	i := slices.IndexFunc(DTypes(), func(d DType) bool { return d.String() == s })
	return DType(i + 1)
}

// dtypeList names every element type, for a message.
func dtypeList() string {
	var names []string
	for _, d := range DTypes() {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}
