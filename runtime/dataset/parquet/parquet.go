// Package parquet reads Parquet files as rows of a [dataset.Schema]. It is a package of its own because of what it needs,
// which a program without Parquet files does not bring.
//
//	schema, err := parquet.Infer(ctx, "flights.parquet", dataset.Target.Of("arr_delay"))
//	rows, err := parquet.Read(ctx, schema, "flights.parquet")
//
// A file with more rows than memory holds goes through [dataset.Spool] and [Records].
package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Infer is [dataset.Infer] of a Parquet file. Errors: those of it and of [Records].
func Infer(ctx context.Context, path string, options ...dataset.InferOption) (*dataset.Schema, error) {
	return dataset.InferRecords(ctx, Records(path), options...)
}

// Read reads a Parquet file by the schema into memory. Errors: those of [dataset.Schema.Read] and [Records].
func Read(ctx context.Context, s *dataset.Schema, path string) (*dataset.Table, error) {
	return s.Read(ctx, Records(path))
}

// Records returns the rows of a Parquet file. Numbers, truth values, texts, decimals, dates, times of day, in seconds, and
// moments, in UTC, have a value; what is null or NaN has none. Columns that a schema ignores or lacks are not read.
//
// Errors (of whoever reads), with the column and the row: there is no such file; it is no Parquet file, cut short or
// damaged; a wanted column is nested, or of a type without a value.
func Records(path string) dataset.Records { return &file{path: path} }

// file is a Parquet file as records.
type file struct {
	path   string
	wanted func(string) bool
}

// Path is the path of the file.
func (f *file) Path() string { return f.path }

// Only implements [dataset.Chooser].
func (f *file) Only(wanted func(string) bool) dataset.Records { return &file{f.path, wanted} }

// batch is how many values of a column are read at a time.
const batch = 1 << 10

// Each implements [dataset.Records].
func (f *file) Each(ctx context.Context, do func(dataset.Record) error) error {
	in, size, err := regular.Open(f.path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer in.Close()
	var failed error // of do, which is not the file's
	err = f.decode(ctx, in, size, func(r dataset.Record) error {
		failed = do(r)
		return failed
	})
	if err == nil || failed != nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("dataset: %s: %w", f.path, err)
}

// decode reads the rows of a file of that size.
func (f *file) decode(ctx context.Context, in io.ReaderAt, size int64, do func(dataset.Record) error) (err error) {
	calling := false // do, whose panics are not ours
	defer func() {
		if calling {
			return
		}
		if p := recover(); p != nil { // what the module makes of damaged files
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	if err := footer(in, size); err != nil {
		return err
	}
	p, err := parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	cols, names, err := f.columns(p)
	if err != nil {
		return err
	}
	rec := dataset.Record{Names: names, AllNames: true, Fields: make([][]byte, len(names))}
	row := int64(0)
	for _, g := range p.RowGroups() {
		left := g.NumRows()
		chunks := g.ColumnChunks()
		for _, c := range cols {
			if c.leaf >= len(chunks) {
				return fmt.Errorf("damaged: a group of rows has %d columns, not %d", len(chunks), c.leaf+1)
			}
			c.values = parquet.NewColumnChunkValueReader(chunks[c.leaf])
			c.have, c.at = c.have[:0], 0
		}
		for ; left > 0; left-- {
			if row%batch == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			for _, c := range cols {
				v, err := c.next()
				if err != nil {
					return fmt.Errorf("row %d: column %q: %w", row, c.name, err)
				}
				if rec.Fields[c.field], err = c.text(v); err != nil {
					return fmt.Errorf("row %d: column %q: %w", row, c.name, err)
				}
			}
			calling = true
			err := do(rec)
			calling = false
			if err != nil {
				return err
			}
			row++
		}
		for _, c := range cols {
			if err := c.values.Close(); err != nil {
				return fmt.Errorf("column %q: damaged: %w", c.name, err)
			}
		}
	}
	return nil
}

// footer tells a file that is cut short from one that is none: both ends have the same four bytes. Before those at the end is
// the length of the description, and the description.
func footer(in io.ReaderAt, size int64) error {
	const magic, least = "PAR1", 12
	var head, tail, length [4]byte
	if size < least {
		return fmt.Errorf("not a Parquet file: it has %d bytes", size)
	}
	if _, err := in.ReadAt(head[:], 0); err != nil {
		return err
	}
	if _, err := in.ReadAt(tail[:], size-4); err != nil {
		return err
	}
	switch {
	case string(head[:]) == "PARE" || string(tail[:]) == "PARE":
		return errors.New("it is encrypted; write it without encryption")
	case string(head[:]) != magic:
		return fmt.Errorf("not a Parquet file: it begins with % x", head)
	case string(tail[:]) != magic:
		return errors.New("cut short: it begins as a Parquet file, but does not end as one")
	}
	if _, err := in.ReadAt(length[:], size-8); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(length[:])); n > size-least { // for which the module would allocate
		return fmt.Errorf("damaged: its description is said to have %d bytes, of %d in all", n, size)
	}
	return nil
}

// columns finds the columns that are wanted, and the names of all.
func (f *file) columns(p *parquet.File) (cols []*column, names []string, err error) {
	seen := map[string]bool{}
	elements, at := p.Metadata().Schema, 1
	for i, c := range p.Root().Columns() {
		name := c.Name()
		if at >= len(elements) || elements[at].Name != name {
			return nil, nil, errors.New("damaged: its schema is of other columns")
		}
		element := &elements[at]
		at = after(elements, at)
		if seen[name] {
			return nil, nil, fmt.Errorf("two columns are named %q", name)
		}
		seen[name] = true
		names = append(names, name)
		if f.wanted != nil && !f.wanted(name) {
			continue
		}
		if !c.Leaf() || c.Repeated() {
			return nil, nil, fmt.Errorf("column %q is nested (%s); take its parts out to columns of their own, or let the schema ignore it", name, form(c))
		}
		kind, err := kindOf(c.Type(), element)
		if err != nil {
			return nil, nil, fmt.Errorf("column %q: %w", name, err)
		}
		cols = append(cols, &column{name: name, field: i, leaf: c.Index(), kind: kind})
	}
	return cols, names, nil
}

// after is the place of the element behind one and all that is in it.
func after(elements []format.SchemaElement, at int) int {
	for left := 1; left > 0 && at < len(elements); left, at = left-1, at+1 {
		if n, ok := elements[at].NumChildren.Get(); ok && n > 0 {
			left += int(n)
		}
	}
	return at
}

// form is what a nested column is, in a word.
func form(c *parquet.Column) string {
	if c.Repeated() {
		return "a list"
	}
	if t := c.Type(); t != nil && t.LogicalType() != nil {
		switch strings.ToLower(t.LogicalType().String()) {
		case "list":
			return "a list"
		case "map":
			return "a map"
		}
	}
	for _, d := range c.Columns() {
		if d.Repeated() {
			return "a list"
		}
	}
	return "a group"
}

// column is a column that is being read.
type column struct {
	name        string
	field, leaf int // its place in a record and among the leaves
	kind        kind
	values      parquet.ColumnChunkValueReader
	buf, have   []parquet.Value // values that were read
	at          int
	out         []byte // the text
}

// next is the value of the next row.
func (c *column) next() (parquet.Value, error) {
	for c.at == len(c.have) {
		if c.buf == nil {
			c.buf = make([]parquet.Value, batch)
		}
		n, err := c.values.ReadValues(c.buf)
		c.have, c.at = c.buf[:n], 0
		switch {
		case n > 0:
		case err == io.EOF || err == nil:
			return parquet.Value{}, errors.New("damaged: it has fewer values than there are rows")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return parquet.Value{}, errors.New("damaged: it ends too early")
		default:
			return parquet.Value{}, fmt.Errorf("damaged: %w", err)
		}
	}
	c.at++
	return c.have[c.at-1], nil
}
