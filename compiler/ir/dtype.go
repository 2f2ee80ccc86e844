package ir

// DType is the type of a tensor's elements. The zero DType is invalid.
type DType uint8

// The element types. Bool elements take one byte.
const (
	Invalid DType = iota
	F32
	F64
	I64
	Bool
)

var dtypeNames = [...]string{"invalid", "f32", "f64", "i64", "bool"}
var dtypeSizes = [...]int{0, 4, 8, 8, 1}

// String returns the name used in the text form: f32, f64, i64 or bool.
func (d DType) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return "invalid"
}

// Size returns the bytes of one element, 0 for an invalid type.
func (d DType) Size() int {
	if int(d) < len(dtypeSizes) {
		return dtypeSizes[d]
	}
	return 0
}

// Float reports whether d is a floating-point type.
func (d DType) Float() bool { return d == F32 || d == F64 }

// ParseDType returns the type of that name, or Invalid.
func ParseDType(s string) DType {
	for i, n := range dtypeNames[1:] {
		if n == s {
			return DType(i + 1)
		}
	}
	return Invalid
}
