package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Const is a number, f32[], that combines with any value: spec.Maximum(x, spec.Const(0)).
// Mistakes: it is not finite in f32.
func Const(x float64) *Value { return array("Const", nil, []float64{x}) }

// Data is a constant array of the given shape, with its elements in row-major order: f32
// for floats, i64 for whole numbers, u8 for bytes, bool for truth values. It has no batch:
// each row sees all of it, and axes count from its first. A file stores floats as a
// Constant, so that they are not taken for a weight, and integers and truth values as an
// initializer. Mistakes: a length is not positive, the lengths do not multiply to the
// number of elements, a number is not finite in f32.
func Data[T float32 | float64 | int | int64 | uint8 | bool](shape []int, values []T) *Value {
	return array("Data", shape, values)
}

func array[T float32 | float64 | int | int64 | uint8 | bool](kind string, shape []int, values []T) *Value {
	s, at := newSpace(), callers(1)
	t := &ir.Tensor{Shape: append([]int{}, shape...)}
	rule := checkDims(shape, ir.MaxRank)
	if n := ir.Elems(shape); rule == "" && n != len(values) {
		rule = fmt.Sprintf("shape %v has %d elements, got %d", shape, n, len(values))
	}
	typ := ir.F32
	switch x := any(values).(type) {
	case []uint8:
		typ, t.DType, t.Raw = ir.U8, ir.U8, append([]uint8{}, x...)
	case []bool:
		typ, t.DType, t.Bool = ir.Bool, ir.Bool, append([]bool{}, x...)
	case []int:
		typ, t.DType = ir.I64, ir.I64
		for _, v := range x {
			t.I64 = append(t.I64, int64(v))
		}
	case []int64:
		typ, t.DType, t.I64 = ir.I64, ir.I64, append([]int64{}, x...)
	case []float32:
		t.DType = ir.F64
		for _, v := range x {
			t.F64 = append(t.F64, float64(v))
		}
	case []float64:
		t.DType = ir.F64
		for _, v := range x {
			t.F64 = append(t.F64, float64(float32(v)))
		}
	}
	for i, v := range t.F64 {
		if v-v != 0 && rule == "" {
			rule = fmt.Sprintf("numbers must be finite in f32, got %v at %d", values[i], i)
		}
	}
	if rule != "" {
		s.fail(&mistake{at: at, made: at, op: text("%s", kind), rule: text("%s", rule)})
		return &Value{sp: s, v: bad()}
	}
	v := &Value{data: t}
	v.sp, v.v = s, s.array(ir.Type{DType: typ, Shape: ir.ShapeOf(shape...)}, t)
	return v
}
