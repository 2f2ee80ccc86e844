package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Temperature returns the number T by which logits are divided so that the log loss of their softmax over the rows is least
// (Guo et al. 2017, "On calibration of modern neural networks"). It changes no prediction. net's only output is logits
// f32[N classes]; rows are held back from training, and those without a label, -1, are left out. What ships is declared after
// training, on the same layers:
//
//	t, err := evaluate.Temperature(ctx, fit.Net(logits), held, "label")
//	ship := fit.Net(logits.Then(spec.Scale(1/t), spec.Softmax(-1)).Named("probabilities"))
//
// Errors: those of [Scores] and [TemperatureOf].
func Temperature(ctx context.Context, net *engine.Net, rows dataset.Source, label string) (float64, error) {
	s, err := Scores(ctx, net, rows, label)
	if err != nil {
		return 0, err
	}
	return TemperatureOf(s.X, s.Dim, s.Y)
}

// The temperatures that are looked at are between these.
const (
	coldest = 1e-3
	hottest = 1e3
)

// TemperatureOf is [Temperature] for logits, row by row: [rows classes]. The log loss is convex in 1/T, so the minimum is one.
// It is found by Newton's method within a bracket.
//
// Errors: those of [Softmax]; a label is not a class, or no row has one; less than two classes; no T from 0.001 to 1,000 is best: the
// logits put every row right, or are no better than guessing.
func TemperatureOf(logits []float64, classes int, labels []int) (float64, error) {
	const what = "temperature"
	c, err := scored(what, logits, classes, labels, nil)
	if err != nil {
		return 0, err
	}
	if _, err := Softmax(logits, classes); err != nil {
		return 0, err
	}
	if classes < 2 {
		return 0, fmt.Errorf("evaluate: %s: there must be logits of two classes or more, got %d", what, classes)
	}
	if _, err := c.mean(what, labels, func(int) float64 { return 0 }); err != nil {
		return 0, err
	}
	p := make([]float64, classes)
	// slopes returns the first and the second derivative of the log loss in b = 1/T, times the rows.
	slopes := func(b float64) (first, second float64) {
		for i, y := range labels {
			if y == None {
				continue
			}
			z := logits[i*classes:][:classes]
			softmax(p, z, b)
			mean := 0.0
			for j, x := range z {
				mean += p[j] * x
			}
			for j, x := range z {
				second += p[j] * (x - mean) * (x - mean)
			}
			first += mean - z[y]
		}
		return first, second
	}
	lo, hi := 1/hottest, 1/coldest
	if d, _ := slopes(lo); !(d < 0) {
		return 0, errors.New("evaluate: temperature: the logits are no better than guessing on these rows, so no temperature helps")
	}
	if d, _ := slopes(hi); !(d > 0) {
		return 0, errors.New("evaluate: temperature: the greatest logit is right in every row, so the loss falls for ever as the temperature does: take rows that were not trained on, or more of them")
	}
	b := 1.0
	for range 200 {
		first, second := slopes(b)
		if first == 0 {
			break
		}
		if first < 0 {
			lo = b
		} else {
			hi = b
		}
		next := b - first/second
		if !(next > lo && next < hi) {
			next = math.Sqrt(lo * hi)
		}
		if math.Abs(next-b) <= 1e-14*b {
			b = next
			break
		}
		b = next
	}
	return 1 / b, nil
}
