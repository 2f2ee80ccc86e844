package dataset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// InferOption tells [Infer] what it cannot know: what a field is for, by [Kind.Of], [Unit], [Missing], [Layout], [Comma],
// [DecimalComma], [Header] or [NoHeader].
type InferOption interface{ infer(*inference) }

type inferOption func(*inference)

func (f inferOption) infer(o *inference) { f(o) }

// inference is what [Infer] was told.
type inference struct {
	kind    map[string]Kind
	unit    map[string]string
	layout  map[string]string
	missing map[string][]string // of a field; of "" those of every field
	comma   string
	decimal string
	header  headerKind
	err     error
}

// Of says that fields are of this kind, as in Label.Of("survived") or Category.Of("zip code").
// Errors (of [Infer]): there is no such field; it is of two kinds.
func (k Kind) Of(fields ...string) InferOption {
	return inferOption(func(o *inference) {
		for _, f := range fields {
			if was, ok := o.kind[f]; ok && was != k {
				o.err = fmt.Errorf("field %q is to be a %s and a %s", clip(f), was, k)
			}
			o.kind[f] = k
		}
	})
}

// Unit says what fields are measured in. Errors (of [Infer]): there is no such field, or it is no Number or Target.
func Unit(unit string, fields ...string) InferOption {
	return inferOption(func(o *inference) {
		for _, f := range fields {
			o.unit[f] = unit
		}
	})
}

// Missing says how a value that is not there is spelled, next to the empty field, in place of the usual spellings: in these
// fields, or in every one.
func Missing(spelling string, fields ...string) InferOption {
	return inferOption(func(o *inference) {
		if len(fields) == 0 {
			fields = []string{""}
		}
		for _, f := range fields {
			o.missing[f] = append(o.missing[f], spelling)
		}
	})
}

// Layout says how the dates of fields are written, as package time has it: Layout("02.01.2006", "day"). They are Dates unless
// Time.Of says otherwise.
func Layout(layout string, fields ...string) InferOption {
	return inferOption(func(o *inference) {
		for _, f := range fields {
			o.layout[f] = layout
		}
	})
}

// Comma says what separates the fields of a CSV file. Without it a semicolon, a tab or a bar is recognized where the first
// line has no comma.
func Comma(comma string) InferOption { return inferOption(func(o *inference) { o.comma = comma }) }

// DecimalComma says that decimals begin with a comma. Without it this is recognized if fields are separated by something
// else, and no number has a point.
func DecimalComma() InferOption { return inferOption(func(o *inference) { o.decimal = "," }) }

func newInference(options []InferOption) *inference {
	o := &inference{kind: map[string]Kind{}, unit: map[string]string{}, layout: map[string]string{}, missing: map[string][]string{}}
	for _, option := range options {
		option.infer(o)
	}
	return o
}

// asked are the fields that something was said of.
func (o *inference) asked() []string {
	var names []string
	for name := range o.kind {
		names = append(names, name)
	}
	for name := range o.unit {
		names = append(names, name)
	}
	for name := range o.layout {
		names = append(names, name)
	}
	for name := range o.missing {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missingOf is the spellings of no value in a field, nil for the usual ones.
func (o *inference) missingOf(name string) []string {
	if own, ok := o.missing[name]; ok {
		return own
	}
	return o.missing[""]
}

// Infer reads a file once, in memory that does not grow with it, and returns a schema of what it found, to be printed,
// changed, written down and read by. Files whose names end in .jsonl or .ndjson are JSON lines, others are CSV; both may
// be gzip. The options say what a file does not:
//
//	schema, err := dataset.Infer(ctx, "people.csv", dataset.Label.Of("left"), dataset.Ignored.Of("id"), dataset.Unit("years", "age"))
//
// Without them a field of numbers is a Number, one of ISO dates a Date, and one of other texts a Category of all values
// that occur. A text is Ignored, with a note, if it has more than 1,000 values or a different one in almost every row, as
// names do, and so is a field without any value. Values are in order, numbers by size. Fields that have one value
// everywhere, and others that deserve a look, have a note.
//
// Errors: those of [Schema.CSV] and [Schema.JSONL]; a field most of which is numbers or dates while some is neither, with the
// first line where it is so; numbers with a decimal comma where others have a point; a field that an option names and
// the file lacks; a Label, Target, Weight, Group or Time without any value; a Category, Label or Group of more than 65,536 values.
func Infer(ctx context.Context, path string, options ...InferOption) (*Schema, error) {
	o := newInference(options)
	return inferFile(ctx, textFile{path: path, limit: unlimited}, o)
}

func inferFile(ctx context.Context, file textFile, o *inference) (*Schema, error) {
	if isJSONL(file.path) {
		return inferRecords(ctx, &jsonlFile{textFile: file}, o)
	}
	f := &csvFile{textFile: file, comma: o.comma, header: headerOptions{kind: o.header, asked: o.asked()}}
	in, err := f.open()
	var single *errOneField
	if errors.As(err, &single) && o.comma == "" {
		f.comma = single.comma
		in, err = f.open()
	}
	if err != nil {
		return nil, err
	}
	absent, names, notes := in.header.absent, in.header.names, in.header.notes
	in.Close()
	if twice, ok := repeated(names); ok {
		return nil, told(f, fmt.Errorf("line %d: two fields are named %q", in.header.line, clip(twice)))
	}
	o.comma = f.comma
	s, err := inferRecords(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if s.NoHeader = absent; f.comma != "," {
		s.Comma = f.comma
	}
	if len(notes) > 0 { // of the first line, of which the schema has no other place to tell
		first := &s.Fields[0]
		first.Note = strings.TrimPrefix(first.Note+"; "+strings.Join(notes, "; "), "; ")
	}
	return s, nil
}

// InferRecords is [Infer] of records of any format. Errors: those of Infer and of the records.
func InferRecords(ctx context.Context, r Records, options ...InferOption) (*Schema, error) {
	return inferRecords(ctx, r, newInference(options))
}

func inferRecords(ctx context.Context, r Records, o *inference) (*Schema, error) {
	if r, ok := r.(interface{ declared(*inference) error }); ok && o.err == nil {
		o.err = r.declared(o)
	}
	for _, name := range slices.Sorted(maps.Keys(o.layout)) {
		if err := checkLayout(o.layout[name]); err != nil && o.err == nil {
			o.err = fmt.Errorf("field %q: %w", clip(name), err)
		}
	}
	if o.err != nil {
		return nil, fmt.Errorf("dataset: Infer: %w", o.err)
	}
	if c, ok := r.(Chooser); ok {
		r = c.Only(func(name string) bool { return o.kind[name] != Ignored })
	}
	s, err := o.read(ctx, r)
	if err == nil {
		if c := s.Check(); c != nil {
			err = errors.New(strings.TrimPrefix(bare(c), "schema: "))
		}
	}
	if err != nil {
		return nil, told(r, err)
	}
	return s, nil
}

// read counts what every field holds, and decides.
func (o *inference) read(ctx context.Context, r Records) (*Schema, error) {
	in := tallies{o: o, name: map[string]bool{}}
	csv, text := r.(*csvFile)
	err := r.Each(ctx, func(rec Record) error { return in.add(rec) })
	if err != nil {
		return nil, err
	}
	if in.rows == 0 {
		return nil, fmt.Errorf("%w: no rows", ErrEmpty)
	}
	for _, name := range o.asked() {
		if !slices.ContainsFunc(in.of, func(t *tally) bool { return t.name == name }) {
			var names []string
			for _, t := range in.of {
				names = append(names, t.name)
			}
			return nil, fmt.Errorf("no field is named %q; the fields are %s", clip(name), listed(names))
		}
	}
	s := &Schema{}
	if text {
		s.Decimal = o.decimal
	}
	if text && o.decimal == "" {
		if s.Decimal, err = in.decimalSign(csv.comma != "" && csv.comma != ","); err != nil {
			return nil, err
		}
	}
	var wrong []string
	for _, t := range in.of {
		f, err := t.field(o, s.decimal())
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		if f.Name == "" && s.Field("") != nil {
			continue // one stands for all of them
		}
		s.Fields = append(s.Fields, f)
	}
	const most = 3
	if n := len(wrong); n > most {
		wrong = append(wrong[:most], fmt.Sprintf("and %d more columns", n-most))
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return s, nil
}

// decimalSign is what decimals begin with, "" for a point.
func (in *tallies) decimalSign(apart bool) (string, error) {
	var comma, point *tally
	for _, t := range in.of {
		if t.declare == Category || t.declare == Ignored || t.layout != "" {
			continue
		}
		if t.commas > 0 && t.commas+t.numbers+t.numbersBoth == t.n && comma == nil {
			comma = t
		}
		if t.points > 0 && point == nil {
			point = t
		}
	}
	switch {
	case comma == nil:
		return "", nil
	case apart && point == nil:
		return ",", nil
	case point != nil:
		return "", fmt.Errorf("%s: column %q: %q has a comma, but column %q has numbers with a point, as %q in %s; declare DecimalComma() if decimals begin with a comma, or what the columns are, as Category.Of(%q)",
			comma.firstComma.place, clip(comma.name), clip(comma.firstComma.text), clip(point.name), clip(point.firstPoint.text), point.firstPoint.place, clip(comma.name))
	}
	return "", fmt.Errorf("%s: column %q: %q is a number only if its comma begins the decimals; declare DecimalComma() if so, or Category.Of(%q)",
		comma.firstComma.place, clip(comma.name), clip(comma.firstComma.text), clip(comma.name))
}

// repeated returns a name that comes twice.
func repeated(names []string) (string, bool) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] && name != "" {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}
