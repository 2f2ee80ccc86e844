package report

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// cell is one draw, or one fold of a draw: rows to learn from and rows to measure on.
type cell struct {
	draw, fold int // from 1; fold 0 without a cross-validation
	seed       uint64
	pool       *dataset.Selection // labelled and not
	test       *dataset.Selection // all with a label
	y          []int64            // of test
	groups     []int64            // of test; classes if there are no groups
	poolRows   []int              // numbers in the rows, in order
	testRows   []int              // numbers in the rows, or in the test rows
}

// name is that of the cell's files.
func (c *cell) name() string {
	if c.fold == 0 {
		return fmt.Sprintf("draw%03d", c.draw)
	}
	return fmt.Sprintf("draw%03d-fold%d", c.draw, c.fold)
}

// design divides the rows.
func (r *curving) design() error {
	o := &r.o
	y, err := r.rows.I64(r.label)
	if err != nil {
		return wrongOption("Rows", "%w", err)
	}
	of := make([]int, r.classes)
	var labelled []int
	for i, k := range y {
		if k >= int64(r.classes) {
			return wrongOption("Rows", "%s is the label %d, but the task has %d classes", dataset.Place(o.Rows, i, r.label), k, r.classes)
		}
		if k >= 0 {
			of[k]++
			labelled = append(labelled, i)
		}
	}
	for k, n := range of {
		if n < 2 {
			return wrongOption("Rows", "class %q has %s with a label; each needs two or more to draw from and to measure on: leave the class out, or put it together with another", r.names[k], counted(n, "row"))
		}
	}
	r.y, r.labelled = y, labelled
	if o.Group != "" {
		if r.groups, err = r.rows.I64(o.Group); err != nil {
			return wrongOption("Group", "%w", err)
		}
	}
	key := random.New(o.Seed).DeriveString("label curve")
	seed := func(draw, fold int) uint64 { return key.Uint64N(uint64(draw*1000+fold), 1<<53) }
	if o.Test != nil {
		return r.byTest(seed)
	}
	return r.byFolds(seed, slices.Min(of))
}

// byTest makes a cell of each draw, all of which are measured on the same rows.
func (r *curving) byTest(seed func(draw, fold int) uint64) error {
	test := dataset.All(r.o.Test)
	y, err := test.I64(r.label)
	if err != nil {
		return wrongOption("Test", "%w", err)
	}
	c := cell{pool: r.rows, poolRows: count(len(r.y))}
	for i, k := range y {
		if k >= int64(r.classes) {
			return wrongOption("Test", "%s is the label %d, but the task has %d classes", dataset.Place(r.o.Test, i, r.label), k, r.classes)
		}
		if k >= 0 {
			c.testRows, c.y = append(c.testRows, i), append(c.y, k)
		}
	}
	if len(c.y) == 0 {
		return wrongOption("Test", "none of the %d test rows has a label in column %q", len(y), r.label)
	}
	c.test, c.groups = test.Select(c.testRows), c.y
	if r.o.Group != "" {
		if err := dataset.Disjoint(r.o.Group, r.o.Rows, r.o.Test); err != nil {
			return wrongOption("Group", "labels leak: a group is on both sides: %w", err)
		}
		if c.groups, err = c.test.I64(r.o.Group); err != nil {
			return wrongOption("Group", "the test rows: %w", err)
		}
	}
	for d := 1; d <= r.o.Draws; d++ {
		at := c
		at.draw, at.seed = d, seed(d, 0)
		r.cells = append(r.cells, &at)
	}
	return nil
}

// byFolds makes a cell of each fold of each draw.
func (r *curving) byFolds(seed func(draw, fold int) uint64, rarest int) error {
	if r.o.Folds == 0 {
		r.o.Folds = min(5, rarest)
		if r.groups != nil {
			r.o.Folds = min(r.o.Folds, max(2, len(slices.Compact(slices.Sorted(slices.Values(r.groups))))))
		}
	}
	y, groups := r.y, r.groups
	if groups == nil { // rows without a label are never measured on, and belong to nobody
		y = make([]int64, len(r.labelled))
		for i, row := range r.labelled {
			y[i] = r.y[row]
		}
	}
	for d := 1; d <= r.o.Draws; d++ {
		folds, err := evaluate.Folds(y, groups, r.o.Folds, seed(d, 0))
		if err != nil {
			return wrongOption("Folds", "%w", err)
		}
		for f, fold := range folds {
			c := &cell{draw: d, fold: f + 1, seed: seed(d, f+1)}
			held := make([]bool, len(r.y))
			for _, i := range fold.Test {
				row := i
				if groups == nil {
					row = r.labelled[i]
				}
				held[row] = true
				if r.y[row] >= 0 {
					c.testRows, c.y = append(c.testRows, row), append(c.y, r.y[row])
					if groups != nil {
						c.groups = append(c.groups, groups[row])
					}
				}
			}
			for row := range r.y {
				if !held[row] {
					c.poolRows = append(c.poolRows, row)
				}
			}
			if groups == nil {
				c.groups = c.y
			}
			if len(c.testRows) == 0 {
				return wrongOption("Folds", "draw %d: fold %d has no row with a label: take fewer folds", d, f+1)
			}
			c.pool, c.test = r.rows.Select(c.poolRows), r.rows.Select(c.testRows)
			r.cells = append(r.cells, c)
		}
	}
	return nil
}

// most is the greatest number of labels that every cell can draw.
func (r *curving) most() (int, error) {
	most := math.MaxInt
	for _, c := range r.cells {
		of, n := make([]int, r.classes), 0
		for _, row := range c.poolRows {
			if k := r.y[row]; k >= 0 {
				of[k]++
				n++
			}
		}
		least := slices.Min(of)
		if least == 0 {
			return 0, wrongOption("Folds", "%s: class %q has no row to learn from: take fewer folds, or rows of more groups", c.name(), r.names[slices.Index(of, 0)])
		}
		if r.o.Drawn == balanced {
			n = least * r.classes
		}
		most = min(most, n)
	}
	return most, nil
}

// ladder sets the numbers of labels, or checks those that were asked for.
func (r *curving) ladder() error {
	most, err := r.most()
	if err != nil {
		return err
	}
	if len(r.o.Counts) == 0 {
		r.o.Counts = ladder(r.classes, most, r.o.Drawn == balanced)
	}
	for _, n := range r.o.Counts {
		switch {
		case n < r.classes:
			return wrongOption("Counts", "%d labels are fewer than the %d classes", n, r.classes)
		case n > most:
			return wrongOption("Counts", "%d labels cannot be drawn %s: there are %d to draw from on the side that trains", n, r.o.Drawn, most)
		case r.o.Drawn == balanced && n%r.classes != 0:
			return wrongOption("Counts", "%d labels cannot be drawn %s: they are no multiple of the %d classes", n, r.o.Drawn, r.classes)
		}
	}
	return nil
}

// ladder goes from two of each class to all in up to six steps of about the same factor.
func ladder(classes, most int, multiple bool) []int {
	first := 2 * classes
	if first >= most {
		return []int{most}
	}
	ratio := float64(most) / float64(first)
	steps := min(5, max(1, int(math.Round(math.Log2(ratio)))))
	var counts []int
	for i := range steps {
		n := int(math.Round(float64(first) * math.Pow(ratio, float64(i)/float64(steps))))
		if digits := int(math.Log10(float64(n))); digits > 1 { // two digits are enough to read
			unit := int(math.Pow10(digits - 1))
			n = n / unit * unit
		}
		if multiple {
			n = n / classes * classes
		}
		if len(counts) == 0 || n > counts[len(counts)-1] {
			counts = append(counts, n)
		}
	}
	return append(counts, most)
}

// draw returns the labelled rows of a cell, as numbers in the pool.
func (r *curving) draw(c *cell, n int) ([]int, error) {
	// A selection of the pool has the numbers of the rows, and these are in order.
	s := c.pool.Stratified(r.label, n, c.seed)
	if r.o.Drawn == balanced {
		s = c.pool.Balanced(r.label, n, c.seed)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("report: %s: %w", c.name(), err)
	}
	at := make(map[int]int, len(c.poolRows))
	for i, number := range c.pool.Numbers() {
		at[number] = i
	}
	var out []int
	for _, number := range s.Numbers() {
		out = append(out, at[number])
	}
	return out, nil
}

// index writes which rows a cell learns from and is measured on, as numbers of the rows.
func (r *curving) index(c *cell, n int, chosen []int, drawn, name string) error {
	x := dataset.Index{Data: len(r.y), Hash: r.hash, Drawn: fmt.Sprintf("%d labels, %s, draw %d, seed %d", n, drawn, c.draw, c.seed)}
	for _, i := range chosen {
		x.Rows = append(x.Rows, c.poolRows[i])
	}
	slices.Sort(x.Rows)
	return dataset.WriteIndex(filepath.Join(r.o.Dir, "draws", fmt.Sprintf("%s-%06d.txt", name, n)), x)
}

// indexes writes all draws, and what is measured on.
func (r *curving) indexes() error {
	for _, c := range r.cells {
		if c.fold > 0 {
			x := dataset.Index{Rows: c.testRows, Data: len(r.y), Hash: r.hash, Drawn: fmt.Sprintf("measured on in fold %d of draw %d", c.fold, c.draw)}
			if err := dataset.WriteIndex(filepath.Join(r.o.Dir, "draws", c.name()+"-test.txt"), x); err != nil {
				return err
			}
		}
		for _, n := range r.o.Counts {
			chosen, err := r.draw(c, n)
			if err != nil {
				return err
			}
			if err := r.index(c, n, chosen, r.o.Drawn, c.name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// count is the numbers from 0.
func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
