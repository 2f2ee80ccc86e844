package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoder makes rows of a schema's columns of records. It is for one goroutine.
type encoder struct {
	fields  []encoded
	names   int // of the records that fields are bound to
	cols    []column
	numeric int // the width of the column numeric
	rows    int // in cols
	first   int // row of the whole that cols begins with
	failed  bool
}

// encoded is one field of the schema that becomes something.
type encoded struct {
	*Field
	does    action
	from    int // its place in a record, -1 for none
	decimal byte
	missing missing
	ids     *vocabulary // of Values
	to      int         // which of cols
	at      int         // place in a row of it
	width   int         // places

	last  []byte // the text of the date at hand, which the next row often has too
	parts [7]float32

	err  error // the first mistake
	line int   // where it is; 0 if the record has no line
	row  int
}

// action is what becomes of a field: its kind as a number, since it is asked for at every value.
type action uint8

const (
	takesNumber action = iota
	takesDate
	takesWeight
	takesID
	takesClass
	takesName
	takesMoment
	takesWhole
)

func actionOf(f *Field) action {
	switch {
	case f.Kind == Date:
		return takesDate
	case f.Kind == Weight:
		return takesWeight
	case f.Kind == Category:
		return takesID
	case f.Kind == Label:
		return takesClass
	case f.Kind == Time && f.Format != "":
		return takesMoment
	case f.Kind == Group && len(f.Values) > 0:
		return takesName
	case f.Kind == Group || f.Kind == Time:
		return takesWhole
	}
	return takesNumber
}

// newEncoder returns an encoder of a schema that Check accepted, for records with that sign before decimals.
func newEncoder(s *Schema, decimal byte) *encoder {
	e := &encoder{cols: makeColumns(s.Columns(), 0)}
	places := map[string]int{}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Kind == Ignored {
			continue
		}
		name, width := s.Column(f.Kind), f.Places()
		x := encoded{Field: f, does: actionOf(f), from: -1, decimal: decimal, missing: newMissing(f.Missing), at: places[name], width: width}
		x.to = slices.IndexFunc(e.cols, func(c column) bool { return c.Name == name })
		places[name] += width
		if len(f.Values) > 0 {
			first := int64(0)
			if f.Kind == Category {
				first = firstID
			}
			x.ids = newVocabulary()
			for k, v := range f.Values {
				x.ids.put([]byte(v), first+int64(k))
			}
			for k, v := range f.Values {
				v := alike([]byte(v))
				if _, ok := x.ids.get(v); !ok {
					x.ids.put(v, first+int64(k))
				}
			}
		}
		e.fields = append(e.fields, x)
	}
	return e
}

// clone returns an encoder for another goroutine, bound alike.
func (e *encoder) clone() *encoder {
	c := *e
	c.fields = slices.Clone(e.fields)
	for i := range c.fields {
		c.fields[i].last = nil
	}
	c.cols = slices.Clone(e.cols)
	for i := range c.cols {
		c.cols[i] = makeColumn(c.cols[i].Column, 0)
	}
	return &c
}

// bind finds the fields in records of these names, which may be more than before. Errors: a name comes twice.
func (e *encoder) bind(names []string) error {
	if len(names) == e.names {
		return nil
	}
	if twice, ok := repeated(names); ok {
		return fmt.Errorf("two fields are named %q", clip(twice))
	}
	place := make(map[string]int, len(names))
	for i, name := range names {
		place[name] = i
	}
	for i := range e.fields {
		f := &e.fields[i]
		f.from = -1
		if at, ok := place[f.Name]; ok {
			f.from = at
		}
	}
	e.names = len(names)
	return nil
}

// lacks says which fields of the schema the records do not have.
func (e *encoder) lacks(names []string, s *Schema) error {
	var lost, answers []string
	for _, f := range e.fields {
		if f.from < 0 {
			lost = append(lost, f.Name)
			if f.Kind != Number && f.Kind != Category && f.Kind != Date {
				answers = append(answers, f.Name)
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	known := make(map[string]bool, len(s.Fields))
	for _, f := range s.Fields {
		known[f.Name] = true
	}
	var more []string
	for _, name := range names {
		if !known[name] {
			more = append(more, name)
		}
	}
	rule := "there is no column " + listed(lost)
	if len(more) > 0 {
		rule += ", but " + listed(more) + " instead, which the schema lacks; rename what was renamed"
	}
	if len(answers) == len(lost) {
		rule += "; Schema.Inputs reads rows without labels, targets, weights, groups and times"
	}
	return errors.New(rule)
}

// listed is some names for an error.
func listed(names []string) string {
	const most = 8
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(clip(name)))
	}
	return b.String()
}

// add takes a record as a row. A mistake is kept: those of all columns are told at once.
func (e *encoder) add(fields [][]byte, line int) {
	for i := range e.cols {
		c := &e.cols[i]
		if c.DType == F32 {
			c.f32 = extended(c.f32, c.width)
		} else {
			c.i64 = extended(c.i64, c.width)
		}
	}
	for i := range e.fields {
		f := &e.fields[i]
		var b []byte
		if f.from >= 0 && f.from < len(fields) {
			b = trimmed(fields[f.from])
		}
		c := &e.cols[f.to]
		at := e.rows*c.width + f.at
		var err error
		if c.DType == F32 {
			err = f.float(b, c.f32[at:at+f.width])
		} else {
			c.i64[at], err = f.whole(b)
		}
		if err != nil && f.err == nil {
			f.err, f.row, e.failed = err, e.first+e.rows, true
			if f.line = 0; line > 0 {
				f.line = lineOf(line, fields, f.from)
			}
		}
	}
	e.rows++
}

// extended makes a slice longer by n values of which the caller sets every one.
func extended[T any](s []T, n int) []T {
	if len(s)+n > cap(s) {
		s = slices.Grow(s, len(s)+n)
	}
	return s[:len(s)+n]
}

// float encodes what becomes float32.
func (f *encoded) float(b []byte, to []float32) error {
	if f.missing.is(b) {
		for i := range to {
			to[i] = noValue
		}
		if f.does == takesWeight {
			return errors.New("there is no weight")
		}
		return nil
	}
	if f.does == takesDate {
		if !bytes.Equal(b, f.last) {
			c, err := parseDate(b, f.Format)
			if err != nil {
				return err
			}
			c.parts(f.parts[:len(to)])
			f.last = append(f.last[:0], b...)
		}
		copy(to, f.parts[:])
		return nil
	}
	v, fault := parseFloat32(b, f.decimal)
	if to[0] = v; fault != 0 {
		return fault.err(b, f.decimal)
	}
	if f.does == takesWeight && v < 0 {
		return fmt.Errorf("the weight %v is negative", v)
	}
	return nil
}

// whole encodes what becomes int64.
func (f *encoded) whole(b []byte) (int64, error) {
	if f.missing.is(b) {
		switch f.does {
		case takesID:
			return MissingID, nil
		case takesClass:
			return -1, nil
		}
		return 0, fmt.Errorf("there is no %s", f.Kind)
	}
	switch f.does {
	case takesID:
		id, _ := f.id(b) // UnseenID for none
		return id, nil
	case takesClass:
		id, ok := f.id(b)
		if !ok {
			return 0, fmt.Errorf("%q is none of the classes %s", clip(string(b)), listed(f.Values))
		}
		return id, nil
	case takesName:
		id, ok := f.id(b)
		if !ok {
			id = strangerID(alike(b))
		}
		return id, nil
	case takesMoment:
		c, err := parseDate(b, f.Format)
		if err != nil {
			return 0, err
		}
		return c.unix(), nil
	}
	return parseWhole(b)
}

// id is the number of a value.
func (f *encoded) id(b []byte) (int64, bool) {
	if id, ok := f.ids.get(b); ok {
		return id, true
	}
	if !utf8.Valid(b) {
		return f.ids.get([]byte(latin1(b)))
	}
	return f.ids.get(alike(b))
}

// strangerID is the number of a group that a schema does not have: negative, and made of its name, so that it is the same
// in every file (FNV-1a).
func strangerID(b []byte) int64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return int64(h | 1<<63)
}

// mistakes are those of the columns, or nil. Encoders of parts of one file may be given, in any order.
func mistakes(encoders ...*encoder) error {
	var first []*encoded // by field
	for _, e := range encoders {
		if first == nil {
			first = make([]*encoded, len(e.fields))
		}
		for i := range e.fields {
			if f := &e.fields[i]; f.err != nil && (first[i] == nil || f.before(first[i])) {
				first[i] = f
			}
		}
	}
	first = slices.DeleteFunc(first, func(f *encoded) bool { return f == nil })
	if len(first) == 0 {
		return nil
	}
	const most = 3
	var told []string
	for i, f := range first {
		if i == most {
			told = append(told, fmt.Sprintf("and %d more columns", len(first)-most))
			break
		}
		place := fmt.Sprintf("row %d", f.row)
		if f.line > 0 {
			place = fmt.Sprintf("line %d", f.line)
		}
		told = append(told, fmt.Sprintf("%s: column %q, a %s: %v", place, clip(f.Name), f.Kind, f.err))
	}
	return errors.New(strings.Join(told, "; "))
}

func (f *encoded) before(g *encoded) bool {
	if f.line != g.line {
		return f.line < g.line
	}
	return f.row < g.row
}

// part is rows of a schema's columns.
type part struct {
	rows int
	cols []column
}

// take returns the rows that were added, and begins anew.
func (e *encoder) take() part {
	p := part{e.rows, e.cols}
	e.first += e.rows
	e.rows, e.cols = 0, make([]column, len(p.cols))
	for i, c := range p.cols {
		e.cols[i] = makeColumn(c.Column, 0)
		if c.DType == F32 {
			e.cols[i].f32 = make([]float32, 0, len(c.f32)+len(c.f32)/8)
		} else {
			e.cols[i].i64 = make([]int64, 0, len(c.i64)+len(c.i64)/8)
		}
	}
	return p
}
