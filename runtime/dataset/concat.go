package dataset

// Concat returns the rows of one source and then those of another, to be trained on as one. The columns are those of both, as
// [Mix] joins them: a column of integers that one of them lacks is -1 in its rows, and any other must be in both.
// Errors (of Err): those of a source; columns that differ; a source that is a [Mixture].
func Concat(first, second Source) *Selection {
	m := Mix(first, 1, second, 1)
	if err := m.Err(); err != nil {
		return &Selection{err: &ofConcat{err}}
	}
	return All(&concat{m})
}

// ofConcat is a mistake of what Mix joined.
type ofConcat struct{ err error }

func (e *ofConcat) Error() string { return "dataset: Concat: " + bare(e.err) }
func (e *ofConcat) Unwrap() error { return e.err }

// concat is the rows of a mixture in order. It hides how that draws them.
type concat struct{ m *Mixture }

func (c *concat) Len() int                             { return c.m.Len() }
func (c *concat) Columns() []Column                    { return c.m.Columns() }
func (c *concat) Row(i int, row Row) error             { return c.m.Row(i, row) }
func (c *concat) Rows(index []int, dst Rows) error     { return c.m.Rows(index, dst) }
func (c *concat) origin(row int) (Source, int, string) { return c.m.origin(row) }
