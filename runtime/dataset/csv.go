package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// CSVOptions says how the fields of a CSV file become columns. The zero value packs all fields into x.
type CSVOptions struct {
	// Groups are the columns of float32, each packed of fields by their names in the header. Without groups
	// there is one, x, of all fields but the label.
	Groups []CSVGroup
	// Label is the field of whole numbers that becomes y i64[]; there is no y if it is empty.
	Label string
	// Comma parts the fields; it is a comma if zero.
	Comma rune
}

// CSVGroup is one column of float32 made of several fields.
type CSVGroup struct {
	Name   string
	Fields []string
}

// CSV reads a CSV file (RFC 4180) whose first line names the fields, at most 131,072 of them.
// Errors name the line: a line with more or fewer fields than the header, a field that is empty, not a number or not
// finite, a label that is not a whole number, a field that the header lacks or has twice.
func CSV(path string, o CSVOptions) (*Table, error) {
	f, _, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := decodeCSV(f, o)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return t, nil
}

// packed is one column to be and the fields it is made of.
type packed struct {
	Data
	fields []int
}

func decodeCSV(r io.Reader, o CSVOptions) (*Table, error) {
	comma := ','
	if o.Comma != 0 {
		comma = o.Comma
	}
	in := csv.NewReader(bufio.NewReaderSize(&narrow{r: skipBOM(r), comma: comma}, 1<<16))
	in.ReuseRecord, in.Comma = true, comma
	header, err := in.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("%w: there is no header", ErrEmpty)
	}
	if err != nil {
		return nil, csvError(err)
	}
	header = slices.Clone(header)
	cols, label, err := plan(header, o)
	if err != nil {
		return nil, err
	}
	y := Data{Column: Column{Name: "y", DType: I64}}
	for {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, csvError(err)
		}
		for i := range cols {
			c := &cols[i]
			for _, f := range c.fields {
				v, err := number(record[f])
				if err != nil {
					line, _ := in.FieldPos(f)
					return nil, fmt.Errorf("line %d: field %q: %w", line, header[f], err)
				}
				c.F32 = doubled(c.F32, v)
			}
		}
		if label >= 0 {
			v, err := strconv.ParseInt(strings.TrimSpace(record[label]), 10, 64)
			if err != nil {
				line, _ := in.FieldPos(label)
				return nil, fmt.Errorf("line %d: label %q: %q is not a whole number", line, header[label], clip(record[label]))
			}
			y.I64 = doubled(y.I64, v)
		}
	}
	var data []Data
	for _, c := range cols {
		data = append(data, c.Data)
	}
	if label >= 0 {
		data = append(data, y)
	}
	return NewTable(data...)
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

// plan finds the fields of every column.
func plan(header []string, o CSVOptions) (cols []packed, label int, err error) {
	place := map[string]int{}
	for i, h := range header {
		h = strings.TrimSpace(h)
		if _, ok := place[h]; ok {
			return nil, -1, fmt.Errorf("line 1: two fields are named %q", clip(h))
		}
		place[h] = i
	}
	find := func(name string) (int, error) {
		if i, ok := place[name]; ok {
			return i, nil
		}
		return -1, fmt.Errorf("line 1: no field is named %q; the fields are %s", name, clip(strings.Join(header, ", ")))
	}
	label = -1
	if o.Label != "" {
		if label, err = find(o.Label); err != nil {
			return nil, -1, err
		}
	}
	if len(o.Groups) == 0 {
		c := packed{Data: Data{Column: Column{Name: "x", DType: F32}}}
		for i := range header {
			if i != label {
				c.fields = append(c.fields, i)
			}
		}
		cols = append(cols, c)
	}
	for _, g := range o.Groups {
		c := packed{Data: Data{Column: Column{Name: g.Name, DType: F32}}}
		for _, name := range g.Fields {
			i, err := find(name)
			if err != nil {
				return nil, -1, err
			}
			c.fields = append(c.fields, i)
		}
		cols = append(cols, c)
	}
	for i := range cols {
		n := len(cols[i].fields)
		if n == 0 {
			return nil, -1, fmt.Errorf("column %q has no fields", cols[i].Name)
		}
		cols[i].Shape = []int{n}
	}
	return cols, label, nil
}

func number(s string) (float32, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, errors.New("it is empty; every field needs a number")
	}
	v, err := strconv.ParseFloat(s, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not finite in float32", clip(s))
	}
	return float32(v), nil
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
			return fmt.Errorf("line %d: it has another number of fields than the header", p.StartLine)
		}
		return fmt.Errorf("line %d: %w", p.Line, p.Err)
	}
	return err
}

// skipBOM drops the mark that spreadsheets write before UTF-8.
func skipBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(3); string(head) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	return b
}
