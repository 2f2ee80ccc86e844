package evaluate_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// measured returns the values by name.
func measured(t *testing.T, out evaluate.Outputs, o evaluate.MeasureOptions) (*evaluate.Measured, map[string]evaluate.Measurement) {
	t.Helper()
	if o.Draws == 0 {
		o.Draws = 100
	}
	m, err := evaluate.Measure(t.Context(), out, o)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]evaluate.Measurement{}
	for _, x := range m.Metrics {
		by[x.Name] = x
		if x.Why == "" && !(x.Low <= x.Value+1e-12 && x.Value <= x.High+1e-12) && x.Name != "calibration error" {
			t.Errorf("%s: %+v is outside its own interval", x.Name, x)
		}
	}
	return m, by
}

// TestMeasure gets the same numbers as the functions, which are held to scikit-learn, and the intervals of Bootstrap.
func TestMeasure(t *testing.T) {
	r := sklearn(t)
	c := &r.Classes
	want := c.Plain
	m, got := measured(t, evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Probabilities, Scores: append(append([]float64{}, c.P...), 1, 0, 0, 0), Width: 4,
		Truth: append(append([]int{}, c.Y...), evaluate.None), Names: []string{"a", "b", "c", "d"}}, evaluate.MeasureOptions{Top: 2, Seed: 4})
	for name, x := range map[string]float64{"accuracy": want.Accuracy, "balanced accuracy": want.Balanced, "AUROC": want.AUROC, "log loss": want.LogLoss, "Brier score": want.Brier,
		"calibration error": want.ECE, "macro F1": want.Averages["macro"].F1[0], "macro precision": want.Averages["macro"].Precision[0]} {
		near(t, name, x)(got[name].Value, nil)
	}
	if m.Rows != 60 || m.Without != 1 || m.Names[3] != "d" || !m.Strata || m.Draws != 100 || m.Level != 0.95 || len(m.Each) != 4 {
		t.Errorf("%+v", m)
	}
	same, err := evaluate.Bootstrap(t.Context(), 60, func(d evaluate.Draw) (float64, error) {
		return evaluate.Accuracy(c.Predicted, c.Y, evaluate.Weighted(d.Counts))
	}, evaluate.BootstrapOptions{Draws: 100, Seed: 4, Strata: c.Y})
	if a := got["accuracy"].Interval; err != nil || math.Abs(a.Low-same.Low)+math.Abs(a.High-same.High) > 1e-12 || a.Draws != same.Draws {
		t.Errorf("%+v, %v, want %+v", a, err, same)
	}
	if s := m.Confusion().String(); !strings.Contains(s, "of 60 right") {
		t.Errorf("got\n%s", s)
	}
	_, logits := measured(t, evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Logits, Scores: c.Logits, Width: 4, Truth: c.Y}, evaluate.MeasureOptions{})
	p, _ := evaluate.Softmax(c.Logits, 4)
	near(t, "log loss of logits", logits["log loss"].Value)(evaluate.LogLoss(p, 4, c.Y))
	near(t, "AUROC of logits", logits["AUROC"].Value)(evaluate.MacroAUROC(p, 4, c.Y))
	if raw, err := evaluate.MacroAUROC(c.Logits, 4, c.Y); err != nil || raw == logits["AUROC"].Value {
		t.Errorf("the logits as they are have the same AUROC, %v, %v, which tells nothing", raw, err)
	}

	two := &r.Two
	_, got = measured(t, evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Probabilities, Scores: two.P, Width: 1, Truth: two.Y}, evaluate.MeasureOptions{})
	near(t, "AUROC of two", two.Plain.AUROC)(got["AUROC"].Value, nil)
	near(t, "average precision of two", two.Plain.Precision)(got["average precision"].Value, nil)
	near(t, "Brier score of two", two.Plain.Brier)(got["Brier score"].Value, nil)
	odds := make([]float64, len(two.P))
	for i, p := range two.P {
		odds[i] = math.Log((p + 1e-9) / (1 - p + 1e-9))
	}
	_, got = measured(t, evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Logits, Scores: odds, Width: 1, Truth: two.Y}, evaluate.MeasureOptions{})
	if d := got["Brier score"].Value - two.Plain.Brier; math.Abs(d) > 1e-6 {
		t.Errorf("the Brier score of logits is off by %v", d)
	}
	flags := make([]bool, len(two.P))
	flags[0] = true
	_, got = measured(t, evaluate.Outputs{Kind: evaluate.Anomalies, Scores: two.P, Width: 1, Truth: two.Y, Flags: flags}, evaluate.MeasureOptions{})
	near(t, "AUROC of anomalies", two.Plain.AUROC)(got["AUROC"].Value, nil)
	positives := 0.0
	for _, y := range two.Y {
		positives += float64(y)
	}
	first := float64(two.Y[0])
	near(t, "recall of the flag", first/positives)(got["recall of the flag"].Value, nil)
	near(t, "false alarms", (1-first)/(60-positives))(got["false alarms"].Value, nil)

	l := &r.Labels
	m, got = measured(t, evaluate.Outputs{Kind: evaluate.Labels, Scale: evaluate.Probabilities, Scores: l.P, Width: 3, Truth: l.Truth}, evaluate.MeasureOptions{})
	near(t, "exact match", l.Plain.Exact)(got["exact match"].Value, nil)
	near(t, "Hamming loss", l.Plain.Hamming)(got["Hamming loss"].Value, nil)
	near(t, "AUROC of labels", l.Plain.AUROC)(got["AUROC"].Value, nil)
	near(t, "average precision of labels", mean(l.Plain.Precisions))(got["average precision"].Value, nil)
	near(t, "log loss of labels", mean(l.Plain.LogLosses))(got["log loss"].Value, nil)
	near(t, "micro F1", l.Plain.Averages["micro"].F1[0])(got["micro F1"].Value, nil)
	if m.Confusion() != nil || len(m.Each) != 3 {
		t.Errorf("%+v", m)
	}

	some := append([]int{}, l.Truth...)
	for i := range some {
		if i%5 == 2 {
			some[i] = evaluate.None
		}
	}
	m, got = measured(t, evaluate.Outputs{Kind: evaluate.Labels, Scale: evaluate.Probabilities, Scores: l.P, Width: 3, Truth: some}, evaluate.MeasureOptions{})
	for name, f := range map[string]func([]float64, []int, int, ...evaluate.Option) ([]float64, error){"AUROC": evaluate.LabelAUROCs, "average precision": evaluate.LabelAveragePrecisions, "log loss": evaluate.LabelLogLosses} {
		each, err := f(l.P, some, 3)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" of labels that are known", mean(each))(got[name].Value, nil)
	}

	n := &r.Numbers
	m, got = measured(t, evaluate.Outputs{Kind: evaluate.Numbers, Scores: n.Predicted, Width: 2, Target: n.Target}, evaluate.MeasureOptions{Level: 0.5})
	near(t, "MAE", n.Plain.MAE)(got["MAE"].Value, nil)
	near(t, "RMSE", n.Plain.RMSE)(got["RMSE"].Value, nil)
	near(t, "R2", n.Plain.R2)(got["R2"].Value, nil)
	near(t, "R2 of the second", n.Plain.R2s[1])(m.Numbers[1].R2, nil)
	still := append([]float64{}, n.Target...)
	for i := range still {
		still[i] = 2.5
	}
	m, got = measured(t, evaluate.Outputs{Kind: evaluate.Numbers, Scores: n.Predicted, Width: 2, Target: still}, evaluate.MeasureOptions{})
	if !strings.Contains(got["R2"].Why, "all the same") || got["MAE"].Why != "" {
		t.Errorf("%+v", got)
	}
	if b, err := json.Marshal(m); err != nil || !strings.Contains(string(b), `"r2":null`) {
		t.Errorf("%s, %v", b, err)
	}
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// TestMeasureBounded leaves out what would take memory without end.
func TestMeasureBounded(t *testing.T) {
	const classes, rows = 4100, 4200
	o := evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Logits, Scores: make([]float64, classes*rows), Width: classes, Truth: make([]int, rows)}
	for i := range rows {
		o.Truth[i] = i % classes
		o.Scores[i*classes+i%classes] = 1
	}
	m, got := measured(t, o, evaluate.MeasureOptions{Draws: 2})
	if m.Table != nil || !strings.Contains(got["AUROC"].Why, "4200 rows are not ranked for each of 4100") || got["accuracy"].Value != 1 {
		t.Errorf("%v, %+v", m.Table != nil, got["AUROC"])
	}
}

// TestMeasureRefuses names rows and classes.
func TestMeasureRefuses(t *testing.T) {
	p := []float64{0.5, 0.25, 0.25, 0.2, 0.4, 0.4, 0, 0, 1, 0.1, 0.2, 0.7}
	classes := func(change func(*evaluate.Outputs)) evaluate.Outputs {
		o := evaluate.Outputs{Kind: evaluate.Classes, Scale: evaluate.Probabilities, Scores: append([]float64{}, p...), Width: 3, Truth: []int{0, 1, 2, 2}, Names: []string{"ant", "bee", "cat"}}
		change(&o)
		return o
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for want, out := range map[string]evaluate.Outputs{
		"3 rows of 3 numbers are needed, got 12":                               classes(func(o *evaluate.Outputs) { o.Truth = o.Truth[:3] }),
		"the label of row 1 is 3, but the output has the 3 classes 0 to 2":     classes(func(o *evaluate.Outputs) { o.Truth[1] = 3 }),
		"there are 2 rows with a label, fewer than the 3 classes":              classes(func(o *evaluate.Outputs) { o.Truth = []int{0, -1, 2, -1} }),
		`class 1 ("bee") has no rows, so its recall and AUROC are not defined`: classes(func(o *evaluate.Outputs) { o.Truth[1] = 0 }),
		"the output of row 2 is NaN at 1":                                      classes(func(o *evaluate.Outputs) { o.Scores[7] = math.NaN() }),
		"a probability of row 2 is -1 at 1":                                    classes(func(o *evaluate.Outputs) { o.Scores[7] = -1 }),
		"the probabilities of row 2 add up to 1.5":                             classes(func(o *evaluate.Outputs) { o.Scores[7] = 0.5 }),
		"a flag for each of the 4 labels, got 1":                               classes(func(o *evaluate.Outputs) { o.Flags = []bool{true} }),
		"the kind of an output is classes, labels, numbers or anomalies, got":  {},
		"3 of the 3 rows with a label are anomalies":                           {Kind: evaluate.Anomalies, Scores: p[:4], Width: 1, Truth: []int{1, 1, 1, -1}},
		"a score of anomalies is one number for each row, got 2":               {Kind: evaluate.Anomalies, Scores: p[:4], Width: 2, Truth: []int{1, 1}},
		"the truth of row 1 is 2":                                              {Kind: evaluate.Anomalies, Scores: p[:2], Width: 1, Truth: []int{1, 2}},
		"label 1 has no rows":                                                  {Kind: evaluate.Labels, Scale: evaluate.Probabilities, Scores: p[:4], Width: 2, Truth: []int{1, 0, 0, 0}},
		"a probability of row 1 is 2":                                          {Kind: evaluate.Labels, Scale: evaluate.Probabilities, Scores: []float64{0, 1, 2, 0}, Width: 2, Truth: []int{1, 0, 0, 1}},
		"no row has a label":                                                   {Kind: evaluate.Labels, Scores: p[:4], Width: 2, Truth: []int{-1, -1, -1, -1}},
		"there must be a prediction for each of the 3 targets":                 {Kind: evaluate.Numbers, Scores: p[:4], Width: 1, Target: p[:3]},
	} {
		if _, err := evaluate.Measure(t.Context(), out, evaluate.MeasureOptions{Draws: 10}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for want, o := range map[string]evaluate.MeasureOptions{
		"must be from 1 to 3, the number of classes, got 4": {Top: 4, Draws: 10},
		"the bins must be from 1 to":                        {Bins: -1, Draws: 10},
		"the draws must be from 2":                          {Draws: 1},
	} {
		if _, err := evaluate.Measure(t.Context(), classes(func(*evaluate.Outputs) {}), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := evaluate.Measure(ctx, classes(func(*evaluate.Outputs) {}), evaluate.MeasureOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, got := measured(t, classes(func(o *evaluate.Outputs) { o.Truth[1] = 0 }), evaluate.MeasureOptions{Absent: true})
	if !strings.Contains(got["AUROC"].Why, `class 1 ("bee") against the rest`) || got["accuracy"].Value != 0.75 || got["balanced accuracy"].Value != 0.75 {
		t.Errorf("%+v", got)
	}
}
