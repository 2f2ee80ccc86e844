package dataset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// NPYRows reads the rows of an .npy file in turn, in memory that does not grow with the file.
type NPYRows struct {
	f     *os.File
	path  string
	rows  int64
	col   Column
	typ   string // as the file says it
	head  int64
	kind  byte
	elem  int
	order binary.ByteOrder
	next  int64
	raw   []byte
}

// OpenNPY opens an .npy file of the types that [NPY] reads, of any number of rows, none included. What the header
// says is held against the file's size.
// Errors: those of [NPY] but for the values; the array is in Fortran order.
func OpenNPY(path, column string) (*NPYRows, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	r := &NPYRows{f: f, path: path}
	if err := r.header(size, column); err != nil {
		f.Close()
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return r, nil
}

func (r *NPYRows) header(size int64, column string) error {
	h, head, err := npyHeader(bufio.NewReader(r.f), size)
	if err != nil {
		return err
	}
	if r.kind, r.elem, r.order, err = npyType(h.Descr.Type); err != nil {
		return err
	}
	shape := h.Descr.Shape
	if len(shape) == 0 {
		return errors.New("it holds one number; rows are needed")
	}
	if h.Descr.Fortran && len(shape) > 1 {
		return errors.New("its rows are not contiguous: it is in Fortran order; save numpy.ascontiguousarray of it")
	}
	width := int64(1)
	for i, d := range shape {
		switch {
		case d < 0:
			return fmt.Errorf("its shape %v has a negative length", shape)
		case i == 0:
			r.rows = int64(d)
		case d == 0:
			return fmt.Errorf("%w: its shape is %v", ErrEmpty, shape)
		case width > maxWidth/int64(d):
			return fmt.Errorf("its shape %v says more than %d values a row", shape, maxWidth)
		default:
			width *= int64(d)
		}
	}
	// A row has at most maxWidth values of 8 bytes.
	if bytes := width * int64(r.elem); r.rows > (size-head)/bytes || head+r.rows*bytes != size {
		return fmt.Errorf("its shape %v of %s is not the %d bytes of data that it has", shape, h.Descr.Type, size-head)
	}
	r.head, r.typ = head, h.Descr.Type
	r.col = Column{Name: column, DType: F32, Shape: shape[1:]}
	if r.kind != 'f' {
		r.col.DType = I64
	}
	return r.SeekRow(0)
}

// Len is the number of rows.
func (r *NPYRows) Len() int64 { return r.rows }

// Column describes a row.
func (r *NPYRows) Column() Column { return r.col }

// Type is the type of the elements as the file says it, such as <f4.
func (r *NPYRows) Type() string { return r.typ }

// SeekRow makes row i the next.
func (r *NPYRows) SeekRow(i int64) error {
	if i < 0 || i > r.rows {
		return fmt.Errorf("dataset: %s: there is no row %d of %d", r.path, i, r.rows)
	}
	r.next = i
	_, err := r.f.Seek(r.head+i*int64(r.col.Width()*r.elem), io.SeekStart)
	return err
}

// Read reads the next rows, as many as fill f32, or i64 if that is what the file holds, and returns their bytes as
// they are in the file, which the next Read overwrites. With neither slice it reads n rows' bytes alone.
// Errors: fewer rows are left; the file ends early; a value that is not finite, with its row.
func (r *NPYRows) Read(n int, f32 []float32, i64 []int64) ([]byte, error) {
	width := r.col.Width()
	if n < 0 || int64(n) > r.rows-r.next {
		return nil, fmt.Errorf("dataset: %s: %d rows are wanted after row %d of %d", r.path, n, r.next, r.rows)
	}
	if need := n * width * r.elem; cap(r.raw) < need {
		r.raw = make([]byte, need)
	} else {
		r.raw = r.raw[:need]
	}
	if _, err := io.ReadFull(r.f, r.raw); err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", r.path, short(fmt.Sprintf("rows %d to %d", r.next, r.next+int64(n)-1), err))
	}
	first := r.next
	r.next += int64(n)
	switch {
	case f32 != nil && r.kind == 'f' && len(f32) == n*width:
		for i := range f32 {
			x := r.float(r.raw[i*r.elem:])
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("dataset: %s: row %d, value %d: %v is not finite as float32", r.path, first+int64(i/width), i%width, x)
			}
			f32[i] = x
		}
	case i64 != nil && r.kind != 'f' && len(i64) == n*width:
		_, v := npyValues(r.raw, r.kind, r.elem, r.order)
		copy(i64, v)
	case f32 != nil || i64 != nil:
		return nil, fmt.Errorf("dataset: %s: it holds %d %s of type %s in %d rows, other ones are wanted", r.path, n*width, r.col.DType, r.typ, n)
	}
	return r.raw, nil
}

// float is npyValues for one number.
func (r *NPYRows) float(b []byte) float32 {
	switch r.elem {
	case 2:
		return half(r.order.Uint16(b))
	case 4:
		return math.Float32frombits(r.order.Uint32(b))
	}
	return float32(math.Float64frombits(r.order.Uint64(b)))
}

// Close closes the file.
func (r *NPYRows) Close() error { return r.f.Close() }
