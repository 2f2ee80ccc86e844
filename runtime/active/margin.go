package active

import "context"

// Margin asks first about rows whose two likeliest classes are about as likely (Scheffer et al. 2001). The score is
// 1 - (p₁ - p₂), from 0 to 1.
type Margin struct{}

// Name is margin.
func (Margin) Name() string { return "margin" }

// Needs says that it looks at probabilities.
func (Margin) Needs() Needs { return Needs{Members: 1} }

// Order implements [Strategy].
func (s Margin) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	return scored(ctx, s, p, count, func() (scores, then []float64) { return each(p.mean(), p.Classes, margin), nil })
}

func margin(row []float64) float64 {
	first, second := 0.0, 0.0
	for _, v := range row {
		if v > first {
			first, second = v, first
		} else if v > second {
			second = v
		}
	}
	return 1 - (first - second)
}
