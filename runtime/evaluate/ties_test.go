package evaluate

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestNeighboursTie has two neighbours as near as each other and one vote each: the
// earlier row is the nearer, wherever its class stands in the order of classes.
func TestNeighboursTie(t *testing.T) {
	for _, y := range [][]int{{0, 1}, {1, 0}} {
		got, err := KNN(t.Context(), &Set{X: []float64{1, 3}, Dim: 1, Y: y, Classes: 2}, &Set{X: []float64{2}, Dim: 1, Y: []int{0}, Classes: 1}, 2)
		if err != nil || got[0] != y[0] {
			t.Errorf("classes %v: got %v, %v", y, got, err)
		}
	}
}

// TestLinearBias has codes that tell nothing: what is left is the share of each
// class, which no l2 makes smaller. The code is not exact in binary, so its variance
// is a rounding error and must not be scaled to 1.
func TestLinearBias(t *testing.T) {
	s := &Set{X: []float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, Dim: 1, Y: []int{0, 1, 0, 0, 0, 0, 1, 0}, Classes: 2}
	p, err := FitLinear(t.Context(), s, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.w[2] - p.w[3]; math.Abs(got-math.Log(3)) > 1e-3 || p.scale[0] != 0 {
		t.Errorf("the log odds are %v, want %v; the scale is %v, want 0", got, math.Log(3), p.scale[0])
	}
	p.w = []float64{0, 0, 0, 0}
	if got, err := p.Predict(s); err != nil || slices.Max(got) != 0 {
		t.Errorf("of equal scores the first must win: %v, %v", got, err)
	}
}

// TestConfuseByHand gives scores as rows: the true class is the line, the predicted
// one the column, and of equal scores the first is predicted.
func TestConfuseByHand(t *testing.T) {
	scores := [][]float32{{0, 1, 0}, {0, 1, 0}, {0, 2, 2}, {3, 3, 3}, {0, 0, 1}}
	labels := []int64{0, 1, 2, 2, 2}
	rows := table(scores, labels)
	x := spec.Input("x", 3)
	logits := x.Then(spec.Dense(3))
	eye := &tensors{"dense1/w": {1, 0, 0, 0, 1, 0, 0, 0, 1}}
	fit, err := train.Fit(context.Background(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 3))), rows, train.Options{
		Optimizer: optim.SGD(1e-30), Epochs: 1, InitFrom: []train.From{{Tensors: eye, Pattern: "*/w"}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Confuse(t.Context(), fit.Net(logits), rows, "y")
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range [][]int{{0, 1, 0}, {0, 1, 0}, {1, 1, 1}} {
		if !slices.Equal(c.Counts[k], want) {
			t.Errorf("class %d: %v, want %v", k, c.Counts[k], want)
		}
	}
}

// TestCodesRefuses names the row whose label is no class, or whose code is no number.
func TestCodesRefuses(t *testing.T) {
	x := spec.Input("x", 3)
	logits := x.Then(spec.Dense(3))
	ok := table([][]float32{{0, 1, 0}, {1, 0, 0}}, []int64{0, 2})
	fit, err := train.Fit(context.Background(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 3))), ok, train.Options{Optimizer: optim.SGD(1e-30), Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	two := [][]float32{{0, 1, 0}, {1, 0, 0}}
	for want, c := range map[string]struct {
		v    *spec.Value
		rows dataset.Source
	}{
		`row 1: column "y" is the label -1`:                              {logits, table(two, []int64{0, -1})},
		`row 1: column "y" is the label 4096, it must be from 0 to 4095`: {logits, table(two, []int64{0, 4096})},
		`has the label 3, but the output "`:                              {logits, table(two, []int64{0, 3})},
		`row 1: the output "square" is +Inf at `:                         {spec.Mul(logits, logits).Named("square"), table([][]float32{{0, 1, 0}, {1e30, 1e30, 1e30}}, []int64{0, 2})},
	} {
		if _, err := Confuse(t.Context(), fit.Net(c.v), c.rows, "y"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	s := &Set{Y: []int{0, 1}, Classes: 2}
	if c, err := s.Score([]int{1, 1}, 2, nil); err != nil || c.Counts[0][1] != 1 || c.Counts[1][0] != 0 {
		t.Errorf("the true class is the line: %v, %v", c, err)
	}
	none := &Set{X: []float64{1, 2, 3}, Dim: 1, Y: []int{0, None, 1}, Classes: 2}
	for name, f := range map[string]func() error{
		"linear":     func() error { _, err := FitLinear(t.Context(), none, 1); return err },
		"neighbours": func() error { _, err := KNN(t.Context(), none, none, 1); return err },
		"score":      func() error { _, err := none.Score([]int{0, 0, 1}, 2, nil); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "row 1") {
			t.Errorf("%s: a row without a label: %v", name, err)
		}
	}
	if _, err := s.Score([]int{1, 2}, 2, nil); err == nil || !strings.Contains(err.Error(), "row 1: class 1 or 2 is not among 2") {
		t.Errorf("got %v", err)
	}
}

func table(scores [][]float32, labels []int64) *dataset.Table {
	i := -1
	return dataset.From(labels, func(y int64, row dataset.Row) {
		i++
		row.I64("y", y)
		copy(row.F32Slice("x"), scores[i])
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}}, dataset.Column{Name: "y", DType: dataset.I64})
}

type tensors map[string][]float32

func (t *tensors) Names() []string { return []string{"dense1/w"} }

func (t *tensors) Tensor(name string) ([]int, []float32, bool) {
	v, ok := (*t)[name]
	return []int{3, 3}, v, ok
}
