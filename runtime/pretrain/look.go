package pretrain

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// look refuses rows that are no probabilities where these are needed, and warns of
// real numbers that are not scaled.
func (s *step) look(ctx context.Context, rows dataset.Source, o train.Options) error {
	column, why := s.column, "the visible units of a Bernoulli RBM are probabilities in [0, 1]: scale the data into it, or write Gaussian() for real numbers"
	switch {
	case s.unit != "":
		column, why = s.unit, "CrossEntropy needs values in [0, 1]: scale the data, or leave CrossEntropy out"
	case s.scaled:
		why = ""
	case !s.bits:
		return nil
	}
	for i, src := range []dataset.Source{rows, o.Valid} {
		if missing(src) || !slices.ContainsFunc(src.Columns(), func(c dataset.Column) bool { return c.Name == column && c.DType == dataset.F32 }) {
			continue // train.New says so
		}
		if why != "" {
			if err := inUnit(ctx, src, column, why); err != nil {
				return err
			}
		} else if i == 0 {
			m := &moments{}
			if err := m.of(ctx, src, column); err != nil {
				return err
			}
			if what := m.unscaled(); what != "" {
				logger(o).Warn("pretrain: "+s.name+": Gaussian units have mean 0 and variance 1, the data have not, so the training may diverge or learn nothing; subtract each place's mean and divide by its standard deviation",
					"column", column, "found", what)
			}
		}
	}
	return nil
}

func logger(o train.Options) *slog.Logger {
	if o.Log != nil {
		return o.Log
	}
	return slog.Default()
}

// inUnit reads every row in order, and ends at a value that cannot be a probability.
func inUnit(ctx context.Context, src dataset.Source, column, why string) error {
	row := 0
	return dataset.Each(ctx, src, codeRows, func(b dataset.Batch) error {
		x := b.F32(column)
		for i, v := range x {
			if !(v >= 0 && v <= 1) {
				w := len(x) / b.Rows
				return fmt.Errorf("row %d, column %q, place %d is %v; %s", row+i/w, column, i%w, v, why)
			}
		}
		row += b.Rows
		return nil
	})
}

// moments are sums over the rows, for each place of a column.
type moments struct {
	n         float64
	sum, sum2 []float64
}

// of adds all rows.
func (m *moments) of(ctx context.Context, src dataset.Source, column string) error {
	return dataset.Each(ctx, src, codeRows, func(b dataset.Batch) error {
		m.add(b.F32(column), b.Rows)
		return nil
	})
}

func (m *moments) add(x []float32, rows int) {
	w := len(x) / rows
	if m.sum == nil {
		m.sum, m.sum2 = make([]float64, w), make([]float64, w)
	}
	for i, v := range x {
		m.sum[i%w] += float64(v)
		m.sum2[i%w] += float64(v) * float64(v)
	}
	m.n += float64(rows)
}

// Bounds of what counts as scaled, for the means over the places that vary.
const (
	maxMean  = 0.5 // of the absolute mean
	leastVar = 0.5
	mostVar  = 2
)

// unscaled says how the places' means and variances differ from 0 and 1, "" if they
// do not.
func (m *moments) unscaled() string {
	var mean, variance, k float64
	for i := range m.sum {
		mu := m.sum[i] / m.n
		v := m.sum2[i]/m.n - mu*mu
		if v <= 1e-12*mu*mu {
			continue // it is constant
		}
		mean, variance, k = mean+math.Abs(mu), variance+v, k+1
	}
	if k == 0 {
		return "no place varies"
	}
	if mean /= k; mean <= maxMean && variance/k >= leastVar && variance/k <= mostVar {
		return ""
	}
	return fmt.Sprintf("a mean of %.3g and a variance of %.3g, averaged over the places", mean, variance/k)
}
