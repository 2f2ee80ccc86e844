package report

import (
	"context"
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
)

// ByStrategy chooses labels by a strategy that one classifier is enough for, such as
// [active.Margin], [active.Entropy], [active.CoreSet] and [active.Random].
//
// Errors, of the curve: a strategy that needs several classifiers; codes of a way that is no net.
func ByStrategy(s active.Strategy) Chooser {
	return Chooser{Name: s.Name(), Choose: func(ctx context.Context, learned *fewlabels.Learned, code *engine.Net, labelled, rest dataset.Source, n int, seed uint64) ([]int, error) {
		needs := s.Needs()
		if err := enough(s); err != nil {
			return nil, err
		}
		p := &active.Pool{Rows: rest.Len(), Seed: seed}
		var err error
		if needs.Members > 0 {
			scores, err := learned.Predict(ctx, rest)
			if err != nil {
				return nil, err
			}
			p.Members, p.Classes = [][]float64{scores}, len(scores)/rest.Len()
		}
		if needs.Codes {
			if code == nil {
				return nil, fmt.Errorf("it looks at codes, and what was learned has none")
			}
			if p.Codes, err = active.CodesOf(ctx, code, "", rest); err != nil {
				return nil, err
			}
			if p.Known, err = active.CodesOf(ctx, code, "", labelled); err != nil {
				return nil, err
			}
		}
		picks, err := s.Order(ctx, p, n)
		if err != nil {
			return nil, err
		}
		rows := make([]int, len(picks))
		for i, pick := range picks {
			rows[i] = pick.Row
		}
		return rows, nil
	}}
}

// enough returns an error for a strategy that one classifier is not enough for.
func enough(s active.Strategy) error {
	if n := s.Needs().Members; n > 1 {
		return fmt.Errorf("it needs %d classifiers, and a curve trains one: take one of margin, entropy, coreset and random", n)
	}
	return nil
}

// choosersOf reads names of strategies with commas between; none for "none".
func choosersOf(names string) (list []Chooser, err error) {
	if names == "" || names == "none" {
		return nil, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		s, err := active.Parse(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if err := enough(s); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name(), err)
		}
		list = append(list, ByStrategy(s))
	}
	return list, nil
}
