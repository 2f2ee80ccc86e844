package fewlabels

import (
	"context"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Probe is a linear classifier of the codes of the labelled rows: multinomial logistic
// regression, which changes nothing of the encoder (Alain and Bengio 2016). The weights
// of the encoder are those of Options.InitFrom, or else its initial ones.
//
// Its L2 penalty, as in [evaluate.FitLinear], is the one of L2 with the least log loss over a
// cross-validation of the labelled rows; the larger of two that are equal.
type Probe struct {
	// L2 are penalties to choose among; powers of ten from 1e-4 to 10. A single one is
	// taken as it is.
	L2 []float64
	// Folds of the cross-validation; 5, or as many rows as the rarest class has if these
	// are fewer. If a class has one row alone, there are no folds and the penalty is 0.1.
	Folds int
}

// alonePenalty is that of a probe with nothing to choose it by.
const alonePenalty = 0.1

// Name implements [Way].
func (Probe) Name() string { return "linear probe" }

func (p Probe) check() error {
	for _, v := range p.L2 {
		if !(v >= 0 && v <= 1e30) {
			return fmt.Errorf("fewlabels: Probe.L2 must be zero or positive, and finite, got %v", v)
		}
	}
	return checkFolds("Probe", p.Folds)
}

func checkFolds(way string, k int) error {
	if k != 0 && k < 2 {
		return fmt.Errorf("fewlabels: %s.Folds must be two or more, or 0 for 5, got %d", way, k)
	}
	return nil
}

// Train implements [Way]. It does not use unlabelled rows, and no updates are made.
// Chosen has "l2".
func (p Probe) Train(ctx context.Context, t Task, labelled, _ dataset.Source, o train.Options) (*Learned, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	rows, y, err := t.begin(p.Name(), labelled)
	if err != nil {
		return nil, err
	}
	r, set, err := t.codes(ctx, rows, o)
	if err != nil {
		return nil, err
	}
	grid := slices.Clone(p.L2)
	if len(grid) == 0 {
		grid = []float64{1e-4, 1e-3, 1e-2, 1e-1, 1, 10}
	}
	slices.Sort(grid)
	l2 := alonePenalty
	folds, err := foldsOf(y, p.Folds, o.Seed)
	switch {
	case err != nil:
		return nil, err
	case len(grid) == 1:
		l2 = grid[0]
	case folds != nil:
		if l2, err = p.choose(ctx, set, folds, grid); err != nil {
			return nil, err
		}
	}
	fit, err := evaluate.FitLinear(ctx, set, l2)
	if err != nil {
		return nil, err
	}
	w, b := fit.Affine()
	logits := spec.Add(spec.MatMul(t.Code, spec.Data([]int{fit.Dim, fit.Classes}, w)), spec.Data([]int{fit.Classes}, b))
	learned, err := ofNet(r.Net(t.probabilities(logits)), r)
	if err != nil {
		return nil, err
	}
	learned.Chosen = map[string]float64{"l2": l2}
	return learned, nil
}

// choose returns the penalty with the least log loss over the folds.
func (Probe) choose(ctx context.Context, set *evaluate.Set, folds []evaluate.Fold, grid []float64) (float64, error) {
	best, least := 0.0, 0.0
	for i, l2 := range grid {
		loss := 0.0
		for _, f := range folds {
			fit, err := evaluate.FitLinear(ctx, part(set, f.Train), l2)
			if err != nil {
				return 0, err
			}
			test := part(set, f.Test)
			scores, err := fit.Scores(test)
			if err != nil {
				return 0, err
			}
			p, err := evaluate.Softmax(scores, set.Classes)
			if err != nil {
				return 0, err
			}
			l, err := evaluate.LogLoss(p, set.Classes, test.Y)
			if err != nil {
				return 0, err
			}
			loss += l * float64(len(f.Test))
		}
		if i == 0 || loss <= least {
			best, least = l2, loss
		}
	}
	return best, nil
}

// codes returns the codes of the labelled rows, and what computes them.
func (t Task) codes(ctx context.Context, rows dataset.Source, o train.Options) (*train.Result, *evaluate.Set, error) {
	r, err := t.started(ctx, rows, o)
	if err != nil {
		return nil, nil, err
	}
	set, err := evaluate.Codes(ctx, r.Net(t.Code), rows, t.Label)
	if err != nil {
		return nil, nil, err
	}
	set.Classes = len(t.Classes) // and not those alone that occur
	return r, set, nil
}

// foldsOf divides labelled rows, nil if a class has one row alone.
func foldsOf(y []int64, k int, seed uint64) ([]evaluate.Fold, error) {
	count := map[int64]int{}
	for _, c := range y {
		count[c]++
	}
	if k == 0 {
		k = 5
	}
	for _, n := range count {
		k = min(k, n)
	}
	if k < 2 {
		return nil, nil
	}
	return evaluate.Folds(y, nil, k, seed)
}

// part returns some rows of a set.
func part(s *evaluate.Set, rows []int) *evaluate.Set {
	out := &evaluate.Set{Dim: s.Dim, Classes: s.Classes}
	for _, i := range rows {
		out.X, out.Y = append(out.X, s.Row(i)...), append(out.Y, s.Y[i])
	}
	return out
}

// codesOf computes codes of rows that need no label.
func codesOf(ctx context.Context, net *engine.Net, rows dataset.Source) (*evaluate.Set, error) {
	x, err := run(ctx, net, rows)
	if err != nil {
		return nil, err
	}
	n := net.Graph().Outputs[0].Type.Last()
	return &evaluate.Set{X: x, Dim: n, Y: make([]int, len(x)/n), Classes: 1}, nil
}
