package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// Stream is rows that come one after the other, more than memory may hold, for [Spool].
type Stream struct {
	// Columns describes the rows.
	Columns []Column
	// Schema is what the rows are read by; it may be nil.
	Schema *Schema
	// Source tells what the rows come from, such as the hash of a file, so that rows that were spooled are recognized.
	// Rows of one Source are the same rows.
	Source func(context.Context) (string, error)
	// Each calls f with all rows in order, some at a time; they are valid until f returns.
	Each func(ctx context.Context, f func(Batch) error) error

	of Source // what the rows are of, if a generator made some of them
}

// Stream returns the rows of records as they are read by the schema. What they come from is the hash of the file and the
// schema; records that are no file are known by name, which must change with what they give.
func (s *Schema) Stream(r Records, name ...string) Stream {
	s = s.Clone()
	if f, ok := r.(interface{ unbounded() Records }); ok {
		r = f.unbounded()
	}
	return Stream{
		Columns: s.Columns(),
		Schema:  s,
		Source: func(ctx context.Context) (string, error) {
			h := sha256.New()
			if err := json.NewEncoder(h).Encode(s); err != nil {
				return "", fmt.Errorf("dataset: %w", err)
			}
			f, ok := r.(interface{ Path() string })
			switch {
			case len(name) > 0:
				fmt.Fprintf(h, "%q", name)
			case ok:
				if err := hashFile(ctx, h, f.Path()); err != nil {
					return "", err
				}
			default:
				return "", fmt.Errorf("dataset: Stream: records that are no file need a name, by which their rows are recognized")
			}
			return hex.EncodeToString(h.Sum(nil)), nil
		},
		Each: func(ctx context.Context, f func(Batch) error) error {
			return s.stream(ctx, r, func(p part) error {
				return f(Batch{Rows: p.rows, buf: &buffer{rows: p.rows, cols: p.cols}})
			})
		},
	}
}

// hashFile adds what a file holds to a hash.
func hashFile(ctx context.Context, w io.Writer, path string) error {
	f, _, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, scanned)
	for {
		n, err := f.Read(buf)
		w.Write(buf[:n])
		if err == io.EOF {
			return ctx.Err()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("dataset: %s: %w", path, err)
		}
	}
}

// Seq returns the rows of a sequence: fill writes the columns of one element. name tells what the rows come from, and must
// change with them.
func Seq[T any](name string, seq iter.Seq[T], fill func(r T, row Row), columns ...Column) Stream {
	return Stream{
		Columns: columns,
		Source:  func(context.Context) (string, error) { return "sequence " + name, nil },
		Each: func(ctx context.Context, f func(Batch) error) error {
			if err := checkColumns(columns); err != nil {
				return err
			}
			if err := checkMemory(columns, partRows, 1); err != nil {
				return err
			}
			cols := makeColumns(columns, partRows)
			w := newWriter(cols)
			row, at := 0, 0
			give := func() error {
				b := Batch{Rows: at, buf: &buffer{rows: at, cols: cols}}
				at = 0
				return f(b)
			}
			for v := range seq {
				if err := ctx.Err(); err != nil {
					return err
				}
				w.begin(row, at, cols)
				fill(v, Row{w})
				if err := w.end(); err != nil {
					return err
				}
				row++
				if at++; at == partRows {
					if err := give(); err != nil {
						return err
					}
				}
			}
			if at > 0 {
				return give()
			}
			return nil
		},
	}
}

// StreamOf returns the rows of a source in order. What they come from is their hash, which takes a pass over them.
func StreamOf(src Source) Stream {
	s := Stream{
		Source: func(ctx context.Context) (string, error) { return Hash(Until(ctx, src)) },
		Each: func(ctx context.Context, f func(Batch) error) error {
			cols, err := checkSource(src)
			if err != nil {
				return err
			}
			width := 0
			for _, c := range cols {
				width += c.Width()
			}
			return Each(ctx, src, max(scanned/4/width, 1), f)
		},
	}
	if cols, err := checkSource(src); err == nil {
		s.Columns, s.Schema = cols, SchemaOf(src)
		if GeneratorOf(src) != "" || partly(src) {
			s.of = src
		}
	}
	return s
}
