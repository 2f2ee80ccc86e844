package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Alarm is a threshold of a score, and how often a clean row is above it.
type Alarm struct {
	Threshold float64 `json:"threshold"` // exact in float32, for spec.Above
	Rate      float64 `json:"rate"`      // the expected share of clean rows above it, at most as it was asked for
	Low       float64 `json:"low"`       // the share is between these two
	High      float64 `json:"high"`      // with a probability of 95 %
	Rows      int     `json:"rows"`      // that it was found by
}

// String says the threshold and its rate.
func (a Alarm) String() string {
	return fmt.Sprintf("%.6g: false alarms in %.3g %% of clean rows (95 %%: %.3g %% to %.3g %%, from %d rows)", a.Threshold, 100*a.Rate, 100*a.Low, 100*a.High, a.Rows)
}

// FalseAlarms finds the threshold of a score above which a wanted share of clean rows lies: of n rows, the score at rank
// k = ⌈(n+1)·(1-rate)⌉. The rows are finite, so the share is not exact. If new rows are exchangeable with these, and scores
// hardly ever equal, the share above the threshold has the beta distribution of n+1-k and k (Vovk 2012, "Conditional validity of
// inductive conformal predictors"), whose mean and central 95 % are Rate, Low and High; equal scores only make it less. With
// 1,000 rows and a rate of 0.01 it is between 0.5 % and 1.7 %. rows are clean, and held back from training. The score is the only output
// of the net, f32[N] or f32[N 1]; [engine.Net.Quantile] is the plain quantile.
//
// Errors: those of [engine.Net.Each]; a rate that is not between 0 and 1, or that so few rows cannot promise: at least
// 1/rate-1 are needed; an output of another type, or several; a score that is not finite, with its row.
func FalseAlarms(ctx context.Context, net *engine.Net, rows dataset.Source, rate float64) (*Alarm, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	outs := net.Outputs()
	if len(outs) != 1 || outs[0].Type.DType != ir.F32 || !outs[0].Type.Shape.RowWise() || outs[0].Type.Shape[1:].Symbolic() || outs[0].Type.Shape[1:].Count() != 1 {
		return nil, errors.New("evaluate: false alarms: the net must have one output, a score for each row, f32[N]")
	}
	var scores []float64
	err := net.Each(ctx, rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		for i, v := range out[outs[0].Name].F32 {
			if v-v != 0 {
				return fmt.Errorf("row %d: the score is %v", b.Index[i], v)
			}
			scores = append(scores, float64(v))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("evaluate: false alarms: %w", err)
	}
	return FalseAlarmsOf(scores, rate)
}

// FalseAlarmsOf is [FalseAlarms] for the scores of clean rows.
func FalseAlarmsOf(scores []float64, rate float64) (*Alarm, error) {
	if !(rate > 0 && rate < 1) {
		return nil, fmt.Errorf("evaluate: false alarms: the rate must be between 0 and 1, got %v", rate)
	}
	for i, v := range scores {
		if v-v != 0 {
			return nil, fmt.Errorf("evaluate: false alarms: row %d: the score is %v", i, v)
		}
	}
	n := len(scores)
	k := rankOf(n, 1-rate)
	if k > n {
		return nil, fmt.Errorf("evaluate: false alarms: %d rows cannot promise a rate of %v: %d are needed", n, rate, int(math.Ceil(1/rate-1-1e-9)))
	}
	s := slices.Clone(scores)
	slices.Sort(s)
	share := distuv.Beta{Alpha: float64(n + 1 - k), Beta: float64(k)}
	return &Alarm{Threshold: s[k-1], Rate: share.Mean(), Low: share.Quantile(0.025), High: share.Quantile(0.975), Rows: n}, nil
}
