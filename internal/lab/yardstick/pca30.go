package yardstick

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/lamina-ml/lamina/runtime/train"
)

// components is the squared error of a projection on the first principal
// components of the training rows, by an exact decomposition of their covariance.
// It is gonum's alone: what checks the metric.
type components struct {
	Components int `json:"components"`
}

func (c components) measure(ctx context.Context, in *input) (n numbers, err error) {
	x := in.digits.Train.F32("x")
	rows := in.digits.Train.Len()
	if rows == 0 || in.digits.Test.Len() == 0 {
		return n, errors.Join(errors.New("yardstick: no rows"), in.digits.Train.Err(), in.digits.Test.Err())
	}
	width := len(x) / rows
	mean := make([]float64, width)
	for i, v := range x {
		mean[i%width] += float64(v) / float64(rows)
	}
	const part = 2000 // rows in float64 at a time
	centred := func(x []float32, first int) *mat.Dense {
		m := mat.NewDense(min(part, len(x)/width-first), width, nil)
		data := m.RawMatrix().Data
		for i, v := range x[first*width:][:len(data)] {
			data[i] = float64(v) - mean[i%width]
		}
		return m
	}
	cov, sum := mat.NewDense(width, width, nil), mat.NewDense(width, width, nil)
	for first := 0; first < rows; first += part {
		if err := ctx.Err(); err != nil {
			return n, fmt.Errorf("%w: %w", train.ErrInterrupted, err)
		}
		m := centred(x, first)
		sum.Mul(m.T(), m)
		cov.Add(cov, sum)
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(mat.NewSymDense(width, cov.RawMatrix().Data), true) {
		return n, errors.New("yardstick: gonum found no eigenvectors of the covariance")
	}
	var all mat.Dense
	eigen.VectorsTo(&all) // by ascending eigenvalue
	first := all.Slice(0, width, width-c.Components, width)

	test, left := in.digits.Test.F32("x"), 0.0
	for i := 0; i < in.digits.Test.Len(); i += part {
		m := centred(test, i)
		var code, diff mat.Dense
		code.Mul(m, first)
		diff.Mul(&code, first.T())
		diff.Sub(m, &diff)
		norm := mat.Norm(&diff, 2)
		left += norm * norm
	}
	n.value = left / float64(in.digits.Test.Len())
	return n, nil
}
