package fewlabels

import (
	"context"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Neighbours gives a row the most common label among the nearest codes of labelled rows,
// by Euclidean distance (Cover and Hart 1967). The weights of the encoder are those of
// Options.InitFrom, or else its initial ones. It is no net, so nothing can be shipped.
//
// The probability of a class is its share of the k votes, where the nearest
// neighbour of the class that wins has another vote: (votes+1)/(k+1) for that class,
// votes/(k+1) for the others.
type Neighbours struct {
	// K are numbers of neighbours to choose among; 1, 3, 5 and 9. The one with the most
	// right rows over a cross-validation of the labelled rows is taken, the smaller of
	// two that are equal. A single one is taken as it is.
	K []int
	// Folds of the cross-validation; 5, or as many rows as the rarest class has if these
	// are fewer. If a class has one row alone, there are no folds and K is the smallest.
	Folds int
}

// Name implements [Way].
func (Neighbours) Name() string { return "neighbours" }

// Train implements [Way]. It does not use unlabelled rows, and no updates are made. Net is
// nil. Chosen has "k". Errors: those of Way; a number of neighbours that is not positive,
// or one above the number of labelled rows if it is the only one.
func (w Neighbours) Train(ctx context.Context, t Task, labelled, _ dataset.Source, o train.Options) (*Learned, error) {
	grid := slices.Clone(w.K)
	if len(grid) == 0 {
		grid = []int{1, 3, 5, 9}
	}
	slices.Sort(grid)
	if grid[0] < 1 {
		return nil, fmt.Errorf("fewlabels: Neighbours.K must be positive, got %d", grid[0])
	}
	if err := checkFolds("Neighbours", w.Folds); err != nil {
		return nil, err
	}
	rows, y, err := t.begin(w.Name(), labelled)
	if err != nil {
		return nil, err
	}
	if grid[0] > len(y) {
		return nil, fmt.Errorf("fewlabels: Neighbours.K is %d, but %d rows have a label", grid[0], len(y))
	}
	r, set, err := t.codes(ctx, rows, o)
	if err != nil {
		return nil, err
	}
	folds, err := foldsOf(y, w.Folds, o.Seed)
	if err != nil {
		return nil, err
	}
	k := grid[0]
	if len(grid) > 1 && folds != nil {
		if k, err = w.choose(ctx, set, folds, grid); err != nil {
			return nil, err
		}
	}
	net := r.Net(t.Code)
	return &Learned{Result: r, Chosen: map[string]float64{"k": float64(k)},
		Predict: func(ctx context.Context, rows dataset.Source) ([]float64, error) {
			test, err := codesOf(ctx, net, rows)
			if err != nil {
				return nil, err
			}
			return evaluate.KNNShares(ctx, set, test, k)
		}}, nil
}

// choose returns the number of neighbours with the most right rows over the folds.
func (Neighbours) choose(ctx context.Context, set *evaluate.Set, folds []evaluate.Fold, grid []int) (int, error) {
	best, most := grid[0], -1
	for _, k := range grid {
		right, fits := 0, true
		for _, f := range folds {
			if fits = fits && k <= len(f.Train); !fits {
				break
			}
			test := part(set, f.Test)
			got, err := evaluate.KNN(ctx, part(set, f.Train), test, k)
			if err != nil {
				return 0, err
			}
			for i, c := range got {
				if c == test.Y[i] {
					right++
				}
			}
		}
		if fits && right > most {
			best, most = k, right
		}
	}
	return best, nil
}
