package dataset

import (
	"context"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FromStructs makes a table of a slice of structs: it infers a schema from tags and values, as [Infer] does, and reads the
// rows by it.
//
//	type Person struct {
//		Age     float64 `lamina:"age,number,unit=years"`
//		Zip     string  `lamina:"zip,category"`
//		Born    time.Time
//		Left    *bool  `lamina:",label"` // nil is no value
//		Comment string `lamina:"-"`      // is left out
//	}
//
// A tag is a name, a [Kind], unit= and format=, each of which may be left out; a field without one has its Go name.
// Fields are numbers, texts, truth values, [time.Time], and pointers to them; NaN, a nil pointer and the zero time
// are no value, and so are texts that spell it. Other rows of the same type are read by the schema that the table has:
//
//	table, err := schema.Read(ctx, dataset.Structs(slices.Values(people)))
//
// Errors: those of [Structs] and [InferRecords].
func FromStructs[T any](rows []T, options ...InferOption) (*Table, error) {
	r := Structs(slices.Values(rows))
	s, err := InferRecords(context.Background(), r, options...)
	if err != nil {
		return nil, err
	}
	return s.Read(context.Background(), r)
}

// Structs returns structs, or pointers to them, as [Records], by the tags that [FromStructs] has. seq is gone over as often
// as the records are read, so it must give the same each time.
// Errors (of whoever reads): the type is no struct, has a bad tag, two fields of one name, or a field of another type.
func Structs[T any](seq iter.Seq[T]) Records {
	return &structRecords{typ: reflect.TypeFor[T](), each: func(f func(reflect.Value) bool) {
		for v := range seq {
			if !f(reflect.ValueOf(&v).Elem()) {
				return
			}
		}
	}}
}

// structRecords are structs as Records.
type structRecords struct {
	typ  reflect.Type
	each func(func(reflect.Value) bool)
}

// Each implements [Records].
func (r *structRecords) Each(ctx context.Context, do func(Record) error) error {
	fields, err := structFields(r.typ)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	rec := Record{AllNames: true, Fields: make([][]byte, len(fields))}
	for _, f := range fields {
		rec.Names = append(rec.Names, f.name)
	}
	texts := make([][]byte, len(fields))
	row := 0
	r.each(func(v reflect.Value) bool {
		if err = ctx.Err(); err != nil {
			return false
		}
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				err = fmt.Errorf("dataset: row %d: the pointer is nil", row)
				return false
			}
			v = v.Elem()
		}
		for i, f := range fields {
			texts[i] = texts[i][:0]
			if b, ok := f.text(texts[i], v.Field(f.at)); ok {
				texts[i], rec.Fields[i] = b, b
			} else {
				rec.Fields[i] = nil
			}
		}
		row++
		err = do(rec)
		return err == nil
	})
	return err
}

// declared is what the tags say.
func (r *structRecords) declared(o *inference) error {
	fields, err := structFields(r.typ)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if _, ok := o.kind[f.name]; !ok && f.kind != "" {
			o.kind[f.name] = f.kind
		}
		if _, ok := o.unit[f.name]; !ok && f.unit != "" {
			o.unit[f.name] = f.unit
		}
		if _, ok := o.layout[f.name]; !ok && f.format != "" {
			o.layout[f.name] = f.format
		}
	}
	return nil
}

// structField is a field of a struct that becomes one of a table.
type structField struct {
	at           int
	name         string
	kind         Kind
	unit, format string
	pointer      bool
}

const structTag = "lamina"

var timeType = reflect.TypeFor[time.Time]()

// structFields are the fields of a struct, by its tags.
func structFields(t reflect.Type) ([]structField, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return nil, fmt.Errorf("%s is no struct", t)
	}
	var fields []structField
	names := map[string]string{}
	for i := range t.NumField() {
		g := t.Field(i)
		tag, tagged := g.Tag.Lookup(structTag)
		if !g.IsExported() && !tagged && !g.Anonymous || tag == "-" {
			continue
		}
		wrong := func(format string, a ...any) ([]structField, error) {
			return nil, fmt.Errorf("field %s of %s: %s", g.Name, t, fmt.Sprintf(format, a...))
		}
		if g.Anonymous && !tagged {
			return wrong("it is embedded, and not taken apart; make its fields ones of %s, or leave it out by the tag \"-\"", t)
		}
		if !g.IsExported() {
			return wrong("it has a tag, but its name does not begin with a capital letter")
		}
		f, err := parseTag(tag)
		if err != nil {
			return wrong("tag %q: %v", clip(tag), err)
		}
		if f.at = i; f.name == "" {
			f.name = g.Name
		}
		if other, ok := names[f.name]; ok {
			return wrong("field %s is named %q too", other, f.name)
		}
		names[f.name] = g.Name
		typ := g.Type
		if f.pointer = typ.Kind() == reflect.Pointer; f.pointer {
			typ = typ.Elem()
		}
		switch k := typ.Kind(); {
		case typ == timeType:
			if f.kind == "" {
				f.kind = Date
			}
			if f.kind == Date || f.kind == Time {
				if f.format == "" {
					f.format = isoTime
				}
			} else {
				f.format = ""
			}
		case k == reflect.Bool:
			if f.kind == "" {
				f.kind = Category
			}
		case k == reflect.String, k >= reflect.Int && k <= reflect.Uint64, k == reflect.Float32, k == reflect.Float64:
		default:
			return wrong("a %s is no value of a table; its fields are numbers, texts, truth values and time.Time; the tag \"-\" leaves it out", g.Type)
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("%s has no exported fields", t)
	}
	return fields, nil
}

// parseTag reads what stands in a tag: a name, a kind, unit= and format=.
func parseTag(tag string) (f structField, err error) {
	name, rest, more := strings.Cut(tag, ",")
	f.name = strings.TrimSpace(name)
	for more {
		var part string
		// A format may have commas, so it comes last.
		if value, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), "format="); ok {
			part, rest, more = "format="+value, "", false
		} else {
			part, rest, more = strings.Cut(rest, ",")
		}
		key, value, has := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case key == "unit" && has && f.unit == "" && value != "":
			f.unit = value
		case key == "format" && has && value != "":
			f.format = value
		case !has && slices.Contains(fieldKinds, Kind(key)) && f.kind == "":
			f.kind = Kind(key)
		default:
			return f, fmt.Errorf("%q is neither a kind (%s), which comes once, nor unit= or format= with a value", clip(part), joined(fieldKinds))
		}
	}
	return f, nil
}

// text appends a value as text, and returns false for no value.
func (f *structField) text(b []byte, v reflect.Value) ([]byte, bool) {
	if f.pointer {
		if v.IsNil() {
			return b, false
		}
		v = v.Elem()
	}
	switch k := v.Kind(); k {
	case reflect.String:
		return append(b, v.String()...), true
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), true
	case reflect.Float32, reflect.Float64:
		x := v.Float()
		if math.IsNaN(x) {
			return b, false
		}
		size := 64
		if k == reflect.Float32 {
			size = 32
		}
		return strconv.AppendFloat(b, x, 'g', -1, size), true
	case reflect.Struct:
		t, _ := reflect.TypeAssert[time.Time](v)
		if t.IsZero() {
			return b, false
		}
		layout := f.format
		if layout == "" {
			layout = isoTime
		}
		return t.AppendFormat(b, layout), true
	}
	if v.CanInt() {
		return strconv.AppendInt(b, v.Int(), 10), true
	}
	return strconv.AppendUint(b, v.Uint(), 10), true
}
