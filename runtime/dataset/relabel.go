package dataset

import (
	"errors"
	"fmt"
	"slices"
)

// I64 returns a column of one integer a row, such as labels, in the order of the rows. Where the source knows the column, no row
// is read. Errors: that of the selection; there is no such column; those of the source.
func (s *Selection) I64(column string) ([]int64, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	v, _, err := s.integers(column)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return slices.Clone(v), nil
}

// Relabel returns the rows with other values in a column of labels, i64[], or with the column if there is none: labels of a
// model, or those that came later. There is one for each row, and -1 is none.
// Errors (of Err): the column is of another type; another number of labels than of rows; a label below -1.
func (s *Selection) Relabel(column string, labels []int64) *Selection {
	if s.Err() != nil {
		return s
	}
	if len(labels) != s.n {
		return s.failed("Relabel", rule(fmt.Sprintf("there must be a label for each of the %d rows, got %d", s.n, len(labels))))
	}
	for i, y := range labels {
		if y < -1 {
			return s.failed("Relabel", rule(fmt.Sprintf("the label of row %d is %d; labels count from 0, and -1 is none", i, y)))
		}
	}
	cols := s.Columns()
	at := slices.IndexFunc(cols, func(c Column) bool { return c.Name == column })
	switch {
	case at < 0:
		cols = append(cols, Column{Name: column, DType: I64})
		if err := checkColumns(cols); err != nil {
			return s.failed("Relabel", errors.New(bare(err)))
		}
	case cols[at].DType != I64 || cols[at].Width() != 1:
		return s.failed("Relabel", rule(fmt.Sprintf("column %q is %s; labels are one i64 a row", column, cols[at].typ())))
	}
	r := &relabelled{Selection: s, below: ingredient{src: s, n: s.n, cols: s.cols}, cols: cols, column: column, labels: slices.Clone(labels)}
	return &Selection{all: new(int), src: r, cols: cols, n: s.n, group: s.group}
}

// relabelled is a selection with other labels.
type relabelled struct {
	*Selection
	below  ingredient
	cols   []Column
	column string
	labels []int64
}

func (r *relabelled) Columns() []Column { return cloneColumns(r.cols) }

func (r *relabelled) Row(i int, row Row) error { return oneOf(r, i, row) }

func (r *relabelled) Rows(index []int, dst Rows) error {
	if err := wholes(index, r.n, r.cols, dst); err != nil {
		return err
	}
	if err := r.below.readTo(index, 0, 0, func(c Column) column { return *dst.b.memory(c.Name) }); err != nil {
		return err
	}
	to := dst.b.memory(r.column).i64
	for k, i := range index {
		to[k] = r.labels[i]
	}
	return nil
}

// known is the column as it has become.
func (r *relabelled) known(column string) ([]int64, bool) {
	if column == r.column {
		return r.labels, true
	}
	v, _, err := r.integers(column)
	return v, err == nil
}

// OneHot returns the rows with their labels as probabilities besides, as [Table.OneHot] does for data in memory: column to,
// f32[classes], is 1 at the label and 0 elsewhere. Errors (of Err): those of Table.OneHot; those of reading the labels.
func (s *Selection) OneHot(column string, classes int, to string) *Selection {
	y, err := s.I64(column)
	if err != nil {
		return s.failed("OneHot", errors.New(bare(err)))
	}
	cols := append(s.Columns(), Column{Name: to, DType: F32, Shape: []int{classes}})
	if err := checkColumns(cols); err != nil {
		return s.failed("OneHot", errors.New(bare(err)))
	}
	for i, k := range y {
		if k < 0 || k >= int64(classes) {
			return s.failed("OneHot", rule(fmt.Sprintf("row %d: column %q: label %d is not from 0 to %d", i, column, k, classes-1)))
		}
	}
	h := &oneHot{Selection: s, below: ingredient{src: s, n: s.n, cols: s.cols}, cols: cols, labels: y, to: to, classes: classes}
	return &Selection{all: new(int), src: h, cols: cols, n: s.n, group: s.group}
}

// oneHot is a selection with labels as probabilities besides.
type oneHot struct {
	*Selection
	below   ingredient
	cols    []Column
	labels  []int64
	to      string
	classes int
}

func (h *oneHot) Columns() []Column { return cloneColumns(h.cols) }

func (h *oneHot) Row(i int, row Row) error { return oneOf(h, i, row) }

func (h *oneHot) Rows(index []int, dst Rows) error {
	if err := wholes(index, h.n, h.cols, dst); err != nil {
		return err
	}
	if err := h.below.readTo(index, 0, 0, func(c Column) column { return *dst.b.memory(c.Name) }); err != nil {
		return err
	}
	to := dst.b.memory(h.to).f32
	clear(to)
	for k, i := range index {
		to[k*h.classes+int(h.labels[i])] = 1
	}
	return nil
}

// known is a column of integers.
func (h *oneHot) known(column string) ([]int64, bool) {
	v, _, err := h.integers(column)
	return v, err == nil
}

// wholes prepares dst for columns that are written as wholes.
func wholes(index []int, n int, cols []Column, dst Rows) error {
	if err := checkIndex(index, n, dst); err != nil {
		return err
	}
	for _, c := range cols {
		if dst.whole(c); dst.Err() != nil {
			return dst.Err()
		}
	}
	return nil
}
