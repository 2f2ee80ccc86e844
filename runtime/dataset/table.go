package dataset

import (
	"context"
	"fmt"
	"slices"
)

// Table is data in memory, each column contiguous. A Table never changes: methods return another one that shares
// the memory. It is safe for concurrent use.
type Table struct {
	n    int
	cols []column
	rows []int // rows of the memory that this table shows, nil for all in order
	err  error

	schema *Schema // that the rows were read by, nil for none
}

// column is a column with memory.
type column struct {
	Column
	width int
	f32   []float32
	i64   []int64
	u8    []uint8
	file  string // that it was read from, "" for none

	generator string // what made all rows, "" for others
	made      []bool // which rows of the memory a generator made, nil for all or none

	both []Source // the rows of the memory are those of the first and then of the second; nil for others

	unlabelled bool  // by Unlabel,
	kept       []int // which left the labels of these rows of the memory
}

func makeColumn(c Column, rows int) column {
	m := column{Column: c, width: c.Width()}
	switch c.DType {
	case F32:
		m.f32 = make([]float32, rows*m.width)
	case I64:
		m.i64 = make([]int64, rows*m.width)
	default:
		m.u8 = make([]uint8, rows*m.width)
	}
	return m
}

// part is rows [lo,hi) of a column.
func (c column) part(lo, hi int) column {
	lo, hi = lo*c.width, hi*c.width
	switch c.DType {
	case F32:
		c.f32 = c.f32[lo:hi:hi]
	case I64:
		c.i64 = c.i64[lo:hi:hi]
	default:
		c.u8 = c.u8[lo:hi:hi]
	}
	return c
}

// values is the number of values that a column holds.
func (c column) values() int { return len(c.f32) + len(c.i64) + len(c.u8) }

// checkMemory refuses what no machine holds, before any of it is asked for.
func checkMemory(cols []Column, rows, count int) error {
	total := 0.0
	for _, c := range cols {
		total += float64(c.DType.size()) * float64(c.Width()) * float64(rows) * float64(count)
	}
	if total > maxBytes {
		return fmt.Errorf("dataset: %d rows need %.0f GiB of memory; the limit is %d GiB", rows, total/(1<<30), maxBytes>>30)
	}
	return nil
}

// makeColumns makes memory for rows of columns that checkColumns and checkMemory accepted.
func makeColumns(cols []Column, rows int) []column {
	m := make([]column, len(cols))
	for i, c := range cols {
		m[i] = makeColumn(c, rows)
	}
	return m
}

// Data is a column and its values, row by row.
type Data struct {
	Column
	F32 []float32
	I64 []int64
	U8  []uint8
}

// NewTable returns a table of the given columns without copying; the slices must not change afterwards.
// Errors: no rows; lengths that do not fit one number of rows; a value that is not finite, but for NaN in a Missing column.
func NewTable(data ...Data) (*Table, error) {
	cols := make([]Column, len(data))
	for i, d := range data {
		cols[i] = d.Column
		cols[i].Shape = slices.Clone(d.Shape)
	}
	if err := checkColumns(cols); err != nil {
		return nil, err
	}
	t := &Table{cols: make([]column, len(data))}
	for i, d := range data {
		c := column{Column: cols[i], width: cols[i].Width()}
		switch c.DType {
		case F32:
			c.f32 = d.F32
		case I64:
			c.i64 = d.I64
		default:
			c.u8 = d.U8
		}
		have := c.values()
		n := have / c.width
		if n*c.width != have {
			return nil, fmt.Errorf("dataset: column %q is %s, %d wide, and %d values are not a whole number of rows", c.Name, c.typ(), c.width, have)
		}
		if i > 0 && n != t.n {
			return nil, fmt.Errorf("dataset: column %q has %d rows, but column %q has %d", c.Name, n, t.cols[0].Name, t.n)
		}
		t.n, t.cols[i] = n, c
	}
	if t.n == 0 {
		return nil, fmt.Errorf("dataset: %w: no rows", ErrEmpty)
	}
	return t, t.checkFinite()
}

func (t *Table) checkFinite() error {
	for i := range t.cols {
		c := &t.cols[i]
		c.oneNaN()
		if err := c.check(func(k int) int { return k }); err != nil {
			return err
		}
	}
	return nil
}

// Collect reads a whole source into memory. Errors: those of the source; a row with a wrong width, a missing
// column or a value that is not finite.
func Collect(src Source) (*Table, error) {
	cols, err := checkSource(src)
	if err != nil {
		return nil, err
	}
	if t, ok := src.(*Table); ok {
		return t, nil
	}
	t := &Table{n: src.Len(), schema: SchemaOf(src)}
	if err := checkMemory(cols, t.n, 1); err != nil {
		return nil, err
	}
	t.cols = makeColumns(cols, t.n)
	t.mark(src)
	if f, ok := src.(interface{ File(column string) string }); ok {
		for i := range t.cols {
			t.cols[i].file = f.File(t.cols[i].Name)
		}
	}
	if _, ok := src.(BatchSource); ok {
		if err := t.collect(src); err != nil {
			return nil, err
		}
		return t, nil
	}
	w := newWriter(t.cols)
	for i := range t.n {
		if err := read(src, i, i, w, t.cols); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// collect is Collect by all processors.
func (t *Table) collect(src Source) error {
	width, at := 0, 0
	for _, c := range t.cols {
		width += c.width
	}
	return Each(context.Background(), src, max(scanned/4/width, 1), func(b Batch) error {
		for _, c := range t.cols {
			copy(c.f32[min(at*c.width, len(c.f32)):], b.F32(c.Name))
			copy(c.i64[min(at*c.width, len(c.i64)):], b.I64(c.Name))
			copy(c.u8[min(at*c.width, len(c.u8)):], b.U8(c.Name))
		}
		at += b.Rows
		return nil
	})
}

// From makes a table from a slice of any type: fill writes the columns of one element. It is called once for each
// element, in order.
//
//	dataset.From(readings, func(r Reading, row dataset.Row) { row.F32("x", r.Channels[:]...) })
//
// If no columns are declared, they are those that fill writes for the first element: one number has an empty shape,
// several numbers are a vector. Errors (of Err): no rows; a row that differs from the columns; a value that is not finite.
func From[T any](rows []T, fill func(r T, row Row), columns ...Column) *Table {
	t, err := from(len(rows), func(i int, row Row) error { fill(rows[i], row); return row.Err() }, columns)
	if err != nil {
		return &Table{err: err}
	}
	return t
}

func from(n int, fill func(int, Row) error, cols []Column) (*Table, error) {
	if n == 0 {
		return nil, fmt.Errorf("dataset: %w: no rows", ErrEmpty)
	}
	if len(cols) > 0 {
		return Collect(rowFunc{n, cols, fill})
	}
	// The first row tells the columns. It is not asked for again: fill may draw from a stream.
	w := &writer{learn: true}
	if err := read(rowFunc{fill: fill}, 0, 0, w, nil); err != nil {
		return nil, err
	}
	for _, c := range w.cols {
		cols = append(cols, c.Column)
	}
	src := rowFunc{n, cols, fill}
	if _, err := checkSource(src); err != nil {
		return nil, err
	}
	if err := checkMemory(cols, n, 1); err != nil {
		return nil, err
	}
	t := &Table{n: n, cols: makeColumns(cols, n)}
	for i := range t.cols {
		copy(t.cols[i].f32, w.cols[i].f32)
		copy(t.cols[i].i64, w.cols[i].i64)
		copy(t.cols[i].u8, w.cols[i].u8)
	}
	w = newWriter(t.cols)
	for i := 1; i < n; i++ {
		if err := read(src, i, i, w, t.cols); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// rowFunc is a Source made of a function.
type rowFunc struct {
	n    int
	cols []Column
	fill func(int, Row) error
}

func (f rowFunc) Len() int                 { return f.n }
func (f rowFunc) Columns() []Column        { return f.cols }
func (f rowFunc) Row(i int, row Row) error { return f.fill(i, row) }

// Err returns the first mistake made on the way to this table.
func (t *Table) Err() error {
	if t == nil {
		return errNilTable
	}
	return t.err
}

// Len implements [Source]; it is 0 after a mistake.
func (t *Table) Len() int {
	if t.Err() != nil {
		return 0
	}
	return t.n
}

// Columns implements [Source].
func (t *Table) Columns() []Column {
	cols := make([]Column, len(t.cols))
	for i, c := range t.cols {
		cols[i] = c.Column
		cols[i].Shape = slices.Clone(c.Shape)
	}
	return cols
}

// Row implements [Source].
func (t *Table) Row(i int, row Row) error {
	if t.err != nil {
		return t.err
	}
	if i < 0 || i >= t.n {
		return fmt.Errorf("dataset: no row %d in a table of %d", i, t.n)
	}
	at := t.at(i)
	for _, c := range t.cols {
		row.take(c.part(at, at+1))
	}
	return row.Err()
}

func (t *Table) at(i int) int {
	if t.rows != nil {
		return t.rows[i]
	}
	return i
}

// Rows returns, for each row, its number in the table as it was read: the rows that [Table.Balanced], [Table.Split]
// and [Table.Select] chose.
func (t *Table) Rows() []int {
	rows := make([]int, t.Len())
	for i := range rows {
		rows[i] = t.at(i)
	}
	return rows
}

// F32 returns the values of a column, row by row: [rows width]. They may be the table's own memory and must not be
// changed. It is nil if there is no such float32 column.
func (t *Table) F32(name string) []float32 {
	c := t.find(name)
	if c == nil || c.DType != F32 {
		return nil
	}
	return t.dense(c).f32
}

// I64 is F32 for an int64 column.
func (t *Table) I64(name string) []int64 {
	c := t.find(name)
	if c == nil || c.DType != I64 {
		return nil
	}
	return t.dense(c).i64
}

// U8 is F32 for a uint8 column.
func (t *Table) U8(name string) []uint8 {
	c := t.find(name)
	if c == nil || c.DType != U8 {
		return nil
	}
	return t.dense(c).u8
}

func (t *Table) find(name string) *column {
	if t.err != nil {
		return nil
	}
	for i := range t.cols {
		if t.cols[i].Name == name {
			return &t.cols[i]
		}
	}
	return nil
}

// dense returns a column whose memory is the table's rows in order.
func (t *Table) dense(c *column) column {
	if t.rows == nil {
		return c.part(0, t.n)
	}
	d := makeColumn(c.Column, t.n)
	gather(&d, c, t.rows)
	if d.generator = c.generator; c.made != nil {
		d.made = make([]bool, t.n)
		for i, r := range t.rows {
			d.made[i] = c.made[r]
		}
	}
	return d
}

// gather copies rows of src to dst, from its start.
func gather(dst, src *column, rows []int) {
	n := src.width
	switch {
	case src.DType == F32 && n == 1:
		for i, r := range rows {
			dst.f32[i] = src.f32[r]
		}
	case src.DType == F32:
		for i, r := range rows {
			copy(dst.f32[i*n:(i+1)*n], src.f32[r*n:(r+1)*n])
		}
	case src.DType == I64:
		for i, r := range rows {
			copy(dst.i64[i*n:(i+1)*n], src.i64[r*n:(r+1)*n])
		}
	default:
		for i, r := range rows {
			copy(dst.u8[i*n:(i+1)*n], src.u8[r*n:(r+1)*n])
		}
	}
}
