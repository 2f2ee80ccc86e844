package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
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

// CSVOption says how a CSV file is read: a [CSVOptions], [NoHeader], [Header] or [Skip].
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

// NoHeader treats the first line as data. The fields are named by their positions: "0", "1", and so on.
func NoHeader() CSVOption { return csvOption(func(o *CSVOptions) { o.header = noHeader }) }

// Header treats the first line as the names of the fields, even if all of them are numbers.
func Header() CSVOption { return csvOption(func(o *CSVOptions) { o.header = hasHeader }) }

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
	comma := ','
	if o.Comma != 0 {
		comma = o.Comma
	}
	r, notes, err := plainText(r)
	if err != nil {
		return nil, nil, err
	}
	in := csv.NewReader(bufio.NewReaderSize(&narrow{r: r, comma: comma}, 1<<16))
	in.ReuseRecord, in.Comma = true, comma
	first, err := in.Read()
	if err == io.EOF {
		return nil, nil, fmt.Errorf("%w: there is no header and no row", ErrEmpty)
	}
	if err != nil {
		return nil, nil, csvError(err)
	}
	line, _ := in.FieldPos(0)
	h, err := newHeader(first, line, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := h.plan(o)
	if err != nil {
		return nil, nil, err
	}
	rows := &csvRows{in: in, header: h, plan: p}
	if h.absent {
		if err := rows.add(first); err != nil {
			return nil, nil, err
		}
	}
	for {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, csvError(err)
		}
		if err := rows.add(record); err != nil {
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
	return t, append(append(notes, h.notes...), rows.notes()...), nil
}

// csvRows takes the lines of a file apart.
type csvRows struct {
	in      *csv.Reader
	header  *header
	plan    *csvPlan
	y       []int64
	n       int
	counts  bool // whether the first field is a number from 0 or 1 on that numbers the rows
	counted int  // what it is in the first row
}

// add takes a line as a row.
func (r *csvRows) add(record []string) error {
	wrong := func(f int, err error) error {
		line, _ := r.in.FieldPos(f)
		return fmt.Errorf("line %d: field %s: %w", line, r.header.quoted(f), err)
	}
	for i := range r.plan.cols {
		c := &r.plan.cols[i]
		for _, f := range c.fields {
			v, err := number(record[f])
			if err != nil {
				return wrong(f, err)
			}
			c.F32 = doubled(c.F32, v)
		}
	}
	if f := r.plan.label; f >= 0 {
		v, err := label(record[f])
		if err != nil {
			line, _ := r.in.FieldPos(f)
			return fmt.Errorf("line %d: label %s: %w", line, r.header.quoted(f), err)
		}
		r.y = doubled(r.y, v)
	}
	if f := r.plan.index; f >= 0 {
		if _, err := wholeNumber(record[f]); err != nil && isNumber(record[f]) {
			return wrong(f, fmt.Errorf("it has no name, so it should be the index of a data frame, but %q is not a whole number; name it in the header, or leave it out with Skip(\"\")", clip(record[f])))
		}
	}
	if f := r.plan.first; f >= 0 && (r.n == 0 || r.counts) {
		v, err := strconv.Atoi(strings.TrimSpace(record[f]))
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

// maxFields is the greatest number of fields of a line. Reading a line takes far more memory than its bytes.
const maxFields = 1 << 17

// narrow is a reader that refuses a line of too many fields before anyone parts it.
type narrow struct {
	r      io.Reader
	comma  rune
	commas int // of the line under way, those within quotes too
}

func (n *narrow) Read(b []byte) (int, error) {
	k, err := n.r.Read(b)
	last := string(n.comma)
	last = last[len(last)-1:] // of several bytes, so that a boundary between two reads does not matter
	for line := range bytes.Lines(b[:k]) {
		if n.commas += bytes.Count(line, []byte(last)); n.commas >= maxFields {
			return 0, fmt.Errorf("a line has more than %d fields; keep rows as wide as that in .npy files", maxFields)
		}
		if line[len(line)-1] == '\n' {
			n.commas = 0
		}
	}
	return k, err
}

// doubled appends, and doubles a slice that is full: what many appends allocate stays twice what they keep.
func doubled[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		s = slices.Grow(s, len(s)+8)
	}
	return append(s, v)
}

func number(s string) (float32, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, errors.New("it is empty; every field needs a number")
	}
	v, err := strconv.ParseFloat(s, 32)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errOverflow(clip(s))
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not finite; data must be finite", clip(s))
	}
	return float32(v), nil
}

// label reads a whole number, which many programs write as in "3.0".
func label(s string) (int64, error) {
	v, err := wholeNumber(s)
	if err != nil && strings.TrimSpace(s) != "" && !isNumber(s) {
		return 0, fmt.Errorf("%q is not a whole number; number the classes from 0 on", clip(s))
	}
	return v, err
}

func wholeNumber(s string) (int64, error) {
	s = strings.TrimSpace(s)
	v, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return v, nil
	}
	const exact = 1 << 53 // whole numbers beyond are rounded as floats
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= exact {
		return 0, fmt.Errorf("%q is not a whole number", clip(s))
	}
	return int64(f), nil
}

// isNumber reports whether a field is a number, however large.
func isNumber(s string) bool {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return (err == nil || errors.Is(err, strconv.ErrRange)) && !math.IsNaN(v)
}

// clip keeps an error short whatever the file holds.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func csvError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		if errors.Is(p.Err, csv.ErrFieldCount) {
			return fmt.Errorf("line %d: it has another number of fields than the first line", p.StartLine)
		}
		return fmt.Errorf("line %d: %w", p.Line, p.Err)
	}
	return err
}
