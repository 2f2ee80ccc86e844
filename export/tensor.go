package onnxexport

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// elemTypes are the element types of ONNX by dtype.
var elemTypes = map[ir.DType]onnxpb.TensorProto_DataType{
	ir.F32: onnxpb.TensorProto_FLOAT, ir.F64: onnxpb.TensorProto_DOUBLE,
	ir.F16: onnxpb.TensorProto_FLOAT16, ir.BF16: onnxpb.TensorProto_BFLOAT16,
	ir.I8: onnxpb.TensorProto_INT8, ir.I16: onnxpb.TensorProto_INT16, ir.I32: onnxpb.TensorProto_INT32, ir.I64: onnxpb.TensorProto_INT64,
	ir.U8: onnxpb.TensorProto_UINT8, ir.U16: onnxpb.TensorProto_UINT16, ir.U32: onnxpb.TensorProto_UINT32, ir.U64: onnxpb.TensorProto_UINT64,
	ir.Bool: onnxpb.TensorProto_BOOL,
}

// elemType returns the TensorProto.DataType of d.
func elemType(d ir.DType) int32 { return int32(elemTypes[d]) }

// dtypeOf returns the dtype of a TensorProto.DataType, Invalid for none.
func dtypeOf(elem int32) ir.DType {
	for d, e := range elemTypes {
		if int32(e) == elem {
			return d
		}
	}
	return ir.Invalid
}

// MarshalTensor returns a tensor with the given name as ONNX test sets store it: a
// serialized TensorProto with raw little-endian data. It fails if t's dtype,
// shape and elements do not agree.
func MarshalTensor(name string, t *ir.Tensor) ([]byte, error) {
	p, err := tensorProto(name, t)
	if err != nil {
		return nil, err
	}
	return p.Marshal()
}

func tensorProto(name string, t *ir.Tensor) (*onnxpb.TensorProto, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	p := &onnxpb.TensorProto{Name: name, DataType: elemType(t.DType), Dims: []int64{}}
	for _, d := range t.Shape {
		p.Dims = append(p.Dims, int64(d))
	}
	raw := make([]byte, 0, t.Len()*t.DType.Size())
	switch t.DType {
	default:
		raw = append(raw, t.Raw...)
	case ir.F32:
		for _, x := range t.F32 {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
	case ir.F64:
		for _, x := range t.F64 {
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(x))
		}
	case ir.I64:
		for _, x := range t.I64 {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
		}
	case ir.Bool:
		for _, x := range t.Bool {
			if x {
				raw = append(raw, 1)
			} else {
				raw = append(raw, 0)
			}
		}
	}
	p.RawData = raw
	return p, nil
}

// dataTensor returns t as a value of type typ, rounding floats to its dtype.
func dataTensor(typ ir.Type, t *ir.Tensor) (*onnxpb.TensorProto, error) {
	if t == nil {
		return nil, fmt.Errorf("has no elements")
	}
	return tensorProto("", t.To(typ.DType))
}

// ParseTensor reads a serialized TensorProto, which may be hostile: no more is allocated
// than the bytes themselves hold.
//
// Errors: not a TensorProto; elements that are neither numbers nor bool, or are floats of
// 8 bits or fewer; external data; a length that differs from the dims.
func ParseTensor(b []byte) (*ir.Tensor, error) {
	p, err := onnxpb.UnmarshalTensor(b)
	if err != nil {
		return nil, err
	}
	if p.GetDataLocation() == onnxpb.TensorProto_EXTERNAL || len(p.GetExternalData()) > 0 || p.GetSegment() != nil {
		return nil, fmt.Errorf("tensor %q: the data are outside the file", p.GetName())
	}
	n := int64(1)
	shape := make([]int, 0, min(len(p.Dims), ir.MaxRank))
	if len(p.Dims) > ir.MaxRank {
		return nil, fmt.Errorf("tensor %q: rank %d is above %d", p.Name, len(p.Dims), ir.MaxRank)
	}
	for _, d := range p.Dims {
		if d < 0 || d > 0 && n > MaxBytes/d {
			return nil, fmt.Errorf("tensor %q: shape %v is out of range", p.Name, p.Dims)
		}
		n *= d
		shape = append(shape, int(d))
	}
	t := &ir.Tensor{Shape: shape}
	held := func(typed int, size int64) error {
		if p.RawData != nil && typed == 0 && int64(len(p.RawData)) == n*size || p.RawData == nil && int64(typed) == n {
			return nil
		}
		return fmt.Errorf("tensor %q: shape %v has %d elements of %d bytes, the data are %d bytes or %d elements",
			p.Name, p.Dims, n, size, len(p.RawData), typed)
	}
	raw := p.RawData
	switch onnxpb.TensorProto_DataType(p.DataType) {
	case onnxpb.TensorProto_FLOAT:
		if err := held(len(p.FloatData), 4); err != nil {
			return nil, err
		}
		t.DType, t.F32 = ir.F32, append(make([]float32, 0, n), p.FloatData...)
		for ; len(raw) >= 4; raw = raw[4:] {
			t.F32 = append(t.F32, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
	case onnxpb.TensorProto_DOUBLE:
		if err := held(len(p.DoubleData), 8); err != nil {
			return nil, err
		}
		t.DType, t.F64 = ir.F64, append(make([]float64, 0, n), p.DoubleData...)
		for ; len(raw) >= 8; raw = raw[8:] {
			t.F64 = append(t.F64, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
		}
	case onnxpb.TensorProto_INT64:
		if err := held(len(p.Int64Data), 8); err != nil {
			return nil, err
		}
		t.DType, t.I64 = ir.I64, append(make([]int64, 0, n), p.Int64Data...)
		for ; len(raw) >= 8; raw = raw[8:] {
			t.I64 = append(t.I64, int64(binary.LittleEndian.Uint64(raw)))
		}
	case onnxpb.TensorProto_BOOL:
		if err := held(len(p.Int32Data), 1); err != nil {
			return nil, err
		}
		t.DType, t.Bool = ir.Bool, make([]bool, 0, n)
		for _, x := range p.Int32Data {
			t.Bool = append(t.Bool, x != 0)
		}
		for _, x := range raw {
			t.Bool = append(t.Bool, x != 0)
		}
	default:
		if err := parseRaw(t, p, held); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// parseRaw reads elements of the types that tensors hold as bytes. In a list each
// has a place of 32 or 64 bits, the bits of a float of 16 too.
func parseRaw(t *ir.Tensor, p *onnxpb.TensorProto, held func(typed int, size int64) error) error {
	if t.DType = dtypeOf(p.DataType); t.DType == ir.Invalid {
		return fmt.Errorf("tensor %q: element type %d is not one of numbers or bool", p.Name, p.DataType)
	}
	size := t.DType.Size()
	wide := t.DType == ir.U32 || t.DType == ir.U64
	listed := len(p.Int32Data)
	if wide {
		listed = len(p.Uint64Data)
	}
	if err := held(listed, int64(size)); err != nil {
		return err
	}
	t.Raw = append([]byte{}, p.RawData...)
	var word [8]byte
	for i := range listed {
		if wide {
			binary.LittleEndian.PutUint64(word[:], p.Uint64Data[i])
		} else {
			binary.LittleEndian.PutUint64(word[:], uint64(p.Int32Data[i]))
		}
		t.Raw = append(t.Raw, word[:size]...)
		if t.DType.Integer() && !wide && t.Int(i) != int64(p.Int32Data[i]) || t.DType == ir.U32 && uint64(t.Int(i)) != p.Uint64Data[i] {
			return fmt.Errorf("tensor %q: element %d is out of the range of %s", p.Name, i, t.DType)
		}
	}
	return nil
}
