// Package dataset reads, checks, selects and batches training data.
//
// Data are rows of named, typed columns; a column feeds the model's input of the same name. A [Source] needs three
// methods, so data may live anywhere; a [BatchSource] adds a fourth, which reads many rows at once. A [Table] is a
// Source in memory, [NPYRows.Source] and [Pictures] are on disk. The readers are [Digits] (embedded), [MNIST], [IDX],
// [CSV], [NPY], [NPZ], [Images] and [ImageArchive], and [From] for a slice of your own struct.
//
// Values that are not finite are refused when they are read, with their column and row. Methods of a Table that can
// fail return a Table that remembers the error: Err returns it, and so does every use.
package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Source is a table of rows.
type Source interface {
	// Len is the number of rows; it does not change.
	Len() int
	// Columns describes the columns; they do not change.
	Columns() []Column
	// Row writes every column of row i, 0 ≤ i < Len. It is called by one goroutine at a time, which need not
	// be the caller's; a [BatchSource] serves several at once. The Row is valid during the call. A cancelled reader
	// waits for the call in progress.
	Row(i int, row Row) error
}

// DType is the type of a column's values.
type DType string

// The types of columns.
const (
	F32 DType = "f32" // float32
	I64 DType = "i64" // int64: labels, tokens
	U8  DType = "u8"  // uint8: pixels, as they are
)

// size returns the bytes of one value, 0 for no type of a column.
func (d DType) size() int {
	switch d {
	case F32:
		return 4
	case I64:
		return 8
	case U8:
		return 1
	}
	return 0
}

// Column describes one column.
type Column struct {
	Name  string `json:"name"`
	DType DType  `json:"dtype"`
	Shape []int  `json:"shape"` // of one row, without the batch; empty for one number

	Missing bool `json:"missing,omitempty"` // NaN of an f32 column means that there is no value
}

// Width is the number of values of one row, the product of the shape.
func (c Column) Width() int {
	n := 1
	for _, d := range c.Shape {
		n *= d
	}
	return n
}

// String returns the name and type, such as "x f32[784]".
func (c Column) String() string { return c.Name + " " + c.typ() }

func (c Column) typ() string {
	var b strings.Builder
	b.WriteString(string(c.DType) + "[")
	for i, d := range c.Shape {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, d)
	}
	b.WriteByte(']')
	return b.String()
}

const (
	maxWidth = 1 << 28 // values of one row of one column
	maxBytes = 1 << 36 // of one table or one set of batch buffers
)

// ErrEmpty is returned, wrapped, for data without rows or without columns.
var ErrEmpty = errors.New("the data are empty")

var errNilTable = errors.New("dataset: the table is nil")

// checkColumns refuses what no source may have.
func checkColumns(cols []Column) error {
	if len(cols) == 0 {
		return fmt.Errorf("dataset: %w: no columns", ErrEmpty)
	}
	seen := make(map[string]bool, len(cols))
	for i, c := range cols {
		if c.Name == "" {
			return fmt.Errorf("dataset: column %d has no name", i)
		}
		if seen[c.Name] {
			return fmt.Errorf("dataset: two columns are named %q", c.Name)
		}
		seen[c.Name] = true
		if c.DType.size() == 0 {
			return fmt.Errorf("dataset: column %q has type %q; a column is f32, i64 or u8", c.Name, c.DType)
		}
		n := 1
		for _, d := range c.Shape {
			if d <= 0 {
				return fmt.Errorf("dataset: column %q has shape %v; every dimension must be positive", c.Name, c.Shape)
			}
			if n > maxWidth/d {
				return fmt.Errorf("dataset: column %q has shape %v; more than %d values a row", c.Name, c.Shape, maxWidth)
			}
			n *= d
		}
	}
	return nil
}

// checkSource returns the columns of a source that can be read.
func checkSource(src Source) ([]Column, error) {
	if src == nil {
		return nil, errors.New("dataset: the source is nil")
	}
	if t, ok := src.(*Table); ok && t == nil {
		return nil, errNilTable
	}
	if e, ok := src.(interface{ Err() error }); ok {
		if err := e.Err(); err != nil {
			return nil, err
		}
	}
	if n := src.Len(); n <= 0 {
		return nil, fmt.Errorf("dataset: %w: %d rows", ErrEmpty, n)
	}
	cols := src.Columns()
	return cols, checkColumns(cols)
}

// notFinite returns the place of the first NaN or infinity, or -1.
func notFinite(v []float32) int {
	// The exponent of these two is all ones, so that adding one to it carries into the sign. Two numbers at a time.
	const magnitude, one = 0x7fffffff7fffffff, 0x0080000000800000
	found := uint64(0)
	raw := memoryOf(v)
	for ; len(raw) >= 8; raw = raw[8:] {
		found |= binary.NativeEndian.Uint64(raw)&magnitude + one
	}
	if len(raw) == 4 {
		found |= uint64(binary.NativeEndian.Uint32(raw))&magnitude + one
	}
	if found&^magnitude == 0 {
		return -1
	}
	for i, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return i
		}
	}
	return -1
}

// misfit returns the place of the first value that the column may not have, or -1: none is infinite, and NaN is
// where there is none.
func (c Column) misfit(v []float32) int {
	i := notFinite(v)
	if i < 0 || !c.Missing {
		return i
	}
	for ; i < len(v); i++ {
		if math.IsInf(float64(v[i]), 0) {
			return i
		}
	}
	return -1
}

func checkFinite(c Column, row int, v []float32) error {
	i := c.misfit(v)
	if i < 0 {
		return nil
	}
	if len(v) == 1 {
		return fmt.Errorf("dataset: row %d: column %q is %v; data must be finite", row, c.Name, v[i])
	}
	return fmt.Errorf("dataset: row %d: column %q has %v at %d; data must be finite", row, c.Name, v[i], i)
}
