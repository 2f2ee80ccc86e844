package active

import "context"

// Disagreement asks first about rows on which several classifiers disagree: query by committee (Seung et al. 1992). The score is
// the entropy of their votes, in nats (Dagan and Engelson 1995). Of equal votes the smaller margin of the mean counts as greater.
type Disagreement struct{}

// Name is disagreement.
func (Disagreement) Name() string { return "disagreement" }

// Needs says that it looks at the probabilities of two classifiers or more.
func (Disagreement) Needs() Needs { return Needs{Members: 2} }

// Order implements [Strategy].
func (s Disagreement) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	return scored(ctx, s, p, count, func() (scores, then []float64) {
		return each(p.votes(), p.Classes, entropy), each(p.mean(), p.Classes, margin)
	})
}

// VariationRatio asks first about rows of which several draws of one classifier, with its dropout on, say different things: the
// score is the share of the draws that do not give the commonest class (Freeman 1965; Gal et al. 2017). Members are the draws,
// as [Draws] makes them. Of equal votes the smaller margin of the mean counts as greater.
type VariationRatio struct{}

// Name is dropout.
func (VariationRatio) Name() string { return "dropout" }

// Needs says that it looks at the probabilities of two draws or more.
func (VariationRatio) Needs() Needs { return Needs{Members: 2} }

// Order implements [Strategy].
func (s VariationRatio) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	return scored(ctx, s, p, count, func() (scores, then []float64) {
		ratio := func(votes []float64) float64 {
			most := 0.0
			for _, v := range votes {
				most = max(most, v)
			}
			return 1 - most
		}
		return each(p.votes(), p.Classes, ratio), each(p.mean(), p.Classes, margin)
	})
}

// votes are the shares of the members that give each class, [Rows Classes]. A member's vote is its likeliest class, the first of
// equal ones.
func (p *Pool) votes() []float64 {
	count := make([]int, p.Rows*p.Classes)
	for _, m := range p.Members {
		for i := range p.Rows {
			best, row := 0, m[i*p.Classes:][:p.Classes]
			for k, v := range row {
				if v > row[best] {
					best = k
				}
			}
			count[i*p.Classes+best]++
		}
	}
	out := make([]float64, len(count))
	for i, n := range count {
		out[i] = float64(n) / float64(len(p.Members))
	}
	return out
}
