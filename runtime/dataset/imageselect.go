package dataset

import (
	"fmt"
	"slices"
)

// with returns pictures without rows that remember a mistake.
func (p *Pictures) with(format string, a ...any) *Pictures {
	return &Pictures{files: p.files, picture: p.picture, lab: p.lab, err: mistake(format, a...)}
}

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
	if p.Err() != nil {
		return p
	}
	if n <= 0 || n > p.Len() {
		return p.with("Head: n must be from 1 to %d, the number of rows, got %d", p.Len(), n)
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return p.view(rows)
}

// Select is [Table.Select].
func (p *Pictures) Select(rows []int) *Pictures {
	if p.Err() != nil {
		return p
	}
	if rule := checkRows(rows, p.Len()); rule != "" {
		return p.with("Select: %s", rule)
	}
	return p.view(rows)
}

// Balanced is [Table.Balanced]; no picture is decoded.
func (p *Pictures) Balanced(column string, n int, seed uint64) *Pictures {
	if p.Err() != nil {
		return p
	}
	c, rule := p.classesOf(column)
	if rule != "" {
		return p.with("Balanced: %s", rule)
	}
	rows, rule := c.balanced(n, seed)
	if rule != "" {
		return p.with("Balanced: %s", rule)
	}
	return p.view(rows)
}

// Split is [Table.Split].
func (p *Pictures) Split(fraction float64, seed uint64) (first, second *Pictures) {
	if p.Err() != nil {
		return p, p
	}
	a, b, rule := splitRows(p.Len(), fraction, seed)
	if rule != "" {
		e := p.with("Split: %s", rule)
		return e, e
	}
	return p.view(a), p.view(b)
}

// SplitBy is [Table.SplitBy]; no picture is decoded.
func (p *Pictures) SplitBy(column string, fraction float64, seed uint64) (first, second *Pictures) {
	if p.Err() != nil {
		return p, p
	}
	c, rule := p.classesOf(column)
	var a, b []int
	if rule == "" {
		a, b, rule = c.split(fraction, seed)
	}
	if rule != "" {
		e := p.with("SplitBy: %s", rule)
		return e, e
	}
	return p.view(a), p.view(b)
}

// classesOf returns the rows of each label.
func (p *Pictures) classesOf(column string) (*classes, string) {
	if column == "" || column != p.lab {
		return nil, fmt.Sprintf("no column %q of labels; the columns are %s", column, columnNames(p.Columns()))
	}
	return newClasses(fmt.Sprintf("%q of %s", column, p.files.dir), p.Len(), func(i int) int64 { return int64(p.files.labels[p.at(i)]) }), ""
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
