package reproduce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// mostChosen is how many numbers of rows dataset.Chosen tells.
const mostChosen = 1 << 16

// finder finds rows by their hash.
type finder struct {
	ctx    context.Context
	tables []*dataset.Table
	all    []candidate
	found  map[string]dataset.Source // by hash: phases mostly share their rows
}

type candidate struct {
	name string
	t    *dataset.Table
	hash string
}

func (f *finder) find(want engine.Rows) (dataset.Source, error) {
	if len(want.Mix) > 0 {
		return f.mixed(want)
	}
	if len(want.Concat) > 0 {
		return f.joinedOr(want, 0)
	}
	src := f.found[want.Hash]
	if src == nil {
		var err error
		if src, err = f.search(want); err != nil {
			return nil, err
		}
		f.found[want.Hash] = src
	}
	return src, nil
}

// mixed finds the sources of a mix.
func (f *finder) mixed(want engine.Rows) (dataset.Source, error) {
	if len(want.Mix) != 2 {
		return nil, fmt.Errorf("a mix of %d sources, where two are possible", len(want.Mix))
	}
	var of [2]dataset.Source
	for i, part := range want.Mix {
		var err error
		if len(part.Mix) > 0 {
			return nil, fmt.Errorf("source %d of a mix is a mix", i+1)
		}
		if of[i], err = f.find(part.Rows); err != nil {
			return nil, fmt.Errorf("source %d of the mix of its rows: %w", i+1, err)
		}
	}
	m := dataset.Mix(of[0], want.Mix[0].Count, of[1], want.Mix[1].Count)
	if err := m.Err(); err != nil {
		return nil, err
	}
	if h, err := dataset.Hash(m); err != nil {
		return nil, err
	} else if h != want.Hash {
		return nil, fmt.Errorf("both sources of the mix of its rows are there, and the mix has the hash %.12s, not %.12s: the record contradicts itself", h, want.Hash)
	}
	return m, nil
}

// deepest bounds how concatenations are nested.
const deepest = 16

// joinedOr finds the sources of a concatenation, or its rows as they were given.
func (f *finder) joinedOr(want engine.Rows, depth int) (dataset.Source, error) {
	src, err := f.joined(want, depth)
	if err == nil || f.ctx.Err() != nil {
		return src, err
	}
	if given, other := f.search(want); other == nil {
		return given, nil
	}
	return nil, err
}

// joined finds the sources of a concatenation.
func (f *finder) joined(want engine.Rows, depth int) (dataset.Source, error) {
	if len(want.Concat) != 2 || depth > deepest {
		return nil, fmt.Errorf("a concatenation of %d sources, %d deep, where two are possible, and %d", len(want.Concat), depth, deepest)
	}
	var of [2]dataset.Source
	for i, part := range want.Concat {
		find := f.find
		switch {
		case len(part.Mix) > 0:
			return nil, fmt.Errorf("source %d of a concatenation is a mix", i+1)
		case len(part.Concat) > 0:
			find = func(want engine.Rows) (dataset.Source, error) { return f.joinedOr(want, depth+1) }
		}
		var err error
		if of[i], err = find(part); err != nil {
			return nil, fmt.Errorf("source %d of the concatenation of its rows: %w", i+1, err)
		}
	}
	c := dataset.Concat(of[0], of[1])
	if err := c.Err(); err != nil {
		return nil, err
	}
	all := dataset.Source(c)
	h, err := dataset.Hash(c)
	if err == nil && h != want.Hash && len(want.Chosen) > 0 && !slices.ContainsFunc(want.Chosen, func(r int) bool { return r < 0 || r >= c.Len() }) {
		all = dataset.All(c).Select(want.Chosen)
		h, err = dataset.Hash(all)
	}
	if err == nil && h != want.Hash && size(c) <= mostEdited { // labels or columns that were left out
		var t *dataset.Table
		if t, err = dataset.Collect(dataset.Until(f.ctx, c)); err == nil {
			if part := part(t, want); part != nil {
				return part, nil
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if h != want.Hash {
		return nil, fmt.Errorf("both sources of the concatenation of its rows are there, and its rows have the hash %.12s, not %.12s: a program gave them other labels or columns, which the record does not have; give the rows as they were trained on, such as in an .npz file", h, want.Hash)
	}
	return all, nil
}

// size is the number of values of rows.
func size(rows dataset.Source) int {
	width := 0
	for _, c := range rows.Columns() {
		width += c.Width()
	}
	return width * rows.Len()
}

// mostGenerated bounds the rows that are generated for a record.
const mostGenerated = 1 << 24

// generated makes rows again of which the record says what made them. If they are not those that were trained on but many of which
// these were chosen, they are a candidate like other tables.
func (f *finder) generated(want engine.Rows) (dataset.Source, error) {
	rows, err := synthetic.Parse(want.Generator)
	if err != nil {
		return nil, err
	}
	if rows.Len() > mostGenerated {
		return nil, fmt.Errorf("synthetic: %d rows were generated, and a record is trusted with %d: make the rows by a program and give them", rows.Len(), mostGenerated)
	}
	h, err := dataset.Hash(dataset.Until(f.ctx, rows))
	if err != nil || h == want.Hash && rows.Len() == want.Rows {
		return rows, err
	}
	if size(rows) > mostEdited {
		return nil, fmt.Errorf("synthetic: the rows were chosen of %d generated ones, which take more memory than a record is trusted with: give the rows", rows.Len())
	}
	t, err := dataset.Collect(dataset.Until(f.ctx, rows))
	if err != nil {
		return nil, err
	}
	f.all = append(f.all, candidate{name: "the rows that " + want.Generator + " makes", t: t, hash: h})
	return nil, nil
}

// mostEdited bounds the values of generated rows of which some were chosen.
const mostEdited = 1 << 28

func (f *finder) search(want engine.Rows) (dataset.Source, error) {
	if f.all == nil {
		d := dataset.Digits()
		f.all = []candidate{{name: "the embedded digits", t: d.Train}, {name: "the embedded test digits", t: d.Test}}
		for _, t := range f.tables {
			f.all = append(f.all, candidate{name: "the rows given", t: t})
		}
	}
	var why error // that generated rows are not made
	if want.Generator != "" && !slices.ContainsFunc(f.all, func(c candidate) bool { return c.name == "the rows that "+want.Generator+" makes" }) {
		src, err := f.generated(want)
		if src != nil || f.ctx.Err() != nil {
			return src, errors.Join(err, f.ctx.Err())
		}
		why = err
	}
	var seen []string
	for i := range f.all {
		c := &f.all[i]
		if c.hash == "" {
			h, err := c.t.Hash()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			c.hash = h
		}
		if c.hash == want.Hash && c.t.Len() == want.Rows {
			return c.t, nil
		}
		if part := part(c.t, want); part != nil {
			return part, nil
		}
		seen = append(seen, fmt.Sprintf("%s (%d rows of %v, %.12s)", c.name, c.t.Len(), c.t.Columns(), c.hash))
	}
	hint := ""
	if want.Rows > mostChosen && len(want.Chosen) == 0 {
		hint = fmt.Sprintf("; a record lists up to %d rows that were chosen, so if these were, give them alone, such as in an .npz file", mostChosen)
	}
	if why != nil {
		return nil, fmt.Errorf("its %d rows, of hash %.12s, were generated: %w", want.Rows, want.Hash, why)
	}
	return nil, fmt.Errorf("its %d rows, of hash %.12s, are none of %s: give the data it was trained on, with the same columns (--data of lamina reproduce)%s", want.Rows, want.Hash, strings.Join(seen, ", "), hint)
}

// part returns what was chosen of a table and edited, as far as the record tells, or nil if these are not the rows.
func part(of *dataset.Table, want engine.Rows) *dataset.Table {
	t := edited(of, want)
	for _, rows := range [][]int{want.Chosen, nil, head(t, want.Rows)} { // the first rows, as Head gives
		part := t
		if rows != nil {
			part = chosen(t, rows)
		}
		if part == nil || part.Err() != nil || part.Len() != want.Rows || part == of {
			continue
		}
		if h, err := part.Hash(); err == nil && h == want.Hash {
			return part
		}
	}
	return nil
}

// edited returns a table without the columns and the labels that the rows did not have, as far as the record tells.
func edited(t *dataset.Table, want engine.Rows) *dataset.Table {
	e := t
	for _, u := range want.Unlabelled {
		var keep *dataset.Table
		if len(u.Kept) > 0 {
			if keep = chosen(e, u.Kept); keep == nil {
				return t
			}
		}
		e = e.Unlabel(u.Column, keep)
	}
	var more []string
	for _, c := range e.Columns() {
		if len(want.Columns) > 0 && !slices.Contains(want.Columns, c.Name) {
			more = append(more, c.Name)
		}
	}
	if len(more) > 0 {
		e = e.Without(more...)
	}
	if e.Err() != nil {
		return t
	}
	return e
}

// head returns the numbers of the first rows, nil if the table does not have so many, or just these.
func head(t *dataset.Table, n int) []int {
	if n <= 0 || n >= t.Len() {
		return nil
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// chosen returns the rows of these numbers, nil if the table does not have them.
func chosen(t *dataset.Table, rows []int) *dataset.Table {
	if len(rows) == 0 {
		return nil
	}
	for _, r := range rows {
		if r < 0 || r >= t.Len() {
			return nil
		}
	}
	return t.Select(rows)
}
