package dataset

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync"
)

// Source returns the file's rows as a source, until Close. All processors read them, in any order, from the system's
// page cache, which uses free memory and gives it back. A file in Fortran order is slow to read this way.
func (r *NPYRows) Source() BatchSource {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil && !r.fortran {
		r.memory = mapped(r.f, r.bytes)
	}
	return &npySource{file: r}
}

// npySource reads where it is told, so the file has no place that goroutines would have to share.
type npySource struct {
	file *NPYRows
	raw  sync.Pool // of *[]byte, for elements that are not as they are in memory
}

func (s *npySource) Len() int          { return int(s.file.rows) }
func (s *npySource) Columns() []Column { return []Column{s.file.col} }

// File is the path of the file.
func (s *npySource) File(string) string { return s.file.path }

func (s *npySource) Row(i int, row Row) error {
	return s.read([]int{i}, row.F32Slice, row.I64Slice, row.U8Slice)
}

func (s *npySource) Rows(index []int, dst Rows) error { return s.read(index, dst.F32, dst.I64, dst.U8) }

// read reads rows to the places of the column. Rows that follow each other in the file are read at once.
func (s *npySource) read(index []int, f32 func(string) []float32, i64 func(string) []int64, u8 func(string) []uint8) (err error) {
	r := s.file
	var x []float32
	var y []int64
	var z []uint8
	switch r.col.DType {
	case F32:
		x = f32(r.col.Name)
	case I64:
		y = i64(r.col.Name)
	default:
		z = u8(r.col.Name)
	}
	if x == nil && y == nil && z == nil {
		return nil // a mistake that is told elsewhere
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.memory != nil {
		// Memory that a file no longer has is a fault.
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%s: it cannot be read, or became shorter meanwhile: %v", r.path, p)
			}
		}()
	}
	for n := 0; len(index) > 0; index = index[n:] {
		for n = 1; n < len(index) && index[n] == index[n-1]+1; n++ {
		}
		if index[0] < 0 || int64(index[n-1]) >= r.rows {
			return fmt.Errorf("%s: there is no row %d of %d", r.path, index[0], r.rows)
		}
		k := n * r.width
		switch r.col.DType {
		case F32:
			err = s.floats(x[:k], index[0], n)
			x = x[k:]
		case I64:
			err = s.ints(y[:k], index[0], n)
			y = y[k:]
		default:
			err = s.with(index[0], n, func(raw []byte) error { copy(z[:k], raw); return nil })
			z = z[k:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *npySource) floats(x []float32, first, n int) error {
	r := s.file
	if r.size == 4 && littleEndian && r.order == binary.LittleEndian {
		if r.memory != nil {
			copy(memoryOf(x), r.memory[r.at(first):])
			return nil
		}
		return r.read(memoryOf(x), int64(first), n)
	}
	return s.with(first, n, func(raw []byte) error {
		if err := r.floats(x, raw, int64(first), r.width); err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
		return nil
	})
}

func (s *npySource) ints(y []int64, first, n int) error {
	return s.with(first, n, func(raw []byte) error {
		ints(y, raw, s.file.sign, s.file.size, s.file.order)
		return nil
	})
}

// at is where a row begins.
func (r *NPYRows) at(row int) int64 { return r.head + int64(row)*int64(r.width*r.size) }

// with shows the bytes of rows.
func (s *npySource) with(first, n int, f func(raw []byte) error) error {
	r := s.file
	if r.memory != nil {
		return f(r.memory[r.at(first):r.at(first+n)])
	}
	need := n * r.width * r.size
	buf, _ := s.raw.Get().(*[]byte)
	if buf == nil || cap(*buf) < need {
		buf = new(make([]byte, need))
	}
	defer s.raw.Put(buf)
	raw := (*buf)[:need]
	if err := r.read(raw, int64(first), n); err != nil {
		return err
	}
	return f(raw)
}
