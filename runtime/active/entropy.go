package active

import (
	"context"
	"math"
)

// Entropy asks first about rows whose class is least certain. The score is -Σ p ln p, in nats (Shannon 1948).
type Entropy struct{}

// Name is entropy.
func (Entropy) Name() string { return "entropy" }

// Needs says that it looks at probabilities.
func (Entropy) Needs() Needs { return Needs{Members: 1} }

// Order implements [Strategy].
func (s Entropy) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	return scored(ctx, s, p, count, func() (scores, then []float64) { return each(p.mean(), p.Classes, entropy), nil })
}

func entropy(row []float64) float64 {
	h := 0.0
	for _, v := range row {
		if v > 0 {
			h -= v * math.Log(v)
		}
	}
	return h
}
