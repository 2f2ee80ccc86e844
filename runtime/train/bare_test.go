package train

import (
	"bytes"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestBare: labels, targets and weights that no row has make a loss of 0, from which nothing is learned and by which every epoch is
// the best, and the log says so; it says nothing where a row has one.
func TestBare(t *testing.T) {
	nan := float32(math.NaN())
	rows := func(label int64, target, weight float32) *dataset.Table {
		t.Helper()
		y, x := []int64{-1, -1, -1, label}, []float32{1, 2, 3, 4}
		tab, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1}}, F32: x},
			dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y},
			dataset.Data{Column: dataset.Column{Name: "target", DType: dataset.F32, Shape: []int{1}, Missing: true}, F32: []float32{nan, nan, target, nan}},
			dataset.Data{Column: dataset.Column{Name: "w", DType: dataset.F32}, F32: []float32{0, weight, 0, 0}})
		if err != nil {
			t.Fatal(err)
		}
		return tab
	}
	x := spec.Input("x", 1)
	m := spec.NewModel("m", spec.CrossEntropy(x.Then(spec.Dense(2)), spec.Labels("y", 2).Optional()),
		spec.MSE(x.Then(spec.Dense(1)), spec.Input("target", 1).Optional()), spec.MSE(x.Then(spec.Dense(1)), x).WeightedBy(spec.Input("w")))
	all, none := rows(1, 5, 2), rows(-1, nan, 0)
	for _, c := range []struct {
		train, valid *dataset.Table
		want         []string
	}{
		{all, all, nil},
		{all, nil, nil},
		{none, all, []string{`"y"`, `"w"`, `"target"`}},
		{all, none, []string{`"y"`, `"w"`, `"target"`}},
		{rows(1, nan, 2), nil, []string{`"target"`}},
	} {
		var log bytes.Buffer
		o := Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 4, Log: slog.New(slog.NewTextHandler(&log, nil))}
		of := "training rows"
		if c.valid != nil {
			o.Valid = c.valid
		}
		if c.valid == none {
			of = "validation rows"
		}
		if _, err := Fit(t.Context(), m, c.train, o); err != nil {
			t.Fatal(err)
		}
		said := log.String()
		if n := strings.Count(said, "in any of the "); n != len(c.want) || n != strings.Count(said, "in any of the "+of) {
			t.Errorf("%d of %d warnings of the %s:\n%s", n, len(c.want), of, said)
		}
		for _, name := range c.want {
			if !strings.Contains(strings.ReplaceAll(said, `\"`, `"`), "column "+name+" has no label") {
				t.Errorf("no warning of %s:\n%s", name, said)
			}
		}
	}
}

// TestMistakeOnce: a mistake that the loss, metrics and their labels share is told once.
func TestMistakeOnce(t *testing.T) {
	logits, y := spec.Input("x", 1).Then(spec.Dense(2)), spec.Labels("y", 2).Optional()
	m := spec.NewModel("m", spec.CrossEntropy(logits, y).WeightedBy(spec.ClassWeights(y, 1)))
	over := OverRows("rows", logits, y, func(p []float64, y []int) (float64, error) { return 0, nil })
	_, err := Fit(t.Context(), m, nil, Options{Optimizer: optim.SGD(0.1), Epochs: 1, Metrics: []Metric{Accuracy(logits, y), over}})
	if err == nil || strings.Count(err.Error(), "ClassWeights") != 1 {
		t.Errorf("got %v", err)
	}
}

// TestUnlabelledTeachNothing: rows without a label change no weight, even if their logits are infinite.
func TestUnlabelledTeachNothing(t *testing.T) {
	logits := spec.Input("x", 1).Then(spec.Dense(2).Named("d"), spec.Scale(1e30))
	y := spec.Labels("y", 2).Optional()
	m := spec.NewModel("m", spec.CrossEntropy(logits, y), spec.CrossEntropy(logits, y).Smooth(0.5), spec.CrossEntropy(logits, y).WeightedBy(spec.ClassWeights(y, 1, 3)))
	weights := func(unlabelled float32) []float32 {
		t.Helper()
		rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1}}, F32: []float32{1e-30, unlabelled, 2e-30, -unlabelled}},
			dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: []int64{0, -1, 1, -1}})
		if err != nil {
			t.Fatal(err)
		}
		fit, err := Fit(t.Context(), m, rows, Options{Optimizer: optim.Adam(0.1), Epochs: 3, Batch: 4})
		if err != nil {
			t.Fatal(err)
		}
		tensors, err := NetTensors(fit.Net(logits))
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, name := range tensors.Names() {
			_, x, _ := tensors.Tensor(name)
			all = append(all, x...)
		}
		return all
	}
	if near, far := weights(0), weights(1e10); !slices.Equal(near, far) {
		t.Errorf("%v, and with rows far out %v", near, far)
	}
}
