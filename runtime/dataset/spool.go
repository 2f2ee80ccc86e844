package dataset

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/internal/regular"
)

// spoolFile is the description of spooled rows in their folder.
const spoolFile = "spool.json"

// spoolForm is its form, so that a later one is recognized.
const spoolForm = 1

type spoolInfo struct {
	Form    int           `json:"form"`
	Source  string        `json:"source"`
	Rows    int           `json:"rows"`
	Columns []spoolColumn `json:"columns"`
	Schema  *Schema       `json:"schema,omitempty"`

	Generator string `json:"generator,omitempty"` // what made all rows
}

type spoolColumn struct {
	Column
	File string `json:"file"`
}

// Spool writes the rows of a stream to a folder, once, from which they are read in any order by all processors: rows for
// which there is no memory train like others, and a training that resumes sees the same bits. The folder has an .npy file
// of each column and a description, and appears whole or not at all. If it is there already and complete, of the same
// source and with the same columns, nothing is written.
//
//	rows, err := dataset.Spool(ctx, "flights", schema.Stream(schema.Records("flights.csv.gz")))
//
// Errors: those of the stream; the folder is there and is something else; it cannot be written.
func Spool(ctx context.Context, dir string, rows Stream) (*Spooled, error) {
	if rows.Each == nil || rows.Source == nil {
		return nil, errors.New("dataset: Spool: the stream is empty: it has no Each or no Source")
	}
	if err := checkColumns(rows.Columns); err != nil {
		return nil, err
	}
	source, err := rows.Source(ctx)
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	if s, err := spooled(dir, source, rows); s != nil || err != nil {
		return s, err
	}
	w := &spooler{info: spoolInfo{Form: spoolForm, Source: source, Schema: rows.Schema, Generator: GeneratorOf(rows.of)}}
	if err := w.write(ctx, dir, rows); err != nil {
		if s, other := spooled(dir, source, rows); s != nil && other == nil { // somebody else was faster
			return s, nil
		}
		return nil, err
	}
	s, err := OpenSpool(dir)
	if err == nil {
		s.of = rows.of
	}
	return s, err
}

// spooled opens what is there of a stream, nil for nothing.
func spooled(dir, source string, rows Stream) (*Spooled, error) {
	if _, err := os.Stat(filepath.Join(dir, spoolFile)); errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("dataset: Spool: %w", err)
		case len(entries) > 0:
			return nil, fmt.Errorf("dataset: Spool: %s is there, and holds no spooled rows; name a folder that is not", dir)
		}
		return nil, nil
	}
	s, err := OpenSpool(dir)
	if err != nil {
		return nil, err
	}
	same := slices.EqualFunc(s.cols, rows.Columns, func(a, b Column) bool {
		return a.String() == b.String() && a.Missing == b.Missing
	})
	if s.source != source || !same {
		s.Close()
		return nil, fmt.Errorf("dataset: Spool: %s holds rows of another source, or by another schema; remove the folder, or name another", dir)
	}
	s.of = rows.of
	return s, nil
}

// spooler writes the folder.
type spooler struct {
	info  spoolInfo
	files []*os.File
	out   []*bufio.Writer
}

// write makes the folder under another name, and renames it.
func (w *spooler) write(ctx context.Context, dir string, rows Stream) (err error) {
	defer func() {
		for _, f := range w.files {
			err = errors.Join(err, f.Close())
		}
		if err != nil && ctx.Err() == nil {
			err = &spoolError{dir, err}
		}
	}()
	parent, prefix := filepath.Dir(dir), "."+filepath.Base(dir)+".tmp-"
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	removeLeft(parent, prefix)
	temp, err := os.MkdirTemp(parent, prefix+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	lock := filepath.Join(temp, spoolLock)
	unlock, err := atomicfile.Lock(lock)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	locked := err == nil
	defer func() {
		if locked {
			unlock()
		}
	}()
	if err := w.columns(ctx, temp, rows); err != nil {
		return err
	}
	b, err := json.MarshalIndent(w.info, "", "\t")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(temp, spoolFile), append(b, '\n')); err != nil {
		return err
	}
	if locked {
		locked = false
		if err := unlock(); err != nil {
			return err
		}
	}
	if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(temp); err != nil {
		return err
	}
	os.Remove(dir) // an empty folder
	if err := os.Rename(temp, dir); err != nil {
		return err
	}
	return atomicfile.SyncDir(parent)
}

const spoolLock = "lock"

// removeLeft removes the folders of writers that were killed: nobody has their locks.
func removeLeft(parent, prefix string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		lock := filepath.Join(parent, e.Name(), spoolLock)
		if _, err := os.Stat(lock); err != nil {
			continue // it was made just now, or is about to get its name
		}
		if unlock, err := atomicfile.Lock(lock); err == nil {
			unlock()
			os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
}

// columns writes a file of every column.
func (w *spooler) columns(ctx context.Context, temp string, rows Stream) error {
	for i, c := range rows.Columns {
		name := c.Name
		plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
		if !plain || len(name) > 100 {
			name = "column-" + strconv.Itoa(i)
		}
		f, err := os.Create(filepath.Join(temp, name+".npy"))
		if err != nil {
			return err
		}
		w.files = append(w.files, f)
		out := bufio.NewWriterSize(f, 1<<16)
		w.out = append(w.out, out)
		switch c.DType {
		case F32:
			err = npywrite.BeginRows[float32](out, c.Shape)
		case I64:
			err = npywrite.BeginRows[int64](out, c.Shape)
		default:
			err = npywrite.BeginRows[uint8](out, c.Shape)
		}
		if err != nil {
			return err
		}
		w.info.Columns = append(w.info.Columns, spoolColumn{c, name + ".npy"})
	}
	err := rows.Each(ctx, func(b Batch) error {
		for i, c := range rows.Columns {
			var err error
			n := 0
			switch c.DType {
			case F32:
				v := b.F32(c.Name)
				n, err = len(v), npywrite.Append(w.out[i], v)
			case I64:
				v := b.I64(c.Name)
				n, err = len(v), npywrite.Append(w.out[i], v)
			default:
				v := b.U8(c.Name)
				n, err = len(v), npywrite.Append(w.out[i], v)
			}
			if err != nil {
				return err
			}
			if n != b.Rows*c.Width() {
				return fmt.Errorf("the stream declares the column %s, and gives %d values of it in %d rows", c, n, b.Rows)
			}
		}
		w.info.Rows += b.Rows
		return ctx.Err()
	})
	if err == nil && w.info.Rows == 0 {
		err = fmt.Errorf("%w: the stream has no rows", ErrEmpty)
	}
	if err != nil {
		return err
	}
	for i, f := range w.files {
		if err := w.out[i].Flush(); err != nil {
			return err
		}
		c := rows.Columns[i]
		switch c.DType {
		case F32:
			err = npywrite.EndRows[float32](f, w.info.Rows, c.Shape)
		case I64:
			err = npywrite.EndRows[int64](f, w.info.Rows, c.Shape)
		default:
			err = npywrite.EndRows[uint8](f, w.info.Rows, c.Shape)
		}
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	w.files = nil
	return nil
}

// spoolError is why a folder could not be written.
type spoolError struct {
	dir string
	err error
}

func (e *spoolError) Error() string {
	return "dataset: Spool: " + e.dir + " is not written: " + bare(e.err)
}
func (e *spoolError) Unwrap() error { return e.err }

// Spooled is rows in a folder that [Spool] wrote. It is a [BatchSource], until Close.
type Spooled struct {
	rows   int
	cols   []Column
	schema *Schema
	source string
	files  []*NPYRows
	parts  []BatchSource // of each column

	generator string // what made all rows, "" for others
	of        Source // what they were written of, if that is known and a generator made some of them
}

// Generator returns in words what generated the rows, or "".
func (s *Spooled) Generator() string {
	if s == nil {
		return ""
	}
	return s.generator
}

// OpenSpool opens rows that [Spool] wrote. Errors: there is no such folder; a file of it is missing, damaged or of another
// size than the description says.
func OpenSpool(dir string) (*Spooled, error) {
	path := filepath.Join(dir, spoolFile)
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: OpenSpool: %w", err)
	}
	defer f.Close()
	if size > maxSchema {
		return nil, fmt.Errorf("dataset: %s: it has %d bytes, which is no description of rows", path, size)
	}
	b, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	info, err := parseSpool(b)
	if err != nil {
		return nil, &inFile{path, err}
	}
	s := &Spooled{rows: info.Rows, schema: info.Schema, source: info.Source, generator: info.Generator}
	for _, c := range info.Columns {
		if err := s.open(c.Column, filepath.Join(dir, c.File)); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// parseSpool reads the description.
func parseSpool(b []byte) (*spoolInfo, error) {
	info := new(spoolInfo)
	if err := json.Unmarshal(b, info); err != nil {
		return nil, err
	}
	if info.Form != spoolForm {
		return nil, fmt.Errorf("it has form %d; this version of Lamina reads form %d", info.Form, spoolForm)
	}
	if info.Rows <= 0 {
		return nil, fmt.Errorf("%w: %d rows", ErrEmpty, info.Rows)
	}
	cols := make([]Column, len(info.Columns))
	for i, c := range info.Columns {
		if c.File != filepath.Base(c.File) || !filepath.IsLocal(c.File) {
			return nil, fmt.Errorf("column %q: %q is no file of the folder", clip(c.Name), clip(c.File))
		}
		cols[i] = c.Column
	}
	return info, checkColumns(cols)
}

// open opens the file of a column.
func (s *Spooled) open(c Column, path string) error {
	r, err := OpenNPY(path, c.Name)
	if err != nil {
		return err
	}
	s.files = append(s.files, r)
	if c.DType == U8 {
		err = r.Bytes()
	}
	if err == nil && c.Missing {
		err = r.Missing()
	}
	if err != nil {
		return err
	}
	if got := r.Column(); got.String() != c.String() || r.Len() != int64(s.rows) {
		return fmt.Errorf("dataset: %s: it has %d rows of %s, and %s says %d of %s", path, r.Len(), got, spoolFile, s.rows, c)
	}
	s.cols, s.parts = append(s.cols, c), append(s.parts, r.Source())
	return nil
}

// Len implements [Source].
func (s *Spooled) Len() int { return s.rows }

// Columns implements [Source].
func (s *Spooled) Columns() []Column { return slices.Clone(s.cols) }

// Schema returns a copy of the schema that the rows were read by, or nil.
func (s *Spooled) Schema() *Schema { return s.schema.Clone() }

// File returns the file of a column, or "".
func (s *Spooled) File(column string) string {
	for i, c := range s.cols {
		if c.Name == column {
			return s.files[i].path
		}
	}
	return ""
}

// Row implements [Source].
func (s *Spooled) Row(i int, row Row) error {
	for _, p := range s.parts {
		if err := p.Row(i, row); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements [BatchSource].
func (s *Spooled) Rows(index []int, dst Rows) error {
	for _, p := range s.parts {
		if err := p.Rows(index, dst); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the files, after the reads in progress.
func (s *Spooled) Close() error {
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
