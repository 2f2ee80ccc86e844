package evaluate_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// TestMetricsByHand works small cases out.
func TestMetricsByHand(t *testing.T) {
	scores := []float64{0.5, 0.25, 0.25, 0.2, 0.4, 0.4, 0, 0, 1, 0.1, 0.2, 0.7}
	y := []int{0, 2, evaluate.None, 1}
	predicted, err := evaluate.Predict(scores, 3)
	if err != nil || !slices.Equal(predicted, []int{0, 1, 2, 2}) {
		t.Fatalf("of equal scores the first class: %v, %v", predicted, err)
	}
	for name, c := range map[string]struct {
		got  func() (float64, error)
		want float64
	}{
		"accuracy": {func() (float64, error) { return evaluate.Accuracy(predicted, y) }, 1. / 3},
		"weighted": {func() (float64, error) {
			return evaluate.Accuracy(predicted, y, evaluate.Weighted([]float64{3, 0, 9, 1}))
		}, 3. / 4},
		"balanced":         {func() (float64, error) { return evaluate.BalancedAccuracy(predicted, y) }, 1. / 3},
		"top-1":            {func() (float64, error) { return evaluate.TopK(scores, 3, y, 1) }, 1. / 3},
		"top-2":            {func() (float64, error) { return evaluate.TopK(scores, 3, y, 2) }, 1},
		"top-3":            {func() (float64, error) { return evaluate.TopK(scores, 3, y, 3) }, 1},
		"log loss":         {func() (float64, error) { return evaluate.LogLoss(scores, 3, y) }, -(math.Log(0.5) + math.Log(0.4) + math.Log(0.2)) / 3},
		"certain":          {func() (float64, error) { return evaluate.LogLoss([]float64{0, 1}, 2, []int{0}) }, 52 * math.Ln2},
		"Brier":            {func() (float64, error) { return evaluate.Brier(scores, 3, y) }, (0.375 + 0.56 + 1.14) / 3},
		"Brier of two":     {func() (float64, error) { return evaluate.Brier([]float64{0.25, 0.75}, 2, []int{0}) }, 0.5625},
		"calibration of 1": {func() (float64, error) { return evaluate.CalibrationError(scores, 3, y, 1) }, math.Abs(1./3 - (0.5+0.4+0.7)/3)},
		"calibration of 2": {func() (float64, error) { return evaluate.CalibrationError(scores, 3, y, 2) }, (math.Abs(1-0.9) + 0.7) / 3},
		"MAE":              {func() (float64, error) { return evaluate.MAE([]float64{1, 2, 3}, []float64{2, math.NaN(), 1}, 1) }, 1.5},
		"RMSE":             {func() (float64, error) { return evaluate.RMSE([]float64{1, 2, 3}, []float64{2, math.NaN(), 1}, 1) }, math.Sqrt(2.5)},
		"R2":               {func() (float64, error) { return evaluate.R2([]float64{1, 2, 3}, []float64{2, math.NaN(), 1}, 1) }, 1 - 5/0.5},
		"weights of pairs": {func() (float64, error) {
			return evaluate.AUROC([]float64{1, 2, 2, 3}, []bool{false, true, false, false}, evaluate.Weighted([]float64{1, 2, 1, 0}))
		}, (1 + 0.5) / 2},
	} {
		if got, err := c.got(); err != nil || !(math.Abs(got-c.want) < 1e-12) {
			t.Errorf("%s is %v, %v, want %v", name, got, err, c.want)
		}
	}
	if r, err := evaluate.PerClass([]int{0, 1, 2}, []int{0, 1, 1}, 4); err != nil || r.Macro.Precision != 2./3 || r.Macro.Recall != 0.5 || r.Balanced != 0.75 {
		t.Errorf("class 3 does not occur, class 2 is only predicted: %+v, %v", r, err)
	}
	bins, err := evaluate.Calibration(scores, 3, y, 2)
	if err != nil || bins[0].Rows != 2 || bins[0].Low != 0 || bins[0].High != 0.5 || bins[0].Accuracy != 0.5 || bins[1].Confidence != 0.7 {
		t.Errorf("0.5 belongs below: %+v, %v", bins, err)
	}
	r, err := evaluate.MultiLabel([]int{1, 0, 1, 1, 0, 0}, []int{1, 1, 1, evaluate.None, 0, 0}, 2)
	if err != nil || r.Exact != 0.5 || r.Hamming != 0.2 || r.Labels[0].F1 != 1 || r.Labels[1].Recall != 0 || r.Micro.Recall != 2./3 {
		t.Errorf("labels: %+v, %v", r, err)
	}
}

// TestMetricsRefuse names the row of what no metric takes.
func TestMetricsRefuse(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	two := []float64{0.5, 0.5, 0.5, 0.5}
	f := func(_ any, err error) error { return err }
	for want, err := range map[string]error{
		"accuracy: there must be a prediction for each of the 2 labels, got 1":            f(evaluate.Accuracy([]int{1}, []int{1, 0})),
		"accuracy: the label of row 1 is -2":                                              f(evaluate.Accuracy([]int{1, 0}, []int{1, -2})),
		"accuracy: the prediction of row 0 is -1":                                         f(evaluate.Accuracy([]int{-1, 0}, []int{1, 0})),
		"accuracy: no row has a label":                                                    f(evaluate.Accuracy([]int{1, 0}, []int{-1, -1})),
		"accuracy: there are no rows":                                                     f(evaluate.Accuracy(nil, nil)),
		"accuracy: the weight of row 1 is -1":                                             f(evaluate.Accuracy([]int{1, 0}, []int{1, 0}, evaluate.Weighted([]float64{1, -1}))),
		"accuracy: the weight of row 0 is +Inf; it must be finite":                        f(evaluate.Accuracy([]int{1, 0}, []int{1, 0}, evaluate.Weighted([]float64{inf, 1}))),
		"accuracy: there must be a weight for each of the 2 rows, got 1":                  f(evaluate.Accuracy([]int{1, 0}, []int{1, 0}, evaluate.Weighted([]float64{1}))),
		"accuracy: no row has a weight above 0":                                           f(evaluate.Accuracy([]int{1, 0}, []int{1, 0}, evaluate.Weighted([]float64{0, 0}))),
		"balanced accuracy: there must be at most 4096 classes, got 1000000":              f(evaluate.BalancedAccuracy([]int{1, 0}, []int{999999, 0})),
		"scores of classes: the label of row 1 is 2; it must be from 0 to 1":              f(evaluate.PerClass([]int{1, 0}, []int{1, 2}, 2)),
		"scores of classes: the prediction of row 0 is 2; it must be from 0 to 1":         f(evaluate.PerClass([]int{2, 0}, []int{1, 1}, 2)),
		"top-3 accuracy: k must be from 1 to 2":                                           f(evaluate.TopK(two, 2, []int{0, 1}, 3)),
		"top-1 accuracy: 3 rows of 2 numbers are needed, got 4 numbers":                   f(evaluate.TopK(two, 2, []int{0, 1, 1}, 1)),
		"predictions: the score of row 1 is NaN at 0":                                     f(evaluate.Predict([]float64{1, 2, nan, 3}, 2)),
		"AUROC: the score of row 1 is NaN at 1":                                           f(evaluate.AUROCs([]float64{1, 2, 0, nan}, 2, []int{0, 1})),
		"class 1 against the rest: evaluate: AUROC: none of the 2 rows is positive":       f(evaluate.AUROCs([]float64{1, 2, 0, 1, 0, 0}, 3, []int{0, 2})),
		"AUROC: no row that is negative has a weight above 0":                             f(evaluate.AUROC([]float64{1, 2}, []bool{true, false}, evaluate.Weighted([]float64{1, 0}))),
		"average precision: no row that is positive has a weight above 0":                 f(evaluate.AveragePrecision([]float64{1, 2}, []bool{true, false}, evaluate.Weighted([]float64{0, 1}))),
		"log loss: a probability of row 1 is 1.5 at 0":                                    f(evaluate.LogLoss([]float64{1, 0, 1.5, -0.5}, 2, []int{0, 1})),
		"log loss: the probabilities of row 0 add up to 0.9":                              f(evaluate.LogLoss([]float64{0.5, 0.4}, 2, []int{0})),
		"log loss: there must be probabilities of two classes or more, got 1; TwoClasses": f(evaluate.LogLoss([]float64{0.5}, 1, []int{0})),
		"softmax: a logit of row 1 is +Inf at 1":                                          f(evaluate.Softmax([]float64{1, 0, 1, inf}, 2)),
		"calibration: bins must be from 1 to 65536, got 0":                                f(evaluate.Calibration(two, 2, []int{0, 1}, 0)),
		"deviations: the prediction of row 1 is NaN":                                      f(evaluate.MAE([]float64{1, nan}, []float64{1, 2}, 1)),
		"deviations: the target of row 0 is +Inf at 1":                                    f(evaluate.MAE([]float64{1, 2}, []float64{1, inf}, 2)),
		"deviations: no row has a target for output 1":                                    f(evaluate.MAE([]float64{1, 2}, []float64{1, nan}, 2)),
		"deviations: there must be whole rows of 2 targets, got 3":                        f(evaluate.MAE([]float64{1, 2, 3}, []float64{1, 2, 3}, 2)),
		"R2: the targets of an output are all the same":                                   f(evaluate.R2([]float64{1, 2}, []float64{0.1, 0.1}, 1)),
		"labels: the truth of row 0 is 2 at 1; it must be 0, 1, or -1 for none":           f(evaluate.MultiLabel([]int{1, 0}, []int{0, 2}, 2)),
		"labels: the prediction of row 0 is 3 at 1":                                       f(evaluate.MultiLabel([]int{1, 3}, []int{0, 1}, 2)),
		"labels: no label is known":                                                       f(evaluate.MultiLabel([]int{1, 0}, []int{-1, -1}, 2)),
		"label 1: evaluate: AUROC: all 2 rows are positive":                               f(evaluate.LabelAUROCs(two, []int{0, 1, 1, 1}, 2)),
		"threshold: the score of row 1 is NaN":                                            f(evaluate.Threshold([]float64{1, nan}, 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := evaluate.AUROCs([]float64{1, 2, 0, 1, 0, 0}, 3, []int{0, 2}); !errors.Is(err, evaluate.ErrUndefined) {
		t.Errorf("%v is not ErrUndefined", err)
	}
	if _, err := evaluate.AUROC([]float64{1, nan}, []bool{true, false}); errors.Is(err, evaluate.ErrUndefined) {
		t.Error("NaN is ErrUndefined")
	}
}

// TestDeviationAsJSON has no number for what is not defined.
func TestDeviationAsJSON(t *testing.T) {
	for want, d := range map[string]evaluate.Deviation{
		`{"rows":2,"mae":1,"rmse":3,"r2":0.5}`:  {Rows: 2, MAE: 1, RMSE: 3, R2: 0.5},
		`{"rows":2,"mae":1,"rmse":3,"r2":null}`: {Rows: 2, MAE: 1, RMSE: 3, R2: math.NaN()},
	} {
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
