package dataset

import "slices"

// Concatenation is the rows of two sources, one after the other: see [Concat]. It is a [BatchSource].
type Concatenation struct{ m *Mixture }

// Concat returns the rows of the first source and, behind them, those of the second, such as generated rows behind real ones. An
// epoch is all of them, shuffled together; [Mix] instead has so many of each in every batch.
//
// The columns are those of both sources. A column of integers that one of them lacks is -1 in its rows, which is no label; any
// other column must be in both. Errors (of Err, and of every use): those of a source; columns that differ; a column of no
// integers that is in one source only; a source that is a [Mixture].
func Concat(first, second Source) *Concatenation {
	return &Concatenation{mix("Concat", first, 1, second, 1)}
}

// Err returns what is wrong with the rows.
func (c *Concatenation) Err() error {
	if c == nil {
		return mistake("the concatenation is nil")
	}
	return c.m.Err()
}

// Len implements [Source].
func (c *Concatenation) Len() int {
	if c.Err() != nil {
		return 0
	}
	return c.m.Len()
}

// Columns implements [Source].
func (c *Concatenation) Columns() []Column {
	if c.Err() != nil {
		return nil
	}
	return c.m.Columns()
}

// Row implements [Source].
func (c *Concatenation) Row(i int, row Row) error {
	if err := c.Err(); err != nil {
		return err
	}
	return oneOf(c, i, row)
}

// Rows implements [BatchSource].
func (c *Concatenation) Rows(index []int, dst Rows) error {
	if err := c.Err(); err != nil {
		return err
	}
	return c.m.Rows(index, dst)
}

// Schema returns the schema of the first source, or of the second if the first has none.
func (c *Concatenation) Schema() *Schema {
	if c.Err() != nil {
		return nil
	}
	return c.m.Schema()
}

func (c *Concatenation) origin(row int) (src Source, at int, of string) {
	if c.Err() != nil {
		return nil, 0, ""
	}
	return c.m.origin(row)
}

// Concatenated returns the sources of a [Concatenation], of a table that was collected of one or of a [Mixture], or of that of which
// rows were selected, in order. It is nil for any other source.
func Concatenated(src Source) []Source {
	switch s := bareOf(src).(type) {
	case chosenFrom:
		return Concatenated(s.selection().source())
	case *Concatenation:
		if s.Err() == nil {
			return []Source{s.m.parts[0].given, s.m.parts[1].given}
		}
	case *Spooled:
		if s.of != nil {
			return Concatenated(s.of)
		}
	case *Table:
		if s.Err() != nil {
			return nil
		}
		for _, c := range s.cols {
			if c.both != nil {
				return slices.Clone(c.both)
			}
		}
	}
	return nil
}
