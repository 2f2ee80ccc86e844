package dataset

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	categoryValues = 1000    // values of a text that nobody declared
	allValues      = 1 << 22 // values of all fields together
	allTexts       = 1 << 27 // bytes of them
	nameValues     = 20      // from so many values on a text may be one of names
)

// tallies counts what the fields of records hold.
type tallies struct {
	o    *inference
	of   []*tally
	name map[string]bool
	rows int

	kept, bytes int // values kept by all of them, and their bytes
}

// seen is a text and where it was.
type seen struct{ text, place string }

// tally counts what one field holds.
type tally struct {
	all     *tallies
	name    string
	first   bool // it is the first field
	declare Kind // what it was declared, "" for nothing
	layout  string
	missing missing

	n           int // values
	numbers     int // with a point or whole
	numbersBoth int // of numbers that no sign tells apart: not counted in numbers
	points      int // of numbers, those with a point
	commas      int // numbers if a comma begins the decimals
	dates       int
	moments     int // dates with a time of day
	others      int
	beyond      int // of others, those that are infinite or too great for float32
	figures     int // of others, those that are written like numbers or dates
	unlabelled  int // rows whose text is a spelling of no value

	firstComma, firstPoint, firstOther, firstDay, firstMoment, firstNumber seen
	firstFigures, firstPadded, firstGreat, firstUnlabelled                 seen
	errOther                                                               error // why firstOther is no number

	whole   bool // every number is whole
	counts  bool // it numbers the rows
	counted int64

	values *vocabulary
	texts  []string // that values has
	over   bool     // there are more than are kept
	latin  bool
}

func (in *tallies) tally(name string) *tally {
	t := &tally{all: in, name: name, first: len(in.of) == 0, declare: in.o.kind[name], layout: in.o.layout[name], missing: newMissing(in.o.missingOf(name)),
		values: newVocabulary(), whole: true, counts: in.rows == 0}
	if t.layout != "" && t.declare == "" {
		t.declare = Date
	}
	return t
}

// add counts a record.
func (in *tallies) add(r Record) error {
	for len(in.of) < len(r.Names) {
		name := r.Names[len(in.of)]
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name of column %d is not UTF-8", len(in.of))
		}
		if in.name[name] && name != "" {
			return fmt.Errorf("two fields are named %q", clip(name))
		}
		in.name[name] = true
		in.of = append(in.of, in.tally(name))
	}
	if in.rows == 0 && r.AllNames && !slices.ContainsFunc(in.of, func(t *tally) bool { return t.declare != Ignored }) {
		return fmt.Errorf("%w: every field is ignored", ErrEmpty)
	}
	if len(r.Fields) > len(r.Names) {
		return fmt.Errorf("a record has %d fields, but %d names", len(r.Fields), len(r.Names))
	}
	for i, b := range r.Fields {
		t := in.of[i]
		if t.declare == Ignored {
			continue
		}
		if b = trimmed(b); !t.missing.is(b) {
			t.add(b, r, i)
			continue
		}
		t.counts = false
		if len(b) > 0 && t.declare == Label {
			if t.unlabelled++; t.unlabelled == 1 {
				t.firstUnlabelled = in.at(b, r, i)
			}
		}
	}
	in.rows++
	return nil
}

func (in *tallies) at(b []byte, r Record, field int) seen {
	place := fmt.Sprintf("row %d", in.rows)
	if r.Line > 0 {
		place = fmt.Sprintf("line %d", lineOf(r.Line, r.Fields, field))
	}
	return seen{clip(string(b)), place}
}

// add counts a value.
func (t *tally) add(b []byte, r Record, field int) {
	t.n++
	if t.layout == "" {
		t.classify(b, r, field)
	} else if _, err := parseDate(b, t.layout); err == nil {
		t.dates++
	} else if t.others++; t.others == 1 {
		t.firstOther, t.errOther = t.all.at(b, r, field), err
	}
	t.keep(b)
}

// classify tells what a value is.
func (t *tally) classify(b []byte, r Record, field int) {
	if looksLikeDate(b) {
		_, rest, ok := dayOf(b)
		day := ok && len(rest) == 0
		if !day {
			_, ok = momentOf(b)
		}
		if ok {
			first := &t.firstDay
			if t.dates++; !day {
				t.moments++
				first = &t.firstMoment
			}
			if first.place == "" {
				*first = t.all.at(b, r, field)
			}
			t.counts = false
			return
		}
	}
	if _, fault := parseFloat32(b, '.'); fault != 0 {
		t.counts = false
		if bytes.IndexByte(b, ',') >= 0 {
			if _, fault := parseFloat32(b, ','); fault == 0 {
				if t.commas++; t.commas == 1 {
					t.firstComma = t.all.at(b, r, field)
				}
				t.whole = false
				return
			}
		}
		if fault == isBeyond || fault == isInfinite {
			t.beyond++
		}
		if t.others++; t.others == 1 {
			t.firstOther, t.errOther = t.all.at(b, r, field), fault.err(b, '.')
		}
		if onlyFigures(b) {
			if t.figures++; t.figures == 1 {
				t.firstFigures = t.all.at(b, r, field)
			}
		}
		return
	}
	if bytes.IndexByte(b, '.') >= 0 {
		if t.points++; t.points == 1 {
			t.firstPoint = t.all.at(b, r, field)
		}
		t.numbers++
	} else {
		t.numbersBoth++
	}
	if t.numbers+t.numbersBoth == 1 {
		t.firstNumber = t.all.at(b, r, field)
	}
	if t.firstPadded.place == "" && len(b) > 1 && b[0] == '0' && isDigits(b) {
		t.firstPadded = t.all.at(b, r, field)
	}
	if t.firstGreat.place == "" && len(b) >= len("16777216") && isDigits(b) {
		if v, err := parseWhole(b); err != nil || v > exactFloat32 {
			t.firstGreat = t.all.at(b, r, field)
		}
	}
	if t.whole || t.counts {
		w, err := parseWhole(b)
		t.whole = t.whole && err == nil
		if t.all.rows == 0 {
			t.counted = w
		}
		t.counts = t.counts && err == nil && t.counted >= 0 && t.counted <= 1 && w == t.counted+int64(t.all.rows)
	}
}

// exactFloat32 is up to where float32 has every whole number.
const exactFloat32 = 1 << 24

// isDigits reports whether a text is digits alone.
func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// onlyFigures reports whether a text that is no number is written as one with thousands marked, or as a date.
func onlyFigures(b []byte) bool {
	digits := 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '.' && c != ',' && c != '/' && c != '\'' && c != ' ':
			return false
		}
	}
	return digits > 3 && digits < len(b)
}

// keep notes a value, unless there are too many.
func (t *tally) keep(b []byte) {
	if t.over {
		return
	}
	if _, ok := t.values.get(b); ok {
		return
	}
	most := categoryValues
	switch t.declare {
	case Category, Label, Group:
		most = maxValues
	case "":
	default:
		most = 2 // enough to know that they differ
	}
	if !utf8.Valid(b) {
		t.latin = true
		b = []byte(latin1(b))
		if _, ok := t.values.get(b); ok {
			return
		}
	}
	if len(t.texts) == most || t.all.kept == allValues || t.all.bytes+len(b) > allTexts {
		for _, v := range t.texts {
			t.all.bytes -= len(v)
		}
		t.all.kept -= len(t.texts)
		t.over, t.values, t.texts = true, nil, nil
		return
	}
	t.values.put(b, 0)
	t.texts = append(t.texts, string(b))
	t.all.kept++
	t.all.bytes += len(b)
}

// sorted are the values in order: numbers by size, texts as they are. Whole numbers are without decimals, with which some
// programs write them as soon as one is missing, and truth values that are spelled in several ways in small letters.
func (t *tally) sorted() []string {
	values := slices.Sorted(slices.Values(t.texts))
	if t.whole && t.numbers+t.numbersBoth == t.n {
		for i, v := range values {
			values[i] = string(withoutZeros([]byte(v)))
		}
		slices.Sort(values)
		values = slices.Compact(values)
	}
	spelled := map[string]int{}
	for _, v := range values {
		spelled[string(alike([]byte(v)))]++
	}
	if n := spelled["true"] + spelled["false"]; n == len(values) && n > len(spelled) {
		values = slices.Sorted(maps.Keys(spelled))
	}
	numbers := make(map[string]float64, len(values))
	for _, v := range values {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return values
		}
		numbers[v] = f
	}
	slices.SortStableFunc(values, func(a, b string) int {
		switch x, y := numbers[a], numbers[b]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return values
}

// field is what the field is.
func (t *tally) field(o *inference, decimal byte) (Field, error) {
	f := Field{Name: t.name, Kind: t.declare, Unit: o.unit[t.name], Missing: slices.Clone(o.missingOf(t.name)), Format: t.layout}
	if f.Kind == Ignored {
		f.Unit, f.Missing, f.Format = "", nil, ""
		return f, nil
	}
	numbers := t.numbersBoth
	if decimal == ',' {
		numbers += t.commas
	} else {
		numbers += t.numbers
	}
	wrong := func(format string, a ...any) (Field, error) {
		return f, fmt.Errorf("column %q: %s", clip(t.name), fmt.Sprintf(format, a...))
	}
	if t.n == 0 {
		if f.Kind != "" && f.Kind != Number && f.Kind != Category && f.Kind != Date {
			return wrong("it is to be a %s, but no row has a value", f.Kind)
		}
		return Field{Name: t.name, Kind: Ignored, Note: "no row has a value"}, nil
	}
	switch f.Kind {
	case "":
		if err := t.guess(&f, numbers, decimal); err != nil {
			return f, err
		}
	case Number, Target, Weight:
		if numbers < t.n {
			return f, t.notAll("number", decimal)
		}
	case Date:
		if f.Format == "" && t.mixed() {
			return f, t.notAll("date", decimal)
		}
		if f.Format == "" {
			f.Format = t.iso()
		}
		if t.dates < t.n {
			return f, t.notAll("date", decimal)
		}
	case Time:
		switch {
		case f.Format == "" && t.mixed():
			return f, t.notAll("date", decimal)
		case t.dates == t.n && f.Format == "":
			f.Format = t.iso()
		case f.Format == "" && (numbers < t.n || !t.whole):
			return wrong("it is to be a %s, and has neither ISO dates nor whole numbers only; Layout says how other dates are written", Time)
		case f.Format != "" && t.dates < t.n:
			return f, t.notAll("date", decimal)
		}
	case Group:
		if numbers == t.n && t.whole && (t.firstPadded.place == "" || t.over) {
			break // they are their own numbers
		}
		fallthrough
	case Category, Label:
		if t.over {
			more := ""
			if f.Kind == Label {
				more = "; Target is for numbers to predict"
			}
			return wrong("it is to be a %s, but has more than %d values%s; Ignored.Of(%q) leaves it out", f.Kind, maxValues, more, clip(t.name))
		}
		f.Values = t.sorted()
	}
	if (f.Kind == Weight || f.Kind == Group || f.Kind == Time) && t.n < t.all.rows {
		return wrong("it is to be a %s, but %d of %d rows have no value", f.Kind, t.all.rows-t.n, t.all.rows)
	}
	if f.Note == "" {
		f.Note = t.note(f.Kind)
	}
	if t.latin && f.Note == "" {
		f.Note = "not UTF-8, and read as Latin-1"
	}
	return f, nil
}

// note is what deserves a look.
func (t *tally) note(k Kind) string {
	name := clip(t.name)
	switch {
	case k == Ignored:
	case !t.over && len(t.texts) == 1:
		return fmt.Sprintf("every value is %q", clip(t.texts[0]))
	case k == Label && t.unlabelled > 0:
		return fmt.Sprintf("%q, in %d rows, is no label; Missing(\"\", %q) makes it one", t.firstUnlabelled.text, t.unlabelled, name)
	case k == Number && t.firstPadded.place != "":
		return fmt.Sprintf("%q, as others, begins with 0; if these are codes, say Category.Of(%q)", t.firstPadded.text, name)
	case k == Number && t.points == 0 && t.firstGreat.place != "":
		return fmt.Sprintf("%q, as others, is a whole number that float32 may round; if these are codes or times, say so, as Category.Of(%q)", t.firstGreat.text, name)
	case k == Category && t.declare == "" && 2*t.figures > t.n:
		return fmt.Sprintf("%q, as most, is text; Layout tells how dates are written, and numbers must not have their thousands marked", t.firstFigures.text)
	}
	return ""
}

// iso is the ISO layout of the dates.
func (t *tally) iso() string {
	if t.moments > 0 {
		return isoTime
	}
	return isoDate
}

// mixed reports whether some dates have a time of day and others have none.
func (t *tally) mixed() bool { return t.moments > 0 && t.moments < t.dates }

// guess is what a field is that nobody declared.
func (t *tally) guess(f *Field, numbers int, decimal byte) error {
	switch {
	case t.first && isIndex(t.name) && len(t.all.of) > 1:
		*f = Field{Name: t.name, Kind: Ignored, Note: "the first and without a name, so taken for an index"}
	case t.name == "":
		return fmt.Errorf("a field that is not the first has no name; give it one, or say Ignored.Of(%q)", "")
	case numbers == t.n:
		f.Kind = Number
		if t.counts && t.all.rows >= fewRows {
			f.Note = fmt.Sprintf("numbers the rows from %d on; Ignored.Of(%q) leaves it out", t.counted, clip(t.name))
		}
	case t.dates == t.n && !t.mixed():
		f.Kind, f.Format = Date, t.iso()
	case 2*(t.numbers+t.numbersBoth+t.commas+t.beyond) > t.n:
		return t.notAll("number", decimal)
	case 2*t.dates > t.n:
		return t.notAll("date", decimal)
	case t.over:
		*f = Field{Name: t.name, Kind: Ignored, Note: fmt.Sprintf("text of more than %d values; Category.Of(%q) takes it", categoryValues, clip(t.name))}
	case len(t.texts) > nameValues && 2*len(t.texts) > t.n:
		*f = Field{Name: t.name, Kind: Ignored, Note: fmt.Sprintf("text of %d values in %d rows, as names are; Category.Of(%q) takes it", len(t.texts), t.n, clip(t.name))}
	default:
		f.Kind, f.Values = Category, t.sorted()
		if numbers > 0 {
			f.Note = fmt.Sprintf("%d of %d values are numbers", numbers, t.n)
		}
	}
	return nil
}

// notAll says that some values are not what the others are.
func (t *tally) notAll(what string, decimal byte) error {
	odd, why := t.firstOther, ""
	if t.errOther != nil {
		why = t.errOther.Error()
	}
	pick := func(s seen, err string) {
		if s.place != "" && odd.place == "" {
			odd, why = s, err
		}
	}
	if what == "number" {
		sign := "comma"
		if decimal == ',' {
			sign = "point"
			pick(t.firstPoint, fmt.Sprintf("%q has decimals after a %s", t.firstPoint.text, sign))
		} else {
			pick(t.firstComma, fmt.Sprintf("%q is no number, unless DecimalComma() is declared", t.firstComma.text))
		}
		pick(t.firstDay, fmt.Sprintf("%q is a date", t.firstDay.text))
		pick(t.firstMoment, fmt.Sprintf("%q is a date", t.firstMoment.text))
	} else {
		why = fmt.Sprintf("%q is no date", odd.text)
		if t.layout != "" && t.errOther != nil {
			why = t.errOther.Error()
		}
		if odd.place == "" {
			pick(t.firstNumber, fmt.Sprintf("%q is a number", t.firstNumber.text))
			pick(t.firstComma, fmt.Sprintf("%q is no date", t.firstComma.text))
			if odd.place == "" { // dates with and without a time of day
				return fmt.Errorf("%s: column %q: %q has a time of day, and %q in %s has none; write all dates alike, or say Category.Of(%q) or Ignored.Of(%q)",
					t.firstMoment.place, clip(t.name), t.firstMoment.text, t.firstDay.text, t.firstDay.place, clip(t.name), clip(t.name))
			}
		}
	}
	name := strconv.Quote(clip(t.name))
	hint := fmt.Sprintf("if that is no value, say Missing(%q, %s)", odd.text, name)
	if t.declare == "" {
		hint += fmt.Sprintf("; if the column is text, Category.Of(%s) or Ignored.Of(%s)", name, name)
	}
	why = strings.TrimSuffix(why, "; data must be finite")
	if t.numbers+t.numbersBoth+t.commas+t.dates > 0 {
		why += fmt.Sprintf(", but others are %ss", what)
	}
	return fmt.Errorf("%s: column %s: %s; %s", odd.place, name, why, hint)
}
