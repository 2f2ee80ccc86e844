package active

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Pool is unlabelled rows, as strategies look at them. Which of it a strategy needs, [Needs] says.
type Pool struct {
	Rows int
	// Members are probabilities of the classes, [Rows Classes] each: those of one classifier, of several, or of several draws of
	// one with dropout. Strategies that ask one classifier take their mean.
	Members [][]float64
	Classes int
	Codes   Codes  // of the rows
	Known   Codes  // of the rows that have a label; may be empty
	Seed    uint64 // of what is drawn
}

// Codes are what a net makes of rows, row by row: [rows Dim].
type Codes struct {
	X   []float32
	Dim int
}

// Rows is the number of codes.
func (c Codes) Rows() int { return len(c.X) / max(c.Dim, 1) }

// Row returns the code of a row.
func (c Codes) Row(i int) []float32 { return c.X[i*c.Dim:][:c.Dim] }

// Pick is a row of a pool that was chosen.
type Pick struct {
	Row   int     // from 0, in the pool
	Score float64 // by which it was; the greater, the sooner
}

// Needs says what of a [Pool] a strategy looks at.
type Needs struct {
	Members int  // least number of them
	Codes   bool // whether it needs those of the rows, and looks at Known
}

// Strategy orders unlabelled rows by how much their labels would tell.
type Strategy interface {
	// Name is a word, which [Parse] reads.
	Name() string
	Needs() Needs
	// Order returns count of the rows, the one to label first being the first.
	//
	// Errors: count is not from 1 to the rows of the pool; a pool that lacks what the strategy needs or is not whole; that of
	// the context.
	Order(ctx context.Context, p *Pool, count int) ([]Pick, error)
}

// Strategies returns one of each.
func Strategies() []Strategy {
	return []Strategy{Random{}, Margin{}, Entropy{}, CoreSet{}, Disagreement{}, VariationRatio{}, Information{}}
}

// Parse returns the strategy of that name; NAME+coreset is [Spread] by it. Errors: there is none; it names those that there are.
func Parse(name string) (Strategy, error) {
	if by, ok := strings.CutSuffix(name, "+"+CoreSet{}.Name()); ok && by != (CoreSet{}).Name() {
		s, err := Parse(by)
		return Spread{By: s}, err
	}
	var names []string
	for _, s := range Strategies() {
		if s.Name() == name {
			return s, nil
		}
		names = append(names, s.Name())
	}
	return nil, fmt.Errorf("active: there is no strategy %q: there are %s, and each of them with +coreset, for rows that are not alike", name, strings.Join(names, ", "))
}

// check returns what is wrong with the pool for a strategy that takes count of its rows.
func (p *Pool) check(s Strategy, count int) error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("active: %s: %s", s.Name(), fmt.Sprintf(format, a...))
	}
	needs := s.Needs()
	switch {
	case p == nil || p.Rows <= 0:
		return bad("there are no unlabelled rows to order")
	case count < 1 || count > p.Rows:
		return bad("the number of rows to choose must be from 1 to the %d that there are, got %d", p.Rows, count)
	case needs.Members > 1 && len(p.Members) < needs.Members:
		return bad("it compares the probabilities of %d classifiers or draws at least, and the pool has %d", needs.Members, len(p.Members))
	case len(p.Members) < needs.Members:
		return bad("it needs the probabilities of the classes, and the pool has none")
	case needs.Members > 0 && p.Classes < 2:
		return bad("there must be two classes or more, got %d", p.Classes)
	}
	if needs.Members > 0 {
		for m, x := range p.Members {
			if len(x) != p.Rows*p.Classes {
				return bad("member %d has %d probabilities; %d rows of %d classes have %d", m, len(x), p.Rows, p.Classes, p.Rows*p.Classes)
			}
			for i := range p.Rows {
				if !evaluate.AreProbabilities(x[i*p.Classes:][:p.Classes], p.Classes) {
					return bad("member %d: row %d is %.4g; probabilities are none below 0 and add up to 1", m, i, x[i*p.Classes:][:min(p.Classes, 8)])
				}
			}
		}
	}
	if !needs.Codes {
		return nil
	}
	switch n := p.Codes.Rows(); {
	case p.Codes.Dim < 1:
		return bad("it needs the codes of the rows, and the pool has none")
	case n != p.Rows || len(p.Codes.X) != n*p.Codes.Dim:
		return bad("there are %d numbers of codes of %d; %d rows have %d", len(p.Codes.X), p.Codes.Dim, p.Rows, p.Rows*p.Codes.Dim)
	case len(p.Known.X) > 0 && (p.Known.Dim != p.Codes.Dim || len(p.Known.X)%p.Known.Dim != 0):
		return bad("the codes of labelled rows have %d numbers, those of the others %d", p.Known.Dim, p.Codes.Dim)
	}
	for _, c := range []struct {
		of string
		Codes
	}{{"row", p.Codes}, {"labelled row", p.Known}} {
		for i, v := range c.X {
			if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
				return bad("the code of %s %d is not finite", c.of, i/c.Dim)
			}
		}
	}
	return nil
}

// mean is the mean of the members, row by row.
func (p *Pool) mean() []float64 {
	if len(p.Members) == 1 {
		return p.Members[0]
	}
	out := make([]float64, p.Rows*p.Classes)
	for _, m := range p.Members {
		for i, v := range m {
			out[i] += v / float64(len(p.Members))
		}
	}
	return out
}

// each returns f of every row of x, which has n numbers a row.
func each(x []float64, n int, f func(row []float64) float64) []float64 {
	out := make([]float64, len(x)/n)
	for i := range out {
		out[i] = f(x[i*n:][:n])
	}
	return out
}

// top returns the rows with the greatest scores, of equal ones those that are greater in then, which may be nil, and then the
// earlier.
func top(scores, then []float64, count int) []Pick {
	rows := make([]int, len(scores))
	for i := range rows {
		rows[i] = i
	}
	slices.SortFunc(rows, func(a, b int) int {
		c := cmp.Compare(scores[b], scores[a])
		if c == 0 && then != nil {
			c = cmp.Compare(then[b], then[a])
		}
		return cmp.Or(c, cmp.Compare(a, b))
	})
	picks := make([]Pick, count)
	for k := range picks {
		picks[k] = Pick{rows[k], scores[rows[k]]}
	}
	return picks
}

// ended is the context's error with the strategy's name.
func ended(ctx context.Context, s Strategy) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("active: %s: %w", s.Name(), err)
	}
	return nil
}

// scored is the way of strategies that give each row a score by itself.
func scored(ctx context.Context, s Strategy, p *Pool, count int, f func() (scores, then []float64)) ([]Pick, error) {
	if err := errors.Join(p.check(s, count), ended(ctx, s)); err != nil {
		return nil, err
	}
	scores, then := f()
	return top(scores, then, count), nil
}
