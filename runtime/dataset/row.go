package dataset

import (
	"fmt"
	"strings"
)

// Row receives the values of one row, column by column. A mistake is kept and reported to whoever asked for the row,
// so a Source needs no checks of its own.
type Row struct{ w *writer }

// writer is the place one row goes to.
type writer struct {
	cols  []cell
	row   int
	learn bool // unknown columns are added: the first row of From
	err   error
}

// cell is one column of the row being written. Its slices have the column's width.
type cell struct {
	Column
	f32  []float32
	i64  []int64
	u8   []uint8
	done bool
}

// F32 writes a column of float32. Errors: no such column; it is not f32; the width differs.
func (r Row) F32(name string, v ...float32) {
	if c := r.cell(name, F32, len(v)); c != nil {
		copy(c.f32, v)
	}
}

// I64 writes a column of int64. Errors: no such column; it is not i64; the width differs.
func (r Row) I64(name string, v ...int64) {
	if c := r.cell(name, I64, len(v)); c != nil {
		copy(c.i64, v)
	}
}

// U8 writes a column of uint8. Errors: no such column; it is not u8; the width differs.
func (r Row) U8(name string, v ...uint8) {
	if c := r.cell(name, U8, len(v)); c != nil {
		copy(c.u8, v)
	}
}

// take writes a column of one row.
func (r Row) take(c column) {
	switch c.DType {
	case F32:
		r.F32(c.Name, c.f32...)
	case I64:
		r.I64(c.Name, c.i64...)
	default:
		r.U8(c.Name, c.u8...)
	}
}

// F32Slice returns the memory for a column of the row; the caller must set every value. It is nil
// after a mistake, and in the first row of [From] unless the columns were declared.
func (r Row) F32Slice(name string) []float32 {
	if c := r.cell(name, F32, -1); c != nil {
		return c.f32
	}
	return nil
}

// I64Slice is F32Slice for a column of int64.
func (r Row) I64Slice(name string) []int64 {
	if c := r.cell(name, I64, -1); c != nil {
		return c.i64
	}
	return nil
}

// U8Slice is F32Slice for a column of uint8.
func (r Row) U8Slice(name string) []uint8 {
	if c := r.cell(name, U8, -1); c != nil {
		return c.u8
	}
	return nil
}

// Err returns the first mistake made with this row.
func (r Row) Err() error {
	if r.w == nil {
		return nil
	}
	return r.w.err
}

// cell finds the column for n values, or for any number if n is negative; nil after a mistake.
func (r Row) cell(name string, d DType, n int) *cell {
	w := r.w
	if w == nil || w.err != nil {
		return nil
	}
	for i := range w.cols {
		c := &w.cols[i]
		if c.Name != name {
			continue
		}
		switch {
		case c.DType != d:
			w.err = fmt.Errorf("dataset: row %d: column %q is %s, got %s values", w.row, name, c.typ(), d)
		case c.done && n >= 0:
			w.err = fmt.Errorf("dataset: row %d: column %q was written twice", w.row, name)
		case n >= 0 && n != c.width():
			w.err = fmt.Errorf("dataset: row %d: column %q is %s, %d wide, got %d values", w.row, name, c.typ(), c.width(), n)
		default:
			c.done = true
			return c
		}
		return nil
	}
	if !w.learn {
		w.err = fmt.Errorf("dataset: row %d: no column %q; the columns are %s", w.row, name, w.names())
		return nil
	}
	if n < 0 {
		w.err = fmt.Errorf("dataset: row %d: the width of column %q is not known yet; declare the column", w.row, name)
		return nil
	}
	if n == 0 {
		w.err = fmt.Errorf("dataset: row %d: column %q has no values", w.row, name)
		return nil
	}
	c := cell{Column: Column{Name: name, DType: d}, done: true}
	if n > 1 {
		c.Shape = []int{n}
	}
	m := makeColumn(Column{DType: d}, n)
	c.f32, c.i64, c.u8 = m.f32, m.i64, m.u8
	w.cols = append(w.cols, c)
	return &w.cols[len(w.cols)-1]
}

// width is the number of values that the column has room for.
func (c *cell) width() int { return len(c.f32) + len(c.i64) + len(c.u8) }

func (w *writer) names() string {
	cols := make([]Column, len(w.cols))
	for i, c := range w.cols {
		cols[i] = c.Column
	}
	return columnNames(cols)
}

func columnNames(cols []Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

// begin points the writer at row i of buffers that hold whole columns, at place at.
func (w *writer) begin(row, at int, cols []column) {
	w.row, w.err = row, nil
	for j := range cols {
		c, m := &w.cols[j], cols[j].part(at, at+1)
		c.f32, c.i64, c.u8, c.done = m.f32, m.i64, m.u8, false
	}
}

// end checks the row that was written.
func (w *writer) end() error {
	if w.err != nil {
		return w.err
	}
	for i := range w.cols {
		c := &w.cols[i]
		if !c.done {
			return fmt.Errorf("dataset: row %d: column %q was not written", w.row, c.Name)
		}
		if i := refused(&c.Column, c.f32); i >= 0 {
			return errNotFinite(&c.Column, w.row, i, c.f32)
		}
	}
	return nil
}

func newWriter(cols []column) *writer {
	w := &writer{cols: make([]cell, len(cols))}
	for i, c := range cols {
		w.cols[i].Column = c.Column
	}
	return w
}

// read asks a source for one row. What the source panics with becomes an error: it is not ours.
func read(src Source, i, at int, w *writer, cols []column) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dataset: row %d: the source panicked: %v", i, p)
		}
	}()
	w.begin(i, at, cols)
	if err := src.Row(i, Row{w}); err != nil && w.err == nil {
		return fmt.Errorf("dataset: row %d: %w", i, err)
	}
	return placed(src, w.end())
}
