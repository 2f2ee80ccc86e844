package reproduce

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// mostChosen is how many numbers of rows dataset.Chosen tells.
const mostChosen = 1 << 16

// finder finds rows by their hash.
type finder struct {
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

func (f *finder) search(want engine.Rows) (dataset.Source, error) {
	if f.all == nil {
		d := dataset.Digits()
		f.all = []candidate{{name: "the embedded digits", t: d.Train}, {name: "the embedded test digits", t: d.Test}}
		for _, t := range f.tables {
			f.all = append(f.all, candidate{name: "the rows given", t: t})
		}
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
		t := edited(c.t, want)
		for _, rows := range [][]int{want.Chosen, nil, head(t, want.Rows)} { // the first rows, as Head gives
			part := t
			if rows != nil {
				part = chosen(t, rows)
			}
			if part == nil || part.Err() != nil || part.Len() != want.Rows || part == c.t {
				continue
			}
			if h, err := part.Hash(); err == nil && h == want.Hash {
				return part, nil
			}
		}
		seen = append(seen, fmt.Sprintf("%s (%d rows of %v, %.12s)", c.name, c.t.Len(), c.t.Columns(), c.hash))
	}
	hint := ""
	if want.Rows > mostChosen && len(want.Chosen) == 0 {
		hint = fmt.Sprintf("; a record lists up to %d rows that were chosen, so if these were, give them alone, such as in an .npz file", mostChosen)
	}
	return nil, fmt.Errorf("its %d rows, of hash %.12s, are none of %s: give the data it was trained on, with the same columns (--data of lamina reproduce)%s", want.Rows, want.Hash, strings.Join(seen, ", "), hint)
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
