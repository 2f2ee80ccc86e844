package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Kind is what a field of a table is to a model.
type Kind string

// The kinds of fields, with the columns that they become.
const (
	Number   Kind = "number"   // a place of numeric
	Category Kind = "category" // a place of categorical: the id of a text or of a number that is a code
	Date     Kind = "date"     // places of numeric: the year, sine and cosine of month, weekday and hour
	Label    Kind = "label"    // y: the class, -1 for a row without one
	Target   Kind = "target"   // a place of target: a number to predict
	Weight   Kind = "weight"   // weight: what the row counts in a loss
	Group    Kind = "group"    // group: whom or what the row is of, for splits
	Time     Kind = "time"     // time: a date in seconds since 1970, or a whole number, for splits
	Ignored  Kind = "ignored"  // none
)

// fieldKinds are all of them, in the order in which errors list them.
var fieldKinds = []Kind{Number, Category, Date, Label, Target, Weight, Group, Time, Ignored}

// The ids of a category that are none of its values.
const (
	UnseenID  = 0 // a value that is not in Field.Values
	MissingID = 1 // no value
	firstID   = 2 // Field.Values[0]
)

// Schema says what the fields of a table are, so that a file that is read later becomes the same columns as the one that
// a model was trained on. [Infer] makes it of a file; it may be printed, changed, and written down as JSON.
//
// Rows that were read by a schema have, as far as it has fields of their kinds, the columns
//
//	numeric      f32[k]  Missing; numbers and dates
//	categorical  i64[c]  0 is a value never seen, 1 is missing, 2, 3, … are Field.Values
//	y            i64[]   the place of the label in Field.Values, -1 for none
//	target       f32[m]  Missing
//	weight       f32[]
//	group        i64[]
//	time         i64[]
//
// in each of which the fields are in the order of the schema, unless Renamed gives a column another name. The order of a file's own columns does not matter.
type Schema struct {
	Fields []Field `json:"fields"`
	// Comma separates the fields of a CSV file; "" is a comma.
	Comma string `json:"comma,omitempty"`
	// Decimal is the sign before the decimals of a number in a CSV file, "." or ","; "" is a point.
	Decimal string `json:"decimal,omitempty"`
	// NoHeader says that the first line of a CSV file is a row, and fields are named by their places, from "0" on.
	NoHeader bool `json:"noHeader,omitempty"`
	// Renamed has the columns of the rows that have another name than the above, such as {"numeric": "x"} for a model whose
	// input is x. [Table.Rename] enters them.
	Renamed map[string]string `json:"renamed,omitempty"`
}

// Field is one field of a table.
type Field struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Unit is what a Number or Target is measured in, for those who read the schema.
	Unit string `json:"unit,omitempty"`
	// Missing are the spellings of no value, next to an empty field, which always is none. Without any these are NA,
	// N/A, NaN, null, none, ? and -, in small letters or capitals; [""] is the empty field alone. -999 is also -999.0.
	Missing []string `json:"missing,omitempty"`
	// Values are the values of a Category, the classes of a Label, and the names of a Group, in the order of their
	// numbers. A Group without values is a whole number. 3.0 is also 3, and True is true.
	Values []string `json:"values,omitempty"`
	// Format is how a Date or a Time is written, as a layout of package time. "2006-01-02" is the date of ISO 8601, and
	// "2006-01-02T15:04:05Z07:00" its date and time, in which a blank may stand for the T, and fractions, seconds and
	// the zone may be left out. A Time without one is a whole number.
	Format string `json:"format,omitempty"`
	// Note is what [Infer] has to say of the field.
	Note string `json:"note,omitempty"`
}

const (
	maxSchema = 1 << 28 // bytes of a schema's file
	maxValues = 1 << 16 // values of a field
	maxField  = 1 << 20 // bytes of one field of a row
)

// SchemaOf returns the schema that a source was read by, or nil: of a [Selection] and of [Windows] that of the rows they are made
// of, of a [Mixture] that of its first source, or else of its second. A source of your own tells it by a method Schema, like
// [Table.Schema].
func SchemaOf(src Source) *Schema {
	if s, ok := src.(interface{ Schema() *Schema }); ok {
		return s.Schema()
	}
	return nil
}

// Schema returns a copy of the schema that the table was read by, or nil. Selections and edits keep it.
func (t *Table) Schema() *Schema {
	if t == nil {
		return nil
	}
	return t.schema.Clone()
}

// Schema returns the schema of the source that the rows are chosen from, or nil.
func (s *Selection) Schema() *Schema { return SchemaOf(s.source()) }

// Schema is that of the steps.
func (w *windows) Schema() *Schema { return SchemaOf(w.given) }

// Schema returns the schema of the first source, or of the second if the first has none.
func (m *Mixture) Schema() *Schema {
	if m == nil {
		return nil
	}
	for i := range m.parts {
		if s := SchemaOf(m.parts[i].given); s != nil {
			return s
		}
	}
	return nil
}

// without is the schema of rows that lack columns; nil if nothing is left of it.
func (s *Schema) without(columns []string) *Schema {
	c := s.Clone()
	if c == nil {
		return nil
	}
	c.Fields = slices.DeleteFunc(c.Fields, func(f Field) bool { return slices.Contains(columns, s.Column(f.Kind)) })
	if len(c.Columns()) == 0 {
		return nil
	}
	return c
}

// Clone returns a copy that shares nothing with the schema.
func (s *Schema) Clone() *Schema {
	if s == nil {
		return nil
	}
	c := *s
	c.Fields, c.Renamed = slices.Clone(s.Fields), maps.Clone(s.Renamed)
	for i := range c.Fields {
		f := &c.Fields[i]
		f.Missing, f.Values = slices.Clone(f.Missing), slices.Clone(f.Values)
	}
	return &c
}

// Field returns the field of that name, to be read or changed, or nil if there is none.
func (s *Schema) Field(name string) *Field {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// Inputs returns the schema of the fields that a model is given: numbers, categories and dates. It reads files that lack
// the others, as those do of which the answers are wanted.
func (s *Schema) Inputs() *Schema {
	c := s.Clone()
	c.Fields = slices.DeleteFunc(c.Fields, func(f Field) bool { return f.Kind != Number && f.Kind != Category && f.Kind != Date })
	return c
}

// Cardinalities returns the number of ids of every place of the column categorical: of each Category the number of values
// and two.
func (s *Schema) Cardinalities() []int {
	var n []int
	for _, f := range s.Fields {
		if f.Kind == Category {
			n = append(n, len(f.Values)+firstID)
		}
	}
	return n
}

// Classes returns the names of the classes in the order of their numbers, nil without a Label or a schema.
func (s *Schema) Classes() []string {
	if s == nil {
		return nil
	}
	for _, f := range s.Fields {
		if f.Kind == Label {
			return slices.Clone(f.Values)
		}
	}
	return nil
}

// Numeric returns the names of the places of the column numeric: the names of the Numbers, and those of the Dates with
// what of the date it is, such as "day.month.sin".
func (s *Schema) Numeric() []string {
	var names []string
	for _, f := range s.Fields {
		switch f.Kind {
		case Number:
			names = append(names, f.Name)
		case Date:
			for _, part := range datePartNames[:dateParts(f.Format)] {
				names = append(names, f.Name+"."+part)
			}
		}
	}
	return names
}

// Categorical returns the names of the places of the column categorical.
func (s *Schema) Categorical() []string { return s.names(Category) }

// Places returns how many places the field takes in its column: several for a Date, none for a field that is ignored.
func (f *Field) Places() int {
	switch f.Kind {
	case Date:
		return dateParts(f.Format)
	case Ignored:
		return 0
	}
	return 1
}

// Targets returns the names of the places of the column target.
func (s *Schema) Targets() []string { return s.names(Target) }

func (s *Schema) names(k Kind) []string {
	var names []string
	for _, f := range s.Fields {
		if f.Kind == k {
			names = append(names, f.Name)
		}
	}
	return names
}

// Columns describes the columns of rows that are read by the schema.
func (s *Schema) Columns() []Column {
	var cols []Column
	add := func(name string, d DType, missing bool, shape ...int) {
		if len(shape) == 0 || shape[0] > 0 {
			cols = append(cols, Column{Name: name, DType: d, Shape: shape, Missing: missing})
		}
	}
	add(s.Column(Number), F32, true, len(s.Numeric()))
	add(s.Column(Category), I64, false, len(s.Categorical()))
	for _, k := range []Kind{Label, Target, Weight, Group, Time} {
		n := len(s.names(k))
		switch {
		case n == 0:
		case k == Label:
			add(s.Column(k), I64, false)
		case k == Target:
			add(s.Column(k), F32, true, n)
		case k == Weight:
			add(s.Column(k), F32, false)
		default:
			add(s.Column(k), I64, false)
		}
	}
	return cols
}

// Check returns what is wrong with the schema, with the field's name.
func (s *Schema) Check() error {
	if s == nil {
		return errors.New("dataset: the schema is nil")
	}
	if err := s.check(); err != nil {
		return fmt.Errorf("dataset: schema: %w", err)
	}
	return nil
}

func (s *Schema) check() error {
	if _, err := commaOf(s.Comma); err != nil {
		return err
	}
	switch {
	case len(s.Fields) == 0:
		return fmt.Errorf("%w: it has no fields", ErrEmpty)
	case len(s.Fields) > maxFields:
		return fmt.Errorf("it has %d fields; %d are the most", len(s.Fields), maxFields)
	case s.Decimal != "" && s.Decimal != "." && s.Decimal != ",":
		return fmt.Errorf(`decimal is %q; it is "." or ","`, clip(s.Decimal))
	}
	place, single := map[string]int{}, map[Kind]string{}
	for i := range s.Fields {
		f := &s.Fields[i]
		if err := f.check(); err != nil {
			return fmt.Errorf("field %q (number %d): %w", clip(f.Name), i, err)
		}
		if j, ok := place[f.Name]; ok {
			return fmt.Errorf("field %q (number %d): field %d has that name too", clip(f.Name), i, j)
		}
		place[f.Name] = i
		switch f.Kind {
		case Label, Weight, Group, Time:
			if other, ok := single[f.Kind]; ok {
				return fmt.Errorf("field %q (number %d): it is a %s, and so is %q; there can be one", clip(f.Name), i, f.Kind, clip(other))
			}
			single[f.Kind] = f.Name
		}
	}
	if len(s.Columns()) == 0 {
		return fmt.Errorf("%w: every field is ignored", ErrEmpty)
	}
	return s.checkNames()
}

func (f *Field) check() error {
	if !slices.Contains(fieldKinds, f.Kind) {
		return fmt.Errorf("its kind is %q; the kinds are %s", clip(string(f.Kind)), joined(fieldKinds))
	}
	switch {
	case f.Name == "" && f.Kind != Ignored:
		return errors.New("it has no name")
	case !utf8.ValidString(f.Name) || len(f.Name) > maxField:
		return errors.New("its name is not UTF-8, or too long")
	case f.Unit != "" && f.Kind != Number && f.Kind != Target:
		return fmt.Errorf("it is a %s and cannot have the unit %q; a %s or %s can", f.Kind, clip(f.Unit), Number, Target)
	case len(f.Values) > 0 && f.Kind != Category && f.Kind != Label && f.Kind != Group && f.Kind != Ignored:
		return fmt.Errorf("it is a %s and cannot have values; a %s, %s or %s can", f.Kind, Category, Label, Group)
	case f.Kind == Category && len(f.Values) == 0:
		return errors.New("it is a category without values")
	case f.Kind == Label && len(f.Values) == 0:
		return errors.New("it is a label without values, which name the classes")
	case len(f.Values) > maxValues:
		return fmt.Errorf("it has %d values; %d are the most", len(f.Values), maxValues)
	case f.Kind == Date && f.Format == "":
		return fmt.Errorf("it is a date without a format, such as %q", isoDate)
	case f.Format != "" && f.Kind != Date && f.Kind != Time && f.Kind != Ignored:
		return fmt.Errorf("it is a %s and cannot have a format; a %s or %s can", f.Kind, Date, Time)
	}
	if f.Format != "" {
		if err := checkLayout(f.Format); err != nil {
			return err
		}
	}
	missing := newMissing(f.Missing)
	seen := make(map[string]bool, len(f.Values))
	for _, v := range f.Values {
		switch {
		case !utf8.ValidString(v) || len(v) > maxField:
			return errors.New("a value is not UTF-8, or too long")
		case strings.TrimSpace(v) != v:
			return fmt.Errorf("the value %q begins or ends with a blank, which readers leave out", clip(v))
		case missing.is([]byte(v)):
			return fmt.Errorf("the value %q is also a spelling of no value", clip(v))
		case seen[v]:
			return fmt.Errorf("the value %q comes twice", clip(v))
		}
		seen[v] = true
	}
	return nil
}

func joined[T ~string](names []T) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

// decimal is the sign before decimals.
func (s *Schema) decimal() byte {
	if s.Decimal == "," {
		return ','
	}
	return '.'
}

// UnmarshalJSON reads the JSON form. Errors: those of [Schema.Check]; JSON that is none, or has other names than the form.
func (s *Schema) UnmarshalJSON(b []byte) error {
	type plain Schema // without this method
	var p plain
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var of *json.UnmarshalTypeError
	if err := d.Decode(&p); errors.As(err, &of) {
		if of.Field == "" {
			return fmt.Errorf("dataset: schema: it is a JSON %s, and not an object with fields", of.Value)
		}
		return fmt.Errorf("dataset: schema: %s cannot be a JSON %s", of.Field, of.Value)
	} else if err != nil {
		return fmt.Errorf("dataset: schema: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := (*Schema)(&p).Check(); err != nil {
		return err
	}
	*s = Schema(p)
	return nil
}

// WriteFile writes the JSON form to a file, whole or not at all, in which it may be changed. Errors: those of
// [Schema.Check]; the file cannot be written.
func (s *Schema) WriteFile(path string) error {
	if err := s.Check(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return fmt.Errorf("dataset: schema: %w", err)
	}
	if err := atomicfile.WriteBytes(path, append(b, '\n')); err != nil {
		return fmt.Errorf("dataset: schema: %w", err)
	}
	return nil
}

// ReadSchema reads the JSON form of a schema from a file. Errors: there is no such file; it is no schema, with the name of
// the field that is wrong.
func ReadSchema(path string) (*Schema, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxSchema {
		return nil, fmt.Errorf("dataset: %s: it has %d bytes, and a schema at most %d", path, size, maxSchema)
	}
	b, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	s := new(Schema)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, &inFile{path, err}
	}
	return s, nil
}

// String is the schema as a table, for people.
func (s *Schema) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range s.Fields {
		var more []string
		if f.Unit != "" {
			more = append(more, f.Unit)
		}
		if f.Format != "" {
			more = append(more, f.Format)
		}
		if n := len(f.Values); n > 0 {
			const shown = 4
			text := strings.Join(f.Values[:min(n, shown)], ", ")
			if n > shown {
				text += fmt.Sprintf(", … %d in all", n)
			}
			more = append(more, clip(text))
		}
		if f.Note != "" {
			more = append(more, "("+f.Note+")")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", clip(f.Name), f.Kind, strings.Join(more, "; "))
	}
	w.Flush()
	var lines strings.Builder
	for line := range strings.Lines(b.String()) {
		lines.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if s.Comma != "" || s.decimal() != '.' {
		comma, _ := commaOf(s.Comma)
		fmt.Fprintf(&lines, "fields are separated by %q, decimals begin with %q\n", comma, string(s.decimal()))
	}
	return lines.String()
}
