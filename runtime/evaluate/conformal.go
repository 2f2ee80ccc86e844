package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Sets says which classes are likely enough to be in the prediction set of a row: those whose probability is at least
// Threshold.
type Sets struct {
	Threshold float64 `json:"threshold"` // exact in float32, as probabilities of a net are
	Coverage  float64 `json:"coverage"`  // share of new rows whose class is in its set, at least; as it was asked for
	Rows      int     `json:"rows"`      // that it was found by
	Sizes     []int   `json:"sizes"`     // rows by the number of classes in their set, from 0
}

// Conformal finds the threshold with which prediction sets have the wanted coverage, by split conformal prediction (Vovk,
// Gammerman and Shafer 2005; Angelopoulos and Bates 2021, "A gentle introduction to conformal prediction", section 1, with the
// score 1-p of the class): of n rows that have a label, the probability of the class that is at rank ⌈(n+1)·coverage⌉ from the
// greatest. If new rows are like these (exchangeable with them), the set of a new row contains its class with at least this
// probability, whatever the model; over the draw of all of these rows, not given them. net's only output is probabilities
// f32[N classes]; rows are held back from training and from [Temperature].
//
//	sets, err := evaluate.Conformal(ctx, fit.Net(p), held, "label", 0.9)
//	ship := fit.Net(p, p.Then(spec.Unsure(sets.Threshold)).Named("unsure"))
//
// Errors: those of [Scores] and [ConformalOf].
func Conformal(ctx context.Context, net *engine.Net, rows dataset.Source, label string, coverage float64) (*Sets, error) {
	s, err := Scores(ctx, net, rows, label)
	if err != nil {
		return nil, err
	}
	return ConformalOf(s.X, s.Dim, s.Y, coverage)
}

// ConformalOf is [Conformal] for probabilities, row by row: [rows classes].
//
// Errors: those of [LogLoss]; the coverage is not between 0 and 1, or too few rows have a label to promise it: at least
// coverage/(1-coverage) are needed.
func ConformalOf(p []float64, classes int, labels []int, coverage float64) (*Sets, error) {
	const what = "conformal sets"
	if !(coverage > 0 && coverage < 1) {
		return nil, fmt.Errorf("evaluate: %s: the coverage must be between 0 and 1, got %v", what, coverage)
	}
	if _, err := probabilities(what, p, classes, labels, nil); err != nil {
		return nil, err
	}
	var own []float64
	for i, y := range labels {
		if y != None {
			own = append(own, p[i*classes+y])
		}
	}
	n := len(own)
	if n == 0 {
		return nil, lacking("evaluate: %s: no row has a label", what)
	}
	k := rankOf(n, coverage)
	if k > n {
		return nil, fmt.Errorf("evaluate: %s: %d rows with a label cannot promise a coverage of %v: %d are needed", what, n, coverage, enough(coverage))
	}
	slices.Sort(own)
	s := &Sets{Threshold: own[n-k], Coverage: coverage, Rows: n}
	s.Sizes = setSizes(p, classes, labels, s.Threshold)
	return s, nil
}

// rankOf is ⌈(n+1)·coverage⌉, where a product that misses an integer by rounding alone is that integer.
func rankOf(n int, coverage float64) int {
	x := float64(n+1) * coverage
	if near := math.Round(x); math.Abs(x-near) <= 1e-12*x {
		return int(near)
	}
	return int(math.Ceil(x))
}

// enough is the least number of rows that can promise a coverage.
func enough(coverage float64) int {
	n := max(int(coverage/(1-coverage))-1, 1)
	for rankOf(n, coverage) > n {
		n++
	}
	return n
}

// setSizes counts the rows that have a label by the number of classes in their set.
func setSizes(p []float64, classes int, labels []int, threshold float64) []int {
	sizes := make([]int, classes+1)
	for i, y := range labels {
		if y == None {
			continue
		}
		n := 0
		for _, x := range p[i*classes:][:classes] {
			if x >= threshold {
				n++
			}
		}
		sizes[n]++
	}
	return sizes
}

// Covered measures prediction sets on rows that a threshold was not found by: the share whose class is in its set, and the
// rows by the number of classes in theirs.
//
// Errors: those of [LogLoss].
func Covered(p []float64, classes int, labels []int, threshold float64) (share float64, sizes []int, err error) {
	const what = "coverage"
	c, err := probabilities(what, p, classes, labels, nil)
	if err != nil {
		return 0, nil, err
	}
	share, err = c.mean(what, labels, func(i int) float64 { return one(p[i*classes+labels[i]] >= threshold) })
	return share, setSizes(p, classes, labels, threshold), err
}
