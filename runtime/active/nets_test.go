package active

import (
	"math"
	"slices"
	"strings"
	"testing"

	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestNets asks trained nets about rows: what they give is a pool, and dropout makes draws of it.
func TestNets(t *testing.T) {
	digits := dataset.Digits().Train.Head(300)
	x := spec.Input("x", 784)
	code := x.Then(spec.Dense(12), spec.ReLU()).Named("code")
	logits := code.Then(spec.Dropout(0.5), spec.Dense(10).Named("head")).Named("logits")
	p := logits.Then(spec.Softmax(-1)).Named("probabilities")
	odd := code.Then(spec.Dense(1).Named("odd"), spec.Sigmoid())
	fit, err := train.Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 10))), digits, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 50})
	if err != nil {
		t.Fatal(err)
	}
	unknown, known := digits.Select([]int{5, 6, 7, 8}), digits.Head(3)
	pool, err := PoolOf(t.Context(), fit.Net(p), fit.Net(code), unknown, known)
	if err != nil {
		t.Fatal(err)
	}
	if pool.Rows != 4 || pool.Classes != 10 || len(pool.Members) != 1 || pool.Codes.Rows() != 4 || pool.Known.Rows() != 3 || pool.Codes.Dim != 12 {
		t.Errorf("%+v", pool)
	}
	for _, s := range []Strategy{Margin{}, Spread{By: Entropy{}}, CoreSet{}, Random{}} {
		if picks, err := s.Order(t.Context(), pool, 4); err != nil || len(picks) != 4 {
			t.Errorf("%s: %v %v", s.Name(), picks, err)
		}
	}
	both := fit.Net(p, code)
	named, classes, err := Probabilities(t.Context(), both, "probabilities", unknown)
	if err != nil || classes != 10 || !slices.Equal(named, pool.Members[0]) {
		t.Errorf("%v %v", named, err)
	}

	draws := func(seed uint64, rows dataset.Source) [][]float64 {
		t.Helper()
		m, classes, err := Draws(t.Context(), fit.Drawing().Net(p), "", rows, 6, seed)
		if err != nil || classes != 10 || len(m) != 6 {
			t.Fatal(classes, err)
		}
		return m
	}
	m := draws(1, digits)
	if again := draws(1, digits); !slices.Equal(m[5], again[5]) || slices.Equal(m[0], m[1]) || slices.Equal(m[0], draws(2, digits)[0]) {
		t.Error("draws are not a function of seed and number")
	}
	mean, whole := make([]float64, 3000), 0.0
	for _, x := range m {
		for i, v := range x {
			mean[i] += v / 6
		}
	}
	plain, _, err := Probabilities(t.Context(), fit.Net(p), "", digits)
	if err != nil {
		t.Fatal(err)
	}
	for i := range mean {
		whole += math.Abs(mean[i]-plain[i]) / 300
	}
	if whole == 0 || whole > 1 {
		t.Errorf("the mean of the draws is %v from what ships, summed over a row", whole)
	}

	if _, err := onnxexport.ExportNet(fit.Drawing().Net(p), onnxexport.Options{}); err == nil || !strings.Contains(err.Error(), "ONNX fixes no random stream") {
		t.Errorf("a net that draws was exported: %v", err)
	}
	two := train.Untrained(1, odd)
	q, classes, err := Probabilities(t.Context(), two, "", unknown)
	if err != nil || classes != 2 || len(q) != 8 || math.Abs(q[0]+q[1]-1) > 1e-6 {
		t.Errorf("%v %v %v", q, classes, err)
	}
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() error { _, _, err := Probabilities(t.Context(), fit.Net(logits), "", unknown); return err }, "are no probabilities: add a Softmax"},
		{func() error { _, _, err := Probabilities(t.Context(), both, "", unknown); return err }, `no output "": name one of "probabilities", "code"`},
		{func() error { _, err := CodesOf(t.Context(), both, "frob", unknown); return err }, `no output "frob"`},
		{func() error { _, err := CodesOf(t.Context(), engine.ErrNet(nil), "", unknown); return err }, "the Net was never made"},
		{func() error { _, err := CodesOf(t.Context(), both, "code", nil); return err }, "the source is nil"},
		{func() error { _, err := PoolOf(t.Context(), nil, nil, nil, nil); return err }, "the source is nil"},
		{func() error { _, err := CodesOf(t.Context(), fit.Net(code), "", endless{digits}); return err }, "1073741824 rows of 12 numbers are more than the 268435456 that are kept at once"},
		{func() error { _, _, err := Probabilities(t.Context(), fit.Net(p), "", endless{digits}); return err }, "1073741824 rows of 10 numbers are more than"},
		{func() error { _, err := PoolOf(t.Context(), fit.Net(p), nil, digits.Rename("x", "z"), nil); return err }, `input "x"`},
		{func() error { _, _, err := Draws(t.Context(), fit.Net(p), "", unknown, 6, 1); return err }, "the net draws nothing: take one of train.Result.Drawing"},
		{func() error { _, _, err := Draws(t.Context(), fit.Drawing().Net(p), "", unknown, 1, 1); return err }, "two draws or more, got 1"},
		{func() error { _, _, err := Draws(t.Context(), engine.ErrNet(nil), "", unknown, 2, 1); return err }, "the Net was never made"},
		{func() error {
			linear := code.Then(spec.Dense(1).Named("one"))
			_, _, err := Probabilities(t.Context(), train.Untrained(1, linear.Then(spec.Shift(-1e6))), "", unknown)
			return err
		}, "one number a row is the probability of the second of two classes"},
	} {
		if err := c.do(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// endless has more rows than are kept.
type endless struct{ dataset.Source }

func (endless) Len() int { return 1 << 30 }
