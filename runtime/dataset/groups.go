package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
)

// SplitByGroup returns two tables that share no group, such as a person or a device, whose numbers a column has: groups are
// drawn by seed so that the first has the given fraction of the rows, as nearly as whole groups allow. With a column of
// labels it also has that fraction of each label, as far as they allow. Rows are in the table's order.
// Errors (of both): the fraction is not between 0 and 1; a column that is not of single int64 values; there is only one group;
// more than one column of labels.
func (t *Table) SplitByGroup(group string, fraction float64, seed uint64, label ...string) (first, second *Table) {
	return parted(t, "SplitByGroup", func() ([]int, []int, error) { return byGroup(t, group, fraction, seed, label) })
}

// SplitByGroup is [Table.SplitByGroup].
func (s *Selection) SplitByGroup(group string, fraction float64, seed uint64, label ...string) (first, second *Selection) {
	return parted(s, "SplitByGroup", func() ([]int, []int, error) { return byGroup(s, group, fraction, seed, label) })
}

// SplitGroups returns the rows whose group, a value of the column, is one of these, and the rest, each in the table's order:
//
//	test, training := rows.SplitGroups("subject", []int64{8, 9})
//
// Errors (of both): the column is not of single int64 values; no group is named, one is named twice or has no rows, or all are
// named.
func (t *Table) SplitGroups(column string, groups []int64) (first, second *Table) {
	return parted(t, "SplitGroups", func() ([]int, []int, error) { return namedGroups(t, column, groups) })
}

// SplitGroups is [Table.SplitGroups].
func (s *Selection) SplitGroups(column string, groups []int64) (first, second *Selection) {
	return parted(s, "SplitGroups", func() ([]int, []int, error) { return namedGroups(s, column, groups) })
}

func namedGroups(c chooser, column string, groups []int64) (a, b []int, err error) {
	of, err := classesBy(c, column)
	if err != nil {
		return nil, nil, err
	}
	if len(groups) == 0 {
		return nil, nil, rule("no group is named")
	}
	in := map[int64]bool{}
	for _, g := range groups {
		switch {
		case in[g]:
			return nil, nil, rule(fmt.Sprintf("%s %d is named twice", of.named, g))
		case of.rows[g] == nil:
			return nil, nil, rule(fmt.Sprintf("%s is %d in no row; it has %d values from %d to %d", of.named, g, len(of.values), of.values[0], of.values[len(of.values)-1]))
		}
		in[g] = true
	}
	if len(in) == len(of.values) {
		return nil, nil, rule(fmt.Sprintf("all %d values of %s are named, so no row is left", len(in), of.named))
	}
	a, b = of.sides(func(i int) bool { return in[of.values[i]] })
	return a, b, nil
}

// sides returns the rows of the groups that are on the first side, and the others, in order.
func (c *classes) sides(first func(i int) bool) (a, b []int) {
	for i, v := range c.values {
		if first(i) {
			a = append(a, c.rows[v]...)
		} else {
			b = append(b, c.rows[v]...)
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	return a, b
}

func byGroup(c chooser, group string, fraction float64, seed uint64, label []string) (a, b []int, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, rule(fmt.Sprintf("the fraction must be between 0 and 1, got %v", fraction))
	}
	if len(label) > 1 {
		return nil, nil, rule(fmt.Sprintf("labels are one column, got %q", label))
	}
	groups, err := classesBy(c, group)
	if err != nil {
		return nil, nil, err
	}
	if len(groups.values) < 2 {
		return nil, nil, rule(fmt.Sprintf("%s is %d in all rows, and one group cannot be on both sides", groups.named, groups.values[0]))
	}
	p := &partition{fraction: fraction, of: make([][]share, len(groups.values)), first: make([]bool, len(groups.values)), total: []int{c.Len()}}
	for i, g := range groups.values {
		p.of[i] = []share{{0, len(groups.rows[g])}}
	}
	for _, column := range label {
		labels, err := classesBy(c, column)
		if err != nil {
			return nil, nil, err
		}
		p.stratify(groups, labels)
	}
	p.divide(random.New(seed).DeriveString("split by group").Perm(len(groups.values)))
	a, b = groups.sides(func(i int) bool { return p.first[i] })
	return a, b, nil
}

// partition puts groups on two sides. What is counted are strata: all rows, and the rows of each label.
type partition struct {
	fraction float64
	of       [][]share // of each group
	total    []int     // rows of each stratum
	first    []bool    // the groups on the first side
}

// share is how many rows of a stratum a group has.
type share struct{ stratum, rows int }

// stratify counts labels too.
func (p *partition) stratify(groups, labels *classes) {
	at := make([]int32, p.total[0]) // the group of each row
	for i, g := range groups.values {
		for _, row := range groups.rows[g] {
			at[row] = int32(i)
		}
	}
	for k, v := range labels.values {
		p.total = append(p.total, len(labels.rows[v]))
		for _, row := range labels.rows[v] {
			of := &p.of[at[row]]
			if last := &(*of)[len(*of)-1]; last.stratum == k+1 {
				last.rows++
			} else {
				*of = append(*of, share{k + 1, 1})
			}
		}
	}
}

// maxRounds bounds the rounds of improvement, each of which goes over all groups.
const maxRounds = 100

// divide puts one group after the other where it fits best beside those before it, then moves single groups as long as
// that makes the whole fit better.
func (p *partition) divide(order []int) {
	seen, have := make([]int, len(p.total)), make([]int, len(p.total)) // rows so far, and those on the first side
	count := 0
	move := func(i int, to bool) {
		sign := -1
		if to {
			sign = 1
		}
		for _, s := range p.of[i] {
			have[s.stratum] += sign * s.rows
		}
		p.first[i] = to
		count += sign
	}
	for _, i := range order {
		for _, s := range p.of[i] {
			seen[s.stratum] += s.rows
		}
		if p.misfit(i, seen, have, 1) < p.misfit(i, seen, have, 0) {
			move(i, true)
		}
	}
	if count == 0 || count == len(order) { // some group must be on the other side
		full, best, least := count > 0, 0, math.Inf(1)
		for _, i := range order {
			if x := p.gain(i, seen, have); x < least {
				best, least = i, x
			}
		}
		move(best, !full)
	}
	for range maxRounds {
		still := true
		for _, i := range order {
			left := count
			if p.first[i] {
				left = count - 1
			} else {
				left = len(order) - count - 1
			}
			if left > 0 && p.gain(i, seen, have) < -1e-12 {
				move(i, !p.first[i])
				still = false
			}
		}
		if still {
			return
		}
	}
}

// gain is by how much the misfit grows if a group goes to the other side.
func (p *partition) gain(i int, seen, have []int) float64 {
	by := 1
	if p.first[i] {
		by = -1
	}
	return p.misfit(i, seen, have, by) - p.misfit(i, seen, have, 0)
}

// misfit is the sum, over the strata of a group, of the squared distance of the first side from its fraction, if that side
// had the group's rows so many times more. The conversions keep the bits the same on processors that fuse operations.
func (p *partition) misfit(i int, seen, have []int, times int) float64 {
	sum := 0.0
	for _, s := range p.of[i] {
		d := float64(have[s.stratum]+times*s.rows) - float64(p.fraction*float64(seen[s.stratum]))
		d /= float64(p.total[s.stratum])
		sum += float64(d * d)
	}
	return sum
}

// Disjoint returns an error if a value of a column of integers, such as a person, is in rows of two of the sources, so that a
// training on one of them would have seen what is measured on the other. The error names the value and the rows. Other
// errors: fewer than two sources; no such column of single int64 values; those of a source.
func Disjoint(column string, sources ...Source) error {
	if len(sources) < 2 {
		return fmt.Errorf("dataset: Disjoint: two sources or more are compared, got %d", len(sources))
	}
	of := make([]*classes, len(sources))
	for i, src := range sources {
		s := All(src)
		err := s.Err()
		if err == nil {
			of[i], err = classesBy(s, column)
		}
		if err != nil {
			return fmt.Errorf("dataset: Disjoint: %w", &ofSource{"the " + ordinal(i) + " source", err})
		}
	}
	for i, a := range of {
		for j, b := range of[i+1:] {
			var both []int64
			for _, v := range a.values {
				if b.rows[v] != nil {
					both = append(both, v)
				}
			}
			if len(both) == 0 {
				continue
			}
			more := ""
			switch n := len(both) - 1; {
			case n == 1:
				more = ", and so is another value"
			case n > 1:
				more = fmt.Sprintf(", and so are %d other values", n)
			}
			return fmt.Errorf("dataset: Disjoint: %q %d is in %s of the %s source and in %s of the %s%s", column, both[0],
				rowNumbers(a.rows[both[0]]), ordinal(i), rowNumbers(b.rows[both[0]]), ordinal(i+1+j), more)
		}
	}
	return nil
}

// rowNumbers names rows, the first few by their numbers.
func rowNumbers(rows []int) string {
	const most = 5
	if len(rows) == 1 {
		return fmt.Sprintf("row %d", rows[0])
	}
	shown, more := rows, ""
	if len(rows) > most {
		shown, more = rows[:most], fmt.Sprintf(" and %d more", len(rows)-most)
	}
	text := make([]string, len(shown))
	for i, r := range shown {
		text[i] = fmt.Sprint(r)
	}
	return "rows " + strings.Join(text, ", ") + more
}
