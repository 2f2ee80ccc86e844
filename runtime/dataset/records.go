package dataset

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Records are rows of named fields as a file has them, each a text: all that a format has to give for [Infer] and a
// [Schema] to read it. They can be read again.
type Records interface {
	// Each calls f with every record in order, until f or ctx says stop. Errors: those of f, as they are; of ctx; of
	// the format, with the line.
	Each(ctx context.Context, f func(Record) error) error
}

// Chooser is [Records] that need not read every field, or can pass over lists and objects in fields that nobody wants.
// Names are told all the same.
type Chooser interface {
	Records
	// Only returns the records with the fields that are wanted; the others are nil.
	Only(wanted func(name string) bool) Records
}

// Record is one row of [Records]. It is valid until the function that it is given to returns.
type Record struct {
	// Names are those of the fields. Later records may have more, behind those of earlier ones.
	Names []string
	// AllNames says that later records have no more names, so that a column that is not there is told at once.
	AllNames bool
	// Fields are the texts of the fields in the order of Names, nil for one without a value. A record may have fewer
	// than there are names.
	Fields [][]byte
	// Line is where the record begins in a file of text, from 1; 0 if there are no lines.
	Line int
}

// partRows is how many rows a part has, about.
const partRows = 1 << 12

// CSV reads a CSV file by the schema: RFC 4180, in UTF-8 or UTF-16, plain or gzip, of at most 131,072 fields a line. The rows
// have the columns of the schema, in memory. Columns that the schema lacks are passed over.
// Errors, with the line and the column: a field that is not what the schema says; a row without a weight, a group or a
// time. All columns that do not fit are told at once. A line with more or fewer fields than the first; a field of more than
// 1 MiB; columns that are not there.
func (s *Schema) CSV(path string) (*Table, error) {
	return s.Read(context.Background(), s.csvRecords(path))
}

// JSONL reads a file of JSON lines, plain or gzip, by the schema: an object a line, whose values are numbers, texts, truth
// values and null. The order of names does not matter, and a name that an object lacks has no value there.
// Errors: those of [Schema.CSV]; JSON that is none; a list or an object within an object, if the schema has a column for it.
func (s *Schema) JSONL(path string) (*Table, error) {
	return s.Read(context.Background(), &jsonlFile{textFile: textFile{path: path, limit: maxFile}})
}

// Read reads records by the schema into memory.
// Errors: those of the records; a field that is not what the schema says, with line or row and column.
func (s *Schema) Read(ctx context.Context, r Records) (*Table, error) {
	var parts []part
	rows := 0
	err := s.stream(ctx, r, func(p part) error {
		parts, rows = append(parts, p), rows+p.rows
		return checkMemory(s.Columns(), rows, 1)
	})
	if err != nil {
		return nil, err
	}
	t := &Table{n: rows, schema: s.Clone(), cols: makeColumns(s.Columns(), rows)}
	at := 0
	for k := range parts {
		for i := range t.cols {
			c, from := &t.cols[i], parts[k].cols[i]
			copy(c.f32[min(at*c.width, len(c.f32)):], from.f32)
			copy(c.i64[min(at*c.width, len(c.i64)):], from.i64)
		}
		at += parts[k].rows
		parts[k] = part{} // so that it goes while the table comes
	}
	if f, ok := r.(interface{ Path() string }); ok {
		t.readFrom(f.Path())
	}
	return t, nil
}

// stream reads records by the schema, and calls f with their rows in order, some thousands at a time.
func (s *Schema) stream(ctx context.Context, r Records, f func(part) error) error {
	if err := s.Check(); err != nil {
		return err
	}
	s = s.Clone()
	if file, ok := r.(*csvFile); ok {
		return told(r, file.stream(ctx, s, f))
	}
	if c, ok := r.(Chooser); ok {
		r = c.Only(func(name string) bool {
			f := s.Field(name)
			return f != nil && f.Kind != Ignored
		})
	}
	return told(r, s.inOrder(ctx, r, '.', f))
}

// inOrder is stream by one goroutine, of records with that sign before decimals.
func (s *Schema) inOrder(ctx context.Context, r Records, decimal byte, f func(part) error) error {
	e := newEncoder(s, decimal)
	var names []string
	empty := true
	err := r.Each(ctx, func(rec Record) error {
		empty = false
		if names = rec.Names; len(names) != e.names {
			if err := e.bind(names); err != nil {
				return err
			}
			if rec.AllNames {
				if err := e.lacks(names, s); err != nil {
					return err
				}
			}
		}
		e.add(rec.Fields, rec.Line)
		if e.rows < partRows {
			return nil
		}
		if p := e.take(); !e.failed {
			return f(p)
		}
		return ctx.Err()
	})
	if err == nil && empty {
		err = fmt.Errorf("%w: no rows", ErrEmpty)
	}
	if err == nil {
		err = e.lacks(names, s)
	}
	if err == nil {
		err = mistakes(e)
	}
	if err == nil && e.rows > 0 {
		err = f(e.take())
	}
	return err
}

// told adds the path of records that are a file to an error.
func told(r Records, err error) error {
	f, ok := r.(interface{ Path() string })
	if err == nil || !ok || strings.Contains(err.Error(), f.Path()) {
		return err
	}
	return &inFile{f.Path(), err}
}

const unlimited = 1 << 62

// textFile is a file of text that records are read from.
type textFile struct {
	path  string
	limit int64   // bytes that it may unpack to
	text  *string // what it holds, in tests that have no file
}

// open opens the file.
func (t *textFile) open() (io.ReadCloser, error) {
	if t.text != nil {
		return io.NopCloser(strings.NewReader(*t.text)), nil
	}
	f, _, err := open(t.path)
	return f, err
}

// Path is the path of the file.
func (t *textFile) Path() string { return t.path }

// isJSONL reports whether a file's name is one of JSON lines.
func isJSONL(path string) bool {
	ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")))
	return ext == ".jsonl" || ext == ".ndjson"
}

// csvFile is a CSV file as Records.
type csvFile struct {
	textFile
	comma  string
	header headerOptions
}

// Records returns the records of a file for [Schema.Read] and [Schema.Stream]: of JSON lines if its name ends in .jsonl or
// .ndjson, or one of these and .gz, and else of CSV.
func (s *Schema) Records(path string) Records {
	if isJSONL(path) {
		return &jsonlFile{textFile: textFile{path: path, limit: maxFile}}
	}
	return s.csvRecords(path)
}

func (s *Schema) csvRecords(path string) Records {
	f := &csvFile{textFile: textFile{path: path, limit: maxFile}, comma: s.Comma, header: headerOptions{kind: hasHeader}}
	if s.NoHeader {
		f.header.kind = noHeader
	}
	return f
}

// Each implements [Records].
func (f *csvFile) Each(ctx context.Context, do func(Record) error) error {
	in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	r := in.csvReader
	for n := 0; ; n++ {
		if n%partRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ok, err := r.next()
		if err != nil || !ok {
			return told(f, err)
		}
		if err := do(Record{Names: r.header.names, AllNames: true, Fields: r.lines.fields, Line: r.lines.first}); err != nil {
			return err
		}
	}
}

// unbounded lets the file unpack to whatever it does: the rows do not go to memory.
func (f *csvFile) unbounded() Records {
	c := *f
	c.limit = unlimited
	return &c
}

// csvOpen is a file that is being read.
type csvOpen struct {
	*csvReader
	io.Closer
}

func (f *csvFile) open() (*csvOpen, error) {
	file, err := f.textFile.open()
	if err != nil {
		return nil, err
	}
	r, err := newCSVReader(file, f.comma, f.header, f.limit)
	if err != nil {
		file.Close()
		return nil, told(f, err)
	}
	return &csvOpen{r, file}, nil
}

// stream is Schema.stream by all processors: one goroutine reads blocks of lines, and the others take them apart. The
// parts come in the order of the file.
func (f *csvFile) stream(ctx context.Context, s *Schema, do func(part) error) error {
	in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	first := newEncoder(s, s.decimal())
	if err := first.bind(in.header.names); err != nil {
		return fmt.Errorf("line %d: %w", in.header.line, err)
	}
	if err := first.lacks(in.header.names, s); err != nil {
		return fmt.Errorf("line %d: %w", in.header.line, err)
	}
	type job struct {
		block csvBlock
		done  chan part // gets the rows
		err   error     // set before done is served
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := max(runtime.GOMAXPROCS(0), 1)
	jobs, order, free := make(chan *job), make(chan *job, 2*workers), make(chan []byte, 4*workers)
	encoders := make([]*encoder, workers)
	var all sync.WaitGroup
	for i := range encoders {
		e, lines := first.clone(), in.rows()
		encoders[i] = e
		all.Go(func() {
			for j := range jobs {
				lines.begin(j.block)
				for {
					ok, err := lines.next()
					if j.err = err; !ok {
						break
					}
					e.add(lines.fields, lines.first)
				}
				select {
				case free <- j.block.data:
				default:
				}
				j.done <- e.take()
			}
		})
	}
	var readErr error
	all.Go(func() {
		defer close(order)
		defer close(jobs)
		for {
			var buf []byte
			select {
			case buf = <-free:
			default:
			}
			block, more, err := in.block(buf)
			if err != nil || !more {
				readErr = err
				return
			}
			j := &job{block: block, done: make(chan part, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	rows, failed := 0, error(nil)
	for j := range order {
		if failed != nil || ctx.Err() != nil {
			continue
		}
		var p part
		select {
		case p = <-j.done:
		case <-ctx.Done():
			continue
		}
		rows += p.rows
		if failed = j.err; failed == nil && p.rows > 0 {
			failed = do(p)
		}
		if failed != nil {
			cancel()
		}
	}
	all.Wait()
	if failed == nil {
		failed = readErr
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return f.settled(failed, rows, encoders)
}

// settled is the error of a file that was read to its end, or to a mistake.
func (f *csvFile) settled(err error, rows int, encoders []*encoder) error {
	if err != nil {
		return err
	}
	if rows == 0 {
		return fmt.Errorf("%w: no rows", ErrEmpty)
	}
	return mistakes(encoders...)
}
