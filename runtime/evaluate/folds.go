package evaluate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Fold is one division of rows, of a cross-validation. Both lists are in order.
type Fold struct {
	Train []int // rows to train on
	Test  []int // rows to measure on; each row is in that of one fold
}

// Folds divides rows into k folds of about the same size, with about the same share of each class, so that a group, such as a
// person or a device, is never on both sides. labels may be nil, for rows without classes; [None] is a row without a label,
// which goes with its group. groups may be nil: then each row is on its own, and the folds' rows of a class differ by one at
// most. It is a function of the seed.
//
//	folds, err := evaluate.Folds(t.I64("exercise"), t.I64("person"), 5, 1)
//	train, test := t.Select(folds[0].Train), t.Select(folds[0].Test)
//
// The groups go one after the other, the largest first, to the fold in which the class counts stay most alike: where the sum
// over the classes of the squared share of a class's rows grows least, then to the one with the fewest rows. Classes that few
// groups have may be missing in a fold.
//
// Errors: k is below 2; no rows; labels and groups of different lengths; fewer groups than folds; a label below None; a class
// with fewer rows than folds.
func Folds(labels, groups []int64, k int, seed uint64) ([]Fold, error) {
	rows := max(len(labels), len(groups))
	switch {
	case rows == 0:
		return nil, errors.New("evaluate: folds: there are no rows")
	case k < 2:
		return nil, fmt.Errorf("evaluate: folds: there must be two folds or more, got %d", k)
	case labels != nil && groups != nil && len(labels) != len(groups):
		return nil, fmt.Errorf("evaluate: folds: there must be a group for each of the %d labels, got %d", len(labels), len(groups))
	}
	classes, counts, err := classesOf(labels, rows, k)
	if err != nil {
		return nil, err
	}
	all := grouped(classes, groups, rows, len(counts))
	if len(all) < k {
		return nil, fmt.Errorf("evaluate: folds: %d groups cannot be divided into %d folds: take fewer folds", len(all), k)
	}
	key := random.New(seed).DeriveString("folds")
	for i, at := range key.Perm(len(all)) {
		all[i].order = at
	}
	slices.SortFunc(all, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(b.rows), len(a.rows)), cmp.Compare(a.order, b.order))
	})
	fold, have := make([]int, rows), make([][]int, k)
	size := make([]int, k)
	for f := range have {
		have[f] = make([]int, len(counts))
	}
	for g := range all {
		best := all[g].place(have, size, counts)
		for c, n := range all[g].classes {
			have[best][c] += n
		}
		size[best] += len(all[g].rows)
		for _, i := range all[g].rows {
			fold[i] = best
		}
	}
	out := make([]Fold, k)
	for i, of := range fold {
		for f := range out {
			if f == of {
				out[f].Test = append(out[f].Test, i)
			} else {
				out[f].Train = append(out[f].Train, i)
			}
		}
	}
	return out, nil
}

// classesOf numbers the classes of rows, one for those without a label, and counts their rows.
func classesOf(labels []int64, rows, k int) (class []int, counts []int, err error) {
	class = make([]int, rows)
	if labels == nil {
		return class, []int{rows}, nil
	}
	n := map[int64]int{}
	for i, y := range labels {
		if y < None {
			return nil, nil, fmt.Errorf("evaluate: folds: the label of row %d is %d; it must be 0 or more, or %d for none", i, y, None)
		}
		n[y]++
	}
	place := map[int64]int{}
	for _, y := range slices.Sorted(maps.Keys(n)) {
		if y != None && n[y] < k {
			return nil, nil, fmt.Errorf("evaluate: folds: class %d has %d rows, fewer than the %d folds: take fewer folds", y, n[y], k)
		}
		place[y] = len(counts)
		counts = append(counts, n[y])
	}
	for i, y := range labels {
		class[i] = place[y]
	}
	return class, counts, nil
}

// group is rows that stay together.
type group struct {
	rows    []int
	classes map[int]int // rows of each
	order   int         // drawn
}

func grouped(class []int, groups []int64, rows, classes int) []group {
	var all []group
	at := map[int64]int{}
	for i := range rows {
		name := int64(i)
		if groups != nil {
			name = groups[i]
		}
		g, ok := at[name]
		if !ok {
			g, at[name] = len(all), len(all)
			all = append(all, group{classes: map[int]int{}})
		}
		all[g].rows = append(all[g].rows, i)
		all[g].classes[class[i]]++
	}
	return all
}

// place returns the fold that takes the group. An empty fold grows least and has the fewest rows, so that each fold gets a
// group.
func (g *group) place(have [][]int, size, counts []int) int {
	classes := slices.Sorted(maps.Keys(g.classes))
	best, least := 0, 0.0
	for f := range have {
		grows := 0.0
		for _, c := range classes {
			n, more, of := float64(have[f][c]), float64(g.classes[c]), float64(counts[c])
			grows += more * (2*n + more) / (of * of)
		}
		if f == 0 || grows < least || grows == least && size[f] < size[best] {
			best, least = f, grows
		}
	}
	return best
}
