package main

import (
	"math"
	"slices"
)

// spread is the median of some values and how far they reach.
type spread struct {
	Median, Min, Max float64
	N                int
}

// spreadOf leaves the values as they are.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1], len(v)}
}

// geometricMean of positive values; 0 for none.
func geometricMean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// pairs returns, of each measurement of Lamina taken just before one of the
// peer, by how much Lamina is faster: value(ours)/value(theirs) for a rate. A
// pair without one of its two is no pair.
func pairs(list []record, peer string, value func(*record) float64) []float64 {
	mine := map[int]float64{}
	for i := range list {
		if r := &list[i]; r.Name == ours && r.Beside == peer && r.Missing == "" {
			mine[r.Round] = value(r)
		}
	}
	var ratios []float64
	for i := range list {
		r := &list[i]
		if r.Name != peer || r.Missing != "" {
			continue
		}
		if a, b := mine[r.Round], value(r); a > 0 && b > 0 {
			ratios = append(ratios, a/b)
		}
	}
	return ratios
}

// values collects what one name measured.
func values(list []record, name string, value func(*record) float64) []float64 {
	var v []float64
	for i := range list {
		if r := &list[i]; r.Name == name && r.Missing == "" && value(r) > 0 {
			v = append(v, value(r))
		}
	}
	return v
}

// best is the peer whose median is highest, and "" without any; Lamina in another
// precision is no peer.
func best(list []record, value func(*record) float64) string {
	name, top := "", 0.0
	for _, n := range names(list) {
		if m := spreadOf(values(list, n, value)).Median; n != ours && n != oursInFloat && m > top {
			name, top = n, m
		}
	}
	return name
}

// names lists who is in the records, in the order of their first appearance,
// Lamina first.
func names(list []record) []string {
	all := []string{ours}
	for i := range list {
		if !slices.Contains(all, list[i].Name) {
			all = append(all, list[i].Name)
		}
	}
	return all
}

func rate(r *record) float64      { return r.SamplesPerS }
func ofPeak(r *record) float64    { return r.OfPeak }
func firstStep(r *record) float64 { return r.FirstStepS }
func memory(r *record) float64    { return r.PeakRSSMB }
func speed(r *record) float64 { // of what is told by its time
	if r.US <= 0 {
		return 0
	}
	return 1 / r.US
}
