package evaluate_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// averages are those of precision_recall_fscore_support.
type averages map[string]struct{ Precision, Recall, F1, Support []float64 }

// recorded is testdata/scikit-learn.json, which testdata/record.py writes.
type recorded struct {
	Weights []float64
	Classes struct {
		Classes             int
		Y, Predicted        []int
		Logits, P, Distinct []float64
		Plain, Weighted     struct {
			Accuracy, Balanced, Top2, AUROC, Brier, ECE float64
			LogLoss                                     float64 `json:"log_loss"`
			AUROCs, Precisions                          []float64
			Averages                                    averages
		}
		Temperature float64
	}
	Two struct {
		Y               []int
		P               []float64
		Plain, Weighted struct {
			AUROC, Precision, Brier float64
			LogLoss                 float64 `json:"log_loss"`
		}
	}
	Labels struct {
		Labels           int
		Truth, Predicted []int
		P                []float64
		Plain, Weighted  struct {
			Averages              averages
			Exact, Hamming, AUROC float64
			AUROCs, Precisions    []float64
			LogLosses             []float64 `json:"log_losses"`
		}
	}
	Numbers struct {
		Outputs           int
		Target, Predicted []float64
		Plain, Weighted   struct {
			MAE, RMSE, R2    float64
			MAEs, RMSEs, R2s []float64
		}
	}
}

func sklearn(t *testing.T) *recorded {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "scikit-learn.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{}
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// near compares with what scikit-learn has.
func near(t *testing.T, what string, want float64) func(got float64, err error) {
	t.Helper()
	return func(got float64, err error) {
		t.Helper()
		if err != nil || !(math.Abs(got-want) <= 1e-12*(1+math.Abs(want))) {
			t.Errorf("%s is %v, %v; scikit-learn has %v", what, got, err, want)
		}
	}
}

func nearAll(t *testing.T, what string, want []float64) func(got []float64, err error) {
	t.Helper()
	return func(got []float64, err error) {
		t.Helper()
		if err != nil || len(got) != len(want) {
			t.Errorf("%s is %v, %v; scikit-learn has %v", what, got, err, want)
			return
		}
		for i := range want {
			near(t, what, want[i])(got[i], nil)
		}
	}
}

// same compares scores of classes and their means.
func (want averages) same(t *testing.T, what string, each []evaluate.ClassScore, macro, micro, weighted evaluate.ClassScore) {
	t.Helper()
	for i, s := range each {
		near(t, what+" precision", want["each"].Precision[i])(s.Precision, nil)
		near(t, what+" recall", want["each"].Recall[i])(s.Recall, nil)
		near(t, what+" F1", want["each"].F1[i])(s.F1, nil)
		near(t, what+" support", want["each"].Support[i])(s.Support, nil)
	}
	for name, s := range map[string]evaluate.ClassScore{"macro": macro, "micro": micro, "weighted": weighted} {
		near(t, what+" "+name+" precision", want[name].Precision[0])(s.Precision, nil)
		near(t, what+" "+name+" recall", want[name].Recall[0])(s.Recall, nil)
		near(t, what+" "+name+" F1", want[name].F1[0])(s.F1, nil)
	}
}

// options are those of plain and of weighted metrics.
func (r *recorded) options() map[bool][]evaluate.Option {
	return map[bool][]evaluate.Option{false: nil, true: {evaluate.Weighted(r.Weights)}}
}

func TestClassesAsInScikitLearn(t *testing.T) {
	r := sklearn(t)
	c := &r.Classes
	for weighted, o := range r.options() {
		want := c.Plain
		if weighted {
			want = c.Weighted
		}
		near(t, "accuracy", want.Accuracy)(evaluate.Accuracy(c.Predicted, c.Y, o...))
		near(t, "balanced accuracy", want.Balanced)(evaluate.BalancedAccuracy(c.Predicted, c.Y, o...))
		near(t, "top-2 accuracy", want.Top2)(evaluate.TopK(c.Distinct, c.Classes, c.Y, 2, o...))
		near(t, "log loss", want.LogLoss)(evaluate.LogLoss(c.P, c.Classes, c.Y, o...))
		near(t, "Brier", want.Brier)(evaluate.Brier(c.P, c.Classes, c.Y, o...))
		near(t, "calibration error", want.ECE)(evaluate.CalibrationError(c.P, c.Classes, c.Y, 15, o...))
		near(t, "AUROC", want.AUROC)(evaluate.MacroAUROC(c.P, c.Classes, c.Y, o...))
		nearAll(t, "AUROCs", want.AUROCs)(evaluate.AUROCs(c.P, c.Classes, c.Y, o...))
		nearAll(t, "average precisions", want.Precisions)(evaluate.AveragePrecisions(c.P, c.Classes, c.Y, o...))
		mean := 0.0
		for _, x := range want.Precisions {
			mean += x / float64(c.Classes)
		}
		near(t, "mean of the average precisions", mean)(evaluate.MacroAveragePrecision(c.P, c.Classes, c.Y, o...))
		report, err := evaluate.PerClass(c.Predicted, c.Y, c.Classes, o...)
		if err != nil {
			t.Fatal(err)
		}
		want.Averages.same(t, "classes", report.Classes, report.Macro, report.Micro, report.Weighted)
		near(t, "accuracy of the report", want.Accuracy)(report.Accuracy, nil)
		near(t, "balanced accuracy of the report", want.Balanced)(report.Balanced, nil)
	}
	predicted, err := evaluate.Predict(c.P, c.Classes)
	if err != nil {
		t.Fatal(err)
	}
	table := evaluate.NewConfusion(c.Classes, nil)
	for i, y := range c.Y {
		if predicted[i] != c.Predicted[i] {
			t.Errorf("row %d: predicted %d, NumPy %d", i, predicted[i], c.Predicted[i])
		}
		table.Counts[y][predicted[i]]++
	}
	report := table.Report()
	c.Plain.Averages.same(t, "table", report.Classes, report.Macro, report.Micro, report.Weighted)
	got, err := evaluate.TemperatureOf(c.Logits, c.Classes, c.Y)
	if err != nil || math.Abs(got-c.Temperature) > 1e-6 { // how near SciPy's search comes
		t.Errorf("the temperature is %v, %v; SciPy has %v", got, err, c.Temperature)
	}
}

func TestTwoClassesAsInScikitLearn(t *testing.T) {
	r := sklearn(t)
	c := &r.Two
	positive := make([]bool, len(c.Y))
	for i, y := range c.Y {
		positive[i] = y == 1
	}
	for weighted, o := range r.options() {
		want := c.Plain
		if weighted {
			want = c.Weighted
		}
		near(t, "AUROC", want.AUROC)(evaluate.AUROC(c.P, positive, o...))
		near(t, "average precision", want.Precision)(evaluate.AveragePrecision(c.P, positive, o...))
		near(t, "log loss", want.LogLoss)(evaluate.LogLoss(evaluate.TwoClasses(c.P), 2, c.Y, o...))
		near(t, "Brier", want.Brier)(evaluate.Brier(evaluate.TwoClasses(c.P), 2, c.Y, o...))
	}
}

func TestLabelsAsInScikitLearn(t *testing.T) {
	r := sklearn(t)
	c := &r.Labels
	for weighted, o := range r.options() {
		want := c.Plain
		if weighted {
			want = c.Weighted
		}
		said, err := evaluate.Threshold(c.P, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		report, err := evaluate.MultiLabel(said, c.Truth, c.Labels, o...)
		if err != nil {
			t.Fatal(err)
		}
		want.Averages.same(t, "labels", report.Labels, report.Macro, report.Micro, report.Weighted)
		near(t, "exact", want.Exact)(report.Exact, nil)
		near(t, "Hamming", want.Hamming)(report.Hamming, nil)
		nearAll(t, "AUROCs", want.AUROCs)(evaluate.LabelAUROCs(c.P, c.Truth, c.Labels, o...))
		nearAll(t, "average precisions", want.Precisions)(evaluate.LabelAveragePrecisions(c.P, c.Truth, c.Labels, o...))
		nearAll(t, "log losses", want.LogLosses)(evaluate.LabelLogLosses(c.P, c.Truth, c.Labels, o...))
	}
}

func TestNumbersAsInScikitLearn(t *testing.T) {
	r := sklearn(t)
	c := &r.Numbers
	for weighted, o := range r.options() {
		want := c.Plain
		if weighted {
			want = c.Weighted
		}
		near(t, "MAE", want.MAE)(evaluate.MAE(c.Predicted, c.Target, c.Outputs, o...))
		near(t, "RMSE", want.RMSE)(evaluate.RMSE(c.Predicted, c.Target, c.Outputs, o...))
		near(t, "R2", want.R2)(evaluate.R2(c.Predicted, c.Target, c.Outputs, o...))
		each, err := evaluate.Deviations(c.Predicted, c.Target, c.Outputs, o...)
		if err != nil {
			t.Fatal(err)
		}
		for k, d := range each {
			near(t, "MAE of an output", want.MAEs[k])(d.MAE, nil)
			near(t, "RMSE of an output", want.RMSEs[k])(d.RMSE, nil)
			near(t, "R2 of an output", want.R2s[k])(d.R2, nil)
		}
	}
}
