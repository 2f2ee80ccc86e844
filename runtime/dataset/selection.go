package dataset

import (
	"errors"
	"fmt"
	"strconv"
)

// Selection is some rows of a source, wherever that keeps them: what the methods of a [Table] are for data in memory. It is
// a [BatchSource], and takes 8 bytes a row. A Selection never changes: methods return others. Those that can fail return
// one that remembers the error: Err returns it, and so does every use. It is safe for concurrent use.
type Selection struct {
	all   *int // the same for all that is chosen of the same rows
	src   BatchSource
	cols  []Column
	n     int
	rows  []int  // of src, nil for all in order
	group string // column of what no validation may share with a training, "" for none
	err   error
}

// All returns all rows of any source, to choose among them. A source that is not a [BatchSource] is asked for one row at a
// time by all that is chosen, so call All once for it. Errors (of Err): those of the source; a [Mixture], whose rows come as it
// draws them.
func All(src Source) *Selection {
	if s, ok := src.(*Selection); ok && s != nil {
		return s
	}
	if orderOf(src) != nil {
		return &Selection{err: mistake("All: the source is a mix, which draws its rows itself; choose among the rows of its sources")}
	}
	cols, err := checkSource(src)
	if err != nil {
		return &Selection{err: err}
	}
	if t, ok := src.(*Table); ok && t.rows != nil {
		whole := &Table{n: t.cols[0].values() / t.cols[0].width, cols: t.cols, schema: t.schema}
		return &Selection{all: new(int), src: several(whole), cols: cols, n: t.n, rows: t.rows}
	}
	return &Selection{all: new(int), src: several(src), cols: cols, n: src.Len()}
}

var errNilSelection = errors.New("dataset: the selection is nil")

// Err returns the first mistake made on the way to this selection.
func (s *Selection) Err() error {
	if s == nil {
		return errNilSelection
	}
	return s.err
}

// failed returns a selection without rows that remembers why a method has none.
func (s *Selection) failed(method string, err error) *Selection {
	if errors.As(err, new(rule)) {
		return &Selection{err: mistake("%s: %v", method, err)}
	}
	return &Selection{err: fmt.Errorf("dataset: %s: %w", method, err)}
}

// view returns the given rows.
func (s *Selection) view(rows []int) *Selection {
	v := *s
	v.n, v.rows = len(rows), make([]int, len(rows))
	for i, r := range rows {
		v.rows[i] = s.at(r)
	}
	return &v
}

func (s *Selection) at(i int) int {
	if s.rows != nil {
		return s.rows[i]
	}
	return i
}

// Len implements [Source]; it is 0 after a mistake.
func (s *Selection) Len() int {
	if s.Err() != nil {
		return 0
	}
	return s.n
}

// Columns implements [Source].
func (s *Selection) Columns() []Column {
	if s.Err() != nil {
		return nil
	}
	return cloneColumns(s.cols)
}

// Row implements [Source].
func (s *Selection) Row(i int, row Row) error {
	if err := s.Err(); err != nil {
		return err
	}
	if i < 0 || i >= s.n {
		return fmt.Errorf("dataset: no row %d in a selection of %d", i, s.n)
	}
	return oneOf(s, i, row)
}

// Rows implements [BatchSource]. Numbers returns the numbers of the rows.
func (s *Selection) Rows(index []int, dst Rows) error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := checkIndex(index, s.n, dst); err != nil {
		return err
	}
	if s.rows == nil {
		return s.src.Rows(index, dst)
	}
	return renumbered(index, s.at, func(rows []int) error { return s.src.Rows(rows, dst) })
}

// Numbers returns, for each row, its number in the source that [All] was given, or in the data that a [Table] was read from; of
// [Windows], its number among all windows.
func (s *Selection) Numbers() []int {
	rows := make([]int, s.Len())
	for i := range rows {
		rows[i] = s.at(i)
	}
	return rows
}

func (s *Selection) chosen() []int {
	if s.Err() != nil {
		return nil
	}
	var below []int
	if c, ok := s.source().(interface{ chosen() []int }); ok {
		below = c.chosen()
	}
	if s.rows == nil {
		return below
	}
	rows := s.Numbers()
	if below != nil {
		for i, r := range rows {
			rows[i] = below[r]
		}
	}
	return rows
}

// GroupedBy says that a column of integers numbers groups, such as people, that rows for training and rows for validation must
// not share. What is selected of the rows says so too, and train.Options.Valid that has a group of the training rows is then an error.
// Errors: the column is not of single int64 values.
func (s *Selection) GroupedBy(column string) *Selection {
	if s.Err() != nil {
		return s
	}
	for _, c := range s.cols {
		if c.Name == column && c.DType == I64 && c.Width() == 1 {
			g := *s
			g.group = column
			return &g
		}
	}
	return s.failed("GroupedBy", rule(fmt.Sprintf("no column %q of one i64 a row; the columns are %s", column, columnNames(s.cols))))
}

// Group is the column that [Selection.GroupedBy] named, or "".
func (s *Selection) Group() string {
	if s.Err() != nil {
		return ""
	}
	return s.group
}

// GroupOf returns the column that a source says its rows are grouped by, through a method Group like [Selection.Group], or "".
func GroupOf(src Source) string {
	if g, ok := src.(interface{ Group() string }); ok {
		return g.Group()
	}
	return ""
}

// File is the file of a column, where the source says it.
func (s *Selection) File(column string) string { return fileOf(s.source(), column) }

// fileOf is the file of a column, "" where the source does not say it.
func fileOf(src Source, column string) string {
	if f, ok := src.(interface{ File(column string) string }); ok {
		return f.File(column)
	}
	return ""
}

// Path is the file of a row, where the source says it.
func (s *Selection) Path(row int) string {
	p, ok := s.source().(interface{ Path(row int) string })
	if !ok || row < 0 || row >= s.n {
		return ""
	}
	return p.Path(s.at(row))
}

// source is the one whose rows these are, nil after a mistake.
func (s *Selection) source() Source {
	if s.Err() != nil {
		return nil
	}
	if t, ok := s.src.(*inTurn); ok {
		return t.Source
	}
	return s.src
}

// integers implements chooser.
func (s *Selection) integers(column string) ([]int64, string, error) {
	v, named, err := integersOf(s.source(), s.src, column)
	if err != nil || s.rows == nil {
		return v, named, err
	}
	own := make([]int64, s.n)
	for i, r := range s.rows {
		own[i] = v[r]
	}
	return own, named, nil
}

// integersOf returns a column of one integer a row, and its name for errors. If the source does not know it, reader, which is
// the same or waits for its turn, is read. Errors: there is no such column, as a rule; those of the source.
func integersOf(src, reader Source, name string) (v []int64, named string, err error) {
	named = strconv.Quote(name)
	if path := fileOf(src, name); path != "" {
		named += " of " + path
	}
	cols := src.Columns()
	at := -1
	for j, c := range cols {
		if c.Name == name {
			at = j
		}
	}
	switch {
	case at < 0:
		return nil, "", rule(fmt.Sprintf("no column %q; the columns are %s", name, columnNames(cols)))
	case cols[at].DType != I64 || cols[at].Width() != 1:
		return nil, "", rule(fmt.Sprintf("column %s is %s; one i64 a row is needed", named, cols[at].typ()))
	}
	if s, ok := src.(interface {
		known(column string) ([]int64, bool)
	}); ok {
		if v, ok := s.known(name); ok {
			return v, named, nil
		}
	}
	err = scan(reader, cols, func(j int, c column) {
		if j == at {
			v = append(v, c.i64...)
		}
	})
	return v, named, err
}

// known is the column as it is in memory, for integersOf.
func (t *Table) known(column string) ([]int64, bool) { return t.I64(column), true }

// known is the column of labels, for which no picture is decoded.
func (p *Pictures) known(column string) ([]int64, bool) {
	v := make([]int64, p.Len())
	for i := range v {
		v[i] = int64(p.files.labels[p.at(i)])
	}
	return v, column == p.lab
}

// integers implements chooser.
func (t *Table) integers(column string) ([]int64, string, error) { return integersOf(t, t, column) }

// Select returns the given rows, in the given order; a row may come twice. Errors: no rows; a row that does not exist.
func (s *Selection) Select(rows []int) *Selection { return selected(s, rows) }

// Head returns the first n rows. Errors: n is not positive or more than there are.
func (s *Selection) Head(n int) *Selection {
	return picked(s, "Head", func() ([]int, error) { return first(s, n) })
}

// Split is [Table.Split].
func (s *Selection) Split(fraction float64, seed uint64) (first, second *Selection) {
	return parted(s, "Split", func() ([]int, []int, error) { return split(s, fraction, seed) })
}

// SplitBy is [Table.SplitBy].
func (s *Selection) SplitBy(column string, fraction float64, seed uint64) (first, second *Selection) {
	return parted(s, "SplitBy", func() ([]int, []int, error) { return splitBy(s, column, fraction, seed) })
}

// Balanced is [Table.Balanced].
func (s *Selection) Balanced(column string, n int, seed uint64) *Selection {
	return picked(s, "Balanced", func() ([]int, error) { return balanced(s, column, n, seed) })
}
