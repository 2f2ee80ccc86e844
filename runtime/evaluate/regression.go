package evaluate

import (
	"encoding/json"
	"fmt"
	"math"
)

// Deviation says how far numbers are from what they should be.
type Deviation struct {
	Rows float64 `json:"rows"` // that have a target, or their weights
	MAE  float64 `json:"mae"`  // mean absolute error
	RMSE float64 `json:"rmse"` // root of the mean squared error
	R2   float64 `json:"r2"`   // share of the targets' variance that is explained; NaN, in JSON null, if they do not vary
}

// MarshalJSON implements [json.Marshaler].
func (d Deviation) MarshalJSON() ([]byte, error) {
	type plain Deviation
	if d.R2 == d.R2 {
		return json.Marshal(plain(d))
	}
	return json.Marshal(struct {
		plain
		R2 *float64 `json:"r2"`
	}{plain: plain(d)})
}

// Deviations compares predicted numbers with targets, row by row, [rows outputs], and returns the deviations of each output.
// A target that is NaN is missing and left out of its output.
//
// Errors: as many targets as predictions are needed, in whole rows; a prediction is not finite, or a target is infinite; an
// output has no target; those of [Weighted].
func Deviations(predicted, target []float64, outputs int, o ...Option) ([]Deviation, error) {
	const what = "deviations"
	c, err := numbers(what, predicted, target, outputs, o)
	if err != nil {
		return nil, err
	}
	out := make([]Deviation, outputs)
	for k := range out {
		out[k] = deviation(predicted, target, outputs, k, c.of)
		if out[k].Rows == 0 {
			return nil, lacking("evaluate: %s: no row has a target%s", what, ofOutput(k, outputs))
		}
	}
	return out, nil
}

func ofOutput(k, outputs int) string {
	if outputs == 1 {
		return ""
	}
	return fmt.Sprintf(" for output %d", k)
}

// numbers checks what a metric of predicted numbers takes.
func numbers(what string, predicted, target []float64, outputs int, o []Option) (counting, error) {
	if outputs < 1 || len(target)%outputs != 0 {
		return counting{}, fmt.Errorf("evaluate: %s: there must be whole rows of %d targets, got %d targets", what, outputs, len(target))
	}
	if len(predicted) != len(target) {
		return counting{}, fmt.Errorf("evaluate: %s: there must be a prediction for each of the %d targets, got %d", what, len(target), len(predicted))
	}
	for i, y := range target {
		switch x := predicted[i]; {
		case x-x != 0:
			return counting{}, fmt.Errorf("evaluate: %s: the prediction of row %d is %v%s; it must be finite", what, i/outputs, x, at(i, outputs))
		case math.IsInf(y, 0):
			return counting{}, fmt.Errorf("evaluate: %s: the target of row %d is %v%s; it must be finite, or NaN if it is missing", what, i/outputs, y, at(i, outputs))
		}
	}
	return newCounting(what, len(target)/outputs, o)
}

// deviation is that of one output, and has no rows if none has a target.
func deviation(predicted, target []float64, outputs, k int, w func(i int) float64) Deviation {
	var d Deviation
	mean := 0.0
	each := func(f func(weight, x, y float64)) {
		for i := k; i < len(target); i += outputs {
			if of := w(i / outputs); target[i] == target[i] && of > 0 {
				f(of, predicted[i], target[i])
			}
		}
	}
	least, most := math.Inf(1), math.Inf(-1)
	squares := 0.0
	each(func(of, x, y float64) {
		d.Rows += of
		d.MAE += of * math.Abs(x-y)
		squares += of * (x - y) * (x - y)
		mean += of * y
		least, most = min(least, y), max(most, y)
	})
	if d.Rows == 0 {
		return d
	}
	mean /= d.Rows
	spread := 0.0
	each(func(of, _, y float64) { spread += of * (y - mean) * (y - mean) })
	d.MAE, d.RMSE, d.R2 = d.MAE/d.Rows, math.Sqrt(squares/d.Rows), 1-squares/spread
	if least == most {
		d.R2 = math.NaN()
	}
	return d
}

// MAE returns the mean absolute error, the mean over the outputs: see [Deviations], with whose errors.
func MAE(predicted, target []float64, outputs int, o ...Option) (float64, error) {
	return meanDeviation(predicted, target, outputs, o, func(d Deviation) float64 { return d.MAE })
}

// RMSE returns the root of the mean squared error, the mean over the outputs: see [Deviations], with whose errors.
func RMSE(predicted, target []float64, outputs int, o ...Option) (float64, error) {
	return meanDeviation(predicted, target, outputs, o, func(d Deviation) float64 { return d.RMSE })
}

// R2 returns the coefficient of determination, 1 - Σ(y-x)²/Σ(y-ȳ)², the mean over the outputs: 1 is perfect, and 0 is as good
// as the mean of the targets. See [Deviations]. Errors: those, and targets of an output that are all the same.
func R2(predicted, target []float64, outputs int, o ...Option) (float64, error) {
	x, err := meanDeviation(predicted, target, outputs, o, func(d Deviation) float64 { return d.R2 })
	if err == nil && x != x {
		return 0, lacking("evaluate: R2: the targets of an output are all the same, so there is no variance to explain")
	}
	return x, err
}

func meanDeviation(predicted, target []float64, outputs int, o []Option, of func(Deviation) float64) (float64, error) {
	all, err := Deviations(predicted, target, outputs, o...)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, d := range all {
		sum += of(d)
	}
	return sum / float64(outputs), nil
}
