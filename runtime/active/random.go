package active

import (
	"context"
	"errors"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Random draws rows by the pool's seed, each as likely as any other: the control that a strategy must beat.
type Random struct{}

// Name is random.
func (Random) Name() string { return "random" }

// Needs says that it looks at nothing.
func (Random) Needs() Needs { return Needs{} }

// Order implements [Strategy]; all scores are 0.
func (s Random) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	if err := errors.Join(p.check(s, count), ended(ctx, s)); err != nil {
		return nil, err
	}
	picks := make([]Pick, count)
	for k, row := range random.New(p.Seed).DeriveString("active").Perm(p.Rows)[:count] {
		picks[k].Row = row
	}
	return picks, nil
}
