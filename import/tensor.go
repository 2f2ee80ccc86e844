package onnximport

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Element types by their numbers in TensorProto.DataType.
const (
	elemFloat  = 1
	elemUint8  = 2
	elemInt8   = 3
	elemUint16 = 4
	elemInt16  = 5
	elemInt32  = 6
	elemInt64  = 7
	elemBool   = 9
	elemDouble = 11
	elemUint32 = 12
)

// elemNames are the names of Port.Elem, by number.
var elemNames = [...]string{"", "f32", "u8", "i8", "u16", "i16", "i32", "i64", "string", "bool", "f16", "f64", "u32", "u64",
	"complex64", "complex128", "bf16", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "u4", "i4", "f4e2m1", "f8e8m0", "u2", "i2"}

func elemName(elem int32) string {
	if elem > 0 && int(elem) < len(elemNames) {
		return elemNames[elem]
	}
	return fmt.Sprintf("type %d", elem)
}

// dtype returns the dtype that holds elements of a type: integers of up to 32
// bits are held as i64, in which every one of them is exact.
func dtype(elem int32) (ir.DType, error) {
	switch elem {
	case elemFloat:
		return ir.F32, nil
	case elemDouble:
		return ir.F64, nil
	case elemBool:
		return ir.Bool, nil
	case elemInt64, elemInt32, elemInt16, elemInt8, elemUint8, elemUint16, elemUint32:
		return ir.I64, nil
	case 0:
		return ir.Invalid, fmt.Errorf("has no element type")
	}
	return ir.Invalid, unsupported("elements are %s", elemName(elem))
}

// width returns the bytes of one element in raw_data.
func width(elem int32) int64 {
	switch elem {
	case elemFloat, elemInt32, elemUint32:
		return 4
	case elemDouble, elemInt64:
		return 8
	case elemInt16, elemUint16:
		return 2
	}
	return 1
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
		if raw, err = im.folder.Tensor(p, n*width(p.DataType)); err != nil {
			return nil, err
		}
	} else if len(raw) == 0 && (n > 0 || listed(p) > 0) {
		return fromLists(p, d, shape, n)
	}
	if listed(p) > 0 {
		return nil, fmt.Errorf("has elements both in raw_data and in a list")
	}
	if int64(len(raw)) != n*width(p.DataType) {
		return nil, fmt.Errorf("has %d bytes, %s%d needs %d", len(raw), elemName(p.DataType), shape, n*width(p.DataType))
	}
	return fromRaw(p.DataType, d, shape, raw)
}

// listed returns the number of elements in the typed lists.
func listed(p *onnxpb.TensorProto) int {
	return len(p.FloatData) + len(p.DoubleData) + len(p.Int32Data) + len(p.Int64Data) + len(p.Uint64Data) + len(p.StringData)
}

func fromRaw(elem int32, d ir.DType, shape []int, raw []byte) (*ir.Tensor, error) {
	t := ir.NewTensor(d, shape...)
	le := binary.LittleEndian
	switch elem {
	case elemFloat:
		for i := range t.F32 {
			t.F32[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case elemDouble:
		for i := range t.F64 {
			t.F64[i] = math.Float64frombits(le.Uint64(raw[8*i:]))
		}
	case elemBool:
		for i := range t.Bool {
			if raw[i] > 1 {
				return nil, fmt.Errorf("holds %d where a bool is 0 or 1", raw[i])
			}
			t.Bool[i] = raw[i] == 1
		}
	default:
		for i := range t.I64 {
			t.I64[i] = rawInt(elem, raw, i)
		}
	}
	return t, nil
}

func rawInt(elem int32, raw []byte, i int) int64 {
	le := binary.LittleEndian
	switch elem {
	case elemInt64:
		return int64(le.Uint64(raw[8*i:]))
	case elemInt32:
		return int64(int32(le.Uint32(raw[4*i:])))
	case elemUint32:
		return int64(le.Uint32(raw[4*i:]))
	case elemInt16:
		return int64(int16(le.Uint16(raw[2*i:])))
	case elemUint16:
		return int64(le.Uint16(raw[2*i:]))
	case elemInt8:
		return int64(int8(raw[i]))
	}
	return int64(raw[i])
}

// fromLists decodes the typed lists: the one of the element type must hold all
// elements, the others none.
func fromLists(p *onnxpb.TensorProto, d ir.DType, shape []int, n int64) (*ir.Tensor, error) {
	have := 0
	switch p.DataType {
	case elemFloat:
		have = len(p.FloatData)
	case elemDouble:
		have = len(p.DoubleData)
	case elemInt64:
		have = len(p.Int64Data)
	case elemUint32:
		have = len(p.Uint64Data)
	default:
		have = len(p.Int32Data)
	}
	if have != listed(p) {
		return nil, fmt.Errorf("has elements in a list that is not for %s", elemName(p.DataType))
	}
	if int64(have) != n {
		return nil, fmt.Errorf("has %d elements, %s%d needs %d", have, elemName(p.DataType), shape, n)
	}
	t := ir.NewTensor(d, shape...)
	switch p.DataType {
	case elemFloat:
		copy(t.F32, p.FloatData)
	case elemDouble:
		copy(t.F64, p.DoubleData)
	case elemInt64:
		copy(t.I64, p.Int64Data)
	case elemUint32:
		for i, x := range p.Uint64Data {
			if x > math.MaxUint32 {
				return nil, fmt.Errorf("holds %d, which is no u32", x)
			}
			t.I64[i] = int64(x)
		}
	case elemBool:
		for i, x := range p.Int32Data {
			if x != 0 && x != 1 {
				return nil, fmt.Errorf("holds %d where a bool is 0 or 1", x)
			}
			t.Bool[i] = x == 1
		}
	default:
		lo, hi := intRange(p.DataType)
		for i, x := range p.Int32Data {
			if int64(x) < lo || int64(x) > hi {
				return nil, fmt.Errorf("holds %d, which is no %s", x, elemName(p.DataType))
			}
			t.I64[i] = int64(x)
		}
	}
	return t, nil
}

// intRange returns the least and the greatest element of a type.
func intRange(elem int32) (lo, hi int64) {
	switch elem {
	case elemUint8:
		return 0, math.MaxUint8
	case elemInt8:
		return math.MinInt8, math.MaxInt8
	case elemUint16:
		return 0, math.MaxUint16
	case elemInt16:
		return math.MinInt16, math.MaxInt16
	case elemInt32:
		return math.MinInt32, math.MaxInt32
	case elemUint32:
		return 0, math.MaxUint32
	}
	return math.MinInt64, math.MaxInt64
}
