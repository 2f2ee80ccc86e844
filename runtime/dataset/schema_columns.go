package dataset

import (
	"fmt"
	"slices"
)

// Column returns the name of the column that fields of the kind go to, "" for Ignored: numeric, categorical, y, target, weight,
// group or time, or what Renamed makes of it.
func (s *Schema) Column(k Kind) string {
	name := string(k)
	switch k {
	case Number, Date:
		name = "numeric"
	case Category:
		name = "categorical"
	case Label:
		name = "y"
	case Ignored:
		return ""
	}
	if to, ok := s.Renamed[name]; ok {
		return to
	}
	return name
}

// columnsOf are all columns that a schema may have, under the names that they get unless they are renamed.
var columnsOf = []string{"numeric", "categorical", "y", "target", "weight", "group", "time"}

// renamed is the schema of rows of which a column was renamed. It stays the same where the column is none of the schema's.
func (s *Schema) renamed(column, to string) *Schema {
	if s == nil || column == to || !slices.ContainsFunc(s.Columns(), func(c Column) bool { return c.Name == column }) {
		return s
	}
	c := s.Clone()
	own := column
	for from, now := range c.Renamed {
		if now == column {
			own = from
		}
	}
	if delete(c.Renamed, own); own == to {
		return c
	}
	if c.Renamed == nil {
		c.Renamed = map[string]string{}
	}
	c.Renamed[own] = to
	return c
}

// checkNames returns what is wrong with the names of the columns.
func (s *Schema) checkNames() error {
	for from, to := range s.Renamed {
		switch {
		case !slices.Contains(columnsOf, from):
			return fmt.Errorf("it renames %q, which is no column of a schema; these are %s", clip(from), joined(columnsOf))
		case to == "" || len(to) > maxField:
			return fmt.Errorf("it renames %q to %q; the name is empty or too long", from, clip(to))
		}
	}
	seen := map[string]bool{}
	for _, c := range s.Columns() {
		if seen[c.Name] {
			return fmt.Errorf("it renames two columns to %q", clip(c.Name))
		}
		seen[c.Name] = true
	}
	return nil
}
