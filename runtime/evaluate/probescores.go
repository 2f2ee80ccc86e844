package evaluate

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Affine returns the classifier as a function of codes as they are, with the means and
// deviations worked in: the scores of a row x are xW + b, w being [Dim Classes].
func (p *Linear) Affine() (w, b []float64) {
	w, b = make([]float64, p.Dim*p.Classes), make([]float64, p.Classes)
	copy(b, p.w[p.Dim*p.Classes:])
	for i := range p.Dim {
		for j := range p.Classes {
			v := p.w[i*p.Classes+j] * p.scale[i]
			w[i*p.Classes+j] = v
			b[j] -= p.mean[i] * v
		}
	}
	return w, b
}

// Scores returns a number for each row and class, [rows Classes]: the logits, of which
// [Softmax] makes probabilities.
//
// Errors: the codes have another length.
func (p *Linear) Scores(s *Set) ([]float64, error) {
	if s.Dim != p.Dim {
		return nil, fmt.Errorf("evaluate: the probe is for codes of %d elements, got %d", p.Dim, s.Dim)
	}
	n, d, k := len(s.Y), s.Dim+1, p.Classes
	z := blas64.General{Rows: n, Cols: k, Stride: k, Data: make([]float64, n*k)}
	if n == 0 {
		return z.Data, nil
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, blas64.General{Rows: n, Cols: d, Stride: d, Data: p.design(s)},
		blas64.General{Rows: d, Cols: k, Stride: k, Data: p.w}, 0, z)
	return z.Data, nil
}

// Predict returns the class of every row.
//
// Errors: the codes have another length.
func (p *Linear) Predict(s *Set) ([]int, error) {
	z, err := p.Scores(s)
	if err != nil {
		return nil, err
	}
	out, k := make([]int, len(s.Y)), p.Classes
	for i := range out {
		for j, v := range z[i*k:][:k] {
			if v > z[i*k+out[i]] {
				out[i] = j
			}
		}
	}
	return out, nil
}

// KNNShares returns, for each row of test and class, the share of the k nearest codes of
// known that have the class, [rows known.Classes], where the class that [KNN] predicts has
// another vote: (votes+1)/(k+1), and votes/(k+1) for the others. So it is greatest for
// that class alone.
//
// Errors: those of KNN.
func KNNShares(ctx context.Context, known, test *Set, k int) ([]float64, error) {
	out := make([]float64, len(test.Y)*known.Classes)
	err := neighbours(ctx, known, test, k, func(i int, votes []int, best int) {
		for c, n := range votes {
			out[i*known.Classes+c] = float64(n) / float64(k+1)
		}
		out[i*known.Classes+best] = float64(votes[best]+1) / float64(k+1)
	})
	return out, err
}
