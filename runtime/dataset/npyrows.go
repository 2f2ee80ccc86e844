package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/lamina-ml/lamina/internal/npyheader"
)

// NPYRows reads the rows of an .npy file in turn, in memory that does not grow with the file. [NPYRows.Source] reads
// them in any order.
type NPYRows struct {
	f    *os.File
	path string
	rows int64
	col  Column
	elements
	width   int
	head    int64
	bytes   int64 // of the file
	number  bool  // it has no axis, and is taken for a row
	fortran bool  // the file has the elements of a place of all rows one after the other
	next    int64
	raw     []byte

	mu     sync.RWMutex // held by who reads memory
	memory []byte       // the whole file, nil for none; see Source
}

// OpenNPY opens an .npy file of the types that [NPY] reads, of any number of rows, none included. What the header
// says is held against the file's size.
// Errors: those of [NPY] but for the values.
func OpenNPY(path, column string) (*NPYRows, error) { return openNPY(path, column, false) }

// OpenNPYNumber opens an .npy file of one number without an axis, as a row of it.
// Errors: those of [OpenNPY]; the file has an axis.
func OpenNPYNumber(path, column string) (*NPYRows, error) { return openNPY(path, column, true) }

func openNPY(path, column string, number bool) (*NPYRows, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	r := &NPYRows{f: f, path: path, number: number}
	if err := r.header(size, column); err != nil {
		f.Close()
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return r, nil
}

func (r *NPYRows) header(size int64, column string) error {
	h, head, err := npyheader.Read(bufio.NewReader(r.f), size)
	if err != nil {
		return err
	}
	if r.elements, err = npyElements(h.Type); err != nil {
		return err
	}
	shape := h.Shape
	switch {
	case r.number && len(shape) > 0:
		return fmt.Errorf("its shape is %v; one number without an axis is needed", shape)
	case r.number:
		shape = []int{1}
	case len(shape) == 0:
		return errors.New("it holds one number; rows are needed")
	}
	r.rows = int64(shape[0])
	width := int64(1)
	for _, d := range shape[1:] {
		switch {
		case d == 0:
			return fmt.Errorf("%w: its shape is %v", ErrEmpty, shape)
		case width > maxWidth/int64(d):
			return fmt.Errorf("its shape %v says more than %d values a row", shape, maxWidth)
		default:
			width *= int64(d)
		}
	}
	// A row has at most maxWidth values of 8 bytes.
	if bytes := width * int64(r.size); r.rows > (size-head)/bytes || head+r.rows*bytes != size {
		return fmt.Errorf("its shape %v of %s is not the %d bytes of data that it has", shape, h.Type, size-head)
	}
	r.head, r.bytes, r.width = head, size, int(width)
	r.col = r.column(column, shape[1:])
	r.fortran = h.Fortran && len(shape) > 1
	return nil
}

// Bytes makes the column one of uint8, for a model that takes bytes as they are, in place of one of int64. It comes
// before Source. Errors: the file does not hold uint8.
func (r *NPYRows) Bytes() error {
	if r.float || r.sign || r.size != 1 || strings.Contains(r.typ, "b") {
		return fmt.Errorf("dataset: %s: it holds %s", r.path, r.typ)
	}
	r.col.DType = U8
	return nil
}

// Missing makes the column one in which NaN says that there is no value. It comes before Source. Errors: the file does
// not hold floats.
func (r *NPYRows) Missing() error {
	if !r.float {
		return fmt.Errorf("dataset: %s: it holds %s; only among floats does NaN say that there is no value", r.path, r.typ)
	}
	r.col.Missing = true
	return nil
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
	return nil
}

// Read reads the next rows, as many as fill f32, or i64 if that is what the file holds, and returns their bytes, row
// by row and else as they are in the file, which the next Read overwrites. With neither slice it reads n rows' bytes
// alone. A file in Fortran order takes a read of the disk for each place of a row, however many rows are asked for.
// Errors: fewer rows are left; the file ends early; a value that is not finite, with its row, but for NaN after Missing.
func (r *NPYRows) Read(n int, f32 []float32, i64 []int64) ([]byte, error) {
	if n < 0 || int64(n) > r.rows-r.next {
		return nil, fmt.Errorf("dataset: %s: %d rows are wanted after row %d of %d", r.path, n, r.next, r.rows)
	}
	if need := n * r.width * r.size; cap(r.raw) < need {
		r.raw = make([]byte, need)
	} else {
		r.raw = r.raw[:need]
	}
	if err := r.read(r.raw, r.next, n); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	first := r.next
	r.next += int64(n)
	switch {
	case f32 != nil && r.float && len(f32) == n*r.width:
		if err := r.floats(f32, r.raw, first, r.width); err != nil {
			return nil, fmt.Errorf("dataset: %s: %w", r.path, err)
		}
		if i := refused(&r.col, f32); i >= 0 {
			return nil, fmt.Errorf("dataset: %s: row %d, value %d: %v is not finite", r.path, first+int64(i/r.width), i%r.width, f32[i])
		}
	case i64 != nil && !r.float && len(i64) == n*r.width:
		ints(i64, r.raw, r.sign, r.size, r.order)
	case f32 != nil || i64 != nil:
		return nil, fmt.Errorf("dataset: %s: it holds %d %s of type %s in %d rows, other ones are wanted", r.path, n*r.width, r.col.DType, r.typ, n)
	}
	return r.raw, nil
}

// read reads n rows from the given one on, as they are in the file. It may be called by several goroutines at once.
func (r *NPYRows) read(raw []byte, first int64, n int) error {
	told := func(err error) error {
		return fmt.Errorf("%s: %w", r.path, short(fmt.Sprintf("rows %d to %d", first, first+int64(n)-1), err))
	}
	if n == 0 {
		return nil
	}
	if !r.fortran {
		if k, err := r.f.ReadAt(raw, r.head+first*int64(r.width*r.size)); k < len(raw) {
			return told(err)
		}
		return nil
	}
	col := make([]byte, n*r.size)
	to := newPlaces(r.col.Shape)
	for j := range r.width {
		if k, err := r.f.ReadAt(col, r.head+(int64(j)*r.rows+first)*int64(r.size)); k < len(col) {
			return told(err)
		}
		for i := range n {
			copy(raw[(i*r.width+to.at)*r.size:], col[i*r.size:(i+1)*r.size])
		}
		to.next()
	}
	return nil
}

// Close closes the file, after the reads in progress.
func (r *NPYRows) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := unmap(r.memory)
	r.memory = nil
	return errors.Join(err, r.f.Close())
}
