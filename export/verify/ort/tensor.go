//go:build cgo && !windows

package ort

import (
	"encoding/binary"
	"fmt"
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

// readable reports whether values of type d can be read here. The wrapper takes
// floats of 16 bits over in half.
func readable(d onnxruntime.TensorElementDataType) bool {
	t := ir.ParseDType(elemName(d))
	return t != ir.Invalid && t != ir.F16 && t != ir.BF16
}

// toValue returns t as a value of type d, which must be t's own. Its elements are
// t's: they are pinned, and live until pin is undone.
func toValue(t *ir.Tensor, d onnxruntime.TensorElementDataType, pin *runtime.Pinner) (onnxruntime.Value, error) {
	if t.DType.String() != elemName(d) {
		return nil, fmt.Errorf("the model wants elements of type %s, got %s", elemName(d), t.DType)
	}
	switch t.DType {
	case ir.F32:
		return newValue(t.Shape, t.F32, pin)
	case ir.F64:
		return newValue(t.Shape, t.F64, pin)
	case ir.I64:
		return newValue(t.Shape, t.I64, pin)
	case ir.Bool:
		return newValue(t.Shape, t.Bool, pin)
	}
	if len(t.Shape) == 0 {
		return newScalar(d, mark{number: t.Int(0)})
	}
	if len(t.Raw) > 0 {
		pin.Pin(&t.Raw[0])
	}
	v, err := onnxruntime.NewCustomDataTensor(shapeOf(t.Shape), t.Raw, d)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func shapeOf(shape []int) onnxruntime.Shape {
	dims := make(onnxruntime.Shape, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	return dims
}

func newValue[T onnxruntime.TensorData](shape []int, data []T, pin *runtime.Pinner) (onnxruntime.Value, error) {
	if len(shape) == 0 {
		v, err := onnxruntime.NewScalar(data[0])
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	if len(data) > 0 {
		pin.Pin(&data[0])
	}
	v, err := onnxruntime.NewTensor(shapeOf(shape), data)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// mark is what an output of rank 0 is made with, so that one which the library left
// alone can be told.
type mark struct {
	number int64
	bit    bool
}

// marks are two, since either may be what a model computes.
var marks = [2]mark{{90, true}, {37, false}}

// holds reports whether v is a scalar that is the mark.
func holds(v onnxruntime.Value, m mark) bool {
	if len(v.GetShape()) > 0 {
		return false
	}
	t, err := fromValue(v)
	switch {
	case err != nil || t.Len() != 1:
		return false
	case t.DType == ir.Bool:
		return t.Bool[0] == m.bit
	}
	return t.At(0) == float64(m.number)
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
	case *onnxruntime.Tensor[int32]:
		t.DType, t.Raw = ir.I32, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[int32]:
		t.DType, t.Raw = ir.I32, bytesOf(v.GetData())
	case *onnxruntime.Tensor[int16]:
		t.DType, t.Raw = ir.I16, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[int16]:
		t.DType, t.Raw = ir.I16, bytesOf(v.GetData())
	case *onnxruntime.Tensor[int8]:
		t.DType, t.Raw = ir.I8, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[int8]:
		t.DType, t.Raw = ir.I8, bytesOf(v.GetData())
	case *onnxruntime.Tensor[uint64]:
		t.DType, t.Raw = ir.U64, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[uint64]:
		t.DType, t.Raw = ir.U64, bytesOf(v.GetData())
	case *onnxruntime.Tensor[uint32]:
		t.DType, t.Raw = ir.U32, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[uint32]:
		t.DType, t.Raw = ir.U32, bytesOf(v.GetData())
	case *onnxruntime.Tensor[uint16]:
		t.DType, t.Raw = ir.U16, bytesOf(v.GetData()...)
	case *onnxruntime.Scalar[uint16]:
		t.DType, t.Raw = ir.U16, bytesOf(v.GetData())
	case *onnxruntime.Tensor[uint8]:
		t.DType, t.Raw = ir.U8, v.GetData()
	case *onnxruntime.Scalar[uint8]:
		t.DType, t.Raw = ir.U8, []byte{v.GetData()}
	default:
		return nil, fmt.Errorf("values of %T cannot be read here", v)
	}
	return t, t.Check()
}

// bytesOf returns integers as a tensor holds them.
func bytesOf[T int8 | int16 | int32 | uint16 | uint32 | uint64](data ...T) []byte {
	raw, _ := binary.Append(nil, binary.LittleEndian, data) // of these types there is no error
	return raw
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
