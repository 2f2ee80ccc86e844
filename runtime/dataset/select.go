package dataset

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Split is data in two parts.
type Split struct{ Train, Test *Table }

// view returns the given rows of t.
func (t *Table) view(rows []int) *Table {
	own := make([]int, len(rows))
	for i, r := range rows {
		own[i] = t.at(r)
	}
	return &Table{n: len(rows), cols: t.cols, rows: own, schema: t.schema}
}

// failed returns a table without rows that remembers why a method has none.
func (t *Table) failed(method string, err error) *Table { return t.with("%s: %v", method, err) }

func (t *Table) noColumn(method, name string) *Table {
	return t.with("%s: no column %q; the columns are %s", method, name, newWriter(t.cols).names())
}

// named is a column's name for an error, with its file.
func (t *Table) named(column string) string {
	if f := t.File(column); f != "" {
		return fmt.Sprintf("%q of %s", column, f)
	}
	return strconv.Quote(column)
}

// bare is an error's text without the package's name.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "dataset: ") }

// edit returns t with one column replaced.
func (t *Table) edit(old *column, c column) *Table {
	u := &Table{n: t.n, cols: slices.Clone(t.cols), rows: t.rows, schema: t.schema}
	for i := range t.cols {
		if &t.cols[i] == old {
			u.cols[i] = c
		}
	}
	return u
}

// Rename returns the table with a column renamed, for example to match a model's input. A schema that the table was read by then
// reads other files to columns of the new name.
// Errors: no such column; the new name is empty or taken.
func (t *Table) Rename(column, to string) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil {
		return t.noColumn("Rename", column)
	}
	if to == "" || to != column && t.find(to) != nil {
		return t.with("Rename: column %q cannot be named %q: the name is empty or taken", column, to)
	}
	d := *c
	d.Name = to
	u := t.edit(c, d)
	u.schema = t.schema.renamed(column, to)
	return u
}

// Reshape returns the table with another shape of a column's rows; the values stay in order.
// Errors: no such column; the number of values differs.
func (t *Table) Reshape(column string, dims ...int) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil {
		return t.noColumn("Reshape", column)
	}
	d := *c
	d.Shape = slices.Clone(dims)
	if err := checkColumns([]Column{d.Column}); err != nil {
		return t.with("Reshape: %s", bare(err))
	}
	if d.Column.Width() != c.width {
		return t.with("Reshape: column %q is %s, %d wide, and cannot be %s, %d wide", column, c.typ(), c.width, d.typ(), d.Column.Width())
	}
	return t.edit(c, d)
}

// Moments returns the mean and the standard deviation of each feature of a column of float32, by which a model
// standardizes what it is given: Div(Sub(x, Data(shape, mean)), Data(shape, deviation)). Both are of the table's own
// rows, without Bessel's correction and without missing values. A feature that has one value everywhere gets the
// deviation 1, so that it may be divided by; one without any value, the mean 0 as well. Errors: that of the table; no such column of float32.
func (t *Table) Moments(column string) (mean, deviation []float64, err error) {
	if t.err != nil {
		return nil, nil, t.err
	}
	c := t.find(column)
	if c == nil || c.DType != F32 {
		return nil, nil, t.noColumn("Moments", column+" f32").err
	}
	v, n := t.F32(column), c.width
	mean, deviation = make([]float64, n), make([]float64, n)
	still := slices.Repeat([]bool{true}, n)
	count, first := make([]int, n), make([]float32, n)
	for i, x := range v {
		if isNaN(x) {
			continue
		}
		if count[i%n] == 0 {
			first[i%n] = x
		}
		count[i%n]++
		still[i%n] = still[i%n] && x == first[i%n]
	}
	for i, x := range v {
		if !isNaN(x) {
			mean[i%n] += float64(x) / float64(count[i%n])
		}
	}
	for j := range mean {
		if still[j] {
			mean[j] = float64(first[j])
		}
	}
	for i, x := range v {
		if !isNaN(x) {
			d := float64(x) - mean[i%n]
			deviation[i%n] += d * d / float64(count[i%n])
		}
	}
	for j := range deviation {
		if deviation[j] = math.Sqrt(deviation[j]); still[j] {
			deviation[j] = 1
		}
	}
	return mean, deviation, nil
}

// Bytes returns the table with an int64 column as uint8, in an eighth of the memory: for example pixels read from a
// file of bytes, for a model that takes bytes. Errors: no such int64 column; a value that does not fit a byte.
func (t *Table) Bytes(column string) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil || c.DType != I64 {
		return t.noColumn("Bytes", column+" i64")
	}
	d := *c
	d.DType, d.i64, d.u8 = U8, nil, make([]uint8, len(c.i64))
	for i, v := range c.i64 {
		if d.u8[i] = uint8(v); int64(d.u8[i]) != v {
			return t.with("Bytes: row %d: column %s: %d is not from 0 to 255", i/c.width, t.named(column), v)
		}
	}
	return t.edit(c, d)
}

// Float returns the table with an int64 or uint8 column as float32, each value times scale: for example pixels read
// from a file of bytes, times 1/255. Errors: no such column of integers.
func (t *Table) Float(column string, scale float64) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil || c.DType == F32 {
		return t.noColumn("Float", column+" of integers")
	}
	d := *c
	d.DType, d.i64, d.u8, d.f32 = F32, nil, nil, make([]float32, c.values())
	for i := range d.f32 {
		v := int64(0)
		if c.DType == U8 {
			v = int64(c.u8[i])
		} else {
			v = c.i64[i]
		}
		x := float64(v) * scale
		if d.f32[i] = float32(x); overflows(x) {
			return t.with("Float: row %d: column %s: %v", i/c.width, t.named(column), errOverflow(fmt.Sprintf("%d times %v", v, scale)))
		}
	}
	u := t.edit(c, d)
	if err := u.checkFinite(); err != nil {
		return t.with("Float: %s", bare(err))
	}
	return u
}

// Views returns the table with a column several times, under these names, in place of the column. All of them are the same
// memory. With [Augmentation.Apart] each is a view of its own, for a model that compares two views of one picture.
// Errors: no such column; no name, or one that is empty or taken.
func (t *Table) Views(column string, names ...string) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil {
		return t.noColumn("Views", column)
	}
	if len(names) == 0 {
		return t.with("Views: column %q needs the names of its views, such as \"a\", \"b\"", column)
	}
	u := &Table{n: t.n, rows: t.rows, schema: t.schema}
	for i := range t.cols {
		if &t.cols[i] != c {
			u.cols = append(u.cols, t.cols[i])
			continue
		}
		for _, name := range names {
			d := *c
			d.Name = name
			u.cols = append(u.cols, d)
		}
	}
	if err := checkColumns(u.Columns()); err != nil {
		return t.with("Views: %s", bare(err))
	}
	return u
}

// OneHot returns the table with its labels as probabilities besides: column to, f32[classes], is 1 at the label and 0 elsewhere.
// spec.CrossEntropy takes them, and [Augmentation.Mixup] mixes them.
// Errors: no such column of one int64 a row; a label that is not from 0 to classes-1; the name to is empty or taken.
func (t *Table) OneHot(column string, classes int, to string) *Table {
	if t.err != nil {
		return t
	}
	c := t.find(column)
	if c == nil || c.DType != I64 || c.width != 1 {
		return t.noColumn("OneHot", column+" i64[]")
	}
	if to == "" || t.find(to) != nil {
		return t.with("OneHot: the new column cannot be named %q: the name is empty or taken", to)
	}
	d := Column{Name: to, DType: F32, Shape: []int{classes}}
	err := checkColumns([]Column{d})
	if err == nil {
		err = checkMemory([]Column{d}, c.values(), 1)
	}
	if err != nil {
		return t.with("OneHot: %s", bare(err))
	}
	hot := makeColumn(d, c.values())
	for i := range t.n { // and not the rest of the memory, which may have other labels
		v := c.i64[t.at(i)]
		if v < 0 || v >= int64(classes) {
			return t.with("OneHot: row %d: column %s: label %d is not from 0 to %d", i, t.named(column), v, classes-1)
		}
		hot.f32[t.at(i)*classes+int(v)] = 1
	}
	return &Table{n: t.n, rows: t.rows, cols: append(slices.Clone(t.cols), hot), schema: t.schema}
}

// Join returns the table with the columns of another table of the same length beside its own.
// Errors: the numbers of rows differ; a name is in both.
func (t *Table) Join(other *Table) *Table {
	if t.err != nil {
		return t
	}
	if other == nil || other.err != nil || other.n != t.n {
		if other != nil && other.err != nil {
			return other
		}
		return t.with("Join: the tables must have as many rows")
	}
	u := &Table{n: t.n, schema: t.schema}
	if u.schema == nil {
		u.schema = other.schema
	}
	for _, s := range []*Table{t, other} {
		for i := range s.cols {
			u.cols = append(u.cols, s.dense(&s.cols[i]))
		}
	}
	if err := checkColumns(u.Columns()); err != nil {
		return t.with("Join: %s", bare(err))
	}
	return u
}

// Head returns the first n rows. Errors: n is not positive or more than there are.
func (t *Table) Head(n int) *Table {
	if t.err != nil {
		return t
	}
	if n <= 0 || n > t.n {
		return t.with("Head: n must be from 1 to %d, the number of rows, got %d", t.n, n)
	}
	u := *t
	u.n = n
	if u.rows != nil {
		u.rows = u.rows[:n:n]
	}
	return &u
}

// Select returns the given rows, in the given order; a row may come twice.
// Errors: no rows; a row that does not exist.
func (t *Table) Select(rows []int) *Table { return selected(t, rows) }

// maxChosen bounds the numbers that Chosen lists.
const maxChosen = 1 << 16

// Chosen returns the numbers, in the data as they were read, of the rows that methods of a [Table] or of [Pictures], such as
// Balanced and Split, chose, for a record of them. It is nil for a source with all rows, for one that is neither, and for
// more than 65,536 rows.
func Chosen(src Source) []int {
	c, ok := src.(interface{ chosen() []int })
	if !ok || src.Len() > maxChosen {
		return nil
	}
	return c.chosen()
}

func (t *Table) chosen() []int {
	if t == nil || t.rows == nil {
		return nil
	}
	return t.Rows()
}

// Balanced returns n rows, drawn by seed, with the same number for each value of a column of labels. They are in the
// table's order, and Rows returns their numbers. With the same seed a smaller draw is part of a larger one.
// Errors: the column is not of single int64 values; n is not a positive multiple of the number of classes, or a class has
// too few rows.
func (t *Table) Balanced(column string, n int, seed uint64) *Table {
	return picked(t, "Balanced", func() ([]int, error) { return balanced(t, column, n, seed) })
}

// Split returns two tables that share no row, drawn by seed: the first has the given fraction of the rows, the
// second the rest, and each at least one row. Errors (of both): the fraction is not between 0 and 1; there is only one
// row.
func (t *Table) Split(fraction float64, seed uint64) (first, second *Table) {
	return parted(t, "Split", func() ([]int, []int, error) { return split(t, fraction, seed) })
}

// SplitBy is like Split, but takes the fraction from each value of a column of labels.
// Errors (of both): those of Split; the column is not of single int64 values; a class has only one row.
func (t *Table) SplitBy(column string, fraction float64, seed uint64) (first, second *Table) {
	return parted(t, "SplitBy", func() ([]int, []int, error) { return splitBy(t, column, fraction, seed) })
}
