package dataset

import "slices"

// with returns pictures without rows that remember a mistake.
func (p *Pictures) with(format string, a ...any) *Pictures {
	return &Pictures{files: p.files, picture: p.picture, lab: p.lab, err: mistake(format, a...)}
}

// failed returns pictures without rows that remember why a method has none.
func (p *Pictures) failed(method string, err error) *Pictures { return p.with("%s: %v", method, err) }

// integers implements chooser.
func (p *Pictures) integers(column string) ([]int64, string, error) { return integersOf(p, p, column) }

// view returns the given rows.
func (p *Pictures) view(rows []int) *Pictures {
	q := *p
	q.rows = make([]int, len(rows))
	for i, r := range rows {
		q.rows[i] = p.at(r)
	}
	return &q
}

// Rename returns the pictures with a column renamed, for example to match a model's input.
// Errors: no such column; the new name is empty or taken.
func (p *Pictures) Rename(column, to string) *Pictures {
	if p.Err() != nil {
		return p
	}
	q := *p
	switch {
	case column == "" || column != p.picture && column != p.lab:
		return p.with("Rename: no column %q; the columns are %s", column, columnNames(p.Columns()))
	case to == "" || to != column && (to == p.picture || to == p.lab):
		return p.with("Rename: column %q cannot be named %q: the name is empty or taken", column, to)
	case column == p.picture:
		q.picture = to
	default:
		q.lab = to
	}
	return &q
}

// Head returns the first n rows. Errors: n is not positive or more than there are.
func (p *Pictures) Head(n int) *Pictures {
	return picked(p, "Head", func() ([]int, error) { return first(p, n) })
}

// Select is [Table.Select].
func (p *Pictures) Select(rows []int) *Pictures { return selected(p, rows) }

// Balanced is [Table.Balanced]; no picture is decoded.
func (p *Pictures) Balanced(column string, n int, seed uint64) *Pictures {
	return picked(p, "Balanced", func() ([]int, error) { return balanced(p, column, n, seed) })
}

// Split is [Table.Split].
func (p *Pictures) Split(fraction float64, seed uint64) (first, second *Pictures) {
	return parted(p, "Split", func() ([]int, []int, error) { return split(p, fraction, seed) })
}

// SplitBy is [Table.SplitBy]; no picture is decoded.
func (p *Pictures) SplitBy(column string, fraction float64, seed uint64) (first, second *Pictures) {
	return parted(p, "SplitBy", func() ([]int, []int, error) { return splitBy(p, column, fraction, seed) })
}

// Numbers returns, for each row, its number among all pictures of the folder: the rows that [Pictures.Balanced],
// [Pictures.Split] and [Pictures.Select] chose.
func (p *Pictures) Numbers() []int {
	rows := make([]int, p.Len())
	for i := range rows {
		rows[i] = p.at(i)
	}
	return rows
}

func (p *Pictures) chosen() []int {
	if p.Err() != nil {
		return nil
	}
	return slices.Clone(p.rows)
}
