package evaluate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// scored are rows whose column x is what the net makes of it, with labels.
func scored(t *testing.T, width int, x []float32, y []int64) *dataset.Table {
	t.Helper()
	rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestMeasureNet: what a net makes of rows is measured as its numbers alone are, with the truth of the same rows.
func TestMeasureNet(t *testing.T) {
	x := []float32{0.1, 0.4, 0.35, 0.8, 0.7, 0.2}
	y := []int64{0, 0, 1, 1, evaluate.None, 0}
	score := spec.Input("x", 1).Then(spec.Scale(1), spec.Sum(0)).Named("score")
	flag := score.Then(spec.Above(0.3)).Named("flag")
	rows := scored(t, 1, x, y)
	got, err := evaluate.MeasureNet(t.Context(), train.Untrained(1, score, flag), rows, "y", evaluate.MeasureOptions{Draws: 200})
	if err != nil {
		t.Fatal(err)
	}
	out := evaluate.Outputs{Kind: evaluate.Anomalies, Width: 1, Truth: []int{0, 0, 1, 1, evaluate.None, 0}, Flags: []bool{false, true, true, true, true, false}}
	for _, v := range x {
		out.Scores = append(out.Scores, float64(v))
	}
	want, err := evaluate.Measure(t.Context(), out, evaluate.MeasureOptions{Draws: 200})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.Metrics) != fmt.Sprint(want.Metrics) || got.Without != 1 || got.Rows != 5 {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	lines := strings.Split(got.String(), "\n")
	if !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, "  AUROC ") && strings.Contains(s, " to ") }) || !strings.Contains(got.String(), "percentiles of 200 draws") {
		t.Errorf("it prints\n%s", got)
	}

	rows = scored(t, 2, []float32{2, 1, 0, 3, 1, 1.5, 4, 0}, []int64{0, 1, 1, 0})
	logits := spec.Input("x", 2).Then(spec.Scale(1)).Named("logits")
	for scale, net := range map[evaluate.Scale]*spec.Value{evaluate.Logits: logits, evaluate.Probabilities: logits.Then(spec.Softmax(-1)).Named("p")} {
		m, err := evaluate.MeasureNet(t.Context(), train.Untrained(1, net), rows, "y", evaluate.MeasureOptions{Draws: 50})
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind != evaluate.Classes || m.Scale != scale || m.Metrics[0].Name != "accuracy" || m.Metrics[0].Value != 1 {
			t.Errorf("%s: %+v", scale, m)
		}
	}

	for want, net := range map[string]*engine.Net{
		"make a net of those alone":          train.Untrained(1, logits, logits.Then(spec.Scale(2)).Named("twice")),
		"an output f32[N …] is needed":       train.Untrained(1, logits.Then(spec.Sum(0), spec.Above(1)).Named("alone")),
		`no column "class" of one i64 a row`: train.Untrained(1, logits),
	} {
		label := "y"
		if strings.Contains(want, "class") {
			label = "class"
		}
		if _, err := evaluate.MeasureNet(t.Context(), net, rows, label, evaluate.MeasureOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
