package dataset

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
)

// CSVOptions says how the fields of a CSV file become columns. The zero value packs all fields into x. It is a
// [CSVOption] itself.
type CSVOptions struct {
	// Groups are the float32 columns, each packed from fields by their names in the header. Without groups
	// there is one, x, of all fields except the label, those of Skip, and an index. A group with Rest takes those too.
	Groups []CSVGroup
	// Label is the field of whole numbers that becomes y i64[]; there is no y if it is empty.
	Label string
	// Comma separates the fields; zero means a comma.
	Comma rune
	// Log is told what was inferred from the file; nil means slog.Default.
	Log *slog.Logger

	header headerKind
	skip   []string
}

// CSVGroup is one column of float32 made of fields: of n fields f32[n], also of one. Rest
// makes it of all fields that nothing else takes and Skip does not leave out, in place of Fields.
type CSVGroup struct {
	Name   string
	Fields []string
	Rest   bool
}

// CSVOption says how a CSV file is read by [CSV]: a [CSVOptions], [NoHeader], [Header] or [Skip].
type CSVOption interface{ set(*CSVOptions) }

type csvOption func(*CSVOptions)

func (f csvOption) set(o *CSVOptions) { f(o) }

func (c CSVOptions) set(o *CSVOptions) {
	c.header, c.skip = o.header, o.skip
	*o = c
}

// headerKind is whether the first line names the fields.
type headerKind int

const (
	lookForHeader headerKind = iota
	hasHeader
	noHeader
)

// HeaderOption says whether the first line names the fields. It is a [CSVOption] and an [InferOption].
type HeaderOption struct{ kind headerKind }

func (h HeaderOption) set(o *CSVOptions)  { o.header = h.kind }
func (h HeaderOption) infer(o *inference) { o.header = h.kind }

// NoHeader treats the first line as data. The fields are named by their positions: "0", "1", and so on.
func NoHeader() HeaderOption { return HeaderOption{noHeader} }

// Header treats the first line as the names of the fields, even if all of them are numbers.
func Header() HeaderOption { return HeaderOption{hasHeader} }

// Skip leaves fields out, such as those that number the rows. "" is every field without a name.
// Errors (of CSV): there is no such field, or it is also the label or in a group.
func Skip(fields ...string) CSVOption {
	return csvOption(func(o *CSVOptions) { o.skip = append(o.skip, fields...) })
}

// CSV reads a CSV file (RFC 4180) in UTF-8 or UTF-16, plain or gzip, of at most 131,072 fields a line. The first line
// names the fields, unless it holds only numbers that do not count up from 0; [NoHeader] and [Header] override this. A
// first field without a name is the index that data frames are saved with, and is left out. Such decisions are logged,
// and so is a first field that numbers the rows and has a name.
// Errors name the line: a line with more or fewer fields than the first, a field that is empty, not a number, not
// finite or beyond float32, a label that is not a whole number, a field that the header lacks or has twice.
func CSV(path string, options ...CSVOption) (*Table, error) {
	var o CSVOptions
	for _, option := range options {
		option.set(&o)
	}
	f, _, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, notes, err := decodeCSV(f, o)
	if err != nil {
		return nil, &inFile{path, err}
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	for _, note := range notes {
		log.Info("dataset: " + path + ": " + note)
	}
	return t.readFrom(path), nil
}

// decodeCSV reads a file; the notes are what it decided by looking.
func decodeCSV(r io.Reader, o CSVOptions) (*Table, []string, error) {
	comma := ""
	if o.Comma != 0 {
		comma = string(o.Comma)
	}
	asked := slices.Clone(o.skip)
	if o.Label != "" {
		asked = append(asked, o.Label)
	}
	for _, g := range o.Groups {
		asked = append(asked, g.Fields...)
	}
	in, err := newCSVReader(r, comma, headerOptions{kind: o.header, asked: asked}, maxFile)
	if err != nil {
		return nil, nil, err
	}
	p, err := in.header.plan(o)
	if err != nil {
		return nil, nil, err
	}
	rows := &csvRows{in: in.lines, header: in.header, plan: p}
	for {
		ok, err := in.next()
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		if err := rows.add(in.lines.fields); err != nil {
			return nil, nil, err
		}
	}
	var data []Data
	for _, c := range p.cols {
		data = append(data, c.Data)
	}
	if p.label >= 0 {
		data = append(data, Data{Column: Column{Name: "y", DType: I64}, I64: rows.y})
	}
	t, err := NewTable(data...)
	if err != nil {
		return nil, nil, err
	}
	return t, slices.Concat(in.notes, in.header.notes, rows.notes()), nil
}

// csvRows takes the lines of a file apart.
type csvRows struct {
	in      *csvLines
	header  *header
	plan    *csvPlan
	y       []int64
	n       int
	counts  bool // whether the first field is a number from 0 or 1 on that numbers the rows
	counted int  // what it is in the first row
}

// add takes a line as a row.
func (r *csvRows) add(record [][]byte) error {
	wrong := func(what string, f int, err error) error {
		return fmt.Errorf("line %d: %s %s: %w", r.in.lineOf(f), what, r.header.quoted(f), err)
	}
	for i := range r.plan.cols {
		c := &r.plan.cols[i]
		for _, f := range c.fields {
			b := trimmed(record[f])
			v, fault := parseFloat32(b, '.')
			if fault != 0 {
				return wrong("field", f, fault.err(b, '.'))
			}
			c.F32 = doubled(c.F32, v)
		}
	}
	if f := r.plan.label; f >= 0 {
		b := trimmed(record[f])
		v, err := parseWhole(b)
		if err != nil && len(b) > 0 && !isNumber(b) {
			err = fmt.Errorf("%w; number the classes from 0 on, or read the file by a Schema, which numbers them", err)
		}
		if err != nil {
			return wrong("label", f, err)
		}
		r.y = doubled(r.y, v)
	}
	if f := r.plan.index; f >= 0 {
		b := trimmed(record[f])
		if _, err := parseWhole(b); err != nil && isNumber(b) {
			return wrong("field", f, fmt.Errorf("it has no name, so it should be the index of a data frame, but %q is not a whole number; name it in the header, or leave it out with Skip(\"\")", clip(string(b))))
		}
	}
	if f := r.plan.first; f >= 0 && (r.n == 0 || r.counts) {
		v, err := strconv.Atoi(string(trimmed(record[f])))
		if r.n == 0 {
			r.counted = v
		}
		r.counts = err == nil && r.counted <= 1 && v == r.counted+r.n && v >= 0
	}
	r.n++
	return nil
}

// fewRows is how many rows a field must number for that to be no accident.
const fewRows = 3

// notes tells of a field that numbers the rows and is a feature all the same.
func (r *csvRows) notes() []string {
	if !r.counts || r.n < fewRows {
		return nil
	}
	name := r.header.quoted(r.plan.first)
	return []string{fmt.Sprintf("field %s numbers the rows from %d on, and is a feature; Skip(%s) leaves it out", name, r.counted, name)}
}

// doubled appends, and doubles a slice that is full: what many appends allocate stays twice what they keep.
func doubled[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		s = slices.Grow(s, len(s)+8)
	}
	return append(s, v)
}
