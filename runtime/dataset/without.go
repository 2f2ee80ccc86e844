package dataset

import "slices"

// Without returns the table without some columns, for example one that only rows of another source lack. Its schema, if it has
// one, keeps the fields of the other columns.
// Errors: no such column; no column is left.
func (t *Table) Without(columns ...string) *Table {
	if t.Err() != nil {
		return t
	}
	for _, name := range columns {
		if t.find(name) == nil {
			return t.noColumn("Without", name)
		}
	}
	u := &Table{n: t.n, rows: t.rows, schema: t.schema.without(columns)}
	for _, c := range t.cols {
		if !slices.Contains(columns, c.Name) {
			u.cols = append(u.cols, c)
		}
	}
	if len(u.cols) == 0 {
		return t.with("Without: no column is left of %s", newWriter(t.cols).names())
	}
	return u
}
