package evaluate_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func TestConfusion(t *testing.T) {
	c := evaluate.NewConfusion(3, []string{"ant", "bee", "cat"})
	for _, x := range [][2]int{{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 2}, {2, 2}, {2, 2}} {
		c.Counts[x[0]][x[1]]++
	}
	if c.Rows() != 8 || c.Right() != 6 || c.Accuracy() != 0.75 || c.Recall(0) != 2./3 || c.Precision(2) != 0.75 {
		t.Errorf("%d rows, %d right, %v, recall %v, precision %v", c.Rows(), c.Right(), c.Accuracy(), c.Recall(0), c.Precision(2))
	}
	const want = `  true  ant  bee  cat   recall
   ant    2    1    0   66.7 %
   bee    0    1    1   50.0 %
   cat    0    0    3  100.0 %
6 of 8 right, 75.00 %
`
	if got := c.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e := evaluate.NewConfusion(2, nil); e.Accuracy() != 0 || e.Recall(0) != 0 || !strings.Contains(e.String(), "0 of 0 right") {
		t.Errorf("an empty table: %s", e)
	}
}

func set(dim int, y []int, x ...float64) *evaluate.Set {
	s := &evaluate.Set{X: x, Dim: dim, Y: y}
	for _, k := range y {
		s.Classes = max(s.Classes, k+1)
	}
	return s
}

func TestKNN(t *testing.T) {
	known := set(1, []int{0, 0, 1, 1, 2}, 0, 1, 3, 4, 10)
	test := set(1, []int{0, 0, 0, 0, 0}, 0.4, 2.1, 3.6, 9, 2)
	for k, want := range map[int][]int{
		1: {0, 1, 1, 2, 0}, // 2 is as near to 1 as to 3: the earlier row
		3: {0, 0, 1, 1, 0}, // 9: 4, 3 outvote 10; 2.1: 3, 1 and 4 or 0: 0 is 2.1 away, 4 is 1.9
	} {
		if k == 3 {
			want[1] = 1
		}
		got, err := evaluate.KNN(context.Background(), known, test, k)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("k %d: got %v, want %v, %v", k, got, want, err)
		}
	}
	// Many rows: against the definition.
	key := random.New(4)
	big := func(n int, stream uint64) *evaluate.Set {
		s := set(3, make([]int, n))
		for i := range n {
			s.Y[i] = int(key.Derive(stream).Uint64N(uint64(i), 4))
			for j := range 3 {
				s.X = append(s.X, key.Derive(stream, 1).Normal(uint64(3*i+j))+float64(s.Y[i]))
			}
		}
		s.Classes = 4
		return s
	}
	a, b := big(300, 1), big(200, 2)
	got, err := evaluate.KNN(context.Background(), a, b, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Y {
		order := make([]int, len(a.Y))
		dist := make([]float64, len(a.Y))
		for j := range order {
			order[j] = j
			for q := range 3 {
				d := a.Row(j)[q] - b.Row(i)[q]
				dist[j] += d * d
			}
		}
		slices.SortStableFunc(order, func(x, y int) int { return int(math.Copysign(1, dist[x]-dist[y])) })
		var votes [4]int
		for _, j := range order[:7] {
			votes[a.Y[j]]++
		}
		for _, j := range order[:7] {
			if votes[a.Y[j]] == slices.Max(votes[:]) {
				if got[i] != a.Y[j] {
					t.Fatalf("row %d: got %d, want %d", i, got[i], a.Y[j])
				}
				break
			}
		}
	}
	for _, k := range []int{0, 6} {
		if _, err := evaluate.KNN(context.Background(), known, test, k); err == nil || !strings.Contains(err.Error(), "k must be from 1 to 5") {
			t.Errorf("k %d: %v", k, err)
		}
	}
	if _, err := evaluate.KNN(context.Background(), known, set(2, []int{0}, 1, 2), 1); err == nil {
		t.Error("codes of another length: no error")
	}
}

// TestLinear puts the border between two points, separates what is separable, and
// says what is wrong.
func TestLinear(t *testing.T) {
	s := set(1, []int{0, 1}, -3, 5) // -1 and 1 when scaled
	const l2 = 0.1
	p, err := evaluate.FitLinear(context.Background(), s, l2)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Predict(set(1, []int{0, 0, 0}, 0.9, 1.1, 100))
	if err != nil || !slices.Equal(got, []int{0, 1, 1}) {
		t.Errorf("got %v, %v: the border is at 1", got, err)
	}
	key := random.New(5)
	three := set(2, make([]int, 300))
	for i := range three.Y {
		three.Y[i] = i % 3
		three.X = append(three.X, 1e4+5*float64(i%3)+key.Normal(uint64(2*i)), 7) // the second does not vary
	}
	three.Classes = 3
	if p, err = evaluate.FitLinear(context.Background(), three, 1e-4); err != nil {
		t.Fatal(err)
	}
	if got, err = p.Predict(three); err != nil {
		t.Fatal(err)
	}
	c, err := three.Score(got, 3, nil)
	if err != nil || c.Accuracy() < 0.97 {
		t.Errorf("%v\n%v", err, c)
	}
	again, err := evaluate.FitLinear(context.Background(), three, 1e-4)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Predict(three); err != nil || !slices.Equal(second, got) {
		t.Error("a second fit gives something else")
	}
	if _, err := evaluate.FitLinear(context.Background(), s, -1); err == nil {
		t.Error("a negative l2: no error")
	}
	if _, err := evaluate.FitLinear(context.Background(), set(1, []int{0, 0}, 1, 2), 0); err == nil || !strings.Contains(err.Error(), "two classes") {
		t.Errorf("one class: %v", err)
	}
	if _, err := p.Predict(set(1, []int{0}, 1)); err == nil {
		t.Error("codes of another length: no error")
	}
}

// TestConfuse runs a classifier of three classes and holds its accuracy against that
// of the training's metric.
func TestConfuse(t *testing.T) {
	key := random.New(6)
	i := -1
	rows := dataset.From(make([]struct{}, 300), func(_ struct{}, row dataset.Row) {
		i++
		row.I64("y", int64(i%3))
		x := row.F32Slice("x")
		key.Derive(uint64(i)).FillNormal32(x, 0)
		x[i%3] += 1
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4}}, dataset.Column{Name: "y", DType: dataset.I64})
	x, y := spec.Input("x", 4), spec.Labels("y", 3)
	logits := x.Then(spec.Dense(3))
	m := spec.NewModel("m", spec.CrossEntropy(logits, y))
	fit, err := train.Fit(context.Background(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 5, Batch: 50,
		Valid: rows, KeepLast: true, Metrics: []train.Metric{train.Accuracy(logits, y)}, Classes: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := evaluate.Confuse(t.Context(), fit.Net(logits), rows, "y")
	if err != nil {
		t.Fatal(err)
	}
	if want := fit.Last().Valid.Metrics["accuracy"]; math.Abs(c.Accuracy()-want) > 1e-6 || c.Rows() != 300 || !slices.Equal(c.Classes, []string{"a", "b", "c"}) {
		t.Errorf("accuracy is %v, the metric says %v\n%s", c.Accuracy(), want, c)
	}
	for want, f := range map[string]func() error{
		`no column "z"`: func() error { _, err := evaluate.Confuse(t.Context(), fit.Net(logits), rows, "z"); return err },
		`input "x" (f32[N 4]) needs a column of that name and type`: func() error {
			_, err := evaluate.Confuse(t.Context(), fit.Net(logits), rows.Rename("x", "w"), "y")
			return err
		},
		"the net has 2 outputs": func() error {
			_, err := evaluate.Codes(t.Context(), fit.Net(logits.Named("l"), logits.Then(spec.Softmax(-1)).Named("p")), rows, "y")
			return err
		},
		"the source is nil": func() error { _, err := evaluate.Codes(t.Context(), fit.Net(logits), nil, "y"); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestProbesEnd ends both probes with their context.
func TestProbesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := set(1, []int{0, 1}, 1, 2)
	if _, err := evaluate.FitLinear(ctx, s, 0.1); !errors.Is(err, context.Canceled) {
		t.Errorf("linear: %v", err)
	}
	if _, err := evaluate.KNN(ctx, s, s, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("neighbours: %v", err)
	}
}
