package active

import "context"

// Information asks first about rows whose label would tell most about which of several classifiers, or draws of one with its
// dropout on, is right: BALD (Houlsby et al. 2011; Gal et al. 2017). The score is the entropy of the mean less the mean of the
// entropies, in nats: rows that all are unsure of alike score 0.
type Information struct{}

// Name is information.
func (Information) Name() string { return "information" }

// Needs says that it looks at the probabilities of two classifiers or draws, or more.
func (Information) Needs() Needs { return Needs{Members: 2} }

// Order implements [Strategy].
func (s Information) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	return scored(ctx, s, p, count, func() (scores, then []float64) {
		scores = each(p.mean(), p.Classes, entropy)
		for _, m := range p.Members {
			for i, h := range each(m, p.Classes, entropy) {
				scores[i] -= h / float64(len(p.Members))
			}
		}
		return scores, nil
	})
}
