package dataset

import "fmt"

// chooser is what rows are chosen from by a column.
type chooser interface {
	Len() int
	integers(column string) (v []int64, named string, err error)
}

// choice is a [Table], a [Selection] or [Pictures]: what methods such as Select and SplitBy are for. Each is made of picked or
// parted and of a function that finds the rows.
type choice[T any] interface {
	chooser
	Err() error
	view(rows []int) T                 // of rows that there are
	failed(method string, err error) T // remembers why a method has none
}

func picked[T choice[T]](c T, method string, choose func() ([]int, error)) T {
	if c.Err() != nil {
		return c
	}
	rows, err := choose()
	if err != nil {
		return c.failed(method, err)
	}
	return c.view(rows)
}

func parted[T choice[T]](c T, method string, choose func() (a, b []int, err error)) (first, second T) {
	if c.Err() != nil {
		return c, c
	}
	a, b, err := choose()
	if err != nil {
		e := c.failed(method, err)
		return e, e
	}
	return c.view(a), c.view(b)
}

func selected[T choice[T]](c T, rows []int) T {
	return picked(c, "Select", func() ([]int, error) { return rows, asError(checkRows(rows, c.Len())) })
}

// first returns the numbers of the first rows.
func first(c chooser, n int) ([]int, error) {
	if n <= 0 || n > c.Len() {
		return nil, rule(fmt.Sprintf("n must be from 1 to %d, the number of rows, got %d", c.Len(), n))
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows, nil
}

func split(c chooser, fraction float64, seed uint64) (a, b []int, err error) {
	a, b, broken := splitRows(c.Len(), fraction, seed)
	return a, b, asError(broken)
}

func splitBy(c chooser, column string, fraction float64, seed uint64) (a, b []int, err error) {
	of, err := classesBy(c, column)
	if err != nil {
		return nil, nil, err
	}
	a, b, broken := of.split(fraction, seed)
	return a, b, asError(broken)
}

func balanced(c chooser, column string, n int, seed uint64) ([]int, error) {
	of, err := classesBy(c, column)
	if err != nil {
		return nil, err
	}
	rows, broken := of.balanced(n, seed)
	return rows, asError(broken)
}

// rule is one that a choice breaks.
type rule string

func (r rule) Error() string { return string(r) }

// asError is nil for no rule.
func asError(broken string) error {
	if broken == "" {
		return nil
	}
	return rule(broken)
}

// classesBy returns the rows of each value of a column.
func classesBy(c chooser, column string) (*classes, error) {
	v, named, err := c.integers(column)
	if err != nil {
		return nil, err
	}
	of := newClasses(named, len(v), func(i int) int64 { return v[i] })
	of.names = classNames(c, column)
	return of, nil
}

// classNames are the classes that the schema of rows has, nil if it has none for the column.
func classNames(rows any, column string) []string {
	if s, ok := rows.(interface{ Schema() *Schema }); ok && s.Schema() != nil && column == s.Schema().Column(Label) {
		return s.Schema().Classes()
	}
	return nil
}
