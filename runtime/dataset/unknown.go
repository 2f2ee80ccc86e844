package dataset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// TextCount is a text of a category, and in how many rows it is.
type TextCount struct {
	Text string `json:"text"`
	Rows int    `json:"rows"`
}

// mostUnknown is how many different texts of a category are counted.
const mostUnknown = 1 << 12

// Unknown counts the texts of categories that are not among those that known has for the field, most frequent first: what is
// behind the id [UnseenID] if known has the values of the schema. Missing values are none. Of a field the first 4,096
// different texts are counted.
//
// Errors: those of the records and of ctx; a name in known that is no [Category]; a column that is not there.
func (s *Schema) Unknown(ctx context.Context, r Records, known map[string][]string) (map[string][]TextCount, error) {
	type counted struct {
		missing missing
		known   map[string]bool
		rows    map[string]int
		found   bool
	}
	fields := map[string]*counted{}
	for name, texts := range known {
		f := s.Field(name)
		if f == nil || f.Kind != Category {
			return nil, fmt.Errorf("dataset: unknown texts: %q is no category of the schema", clip(name))
		}
		c := &counted{missing: newMissing(f.Missing), known: map[string]bool{}, rows: map[string]int{}}
		for _, text := range texts {
			c.known[text] = true
		}
		fields[name] = c
	}
	if c, ok := r.(Chooser); ok {
		r = c.Only(func(name string) bool { return fields[name] != nil })
	}
	var of []*counted // by place in a record
	err := r.Each(ctx, func(rec Record) error {
		for i := len(of); i < len(rec.Names); i++ {
			c := fields[rec.Names[i]]
			if of = append(of, c); c != nil {
				c.found = true
			}
		}
		for i, b := range rec.Fields {
			if i >= len(of) || of[i] == nil {
				continue
			}
			c := of[i]
			if b = trimmed(b); c.missing.is(b) || c.known[string(b)] {
				continue
			}
			if _, ok := c.rows[string(b)]; ok || len(c.rows) < mostUnknown {
				c.rows[string(b)]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, told(r, err)
	}
	out := map[string][]TextCount{}
	for name, c := range fields {
		if !c.found {
			return nil, told(r, fmt.Errorf("there is no column %q", clip(name)))
		}
		list := []TextCount{}
		for text, n := range c.rows {
			list = append(list, TextCount{text, n})
		}
		slices.SortFunc(list, func(a, b TextCount) int {
			return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.Text, b.Text))
		})
		out[name] = list
	}
	return out, nil
}
