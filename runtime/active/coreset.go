package active

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
)

// CoreSet chooses rows that are far from all that are labelled or chosen: the greedy k-centre of the codes by Euclidean distance
// (Sener and Savarese 2018, algorithm 1). It looks at no class. The score is the distance at the time of the choice, which does
// not grow from row to row. Without labelled rows the first is the one nearest to the mean of all, with the score 0. Besides the codes it takes
// one number a row, and the time of rows times codes for each labelled row and each choice.
type CoreSet struct{}

// Name is coreset.
func (CoreSet) Name() string { return "coreset" }

// Needs says that it looks at codes.
func (CoreSet) Needs() Needs { return Needs{Codes: true} }

// Order implements [Strategy].
func (s CoreSet) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	if err := errors.Join(p.check(s, count), ended(ctx, s)); err != nil {
		return nil, err
	}
	rows := make([]int, p.Rows)
	for i := range rows {
		rows[i] = i
	}
	return s.among(ctx, p, rows, count)
}

// among chooses count of the rows.
func (s CoreSet) among(ctx context.Context, p *Pool, rows []int, count int) ([]Pick, error) {
	far := make([]float64, len(rows)) // squared distances to the nearest centre, below 0 for what is chosen
	for i := range far {
		far[i] = math.Inf(1)
	}
	next, at := 0, 0.0
	for i := range p.Known.Rows() {
		if err := ended(ctx, s); err != nil {
			return nil, err
		}
		next, at = nearer(p.Codes, rows, far, p.Known.Row(i))
	}
	if p.Known.Rows() == 0 {
		next = central(p.Codes, rows)
	}
	picks := make([]Pick, 0, count)
	for {
		picks = append(picks, Pick{rows[next], math.Sqrt(at)})
		if len(picks) == count {
			return picks, nil
		}
		if err := ended(ctx, s); err != nil {
			return nil, err
		}
		far[next] = -1
		next, at = nearer(p.Codes, rows, far, p.Codes.Row(rows[next]))
	}
}

// nearer takes a centre into account and returns the place in rows of the farthest, and its squared distance. Each row is
// computed by itself, so nothing depends on how they are divided.
func nearer(c Codes, rows []int, far []float64, centre []float32) (place int, at float64) {
	parts := min(runtime.GOMAXPROCS(0), max(1, len(rows)*c.Dim>>15))
	places := make([]int, parts)
	var wg sync.WaitGroup
	for part := range parts {
		lo, hi := part*len(rows)/parts, (part+1)*len(rows)/parts
		work := func() {
			best := lo
			for i := lo; i < hi; i++ {
				far[i] = min(far[i], squared(c.Row(rows[i]), centre))
				if far[i] > far[best] {
					best = i
				}
			}
			places[part] = best
		}
		if parts == 1 {
			work()
			continue
		}
		wg.Go(work)
	}
	wg.Wait()
	place = places[0]
	for _, i := range places[1:] {
		if far[i] > far[place] {
			place = i
		}
	}
	return place, far[place]
}

// squared is the squared distance of two codes.
func squared(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}

// central is the place in rows of the code that is nearest to their mean.
func central(c Codes, rows []int) int {
	mean := make([]float64, c.Dim)
	for _, r := range rows {
		for j, v := range c.Row(r) {
			mean[j] += float64(v) / float64(len(rows))
		}
	}
	best, least := 0, math.Inf(1)
	for i, r := range rows {
		d := 0.0
		for j, v := range c.Row(r) {
			d += (float64(v) - mean[j]) * (float64(v) - mean[j])
		}
		if d < least {
			best, least = i, d
		}
	}
	return best
}
