package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// neighbours is how many of the nearest codes are looked at.
const neighbours = 10

// agreement says how the new codes of an output stand to the old ones of the same
// rows.
type agreement struct {
	Output          string  `json:"output"`
	Floats          bool    `json:"floats"` // else Equal is all there is
	Equal           float64 `json:"equal"`  // share of rows with the same numbers
	WorstAbs        float64 `json:"worst_abs"`
	Tolerance       float64 `json:"tolerance"` // what rounding explains
	Rounding        bool    `json:"rounding"`  // nothing else is there
	MeanCosine      float64 `json:"mean_cosine"`
	LeastCosine     float64 `json:"least_cosine"`
	Overlap         float64 `json:"knn_overlap"` // mean over the rows
	Neighbours      int     `json:"k"`
	Interchangeable bool    `json:"interchangeable"`
}

// agree compares the codes of an output, of shape [rows width], row by row.
func agree(old, new *ir.Tensor, tolerance float64) agreement {
	a := agreement{Floats: old.DType == ir.F64, Tolerance: tolerance, MeanCosine: 1, LeastCosine: 1, Overlap: 1}
	rows, width := old.Shape[0], old.Shape[1]
	if rows == 0 {
		a.Equal, a.Rounding = 1, true
		return a
	}
	if !a.Floats {
		same := 0
		for i := range rows {
			if slices.Equal(old.I64[i*width:(i+1)*width], new.I64[i*width:(i+1)*width]) {
				same++
			}
		}
		a.Equal, a.Rounding = float64(same)/float64(rows), same == rows
		return a
	}
	a.Rounding = true
	same, sum := 0, 0.0
	was, is := make([][]float64, rows), make([][]float64, rows)
	for i := range rows {
		was[i], is[i] = old.F64[i*width:(i+1)*width], new.F64[i*width:(i+1)*width]
		if floats.Same(was[i], is[i]) {
			same++
		}
		for j, x := range was[i] {
			switch e := math.Abs(x - is[i][j]); {
			case x == is[i][j] || math.IsNaN(x) && math.IsNaN(is[i][j]):
			case e <= tolerance:
				a.WorstAbs = max(a.WorstAbs, e)
			default:
				a.Rounding = false
				if !math.IsInf(e, 0) && !math.IsNaN(e) { // JSON has no others
					a.WorstAbs = max(a.WorstAbs, e)
				}
			}
		}
		c := cosine(was[i], is[i])
		sum += c
		a.LeastCosine = min(a.LeastCosine, c)
	}
	a.Equal, a.MeanCosine = float64(same)/float64(rows), sum/float64(rows)
	a.Neighbours = min(neighbours, rows-1)
	if a.Neighbours > 0 {
		a.Overlap = overlap(was, is, a.Neighbours)
	}
	return a
}

// cosine is that of the angle between x and y: 1 for two zeros, 0 for one and for
// numbers that are not finite.
func cosine(x, y []float64) float64 {
	n, m := floats.Norm(x, 2), floats.Norm(y, 2)
	if n == 0 && m == 0 || floats.Same(x, y) {
		return 1
	}
	c := 0.0
	for i := range x {
		c += (x[i] / n) * (y[i] / m)
	}
	if math.IsNaN(c) || math.IsInf(c, 0) {
		return 0
	}
	return max(-1, min(1, c))
}

// overlap is the mean share of the k old codes nearest to a row's old code that
// are also among the k nearest to its new code. The row itself is not counted.
func overlap(was, is [][]float64, k int) float64 {
	total := 0
	for i := range was {
		near := nearest(was, was[i], i, k)
		for _, j := range nearest(was, is[i], i, k) {
			if slices.Contains(near, j) {
				total++
			}
		}
	}
	return float64(total) / float64(k*len(was))
}

// nearest returns the k codes nearest to q but for the one at skip, in the
// Euclidean distance; of two as near the first.
func nearest(codes [][]float64, q []float64, skip, k int) []int {
	at := make([]int, 0, len(codes))
	dist := make([]float64, len(codes))
	for i, c := range codes {
		if i != skip {
			at = append(at, i)
			dist[i] = floats.Distance(c, q, 2)
		}
	}
	slices.SortStableFunc(at, func(i, j int) int { return cmp.Compare(dist[i], dist[j]) })
	return at[:min(k, len(at))]
}

// String describes the agreement over rows.
func (a agreement) String(rows int) string {
	switch {
	case a.Equal == 1:
		return fmt.Sprintf("the same numbers in all %d stored rows", rows)
	case !a.Floats:
		return fmt.Sprintf("%.1f%% of %d stored rows have the same numbers", a.Equal*100, rows)
	}
	s := fmt.Sprintf("over %d stored rows: mean cosine %.5f, least %.5f; %.1f%% of the %d nearest are the same; worst difference %.2g",
		rows, a.MeanCosine, a.LeastCosine, a.Overlap*100, a.Neighbours, a.WorstAbs)
	if a.Rounding {
		s += fmt.Sprintf(", which is rounding (tolerance %.2g)", a.Tolerance)
	}
	return s
}
