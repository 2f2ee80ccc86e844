package dataset

import (
	"fmt"
	"slices"
)

// SplitAt returns the rows before a time, those whose value of the column is less, and the rows from it on, each in the
// table's order: for a test on what came later than all that was trained on.
// Errors (of both): the column is not of single int64 values; all rows are on one side.
func (t *Table) SplitAt(column string, time int64) (before, after *Table) {
	return parted(t, "SplitAt", func() ([]int, []int, error) { return splitAt(t, column, time) })
}

// SplitAt is [Table.SplitAt].
func (s *Selection) SplitAt(column string, time int64) (before, after *Selection) {
	return parted(s, "SplitAt", func() ([]int, []int, error) { return splitAt(s, column, time) })
}

func splitAt(c chooser, column string, time int64) (a, b []int, err error) {
	v, named, err := c.integers(column)
	if err != nil {
		return nil, nil, err
	}
	a, b = beside(v, func(t int64) bool { return t < time })
	if len(a) == 0 || len(b) == 0 {
		return nil, nil, rule(fmt.Sprintf("%s is from %d to %d, so no row is on one side of %d", named, slices.Min(v), slices.Max(v), time))
	}
	return a, b, nil
}

// beside returns the rows whose value is on the first side, and the others.
func beside(v []int64, first func(int64) bool) (a, b []int) {
	for i, x := range v {
		if first(x) {
			a = append(a, i)
		} else {
			b = append(b, i)
		}
	}
	return a, b
}

// SplitByTime returns the earliest rows by a column of times, as nearly the given fraction of all as possible, and the later
// ones, each in the table's order. Rows of one time are on one side.
// Errors (of both): the fraction is not between 0 and 1; the column is not of single int64 values; all rows have one time.
func (t *Table) SplitByTime(column string, fraction float64) (before, after *Table) {
	return parted(t, "SplitByTime", func() ([]int, []int, error) { return splitByTime(t, column, fraction) })
}

// SplitByTime is [Table.SplitByTime].
func (s *Selection) SplitByTime(column string, fraction float64) (before, after *Selection) {
	return parted(s, "SplitByTime", func() ([]int, []int, error) { return splitByTime(s, column, fraction) })
}

func splitByTime(c chooser, column string, fraction float64) (a, b []int, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, rule(fmt.Sprintf("the fraction must be between 0 and 1, got %v", fraction))
	}
	v, named, err := c.integers(column)
	if err != nil {
		return nil, nil, err
	}
	sorted := slices.Sorted(slices.Values(v))
	n := len(v)
	if sorted[0] == sorted[n-1] {
		return nil, nil, rule(fmt.Sprintf("%s is %d in all rows, which cannot be on both sides", named, sorted[0]))
	}
	k := cut(n, fraction)
	lo, _ := slices.BinarySearch(sorted, sorted[k]) // rows before this time,
	hi := n                                         // and up to it
	if sorted[k] != sorted[n-1] {
		hi, _ = slices.BinarySearch(sorted, sorted[k]+1)
	}
	if lo == 0 || hi < n && hi-k < k-lo {
		lo = hi
	}
	a, b = beside(v, func(t int64) bool { return t < sorted[lo] })
	return a, b, nil
}
