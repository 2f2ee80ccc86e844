package dataset

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sbinet/npyio/npy"
)

// NPY reads an .npy file as one column: its first axis is the rows, the others are the shape of one row. Floats of
// 16, 32 and 64 bits become f32; integers and booleans become i64.
// Errors: the file is missing, no .npy, truncated or too long for its shape; the shape has no axes or no values; the
// type is not one of these; a value is not finite.
func NPY(path, column string) (*Table, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := decodeNPY(f, size, size, column)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return NewTable(d)
}

// NPZ reads an .npz file, each array a column by its name. All have as many rows.
// Errors: those of [NPY]; the archive is damaged.
func NPZ(path string) (*Table, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := decodeNPZ(f, size)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return NewTable(data...)
}

func decodeNPZ(r io.ReaderAt, size int64) ([]Data, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("not an .npz file: %w", err)
	}
	var data []Data
	var total uint64
	for _, m := range z.File {
		name, ok := strings.CutSuffix(m.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("array %q: an .npz file holds .npy files only", clip(m.Name))
		}
		// The archive says both sizes itself, so neither is believed beyond what the file can hold.
		stored := int64(min(m.CompressedSize64, uint64(size)))
		if m.UncompressedSize64 > uint64(stored)*maxDeflate || m.UncompressedSize64 > maxFile {
			return nil, fmt.Errorf("array %q: its %d bytes cannot come of %d", clip(name), m.UncompressedSize64, stored)
		}
		// Members may share their bytes, so the sum is bounded too.
		if total += m.UncompressedSize64; total > uint64(size)*maxDeflate || total > maxFile {
			return nil, fmt.Errorf("its arrays of more than %d bytes cannot come of %d", total, size)
		}
		in, err := m.Open()
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", clip(name), err)
		}
		d, err := decodeNPY(in, int64(m.UncompressedSize64), stored, name)
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", clip(name), err)
		}
		data = append(data, d)
	}
	return data, nil
}

// decodeNPY reads an .npy file of size bytes that stored bytes unpack to.
func decodeNPY(r io.Reader, size, stored int64, column string) (Data, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	h, head, err := npyHeader(in, size)
	if err != nil {
		return Data{}, err
	}
	kind, elem, order, err := npyType(h.Descr.Type)
	if err != nil {
		return Data{}, err
	}
	shape := h.Descr.Shape
	if len(shape) == 0 {
		return Data{}, errors.New("it holds one number; rows are needed")
	}
	total := int64(elem)
	for _, d := range shape {
		if d < 0 {
			return Data{}, fmt.Errorf("its shape %v has a negative length", shape)
		}
		if d == 0 {
			return Data{}, fmt.Errorf("%w: its shape is %v", ErrEmpty, shape)
		}
		if total > maxFile/int64(d) {
			return Data{}, fmt.Errorf("its shape %v says more than %d GiB, but it has %d bytes", shape, maxFile>>30, size)
		}
		total *= int64(d)
	}
	if head+total != size {
		return Data{}, fmt.Errorf("its shape %v of %s says %d bytes of data, but it has %d", shape, h.Descr.Type, total, size-head)
	}
	raw, err := readExactly(in, total, stored)
	if err != nil {
		return Data{}, err
	}
	d := Data{Column: Column{Name: column, Shape: shape[1:], DType: F32}}
	if h.Descr.Fortran && len(shape) > 1 {
		raw = cOrder(raw, elem, shape)
	}
	d.F32, d.I64 = npyValues(raw, kind, elem, order)
	if d.I64 != nil {
		d.DType = I64
	}
	return d, nil
}

const maxHeader = 1 << 16

// npyHeader reads the header with npyio, after a check of its length and within a fence: npyio slices by what the
// header says.
func npyHeader(in *bufio.Reader, size int64) (h npy.Header, length int64, err error) {
	start, err := in.Peek(10)
	if err != nil || string(start[:6]) != "\x93NUMPY" {
		return h, 0, errors.New("not an .npy file")
	}
	length = 10 + int64(binary.LittleEndian.Uint16(start[8:]))
	if start[6] != 1 {
		start, err = in.Peek(12)
		if err != nil {
			return h, 0, short("its header", err)
		}
		length = 12 + int64(binary.LittleEndian.Uint32(start[8:]))
	}
	if length > size || length > maxHeader {
		return h, 0, fmt.Errorf("its header says it is %d bytes long; the file has %d and the limit is %d", length, size, maxHeader)
	}
	raw := make([]byte, length)
	if _, err := io.ReadFull(in, raw); err != nil {
		return h, 0, short("its header", err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("its header is not NumPy's")
		}
	}()
	r, err := npy.NewReader(bytes.NewReader(raw))
	if err != nil {
		return h, 0, fmt.Errorf("its header cannot be read: %w", err)
	}
	return r.Header, length, nil
}

// npyType parses a type as in <f4: byte order, kind, bytes of an element.
func npyType(s string) (kind byte, elem int, order binary.ByteOrder, err error) {
	if len(s) != 3 || !strings.Contains("<>|=", s[:1]) {
		return 0, 0, nil, fmt.Errorf("its type is %q; numbers are needed", clip(s))
	}
	switch s[1:] {
	case "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "b1":
	default:
		return 0, 0, nil, fmt.Errorf("its type is %q; float16, float32, float64, int8 to int64, uint8 to uint32 and bool can be read", s)
	}
	order = binary.LittleEndian
	if s[0] == '>' {
		order = binary.BigEndian
	}
	return s[1], int(s[2] - '0'), order, nil
}

func npyValues(raw []byte, kind byte, elem int, order binary.ByteOrder) ([]float32, []int64) {
	switch {
	case kind == 'f' && elem == 2:
		return convert(raw, 2, func(b []byte) float32 { return half(order.Uint16(b)) }), nil
	case kind == 'f' && elem == 4:
		return convert(raw, 4, func(b []byte) float32 { return math.Float32frombits(order.Uint32(b)) }), nil
	case kind == 'f':
		return convert(raw, 8, func(b []byte) float32 { return float32(math.Float64frombits(order.Uint64(b))) }), nil
	}
	signed := kind == 'i'
	return nil, convert(raw, elem, func(b []byte) int64 {
		switch elem {
		case 1:
			if signed {
				return int64(int8(b[0]))
			}
			return int64(b[0])
		case 2:
			if signed {
				return int64(int16(order.Uint16(b)))
			}
			return int64(order.Uint16(b))
		case 4:
			if signed {
				return int64(int32(order.Uint32(b)))
			}
			return int64(order.Uint32(b))
		}
		return int64(order.Uint64(b))
	})
}

// half converts an IEEE 754 binary16, exactly.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0:
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// cOrder turns elements of some bytes whose first axis runs fastest into elements whose last axis does.
func cOrder(raw []byte, elem int, shape []int) []byte {
	out := make([]byte, len(raw))
	index := make([]int, len(shape)) // of raw's element, first axis fastest
	strides := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	at := 0
	for from := 0; from < len(raw); from += elem {
		copy(out[at*elem:(at+1)*elem], raw[from:])
		for i := range index {
			index[i]++
			at += strides[i]
			if index[i] < shape[i] {
				break
			}
			at -= index[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}
