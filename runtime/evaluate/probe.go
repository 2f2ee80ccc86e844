package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/optimize"
)

// Linear is a linear classifier of codes: multinomial logistic regression on codes of
// mean 0 and variance 1, a linear probe (Alain and Bengio 2016).
type Linear struct {
	Dim, Classes int
	mean, scale  []float64 // of each element of a code
	w            []float64 // [Dim+1 Classes]; the last row is the bias
}

// maxIterations bounds the optimizer's steps; it is nearly always done before.
const maxIterations = 300

// FitLinear fits a classifier to codes. It minimises the mean cross-entropy over the rows
// plus l2/2 times the squared weights, by gonum's L-BFGS (Liu and Nocedal 1989). The codes
// are standardized by the means and deviations of these rows.
//
// Errors: l2 is negative or not finite; fewer than two classes; a row without a label; those of
// the optimizer and the context.
func FitLinear(ctx context.Context, s *Set, l2 float64) (*Linear, error) {
	if !(l2 >= 0) || math.IsInf(l2, 0) {
		return nil, fmt.Errorf("evaluate: l2 must be zero or positive, and finite, got %v", l2)
	}
	if err := s.labelled(); err != nil {
		return nil, err
	}
	if s.Classes < 2 {
		return nil, fmt.Errorf("evaluate: a linear probe needs two classes or more, got %d", s.Classes)
	}
	p := &Linear{Dim: s.Dim, Classes: s.Classes}
	p.standard(s)
	n, d, k := len(s.Y), s.Dim+1, s.Classes
	x := blas64.General{Rows: n, Cols: d, Stride: d, Data: p.design(s)}
	z := blas64.General{Rows: n, Cols: k, Stride: k, Data: make([]float64, n*k)}
	// both computes the loss, and the gradient unless it is nil.
	both := func(grad, at []float64) float64 {
		w := blas64.General{Rows: d, Cols: k, Stride: k, Data: at}
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, x, w, 0, z)
		loss := 0.0
		for i, y := range s.Y {
			row := z.Data[i*k:][:k]
			top, sum := slices.Max(row), 0.0
			loss += top - row[y]
			for j, v := range row {
				row[j] = math.Exp(v - top)
				sum += row[j]
			}
			loss += math.Log(sum)
			for j := range row {
				row[j] /= sum * float64(n)
			}
			row[y] -= 1 / float64(n)
		}
		loss /= float64(n)
		for _, v := range at[:s.Dim*k] {
			loss += l2 / 2 * v * v
		}
		if grad != nil {
			blas64.Gemm(blas.Trans, blas.NoTrans, 1, x, z, 0, blas64.General{Rows: d, Cols: k, Stride: k, Data: grad})
			for i, v := range at[:s.Dim*k] {
				grad[i] += l2 * v
			}
		}
		return loss
	}
	problem := optimize.Problem{
		Func: func(at []float64) float64 { return both(nil, at) },
		Grad: func(grad, at []float64) { both(grad, at) },
	}
	r, err := optimize.Minimize(problem, make([]float64, d*k), &optimize.Settings{GradientThreshold: 1e-5, MajorIterations: maxIterations, Recorder: until{ctx}}, &optimize.LBFGS{})
	if cause := ctx.Err(); cause != nil {
		return nil, fmt.Errorf("evaluate: linear probe: %w", cause)
	}
	if r == nil {
		return nil, fmt.Errorf("evaluate: linear probe: %w", err)
	}
	p.w = r.X // near enough where the line search finds no better point
	return p, nil
}

// until ends an optimization with its context.
type until struct{ ctx context.Context }

func (until) Init() error { return nil }

func (u until) Record(*optimize.Location, optimize.Operation, *optimize.Stats) error {
	return u.ctx.Err()
}

// standard finds the means and deviations; an element that does not vary counts 0.
func (p *Linear) standard(s *Set) {
	p.mean, p.scale = make([]float64, s.Dim), make([]float64, s.Dim)
	n := float64(len(s.Y))
	for i := range s.Y {
		for j, v := range s.Row(i) {
			p.mean[j] += v / n
		}
	}
	for i := range s.Y {
		for j, v := range s.Row(i) {
			p.scale[j] += (v - p.mean[j]) * (v - p.mean[j]) / n
		}
	}
	for j, v := range p.scale {
		p.scale[j] = 0
		if v > 1e-12*(1+p.mean[j]*p.mean[j]) {
			p.scale[j] = 1 / math.Sqrt(v)
		}
	}
}

// design returns the scaled codes with a 1 behind each.
func (p *Linear) design(s *Set) []float64 {
	x := make([]float64, 0, len(s.Y)*(s.Dim+1))
	for i := range s.Y {
		for j, v := range s.Row(i) {
			x = append(x, (v-p.mean[j])*p.scale[j])
		}
		x = append(x, 1)
	}
	return x
}

// knnRows is the rows whose distances are computed at a time.
const knnRows = 128

// KNN gives each row of test the most common class among its k nearest codes of known, by
// Euclidean distance (Cover and Hart 1967). With equal votes the class of the nearer
// neighbour wins; at equal distances the earlier row counts as nearer.
//
// Errors: k is not positive or is above the number of known rows; the codes differ in
// length; a known row without a label; that of the context.
func KNN(ctx context.Context, known, test *Set, k int) ([]int, error) {
	out := make([]int, len(test.Y))
	if err := neighbours(ctx, known, test, k, func(i int, _ []int, best int) { out[i] = best }); err != nil {
		return nil, err
	}
	return out, nil
}

// neighbours calls f with the votes of the k nearest rows of each row, and the class that wins.
// The votes are valid until f returns.
func neighbours(ctx context.Context, known, test *Set, k int, f func(row int, votes []int, best int)) error {
	n, d := len(known.Y), known.Dim
	switch {
	case k < 1 || k > n:
		return fmt.Errorf("evaluate: k must be from 1 to %d, the number of rows that are known, got %d", n, k)
	case d != test.Dim:
		return fmt.Errorf("evaluate: the codes have %d elements, those of the test rows %d", d, test.Dim)
	}
	if err := known.labelled(); err != nil {
		return err
	}
	norm := make([]float64, n) // ‖a-b‖² = ‖a‖² - 2ab + ‖b‖², where ‖b‖² tells no neighbours apart
	for i := range norm {
		for _, v := range known.Row(i) {
			norm[i] += v * v
		}
	}
	a := blas64.General{Rows: n, Cols: d, Stride: d, Data: known.X}
	dist := make([]float64, knnRows*n)
	order, votes := make([]int, n), make([]int, known.Classes)
	for lo := 0; lo < len(test.Y); lo += knnRows {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("evaluate: nearest neighbours: %w", err)
		}
		rows := min(knnRows, len(test.Y)-lo)
		c := blas64.General{Rows: rows, Cols: n, Stride: n, Data: dist[:rows*n]}
		for i := range rows {
			copy(dist[i*n:][:n], norm)
		}
		blas64.Gemm(blas.NoTrans, blas.Trans, -2, blas64.General{Rows: rows, Cols: d, Stride: d, Data: test.X[lo*d:][:rows*d]}, a, 1, c)
		for i := range rows {
			f(lo+i, votes, vote(dist[i*n:][:n], known, k, order, votes))
		}
	}
	return nil
}

// vote counts the classes of the k nearest rows and returns the one that most have.
func vote(dist []float64, known *Set, k int, order, votes []int) int {
	near := order[:0]
	for i, d := range dist { // k is small: the nearest so far are kept in order
		if len(near) == k && d >= dist[near[k-1]] {
			continue
		}
		if len(near) < k {
			near = append(near, i)
		} else {
			near[k-1] = i
		}
		for j := len(near) - 1; j > 0 && d < dist[near[j-1]]; j-- {
			near[j], near[j-1] = near[j-1], near[j]
		}
	}
	clear(votes)
	for _, i := range near {
		votes[known.Y[i]]++
	}
	best := known.Y[near[0]]
	for _, i := range near {
		if y := known.Y[i]; votes[y] > votes[best] {
			best = y
		}
	}
	return best
}

// Score counts predictions for a set's rows. classes is the number of classes, at least as
// many as occur in the set or the predictions.
//
// Errors: the number of predictions is not the number of rows; one is not a class.
func (s *Set) Score(predicted []int, classes int, names []string) (*Confusion, error) {
	if len(predicted) != len(s.Y) {
		return nil, errors.New("evaluate: there must be a prediction for each row")
	}
	if classes > maxClasses || len(names) != classes {
		names = nil
	}
	c := NewConfusion(min(classes, maxClasses), names)
	for i, y := range s.Y {
		if y < 0 || y >= len(c.Counts) || predicted[i] < 0 || predicted[i] >= len(c.Counts) {
			return nil, fmt.Errorf("evaluate: row %d: class %d or %d is not among %d", i, y, predicted[i], len(c.Counts))
		}
		c.Counts[y][predicted[i]]++
	}
	return c, nil
}
