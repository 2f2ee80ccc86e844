//go:build cgo && !windows

package ort

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// elem names the element type of p.
func elem(p onnxruntime.InputOutputInfo) string {
	if p.OrtValueType != onnxruntime.ONNXTypeTensor {
		return "not a tensor (" + strings.ToLower(strings.TrimPrefix(p.OrtValueType.String(), "ONNX_TYPE_")) + ")"
	}
	return elemName(p.DataType)
}

func elemName(d onnxruntime.TensorElementDataType) string {
	switch d {
	case onnxruntime.TensorElementDataTypeFloat:
		return "f32"
	case onnxruntime.TensorElementDataTypeDouble:
		return "f64"
	case onnxruntime.TensorElementDataTypeFloat16:
		return "f16"
	case onnxruntime.TensorElementDataTypeBFloat16:
		return "bf16"
	case onnxruntime.TensorElementDataTypeInt8:
		return "i8"
	case onnxruntime.TensorElementDataTypeInt16:
		return "i16"
	case onnxruntime.TensorElementDataTypeInt32:
		return "i32"
	case onnxruntime.TensorElementDataTypeInt64:
		return "i64"
	case onnxruntime.TensorElementDataTypeUint8:
		return "u8"
	case onnxruntime.TensorElementDataTypeUint16:
		return "u16"
	case onnxruntime.TensorElementDataTypeUint32:
		return "u32"
	case onnxruntime.TensorElementDataTypeUint64:
		return "u64"
	case onnxruntime.TensorElementDataTypeBool:
		return "bool"
	case onnxruntime.TensorElementDataTypeString:
		return "string"
	}
	return strings.ToLower(strings.TrimPrefix(d.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
}

// readable reports whether values of type d have a form in ir.
func readable(d onnxruntime.TensorElementDataType) bool {
	switch elemName(d) {
	case "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool":
		return true
	}
	return false
}

// toValue returns t as a value of type d. A value whose elements are t's own is
// pinned, and lives until pin is undone.
func toValue(t *ir.Tensor, d onnxruntime.TensorElementDataType, pin *runtime.Pinner) (onnxruntime.Value, error) {
	switch {
	case t.DType == ir.F32 && d == onnxruntime.TensorElementDataTypeFloat:
		return newValue(t.Shape, t.F32, pin)
	case t.DType == ir.F64 && d == onnxruntime.TensorElementDataTypeDouble:
		return newValue(t.Shape, t.F64, pin)
	case t.DType == ir.Bool && d == onnxruntime.TensorElementDataTypeBool:
		return newValue(t.Shape, t.Bool, pin)
	case t.DType == ir.I64:
		switch d {
		case onnxruntime.TensorElementDataTypeInt64:
			return newValue(t.Shape, t.I64, pin)
		case onnxruntime.TensorElementDataTypeInt32:
			return narrow[int32](t, math.MinInt32, math.MaxInt32, pin)
		case onnxruntime.TensorElementDataTypeInt16:
			return narrow[int16](t, math.MinInt16, math.MaxInt16, pin)
		case onnxruntime.TensorElementDataTypeInt8:
			return narrow[int8](t, math.MinInt8, math.MaxInt8, pin)
		case onnxruntime.TensorElementDataTypeUint64:
			return narrow[uint64](t, 0, math.MaxInt64, pin)
		case onnxruntime.TensorElementDataTypeUint32:
			return narrow[uint32](t, 0, math.MaxUint32, pin)
		case onnxruntime.TensorElementDataTypeUint16:
			return narrow[uint16](t, 0, math.MaxUint16, pin)
		case onnxruntime.TensorElementDataTypeUint8:
			return narrow[uint8](t, 0, math.MaxUint8, pin)
		}
	}
	return nil, fmt.Errorf("the model wants elements of type %s, got %s", elemName(d), t.DType)
}

func narrow[T int8 | int16 | int32 | uint8 | uint16 | uint32 | uint64](t *ir.Tensor, lo, hi int64, pin *runtime.Pinner) (onnxruntime.Value, error) {
	data := make([]T, len(t.I64))
	for i, x := range t.I64 {
		if x < lo || x > hi {
			return nil, fmt.Errorf("element %d is %d, outside the model's range of %d to %d", i, x, lo, hi)
		}
		data[i] = T(x)
	}
	return newValue(t.Shape, data, pin)
}

func newValue[T onnxruntime.TensorData](shape []int, data []T, pin *runtime.Pinner) (onnxruntime.Value, error) {
	if len(shape) == 0 {
		v, err := onnxruntime.NewScalar(data[0])
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	dims := make(onnxruntime.Shape, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	if len(data) > 0 {
		pin.Pin(&data[0])
	}
	v, err := onnxruntime.NewTensor(dims, data)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// mark is what an output of rank 0 is made with, so that one which the library left
// alone can be told.
type mark struct {
	number int8
	bit    bool
}

// marks are two, since either may be what a model computes.
var marks = [2]mark{{90, true}, {37, false}}

// holds reports whether v is a scalar that is the mark.
func holds(v onnxruntime.Value, m mark) bool {
	switch v := v.(type) {
	case *onnxruntime.Scalar[float32]:
		return v.GetData() == float32(m.number)
	case *onnxruntime.Scalar[float64]:
		return v.GetData() == float64(m.number)
	case *onnxruntime.Scalar[bool]:
		return v.GetData() == m.bit
	case *onnxruntime.Scalar[int64]:
		return v.GetData() == int64(m.number)
	}
	x, err := widened(v)
	return err == nil && len(v.GetShape()) == 0 && len(x) == 1 && x[0] == int64(m.number)
}

// newScalar returns room for an output of rank 0, which holds the mark.
func newScalar(d onnxruntime.TensorElementDataType, m mark) (onnxruntime.Value, error) {
	switch d {
	case onnxruntime.TensorElementDataTypeFloat:
		return newValue(nil, []float32{float32(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeDouble:
		return newValue(nil, []float64{float64(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeBool:
		return newValue(nil, []bool{m.bit}, nil)
	case onnxruntime.TensorElementDataTypeInt64:
		return newValue(nil, []int64{int64(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeInt32:
		return newValue(nil, []int32{int32(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeInt16:
		return newValue(nil, []int16{int16(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeInt8:
		return newValue(nil, []int8{int8(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeUint64:
		return newValue(nil, []uint64{uint64(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeUint32:
		return newValue(nil, []uint32{uint32(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeUint16:
		return newValue(nil, []uint16{uint16(m.number)}, nil)
	case onnxruntime.TensorElementDataTypeUint8:
		return newValue(nil, []uint8{uint8(m.number)}, nil)
	}
	return nil, fmt.Errorf("no scalar of type %s", elemName(d))
}

// fromValue returns the contents of v. Its elements are Go memory that the
// tensor takes over; v itself may be destroyed.
func fromValue(v onnxruntime.Value) (*ir.Tensor, error) {
	dims := v.GetShape()
	t := &ir.Tensor{Shape: make([]int, len(dims))}
	for i, d := range dims {
		t.Shape[i] = int(d)
	}
	switch v := v.(type) {
	case *onnxruntime.Tensor[float32]:
		t.DType, t.F32 = ir.F32, v.GetData()
	case *onnxruntime.Scalar[float32]:
		t.DType, t.F32 = ir.F32, []float32{v.GetData()}
	case *onnxruntime.Tensor[float64]:
		t.DType, t.F64 = ir.F64, v.GetData()
	case *onnxruntime.Scalar[float64]:
		t.DType, t.F64 = ir.F64, []float64{v.GetData()}
	case *onnxruntime.Tensor[bool]:
		t.DType, t.Bool = ir.Bool, v.GetData()
	case *onnxruntime.Scalar[bool]:
		t.DType, t.Bool = ir.Bool, []bool{v.GetData()}
	case *onnxruntime.Tensor[int64]:
		t.DType, t.I64 = ir.I64, v.GetData()
	case *onnxruntime.Scalar[int64]:
		t.DType, t.I64 = ir.I64, []int64{v.GetData()}
	default:
		var err error
		if t.I64, err = widened(v); err != nil {
			return nil, err
		}
		t.DType = ir.I64
	}
	return t, t.Check()
}

func widened(v onnxruntime.Value) ([]int64, error) {
	switch v := v.(type) {
	case *onnxruntime.Tensor[int32]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[int32]:
		return widen([]int32{v.GetData()})
	case *onnxruntime.Tensor[int16]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[int16]:
		return widen([]int16{v.GetData()})
	case *onnxruntime.Tensor[int8]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[int8]:
		return widen([]int8{v.GetData()})
	case *onnxruntime.Tensor[uint64]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[uint64]:
		return widen([]uint64{v.GetData()})
	case *onnxruntime.Tensor[uint32]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[uint32]:
		return widen([]uint32{v.GetData()})
	case *onnxruntime.Tensor[uint16]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[uint16]:
		return widen([]uint16{v.GetData()})
	case *onnxruntime.Tensor[uint8]:
		return widen(v.GetData())
	case *onnxruntime.Scalar[uint8]:
		return widen([]uint8{v.GetData()})
	}
	return nil, fmt.Errorf("values of %T cannot be read here", v)
}

func widen[T int8 | int16 | int32 | uint8 | uint16 | uint32 | uint64](data []T) ([]int64, error) {
	out := make([]int64, len(data))
	for i, x := range data {
		if uint64(x) > math.MaxInt64 && x > 0 {
			return nil, fmt.Errorf("element %d is %d, too large for i64", i, x)
		}
		out[i] = int64(x)
	}
	return out, nil
}

// isNilValue reports whether v holds a nil pointer, which is what the wrapper
// leaves for an output it could not take over.
func isNilValue(v onnxruntime.Value) bool {
	if v == nil {
		return false
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

func destroy(values []onnxruntime.Value) {
	for _, v := range values {
		if v != nil && !isNilValue(v) {
			_ = v.Destroy() // frees, and has no way to fail
		}
	}
}
