package dataset

import (
	"fmt"
	"slices"
)

// Views returns the rows of any source with a column several times, under these names, in place of the column, as [Table.Views]
// does for data in memory. Under different augmentations ([Augmentation.And]) each is a view of its own.
// Errors (of Err): those of the source; no such column; no name, or one that is empty or taken.
func (s *Selection) Views(column string, names ...string) *Selection {
	if s.Err() != nil {
		return s
	}
	at := slices.IndexFunc(s.cols, func(c Column) bool { return c.Name == column })
	switch {
	case at < 0:
		return s.failed("Views", rule(fmt.Sprintf("no column %q; the columns are %s", column, columnNames(s.cols))))
	case len(names) == 0:
		return s.failed("Views", rule(fmt.Sprintf("column %q needs the names of its views, such as \"a\", \"b\"", column)))
	}
	var cols []Column
	for i, c := range s.Columns() {
		if i != at {
			cols = append(cols, c)
			continue
		}
		for _, name := range names {
			d := c
			d.Name = name
			cols = append(cols, d)
		}
	}
	cols = cloneColumns(cols)
	if err := checkColumns(cols); err != nil {
		return s.failed("Views", rule(bare(err)))
	}
	v := &viewed{Selection: s, below: ingredient{src: s, n: s.n, cols: s.cols}, cols: cols, column: column, names: slices.Clone(names)}
	return &Selection{all: new(int), src: v, cols: cols, n: s.n, group: s.group}
}

// viewed is a selection with several views of a column.
type viewed struct {
	*Selection
	below  ingredient
	cols   []Column
	column string
	names  []string
}

func (v *viewed) Columns() []Column { return cloneColumns(v.cols) }

func (v *viewed) Row(i int, row Row) error { return oneOf(v, i, row) }

func (v *viewed) Rows(index []int, dst Rows) error {
	if err := wholes(index, v.n, v.cols, dst); err != nil {
		return err
	}
	first := dst.b.memory(v.names[0])
	err := v.below.readTo(index, 0, 0, func(c Column) column {
		if c.Name != v.column {
			return *dst.b.memory(c.Name)
		}
		own := *first
		own.Column = c
		return own
	})
	if err != nil {
		return err
	}
	for _, name := range v.names[1:] {
		to := dst.b.memory(name)
		copy(to.f32, first.f32)
		copy(to.i64, first.i64)
		copy(to.u8, first.u8)
	}
	return nil
}

// known is a column of integers.
func (v *viewed) known(column string) ([]int64, bool) {
	if slices.Contains(v.names, column) {
		column = v.column
	}
	own, _, err := v.integers(column)
	return own, err == nil
}
