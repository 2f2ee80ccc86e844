package active

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Doubtful is a label that predictions contradict.
type Doubtful struct {
	Row         int
	Label       int     // that was given
	Likely      int     // that the predictions are confident of
	Confidence  float64 // the probability of Label: the self-confidence
	Probability float64 // that of Likely
}

// Doubt lists the labels that out-of-fold probabilities, [rows classes], contradict, the least believed first; of equal ones
// the earlier. It is the part of confident learning that counts (Northcutt et al. 2021): the threshold of a class is the mean
// probability of that class over the rows labelled so, and a row is confidently of the likeliest of the classes whose threshold
// its probability reaches. A label is doubtful if that is another class, which is to lie off the diagonal of their confident
// joint. The joint is not calibrated and no rows are pruned by it. A row whose label is [evaluate.None] is left out; a class
// without rows has no threshold, and no row is confidently of it.
//
// Probabilities must be of models that did not see the row's label: [OutOfFold].
//
// Errors: fewer than two classes; other numbers of probabilities than rows and classes; a label that is no class; numbers that
// are no probabilities.
func Doubt(labels []int, p []float64, classes int) ([]Doubtful, error) {
	if classes < 2 {
		return nil, fmt.Errorf("active: doubt: there must be two classes or more, got %d", classes)
	}
	if len(p) != len(labels)*classes {
		return nil, fmt.Errorf("active: doubt: %d labels and %d classes need %d probabilities, got %d", len(labels), classes, len(labels)*classes, len(p))
	}
	threshold, rows := make([]float64, classes), make([]int, classes)
	for i, y := range labels {
		if y == evaluate.None {
			continue
		}
		if y < 0 || y >= classes {
			return nil, fmt.Errorf("active: doubt: the label of row %d is %d; classes are 0 to %d", i, y, classes-1)
		}
		r := p[i*classes:][:classes]
		if !evaluate.AreProbabilities(r, classes) {
			return nil, fmt.Errorf("active: doubt: row %d has %.4g, which are no probabilities", i, r[:min(classes, 8)])
		}
		threshold[y] += r[y]
		rows[y]++
	}
	for k, n := range rows {
		if threshold[k] /= float64(n); n == 0 {
			threshold[k] = math.Inf(1)
		}
	}
	var list []Doubtful
	for i, y := range labels {
		if y == evaluate.None {
			continue
		}
		r, likely := p[i*classes:][:classes], -1
		for k, v := range r {
			if v >= threshold[k] && (likely < 0 || v > r[likely]) {
				likely = k
			}
		}
		if likely >= 0 && likely != y {
			list = append(list, Doubtful{i, y, likely, r[y], r[likely]})
		}
	}
	slices.SortStableFunc(list, func(a, b Doubtful) int { return cmp.Compare(a.Confidence, b.Confidence) })
	return list, nil
}

// OutOfFold returns a probability for each row and class, [rows classes], from models that did not see the row: fit trains one on
// the rows of a fold and returns the probabilities of those of Fold.Test, in their order. The folds are those of
// [evaluate.Folds], stratified by label, and no group, if there are groups, is on both sides.
//
// Errors: those of Folds and of fit; a class whose rows are all in one fold, as those of one group are, of which no model could
// know; another number of probabilities.
func OutOfFold(ctx context.Context, labels, groups []int64, classes, folds int, seed uint64, fit func(ctx context.Context, f evaluate.Fold) ([]float64, error)) ([]float64, error) {
	list, err := evaluate.Folds(labels, groups, folds, seed)
	if err != nil {
		return nil, err
	}
	for n, f := range list {
		if y := onlyIn(labels, f); y != evaluate.None {
			return nil, fmt.Errorf("active: out of fold: all rows of class %d are in fold %d, as those of one group are, so that no other model knows it: leave them out, or take other folds", y, n+1)
		}
	}
	out := make([]float64, max(len(labels), len(groups))*classes)
	for n, f := range list {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("active: out of fold: %w", err)
		}
		p, err := fit(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", n+1, len(list), err)
		}
		if len(p) != len(f.Test)*classes {
			return nil, fmt.Errorf("active: fold %d: %d rows of %d classes have %d probabilities, got %d", n+1, len(f.Test), classes, len(f.Test)*classes, len(p))
		}
		for k, i := range f.Test {
			copy(out[i*classes:][:classes], p[k*classes:])
		}
	}
	return out, nil
}

// onlyIn is a class that no row has which is trained on in this fold, and one that is predicted; evaluate.None if there is none.
func onlyIn(labels []int64, f evaluate.Fold) int64 {
	trained := map[int64]bool{evaluate.None: true}
	if labels == nil {
		return evaluate.None
	}
	for _, i := range f.Train {
		trained[labels[i]] = true
	}
	for _, i := range f.Test {
		if !trained[labels[i]] {
			return labels[i]
		}
	}
	return evaluate.None
}
