package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Draw is as many rows as there are, drawn with replacement. It is valid during the call that it is given to.
type Draw struct {
	Rows   []int     // numbers of rows, some several times
	Counts []float64 // how often each row was drawn: weights with which a metric is that of Rows
}

// BootstrapOptions say how rows are drawn. The zero value of a field is the default named beside it.
type BootstrapOptions struct {
	Draws int     // 1000
	Level float64 // share of the draws within the interval; 0.95
	Seed  uint64
	// Strata are numbers of parts, one for each row, such as its label: from each part as many rows are drawn as it has, so
	// that every draw has all classes. nil draws from all rows.
	Strata []int
}

// Interval is a metric of the rows as they are, and where it lies in draws of them.
type Interval struct {
	Value     float64 `json:"value"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Deviation float64 `json:"deviation"` // standard deviation over the draws, the bootstrap's standard error
	Draws     int     `json:"draws"`     // that have the metric
	Undefined int     `json:"undefined"` // that do not
}

// String returns the value with its interval, such as "0.913 (0.892 to 0.931)".
func (i Interval) String() string { return fmt.Sprintf("%.4g (%.4g to %.4g)", i.Value, i.Low, i.High) }

const maxDraws = 1 << 20

// Bootstrap returns the percentile interval of a metric (Efron 1979; Efron and Tibshirani 1993, section 13.3): the metric is
// computed for draws of the rows with replacement, and the interval has the middle share Level of the results, with linear
// interpolation between them. It is a function of the seed. A draw for which the metric is not defined (its error wraps
// [ErrUndefined]), such as one of a single class for the AUROC, is left out and counted; Strata prevents most of them.
//
// metric is called first for the rows as they are, then for each draw:
//
//	evaluate.Bootstrap(ctx, len(labels), func(d evaluate.Draw) (float64, error) {
//		return evaluate.Accuracy(predicted, labels, evaluate.Weighted(d.Counts))
//	}, evaluate.BootstrapOptions{Strata: labels})
//
// Errors: that of metric, for the rows as they are or one that is not ErrUndefined; more than half of the draws are not
// defined; a metric that is not finite; no rows; another number of Strata than rows; Draws above 2^20, or a Level that is not
// between 0 and 1; that of the context.
func Bootstrap(ctx context.Context, rows int, metric func(d Draw) (float64, error), o BootstrapOptions) (Interval, error) {
	all, errs, err := bootstrap(ctx, rows, []func(Draw) (float64, error){metric}, o)
	if err != nil {
		return Interval{}, err
	}
	return all[0], errs[0]
}

// bootstrap is [Bootstrap] for several metrics of the same draws, and returns what is wrong with each.
func bootstrap(ctx context.Context, rows int, metrics []func(d Draw) (float64, error), o BootstrapOptions) ([]Interval, []error, error) {
	if err := o.check(rows); err != nil {
		return nil, nil, err
	}
	d := Draw{Rows: make([]int, rows), Counts: make([]float64, rows)}
	for i := range d.Rows {
		d.Rows[i], d.Counts[i] = i, 1
	}
	out, errs, values := make([]Interval, len(metrics)), make([]error, len(metrics)), make([][]float64, len(metrics))
	for k, metric := range metrics {
		if out[k].Value, errs[k] = metric(d); errs[k] == nil && !number(out[k].Value) {
			errs[k] = fmt.Errorf("evaluate: bootstrap: the metric is %v", out[k].Value)
		}
	}
	parts := strata(rows, o.Strata)
	key := random.New(o.Seed).DeriveString("bootstrap")
	for i := range o.Draws {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("evaluate: bootstrap: %w", err)
		}
		d.fill(key.Derive(uint64(i)), parts)
		for k, metric := range metrics {
			if errs[k] != nil {
				continue
			}
			x, err := metric(d)
			switch {
			case errors.Is(err, ErrUndefined):
				if out[k].Undefined++; 2*out[k].Undefined > o.Draws {
					errs[k] = fmt.Errorf("evaluate: bootstrap: more than half of the draws do not define the metric; draw from each class by Strata: %w", err)
				}
			case err != nil:
				errs[k] = fmt.Errorf("evaluate: bootstrap: draw %d: %w", i, err)
			case !number(x):
				errs[k] = fmt.Errorf("evaluate: bootstrap: draw %d: the metric is %v", i, x)
			default:
				values[k] = append(values[k], x)
			}
		}
	}
	for k, x := range values {
		if errs[k] != nil {
			out[k] = Interval{}
			continue
		}
		slices.Sort(x)
		out[k].Draws = len(x)
		out[k].Low, out[k].High = quantile(x, (1-o.Level)/2), quantile(x, (1+o.Level)/2)
		out[k].Deviation = stat.StdDev(x, nil)
	}
	return out, errs, nil
}

// check fills the defaults in.
func (o *BootstrapOptions) check(rows int) error {
	if o.Draws == 0 {
		o.Draws = 1000
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	switch {
	case rows < 1:
		return lacking("evaluate: bootstrap: there are no rows")
	case o.Draws < 2 || o.Draws > maxDraws:
		return fmt.Errorf("evaluate: bootstrap: the draws must be from 2 to %d, got %d", maxDraws, o.Draws)
	case !(o.Level > 0 && o.Level < 1):
		return fmt.Errorf("evaluate: bootstrap: the level must be between 0 and 1, got %v", o.Level)
	case o.Strata != nil && len(o.Strata) != rows:
		return fmt.Errorf("evaluate: bootstrap: there must be a stratum for each of the %d rows, got %d", rows, len(o.Strata))
	}
	return nil
}

func number(x float64) bool { return x-x == 0 }

// strata returns the rows of each part, in order of the parts.
func strata(rows int, of []int) (parts [][]int) {
	if of == nil {
		of = make([]int, rows)
	}
	by := map[int][]int{}
	for i, s := range of {
		by[s] = append(by[s], i)
	}
	names := make([]int, 0, len(by))
	for s := range by {
		names = append(names, s)
	}
	slices.Sort(names)
	for _, s := range names {
		parts = append(parts, by[s])
	}
	return parts
}

// fill draws.
func (d *Draw) fill(key random.Key, parts [][]int) {
	clear(d.Counts)
	at := 0
	for _, rows := range parts {
		for range rows {
			i := rows[key.Uint64N(uint64(at), uint64(len(rows)))]
			d.Rows[at] = i
			d.Counts[i]++
			at++
		}
	}
}

// quantile interpolates between sorted numbers (type 7 of Hyndman and Fan 1996).
func quantile(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	lo := math.Floor(rank)
	a, b := sorted[int(lo)], sorted[int(math.Ceil(rank))]
	return a + (b-a)*(rank-lo)
}
