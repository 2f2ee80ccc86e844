package dataset

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

// classes are the rows of each label.
type classes struct {
	named  string   // the column, for errors
	names  []string // of the classes, nil if they are not known
	rows   map[int64][]int
	values []int64 // in order
}

func newClasses(named string, n int, label func(row int) int64) *classes {
	c := &classes{named: named, rows: map[int64][]int{}}
	for i := range n {
		v := label(i)
		if _, ok := c.rows[v]; !ok {
			c.values = append(c.values, v)
		}
		c.rows[v] = append(c.rows[v], i)
	}
	slices.Sort(c.values)
	return c
}

// balanced draws n rows, as many of each class, or says which rule is broken.
func (c *classes) balanced(n int, seed uint64) (picked []int, rule string) {
	c, rule = c.labelled()
	if rule != "" {
		return nil, rule
	}
	per := n / len(c.values)
	if per <= 0 || per*len(c.values) != n {
		return nil, fmt.Sprintf("the number of rows must be a positive multiple of the %d classes of %s, got %d", len(c.values), c.named, n)
	}
	key := random.New(seed).DeriveString("balanced")
	for _, v := range c.values {
		rows := c.rows[v]
		if len(rows) < per {
			return nil, fmt.Sprintf("%d rows need %d of each class, but %s is %d in %d rows only", n, per, c.named, v, len(rows))
		}
		for _, j := range key.Derive(uint64(v)).Perm(len(rows))[:per] {
			picked = append(picked, rows[j])
		}
	}
	slices.Sort(picked)
	return picked, ""
}

// split draws a fraction of each class, or says which rule is broken. Both parts are in order.
func (c *classes) split(fraction float64, seed uint64) (a, b []int, rule string) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Sprintf("the fraction must be between 0 and 1, got %v", fraction)
	}
	key := random.New(seed).DeriveString("split by")
	for _, v := range c.values {
		rows := c.rows[v]
		if len(rows) < 2 {
			return nil, nil, fmt.Sprintf("%s is %d in one row only, which cannot be on both sides", c.named, v)
		}
		n := cut(len(rows), fraction)
		for i, j := range key.Derive(uint64(v)).Perm(len(rows)) {
			if i < n {
				a = append(a, rows[j])
			} else {
				b = append(b, rows[j])
			}
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	return a, b, ""
}

// splitRows draws a fraction of n rows and the rest, or says which rule is broken.
func splitRows(n int, fraction float64, seed uint64) (a, b []int, rule string) {
	if n < 2 || !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Sprintf("the fraction must be between 0 and 1, of two rows or more, got %v of %d", fraction, n)
	}
	perm := random.New(seed).DeriveString("split").Perm(n)
	k := cut(n, fraction)
	return perm[:k], perm[k:], ""
}

// cut returns the size of a fraction of n ≥ 2 that leaves something on both sides.
func cut(n int, fraction float64) int {
	return min(max(int(math.Round(fraction*float64(n))), 1), n-1)
}

// checkRows returns the rule that a choice among n rows breaks, or "".
func checkRows(rows []int, n int) string {
	if len(rows) == 0 {
		return "no rows are named"
	}
	for _, r := range rows {
		if r < 0 || r >= n {
			return fmt.Sprintf("no row %d in a table of %d", r, n)
		}
	}
	return ""
}
