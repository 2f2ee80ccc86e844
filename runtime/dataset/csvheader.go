package dataset

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// header is the names of a CSV file's fields.
type header struct {
	names  []string
	line   int
	absent bool // the first line is data, and the names are the fields' places
	notes  []string
}

// headerOptions is what is known of a header before it is read.
type headerOptions struct {
	kind  headerKind
	asked []string // fields that somebody names
}

// newHeader looks whether the first line names the fields.
func newHeader(first [][]byte, line int, o headerOptions) (*header, error) {
	h := &header{line: line}
	numbers, texts, latin := 0, 0, false
	for _, b := range first {
		b = trimmed(b)
		switch {
		case isNumber(b):
			numbers++
		case !usuallyMissing(b):
			texts++
		}
		name := string(b)
		if !utf8.ValidString(name) {
			name, latin = latin1(b), true
		}
		h.names = append(h.names, name)
	}
	switch {
	case o.kind == noHeader:
		h.absent = true
	case o.kind == hasHeader:
	case h.numbered():
		h.notes = append(h.notes, fmt.Sprintf("line %d numbers the fields from 0 on, so it is taken for their names; NoHeader() takes it for data", line))
	case texts == 0 && numbers > 0 && !h.named(o.asked):
		h.absent = true
		h.notes = append(h.notes, fmt.Sprintf("line %d is numbers, so it is taken for data and the fields are named by their places, from \"0\" to %q; Header() takes it for names", line, strconv.Itoa(len(first)-1)))
	case numbers > 0:
		h.notes = append(h.notes, fmt.Sprintf("line %d has numbers, but is taken for the names of the fields; NoHeader() takes it for data", line))
	}
	if h.absent {
		for i := range h.names {
			h.names[i] = strconv.Itoa(i)
		}
	} else if latin {
		h.notes = append(h.notes, "the names of the fields are not UTF-8 and are read as Latin-1")
	}
	return h, nil
}

// otherComma is what a line that is one field may be separated by, 0 for nothing.
func otherComma(line []byte) byte {
	best, most := byte(0), 0
	for _, comma := range []byte(";\t|") {
		if n := bytes.Count(line, []byte{comma}); n > most {
			best, most = comma, n
		}
	}
	return best
}

// numbered reports whether the line is 0, 1, 2 and so on, as a data frame without
// names is saved: after the empty name of an index, or of so many fields that it is
// hardly a row.
func (h *header) numbered() bool {
	const many = 3
	names := h.names
	index := isIndex(names[0])
	if index {
		names = names[1:]
	}
	for i, name := range names {
		if name != strconv.Itoa(i) {
			return false
		}
	}
	return index && len(names) > 0 || len(names) >= many
}

// named reports whether somebody asks for fields of the first line that are no places of fields.
func (h *header) named(asked []string) bool {
	for _, name := range asked {
		if i, err := strconv.Atoi(name); (err != nil || i < 0 || i >= len(h.names)) && slices.Contains(h.names, name) {
			return true
		}
	}
	return false
}

func (h *header) quoted(field int) string { return strconv.Quote(clip(h.names[field])) }

// csvPlan is which fields go where.
type csvPlan struct {
	cols  []packed
	label int // -1 for none
	index int // the field that is left out for an index, -1 for none
	first int // the first field if it is a feature that nobody asked for by name, else -1
}

// packed is one column to be and the fields it is made of.
type packed struct {
	Data
	fields []int
}

// plan finds the fields of every column.
func (h *header) plan(o CSVOptions) (*csvPlan, error) {
	p := &csvPlan{label: -1, index: -1, first: -1}
	place, err := h.places(o.skip)
	if err != nil {
		return nil, err
	}
	find := func(name string) (int, error) {
		if i, ok := place[name]; ok {
			return i, nil
		}
		return -1, h.noField(name, o.skip)
	}
	if o.Label != "" {
		if p.label, err = find(o.Label); err != nil {
			return nil, err
		}
	}
	taken := make([]bool, len(h.names))
	for i, name := range h.names {
		taken[i] = i == p.label || slices.Contains(o.skip, name)
	}
	for _, g := range o.Groups {
		for _, name := range g.Fields {
			if i, ok := place[name]; ok {
				taken[i] = true
			}
		}
	}
	groups, rest := o.Groups, false
	if len(groups) == 0 {
		groups = []CSVGroup{{Name: "x", Rest: true}}
	}
	for _, g := range groups {
		c := packed{Data: Data{Column: Column{Name: g.Name, DType: F32}}}
		if g.Rest && (rest || len(g.Fields) > 0) {
			return nil, fmt.Errorf("column %q is to be the rest of the fields: that is one column, without Fields", g.Name)
		}
		for _, name := range g.Fields {
			i, err := find(name)
			if err != nil {
				return nil, err
			}
			c.fields = append(c.fields, i)
		}
		if g.Rest {
			rest = true
			if c.fields, err = h.others(taken, p); err != nil {
				return nil, err
			}
		}
		p.cols = append(p.cols, c)
	}
	for i := range p.cols {
		n := len(p.cols[i].fields)
		if n == 0 {
			return nil, fmt.Errorf("column %q has no fields", p.cols[i].Name)
		}
		p.cols[i].Shape = []int{n}
	}
	return p, nil
}

// places are the numbers of the fields by name, but for those that are left out.
func (h *header) places(skip []string) (map[string]int, error) {
	place := map[string]int{}
	for i, name := range h.names {
		if slices.Contains(skip, name) {
			continue
		}
		if _, ok := place[name]; ok {
			return nil, fmt.Errorf("line %d: two fields are named %q", h.line, clip(name))
		}
		place[name] = i
	}
	for _, name := range skip {
		if name != "" && !slices.Contains(h.names, name) {
			return nil, fmt.Errorf("line %d: no field is named %q, which Skip leaves out; the fields are %s", h.line, clip(name), clip(strings.Join(h.names, ", ")))
		}
	}
	return place, nil
}

// noField says why a field that somebody names is none.
func (h *header) noField(name string, skip []string) error {
	what := fmt.Sprintf("line %d: no field is named %q", h.line, clip(name))
	switch {
	case slices.Contains(skip, name):
		return fmt.Errorf("field %q is left out by Skip, and asked for too", clip(name))
	case h.absent:
		return fmt.Errorf("%s: the line is taken for data, and the fields are named by their places, from \"0\" to %q", what, strconv.Itoa(len(h.names)-1))
	}
	return fmt.Errorf("%s; the fields are %s", what, clip(strings.Join(h.names, ", ")))
}

// others are the fields that nothing takes. The index, if there is one, is left out of them and told to the plan.
func (h *header) others(taken []bool, p *csvPlan) ([]int, error) {
	var fields []int
	for i, name := range h.names {
		switch {
		case taken[i]:
		case i == 0 && isIndex(name) && len(h.names) > 1:
			p.index = 0
			h.notes = append(h.notes, fmt.Sprintf("field %s is the first and has no name, so it is taken for an index and left out", h.quoted(0)))
		case name == "":
			return nil, fmt.Errorf("line %d: field %d has no name; give it one, or leave it out with Skip(\"\")", h.line, i)
		default:
			if i == 0 {
				p.first = 0
			}
			fields = append(fields, i)
		}
	}
	return fields, nil
}

// isIndex reports whether a field is named as the index of a data frame is: not at all when it is saved, and
// "Unnamed: 0" when that was read and saved again.
func isIndex(name string) bool { return name == "" || strings.HasPrefix(name, "Unnamed: ") }
