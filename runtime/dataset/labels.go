package dataset

import (
	"container/heap"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Stratified returns n rows, drawn by seed, in which each value of a column of labels is as frequent as in the table, as nearly
// as whole rows allow, and comes at least once. Rows without a label, which is -1, are left out. They are in the table's
// order, and Rows returns their numbers. With the same seed a smaller draw is part of a larger one.
// Errors: the column is not of single int64 values; n is less than the number of classes, or more than the rows with a label;
// a class has no rows; a label below -1.
func (t *Table) Stratified(column string, n int, seed uint64) *Table {
	return picked(t, "Stratified", func() ([]int, error) { return stratified(t, column, n, seed) })
}

// Stratified is [Table.Stratified].
func (s *Selection) Stratified(column string, n int, seed uint64) *Selection {
	return picked(s, "Stratified", func() ([]int, error) { return stratified(s, column, n, seed) })
}

// AsTheyCome returns n rows, drawn by seed from all that have a label: as many of each class as come by chance, which may
// be none. They are in the table's order, and Rows returns their numbers. With the same seed a smaller draw is part of a
// larger one. Errors: those of [Table.Stratified].
func (t *Table) AsTheyCome(column string, n int, seed uint64) *Table {
	return picked(t, "AsTheyCome", func() ([]int, error) { return asTheyCome(t, column, n, seed) })
}

// AsTheyCome is [Table.AsTheyCome].
func (s *Selection) AsTheyCome(column string, n int, seed uint64) *Selection {
	return picked(s, "AsTheyCome", func() ([]int, error) { return asTheyCome(s, column, n, seed) })
}

// labelled returns the classes without the rows that have no label, or says which rule is broken.
func (c *classes) labelled() (*classes, string) {
	values := c.values
	if values[0] == -1 {
		values = values[1:]
	}
	if len(values) == 0 {
		return nil, fmt.Sprintf("%s is -1, no label, in all %d rows", c.named, len(c.rows[-1]))
	}
	for want, v := range values {
		switch {
		case v < 0:
			return nil, fmt.Sprintf("row %d: %s is %d; labels count from 0, and -1 is none", c.rows[v][0], c.named, v)
		case v != int64(want):
			return nil, fmt.Sprintf("class %d of %s has no rows, and labels go up to %d", want, c.named, values[len(values)-1])
		}
	}
	if n := len(values); n < len(c.names) {
		return nil, fmt.Sprintf("class %d of %s, %q, has no rows, and the schema has %d classes", n, c.named, clip(c.names[n]), len(c.names))
	}
	return &classes{named: c.named, rows: c.rows, values: values}, ""
}

// labelledBy returns the classes from which n rows may be drawn, and how many rows they have.
func labelledBy(c chooser, column string, n int) (*classes, int, error) {
	all, err := classesBy(c, column)
	if err != nil {
		return nil, 0, err
	}
	of, broken := all.labelled()
	if broken != "" {
		return nil, 0, rule(broken)
	}
	rows := 0
	for _, v := range of.values {
		rows += len(of.rows[v])
	}
	switch {
	case n < len(of.values):
		return nil, 0, rule(fmt.Sprintf("%d rows are fewer than the %d classes of %s", n, len(of.values), of.named))
	case n > rows:
		return nil, 0, rule(fmt.Sprintf("%d rows are wanted, but %s is a label in %d only", n, of.named, rows))
	}
	return of, rows, nil
}

func stratified(c chooser, column string, n int, seed uint64) ([]int, error) {
	of, _, err := labelledBy(c, column, n)
	if err != nil {
		return nil, err
	}
	q := make(seats, len(of.values))
	for i, v := range of.values {
		q[i] = seat{class: v, rows: len(of.rows[v]), taken: 1}
	}
	heap.Init(&q)
	for range n - len(q) {
		q[0].taken++
		heap.Fix(&q, 0)
	}
	key := random.New(seed).DeriveString("stratified")
	var picked []int
	for _, s := range q {
		rows := of.rows[s.class]
		for _, j := range key.Derive(uint64(s.class)).Perm(len(rows))[:s.taken] {
			picked = append(picked, rows[j])
		}
	}
	slices.Sort(picked)
	return picked, nil
}

// seat is a class and how many of its rows are taken. The next row is of the class with the greatest rows/(2·taken+1)
// (Webster and Sainte-Laguë), so that a draw of one row more takes none back, and none takes more than there are.
type seat struct {
	class       int64
	rows, taken int
}

func (s seat) claim() float64 { return float64(s.rows) / float64(2*s.taken+1) }

type seats []seat

func (q seats) Len() int { return len(q) }
func (q seats) Less(i, j int) bool {
	a, b := q[i].claim(), q[j].claim()
	return a > b || a == b && q[i].class < q[j].class
}
func (q seats) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q seats) Push(any)      {}
func (q seats) Pop() any      { return nil }

func asTheyCome(c chooser, column string, n int, seed uint64) ([]int, error) {
	of, rows, err := labelledBy(c, column, n)
	if err != nil {
		return nil, err
	}
	known := make([]int, 0, rows)
	for _, v := range of.values {
		known = append(known, of.rows[v]...)
	}
	slices.Sort(known)
	picked := make([]int, n)
	for i, j := range random.New(seed).DeriveString("as they come").Perm(rows)[:n] {
		picked[i] = known[j]
	}
	slices.Sort(picked)
	return picked, nil
}

// Unlabel returns the table with all labels made -1, which is none (spec.Labels(…).Optional()), but those of the rows that keep
// has: all rows train, and few are labelled. A nil keep keeps none:
//
//	rows.Unlabel("y", rows.Balanced("y", 100, 1))
//
// Errors: the column is not of single int64 values; keep is a mistake, is not chosen from the same table, or has a row that this
// one does not have.
func (t *Table) Unlabel(column string, keep *Table) *Table {
	if t.Err() != nil {
		return t
	}
	if _, _, err := t.integers(column); err != nil {
		return t.with("Unlabel: %v", err)
	}
	c := t.find(column)
	var rows []int
	if keep != nil {
		if keep.err != nil {
			return keep
		}
		if k := keep.find(column); k == nil || k.DType != I64 || &k.i64[0] != &c.i64[0] {
			return t.with("Unlabel: the rows to keep are not chosen from this table")
		}
		rows = keep.Rows()
	}
	own, err := keeps(rows, t.Rows())
	if err != nil {
		return t.with("Unlabel: %v", err)
	}
	d := *c
	d.i64, d.unlabelled, d.kept = slices.Repeat([]int64{-1}, len(c.i64)), true, nil
	for i, k := range own {
		if at := t.at(i); k {
			d.i64[at] = c.i64[at]
			d.kept = append(d.kept, at)
		}
	}
	if c.unlabelled {
		d.kept = both(c.kept, d.kept)
	}
	return t.edit(c, d)
}

// keeps returns which of rows are among those to keep. Errors: one of these is not there.
func keeps(keep, rows []int) ([]bool, error) {
	left := make(map[int]bool, len(keep))
	for _, r := range keep {
		left[r] = true
	}
	kept := make([]bool, len(rows))
	for i, r := range rows {
		_, kept[i] = left[r]
		if kept[i] {
			left[r] = false
		}
	}
	for _, r := range keep {
		if left[r] {
			return nil, rule(fmt.Sprintf("row %d of the data is to keep its label, and is not one of these %d", r, len(rows)))
		}
	}
	return kept, nil
}

// Unlabel is [Table.Unlabel].
func (s *Selection) Unlabel(column string, keep *Selection) *Selection {
	if s.Err() != nil {
		return s
	}
	at := slices.IndexFunc(s.cols, func(c Column) bool { return c.Name == column })
	switch {
	case at < 0:
		return s.failed("Unlabel", rule(fmt.Sprintf("no column %q; the columns are %s", column, columnNames(s.cols))))
	case s.cols[at].DType != I64 || s.cols[at].Width() != 1:
		return s.failed("Unlabel", rule(fmt.Sprintf("column %q is %s; labels are one i64 a row", column, s.cols[at].typ())))
	}
	var rows []int
	if keep != nil {
		if keep.err != nil {
			return keep
		}
		if keep.all != s.all {
			return s.failed("Unlabel", rule("the rows to keep are not chosen from these"))
		}
		rows = keep.Numbers()
	}
	kept, err := keeps(rows, s.Numbers())
	if err != nil {
		return s.failed("Unlabel", err)
	}
	return &Selection{all: new(int), src: &unlabelled{s, column, kept}, cols: s.cols, n: s.n, group: s.group}
}

// unlabelled is a selection without most of its labels.
type unlabelled struct {
	*Selection
	column string
	kept   []bool
}

func (u *unlabelled) Row(i int, row Row) error { return oneOf(u, i, row) }

func (u *unlabelled) Rows(index []int, dst Rows) error {
	if err := u.Selection.Rows(index, dst); err != nil {
		return err
	}
	if c := dst.b.memory(u.column); c != nil && c.DType == I64 {
		for k, i := range index {
			if !u.kept[i] {
				c.i64[k*c.width] = -1
			}
		}
	}
	return nil
}

// known is the column as it has become.
func (u *unlabelled) known(column string) ([]int64, bool) {
	v, _, err := u.integers(column)
	if err != nil || column != u.column {
		return v, err == nil
	}
	v = slices.Clone(v)
	for i, k := range u.kept {
		if !k {
			v[i] = -1
		}
	}
	return v, true
}
