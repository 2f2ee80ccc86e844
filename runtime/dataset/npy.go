package dataset

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/npyheader"
)

// NPYOptions says what values of .npy files mean.
type NPYOptions struct {
	// Missing names the columns of floats in which NaN says that there is no value.
	Missing []string
}

// NPY reads an .npy file as one column: its first axis is the rows, the others are the shape of one row. Floats of
// 16, 32 and 64 bits become f32; integers and booleans become i64.
// Errors: the file is missing, not an .npy file, truncated or too long for its shape; the shape has no axes or no values; the
// type is not one of these; a value is not finite; a column of Missing is not there, or not of floats.
func NPY(path, column string, options ...NPYOptions) (*Table, error) {
	o, err := only("NPYOptions", options)
	if err != nil {
		return nil, err
	}
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := decodeNPY(f, size, size, column)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	data := []Data{d}
	if err := o.apply(data); err != nil {
		return nil, &inFile{path, err}
	}
	return tableOf(path, data...)
}

// apply makes the named columns Missing.
func (o NPYOptions) apply(data []Data) error {
	for _, name := range o.Missing {
		i := slices.IndexFunc(data, func(d Data) bool { return d.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no column %q, which NPYOptions.Missing names", clip(name))
		}
		data[i].Missing = true
	}
	return nil
}

// NPZ reads an .npz file: each array is a column under its name. All must have the same number of rows.
// Errors: those of [NPY]; the archive is damaged.
func NPZ(path string, options ...NPYOptions) (*Table, error) {
	o, err := only("NPYOptions", options)
	if err != nil {
		return nil, err
	}
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := decodeNPZ(f, size, nil)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	if err := o.apply(data); err != nil {
		return nil, &inFile{path, err}
	}
	return tableOf(path, data...)
}

// decodeNPZ reads the arrays of these names, or all for nil.
func decodeNPZ(r io.ReaderAt, size int64, names []string) ([]Data, error) {
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
		if names != nil && !slices.Contains(names, name) {
			continue
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
	h, head, err := npyheader.Read(in, size)
	if err != nil {
		return Data{}, err
	}
	e, err := npyElements(h.Type)
	if err != nil {
		return Data{}, err
	}
	shape := h.Shape
	if len(shape) == 0 {
		return Data{}, errors.New("it holds one number; rows are needed")
	}
	total := int64(e.size)
	for _, d := range shape {
		if d == 0 {
			return Data{}, fmt.Errorf("%w: its shape is %v", ErrEmpty, shape)
		}
		if total > maxFile/int64(d) {
			return Data{}, fmt.Errorf("its shape %v says more than %d GiB, but it has %d bytes", shape, maxFile>>30, size)
		}
		total *= int64(d)
	}
	if head+total != size {
		return Data{}, fmt.Errorf("its shape %v of %s says %d bytes of data, but it has %d", shape, h.Type, total, size-head)
	}
	raw, err := readExactly(in, total, stored)
	if err != nil {
		return Data{}, err
	}
	d, n := Data{Column: e.column(column, shape[1:])}, len(raw)/e.size
	if h.Fortran && len(shape) > 1 {
		raw = cOrder(raw, e.size, shape)
	}
	if d.DType == I64 {
		d.I64 = make([]int64, n)
		ints(d.I64, raw, e.sign, e.size, e.order)
		return d, nil
	}
	d.F32 = make([]float32, n)
	return d, e.floats(d.F32, raw, 0, n/shape[0])
}

// elements is how an .npy file has its elements.
type elements struct {
	typ   string // as the file says it, as in <f4
	float bool
	sign  bool // of integers
	size  int  // bytes of one
	order binary.ByteOrder
}

// npyElements parses a type as NumPy writes it: byte order, kind, bytes of an element. Without an order it is this
// machine's.
func npyElements(s string) (e elements, err error) {
	kind := strings.TrimLeft(s, "<>|=")
	if kind == "" || !strings.Contains("fiubc", kind[:1]) || len(s)-len(kind) > 1 {
		return e, fmt.Errorf("its type is %q; numbers are needed", clip(s))
	}
	switch kind {
	case "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "b1":
	default:
		return e, fmt.Errorf("its type is %q; float16, float32, float64, int8 to int64, uint8 to uint32 and bool can be read", clip(s))
	}
	e = elements{typ: s, float: kind[0] == 'f', sign: kind[0] == 'i', size: int(kind[1] - '0'), order: binary.LittleEndian}
	if s[0] == '>' || s[0] != '<' && !littleEndian {
		e.order = binary.BigEndian
	}
	return e, nil
}

// column describes a column of rows of these elements.
func (e elements) column(name string, shape []int) Column {
	if e.float {
		return Column{Name: name, DType: F32, Shape: shape}
	}
	return Column{Name: name, DType: I64, Shape: shape}
}

// floats converts rows of width elements, the first of which has that number.
// Errors: a number that overflows, with its row.
func (e elements) floats(dst []float32, raw []byte, row int64, width int) error {
	if i := floats(dst, raw, e.size, e.order); i >= 0 {
		v := math.Float64frombits(e.order.Uint64(raw[8*i:]))
		return fmt.Errorf("row %d, value %d: %w", row+int64(i/width), i%width, errOverflow(v))
	}
	return nil
}

// cOrder turns elements of some bytes whose first axis runs fastest into elements whose last axis does.
func cOrder(raw []byte, elem int, shape []int) []byte {
	out := make([]byte, len(raw))
	to := newPlaces(shape)
	for from := 0; from < len(raw); from += elem {
		copy(out[to.at*elem:(to.at+1)*elem], raw[from:])
		to.next()
	}
	return out
}

// places goes over the elements of an array, the first axis fastest, and tells their places in C order.
type places struct {
	at                    int
	shape, strides, index []int
}

func newPlaces(shape []int) *places {
	p := &places{shape: shape, strides: make([]int, len(shape)), index: make([]int, len(shape))}
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		p.strides[i] = step
		step *= shape[i]
	}
	return p
}

// next goes to the next element, and from the last to the first.
func (p *places) next() {
	for i := range p.index {
		p.index[i]++
		p.at += p.strides[i]
		if p.index[i] < p.shape[i] {
			return
		}
		p.at -= p.index[i] * p.strides[i]
		p.index[i] = 0
	}
}
