package active

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// penalties are what a probe chooses its L2 from, and alone is the one of a probe with too few rows to choose by.
var penalties = []float64{1e-4, 1e-3, 1e-2, 1e-1, 1}

const alone = 0.1

// Probed returns out-of-fold probabilities of linear probes of labelled codes, [rows Classes]: each fold's probe, with standards
// and L2 penalty, is fitted to the other folds alone. The penalty is the one of 1e-4 to 1 with the least log loss over three
// folds of these, or 0.1 where a class has fewer rows than that needs. A number that is NaN is missing: it counts as the mean of the
// rows that the probe is fitted to.
//
// Errors: a row without a label; those of [OutOfFold] and of the probes.
func Probed(ctx context.Context, s *evaluate.Set, groups []int64, folds int, seed uint64) ([]float64, error) {
	labels := make([]int64, len(s.Y))
	for i, y := range s.Y {
		labels[i] = int64(y)
		if y == evaluate.None {
			return nil, fmt.Errorf("active: row %d has no label", i)
		}
	}
	return OutOfFold(ctx, labels, groups, s.Classes, folds, seed, func(ctx context.Context, f evaluate.Fold) ([]float64, error) {
		known := selected(s, f.Train)
		l2, err := penalty(ctx, known, chosen(groups, f.Train), seed)
		if err != nil {
			return nil, err
		}
		return probe(ctx, known, selected(s, f.Test), l2)
	})
}

// penalty chooses the L2 penalty of a probe by the rows that it is fitted to.
func penalty(ctx context.Context, s *evaluate.Set, groups []int64, seed uint64) (float64, error) {
	labels := make([]int64, len(s.Y))
	for i, y := range s.Y {
		labels[i] = int64(y)
	}
	folds, err := evaluate.Folds(labels, groups, 3, seed)
	if err != nil { // too few rows or groups
		return alone, nil
	}
	best, least := 0.0, 0.0
	for i, l2 := range penalties {
		loss := 0.0
		for _, f := range folds {
			test := selected(s, f.Test)
			p, err := probe(ctx, selected(s, f.Train), test, l2)
			if err != nil {
				return 0, err
			}
			l, err := evaluate.LogLoss(p, s.Classes, test.Y)
			if err != nil {
				return 0, err
			}
			loss += l * float64(len(test.Y))
		}
		if i == 0 || loss <= least { // the larger of two that are equal
			best, least = l2, loss
		}
	}
	return best, nil
}

// probe returns the probabilities that a probe fitted to known gives the rows of test.
func probe(ctx context.Context, known, test *evaluate.Set, l2 float64) ([]float64, error) {
	known, test = filled(known, test)
	linear, err := evaluate.FitLinear(ctx, known, l2)
	if err != nil {
		return nil, err
	}
	scores, err := linear.Scores(test)
	if err != nil {
		return nil, err
	}
	return evaluate.Softmax(scores, known.Classes)
}

// filled returns both sets with the means of the first in the place of NaN, or 0 where it has no number.
func filled(known, test *evaluate.Set) (a, b *evaluate.Set) {
	if !slices.ContainsFunc(known.X, math.IsNaN) && !slices.ContainsFunc(test.X, math.IsNaN) {
		return known, test
	}
	sum, n := make([]float64, known.Dim), make([]float64, known.Dim)
	for i, v := range known.X {
		if v == v {
			sum[i%known.Dim] += v
			n[i%known.Dim]++
		}
	}
	fill := func(s *evaluate.Set) *evaluate.Set {
		out := *s
		out.X = slices.Clone(s.X)
		for i, v := range out.X {
			if v != v {
				out.X[i] = sum[i%s.Dim] / max(n[i%s.Dim], 1)
			}
		}
		return &out
	}
	return fill(known), fill(test)
}

// selected returns some rows of a set.
func selected(s *evaluate.Set, rows []int) *evaluate.Set {
	out := &evaluate.Set{Dim: s.Dim, Classes: s.Classes, X: make([]float64, 0, len(rows)*s.Dim)}
	for _, i := range rows {
		out.X, out.Y = append(out.X, s.Row(i)...), append(out.Y, s.Y[i])
	}
	return out
}

// chosen returns some of the groups, nil for none.
func chosen(groups []int64, rows []int) (out []int64) {
	for _, i := range rows {
		if groups != nil {
			out = append(out, groups[i])
		}
	}
	return out
}
