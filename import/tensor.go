package onnximport

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// elemNames are the names of element types by their numbers in
// TensorProto.DataType; those that a dtype has are its own.
var elemNames = [...]string{"", "f32", "u8", "i8", "u16", "i16", "i32", "i64", "string", "bool", "f16", "f64", "u32", "u64",
	"complex64", "complex128", "bf16", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "u4", "i4", "f4e2m1", "f8e8m0", "u2", "i2"}

// elemFloat is the number of f32.
const elemFloat = 1

func elemName(elem int32) string {
	if elem > 0 && int(elem) < len(elemNames) {
		return elemNames[elem]
	}
	return fmt.Sprintf("type %d", elem)
}

// dtype returns the dtype of elements of a type.
func dtype(elem int32) (ir.DType, error) {
	if elem == 0 {
		return ir.Invalid, fmt.Errorf("has no element type")
	}
	if d := ir.ParseDType(elemName(elem)); d != ir.Invalid {
		return d, nil
	}
	return ir.Invalid, unsupported("elements are %s", elemName(elem))
}

// lengths checks dims and returns them with their product.
func lengths(dims []int64, limit int64) ([]int, int64, error) {
	if len(dims) > ir.MaxRank {
		return nil, 0, fmt.Errorf("has %d axes, at most %d are possible", len(dims), ir.MaxRank)
	}
	shape, n := make([]int, len(dims)), int64(1)
	for i, d := range dims {
		if d < 0 {
			return nil, 0, fmt.Errorf("has an axis of the negative length %d", d)
		}
		if d > limit || d > 0 && n > limit/d {
			return nil, 0, fmt.Errorf("of shape %d has more than %d elements", dims, limit)
		}
		n *= d
		shape[i] = int(d)
	}
	return shape, n, nil
}

// tensor decodes a TensorProto. Nothing is allocated before the bytes that are
// there are known to be as many as the shape asks for.
func (im *importer) tensor(p *onnxpb.TensorProto) (*ir.Tensor, error) {
	if p == nil {
		return nil, fmt.Errorf("has no tensor")
	}
	d, err := dtype(p.DataType)
	if err != nil {
		return nil, err
	}
	shape, n, err := lengths(p.Dims, im.limits.Elements)
	if err != nil {
		return nil, err
	}
	if p.Segment != nil {
		return nil, unsupported("is stored in segments")
	}
	raw := p.RawData
	if p.DataLocation == onnxpb.TensorProto_EXTERNAL {
		if len(raw) > 0 || listed(p) > 0 {
			return nil, fmt.Errorf("has elements both in the file and outside")
		}
		if im.folder == nil {
			return nil, onnxfile.ErrOutside
		}
		if raw, err = im.folder.Tensor(p, n*int64(d.Size())); err != nil {
			return nil, err
		}
	} else if len(raw) == 0 && (n > 0 || listed(p) > 0) {
		return fromLists(p, d, shape, n)
	}
	if listed(p) > 0 {
		return nil, fmt.Errorf("has elements both in raw_data and in a list")
	}
	if int64(len(raw)) != n*int64(d.Size()) {
		return nil, fmt.Errorf("has %d bytes, %s%d needs %d", len(raw), elemName(p.DataType), shape, n*int64(d.Size()))
	}
	return fromRaw(d, shape, raw)
}

// listed returns the number of elements in the typed lists.
func listed(p *onnxpb.TensorProto) int {
	return len(p.FloatData) + len(p.DoubleData) + len(p.Int32Data) + len(p.Int64Data) + len(p.Uint64Data) + len(p.StringData)
}

func fromRaw(d ir.DType, shape []int, raw []byte) (*ir.Tensor, error) {
	t := ir.NewTensor(d, shape...)
	le := binary.LittleEndian
	switch d {
	case ir.F32:
		for i := range t.F32 {
			t.F32[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case ir.F64:
		for i := range t.F64 {
			t.F64[i] = math.Float64frombits(le.Uint64(raw[8*i:]))
		}
	case ir.I64:
		for i := range t.I64 {
			t.I64[i] = int64(le.Uint64(raw[8*i:]))
		}
	case ir.Bool:
		for i := range t.Bool {
			if raw[i] > 1 {
				return nil, fmt.Errorf("holds %d where a bool is 0 or 1", raw[i])
			}
			t.Bool[i] = raw[i] == 1
		}
	default:
		copy(t.Raw, raw) // as a tensor holds them
	}
	return t, nil
}

// fromLists decodes the typed lists: the one of the element type must hold all
// elements, the others none.
func fromLists(p *onnxpb.TensorProto, d ir.DType, shape []int, n int64) (*ir.Tensor, error) {
	have := len(p.Int32Data)
	switch d {
	case ir.F32:
		have = len(p.FloatData)
	case ir.F64:
		have = len(p.DoubleData)
	case ir.I64:
		have = len(p.Int64Data)
	case ir.U32, ir.U64:
		have = len(p.Uint64Data)
	}
	if have != listed(p) {
		return nil, fmt.Errorf("has elements in a list that is not for %s", d)
	}
	if int64(have) != n {
		return nil, fmt.Errorf("has %d elements, %s%d needs %d", have, d, shape, n)
	}
	t := ir.NewTensor(d, shape...)
	switch d {
	case ir.F32:
		copy(t.F32, p.FloatData)
	case ir.F64:
		copy(t.F64, p.DoubleData)
	case ir.I64:
		copy(t.I64, p.Int64Data)
	case ir.F16, ir.BF16: // their bits
		for i, x := range p.Int32Data {
			if x < 0 || x > math.MaxUint16 {
				return nil, fmt.Errorf("holds %d, which are not bits of %s", x, d)
			}
			binary.LittleEndian.PutUint16(t.Raw[2*i:], uint16(x))
		}
	case ir.U32, ir.U64:
		for i, x := range p.Uint64Data {
			if t.SetInt(i, int64(x)); uint64(t.Int(i)) != x {
				return nil, fmt.Errorf("holds %d, which is not a valid %s", x, d)
			}
		}
	default:
		for i, x := range p.Int32Data {
			if t.SetInt(i, int64(x)); t.Int(i) != int64(x) {
				if d == ir.Bool {
					return nil, fmt.Errorf("holds %d where a bool is 0 or 1", x)
				}
				return nil, fmt.Errorf("holds %d, which is not a valid %s", x, d)
			}
		}
	}
	return t, nil
}
