package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// measurable is a model with values that metrics take.
type measurable struct {
	*spec.Model
	x, y, code, logits *spec.Value
}

func newMeasurable() measurable {
	x, y := spec.Input("x", 12), spec.Labels("y", 4)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh(), spec.Dropout(0.2), spec.Dense(3))
	code := x.Then(enc)
	logits := code.Then(spec.Dense(4).Named("head")).Named("logits")
	m := spec.NewModel("points", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x), spec.CrossEntropy(logits, y).Weight(0.3))
	return measurable{m, x, y, code, logits}
}

// judgedBy trains with metrics of every kind by which the best epoch may be chosen.
func judgedBy(t *testing.T, by By, change func(*Options)) *Result {
	t.Helper()
	m := newMeasurable()
	o := options()
	o.Optimizer, o.Epochs, o.Valid = optim.Adam(2e-2), 12, rows(170).Select(tail(150, 170))
	logits, y := m.logits, m.y
	o.Metrics = []Metric{Accuracy(logits, y),
		OverRows("errors", logits, y, func(scores []float64, labels []int) (float64, error) {
			if len(labels) != 20 || len(scores) != 80 {
				t.Fatalf("%d labels and %d scores", len(labels), len(scores))
			}
			wrong := 0.0
			for i, y := range labels {
				for k := range 4 {
					if scores[4*i+k] > scores[4*i+y] {
						wrong++
						break
					}
				}
			}
			return wrong, nil
		}),
		OverRows("distance", m.code, m.x, func(code []float64, x []float64) (float64, error) {
			if len(code) != 60 || len(x) != 240 {
				t.Fatalf("%d numbers of codes, %d of rows", len(code), len(x))
			}
			return code[0] - x[0], nil
		})}
	o.BestBy = by
	if change != nil {
		change(&o)
	}
	r, err := Fit(context.Background(), m.Model, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tail(lo, hi int) (rows []int) {
	for i := lo; i < hi; i++ {
		rows = append(rows, i)
	}
	return rows
}

// TestBestBy keeps the weights of the first epoch with the best number, whichever it is.
func TestBestBy(t *testing.T) {
	best := map[int]bool{}
	for _, by := range []By{{}, Least("loss"), Least("loss/mse1"), Least("loss/crossentropy1"), Greatest("accuracy"), Least("errors"), Greatest("distance"), Least("distance")} {
		r := judgedBy(t, by, nil)
		number := func(e Epoch) float64 {
			switch by.name {
			case "", "loss":
				return e.Valid.Loss
			case "loss/mse1", "loss/crossentropy1":
				return e.Valid.Losses[by.name]
			}
			return e.Valid.Metrics[by.name]
		}
		want := 0
		for i, e := range r.History {
			better := number(e) < number(r.History[want])
			if by.greatest {
				better = number(e) > number(r.History[want])
			}
			if i > 0 && better {
				want = i
			}
			if e.Best != (want == i) {
				t.Errorf("%v: epoch %d: best is %v", by, e.Number, e.Best)
			}
			if a, wrong := e.Valid.Metrics["accuracy"], e.Valid.Metrics["errors"]; math.Abs(20*(1-a)-wrong) > 1e-9 {
				t.Errorf("%v: an accuracy of %v, but %v errors", by, a, wrong)
			}
		}
		if r.Best != want+1 {
			t.Errorf("%v: best is epoch %d, want %d", by, r.Best, want+1)
		}
		best[r.Best] = true
		short := judgedBy(t, by, func(o *Options) { o.Epochs, o.KeepLast = r.Best, true })
		if w, v := r.params["encoder/dense1/w"], short.params["encoder/dense1/w"]; !equal(w, v) {
			t.Errorf("%v: the weights are not those of epoch %d", by, r.Best)
		}
		if p, err := r.phase(); err != nil || p.BestBy != by.String() || by != (By{}) && p.Best != r.Best {
			t.Errorf("%v: the record has %q, %d, %v", by, p.BestBy, p.Best, err)
		}
		if again, err := parseBy(by.String()); err != nil || again != by {
			t.Errorf("%q reads as %+v, %v", by, again, err)
		}
	}
	if len(best) < 3 {
		t.Errorf("all choose the epochs %v, which tells nothing", best)
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// TestBestByStops waits for the number and not for the loss, and goes on to the same bits after an interruption.
func TestBestByStops(t *testing.T) {
	stop := func(o *Options) { o.Epochs, o.Patience, o.MinDelta = 60, 3, 0.001 }
	r := judgedBy(t, Greatest("accuracy"), stop)
	if n := len(r.History); n != r.Best+3 || n >= 60 {
		t.Fatalf("%d epochs, best %d", n, r.Best)
	}
	waited := judgedBy(t, Least("loss/mse1"), stop)
	if len(waited.History) == len(r.History) {
		t.Errorf("both stop after %d epochs, which tells nothing", len(r.History))
	}
	dir := t.TempDir()
	for epochs := 2; epochs <= len(r.History)+1; epochs += 2 {
		parts := judgedBy(t, Greatest("accuracy"), func(o *Options) { stop(o); o.Dir, o.Epochs = dir, epochs })
		if epochs >= len(r.History) && bits(parts) != bits(r) {
			t.Error("in parts it has other bits")
		}
	}
	ranks := judgedBy(t, Greatest("accuracy"), func(o *Options) { stop(o); o.Shards = 2 })
	two := judgedBy(t, Greatest("accuracy"), func(o *Options) { stop(o); o.Shards, o.Cluster = 2, Local(2) })
	if bits(ranks) != bits(two) || ranks.Best != two.Best {
		t.Error("two ranks have other bits")
	}
}

// TestBestByIsSaid marks the best number in the line of an epoch.
func TestBestByIsSaid(t *testing.T) {
	for by, want := range map[By]string{Greatest("accuracy"): "accuracy 0.", Least("loss/mse1"): "  loss/mse1 ", Least("errors"): "errors "} {
		var shown bytes.Buffer
		r := judgedBy(t, by, func(o *Options) { o.Progress = BarTo(&shown) })
		lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
		if len(lines) != len(r.History) {
			t.Fatalf("got\n%s", shown.String())
		}
		for i, e := range r.History {
			if !strings.Contains(lines[i], want) || strings.Count(lines[i], " (best)") != map[bool]int{true: 1}[e.Best] {
				t.Errorf("epoch %d, best %v: %s", e.Number, e.Best, lines[i])
			}
		}
	}
}

// TestBestByRefuses tells what is wrong before a row is read, and which epoch has no number.
func TestBestByRefuses(t *testing.T) {
	m := newMeasurable()
	logits, y := m.logits, m.y
	count := func([]float64, []int) (float64, error) { return 1, nil }
	for want, change := range map[string]func(*Options){
		`Options.BestBy names "acuracy"; the metrics and losses are accuracy, loss, loss/mse1, loss/crossentropy1`: func(o *Options) { o.BestBy = Greatest("acuracy") },
		`Options.BestBy is greatest loss/mse1, but a loss is better the less it is: write Least("loss/mse1")`:      func(o *Options) { o.BestBy = Greatest("loss/mse1") },
		`Options.BestBy is greatest accuracy, which needs Options.Valid`:                                           func(o *Options) { o.Valid, o.BestBy = nil, Greatest("accuracy") },
		`Options.BestBy is greatest of nothing`:                                                                    func(o *Options) { o.BestBy = Greatest("") },
		`metric "m" needs a function`: func(o *Options) {
			o.Metrics = append(o.Metrics, OverRows[int]("m", logits, y, nil))
		},
		`metric "m" has a function of labels []int, which are i64[N …]; got f32[N 12]: write []float64`: func(o *Options) {
			o.Metrics = append(o.Metrics, OverRows("m", logits, m.x, count))
		},
		`metric "m" has a function of labels []float64, which are f32[N …]; got i64[N]: write []int`: func(o *Options) {
			o.Metrics = append(o.Metrics, OverRows("m", logits, y, func([]float64, []float64) (float64, error) { return 1, nil }))
		},
		`metric "m" needs a value f32[N …], got i64[N]`: func(o *Options) {
			o.Metrics = append(o.Metrics, OverRows("m", y, y, count))
		},
		`metric "m" has no value`: func(o *Options) { o.Metrics = append(o.Metrics, OverRows("m", nil, y, count)) },
		`the value is nil`:        func(o *Options) { o.Metrics = append(o.Metrics, OverRows("m", logits, nil, count)) },
		`metric "m" cannot have a weight`: func(o *Options) {
			x := OverRows("m", logits, y, count)
			x.Weight = spec.Input("w")
			o.Metrics = append(o.Metrics, x)
		},
	} {
		o := options()
		o.Valid, o.Metrics = rows(40), []Metric{Accuracy(logits, y)}
		change(&o)
		wantError(t, o.Check(m.Model), want)
	}
	o := options()
	o.Valid, o.BestBy = rows(40), Least("loss/mse1")
	x := spec.Input("x", 12)
	if err := o.Check(spec.NewModel("wrong", spec.MSE(x.Then(spec.Dense(0)), x))); err == nil || strings.Contains(err.Error(), "BestBy") {
		t.Errorf("a model with a mistake: %v", err)
	}
	o.BestBy = Least("nothing")
	o.Metrics = []Metric{OverRows("nothing", logits, y, func([]float64, []int) (float64, error) { return math.NaN(), nil })}
	_, err := Fit(context.Background(), m.Model, rows(150), o)
	wantError(t, err, `epoch 1: "nothing" of the validation rows is NaN, so the best epoch cannot be chosen by it (Options.BestBy)`)
	wrong := errors.New("wrong")
	o.Metrics = []Metric{OverRows("nothing", logits, y, func([]float64, []int) (float64, error) { return 0, wrong })}
	if _, err = Fit(context.Background(), m.Model, rows(150), o); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	wantError(t, err, `metric "nothing"`)
	for _, s := range []string{"accuracy", "most accuracy", "least ", "greatest"} {
		if _, err := parseBy(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

// TestOverRowsWithoutLabel hands on rows without a label as -1, and rows in whatever batches they come.
func TestOverRowsWithoutLabel(t *testing.T) {
	x, y := spec.Input("x", 12), spec.Labels("y", 4).Optional()
	logits := x.Then(spec.Dense(4))
	valid := weightedRows(70)
	o := options()
	o.Batch, o.Valid, o.BestBy = 32, valid, Least("known")
	o.Metrics = []Metric{Accuracy(logits, y), OverRows("known", logits, y, func(scores []float64, labels []int) (float64, error) {
		right, known := 0.0, 0.0
		for i, want := range valid.I64("y") {
			if labels[i] != int(want) {
				t.Fatalf("row %d has the label %d, want %d", i, labels[i], want)
			}
			if want < 0 {
				continue
			}
			known++
			best := 0
			for k := range 4 {
				if scores[4*i+k] > scores[4*i+best] {
					best = k
				}
			}
			if best == int(want) {
				right++
			}
		}
		return right / known, nil
	})}
	r, err := Fit(context.Background(), spec.NewModel("m", spec.CrossEntropy(logits, y)), weightedRows(96), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.History {
		if a, b := e.Valid.Metrics["accuracy"], e.Valid.Metrics["known"]; math.Abs(a-b) > 1e-6 || a == 0 {
			t.Errorf("epoch %d: %v over all rows, the accuracy is %v", e.Number, b, a)
		}
	}
}

// TestOverTrainingRows measures the training rows where there are none for validation, in their order.
func TestOverTrainingRows(t *testing.T) {
	m := newMeasurable()
	o := options()
	var first, last []float64
	want := rows(150)
	o.Metrics = []Metric{OverRows("rows", m.code, m.x, func(_, x []float64) (float64, error) {
		first, last = append([]float64(nil), x[:12]...), append([]float64(nil), x[len(x)-12:]...)
		return float64(len(x)), nil
	})}
	r, err := Fit(context.Background(), m.Model, want, o)
	if err != nil {
		t.Fatal(err)
	}
	x := want.F32("x")
	for j := range 12 {
		if first[j] != float64(x[j]) || last[j] != float64(x[149*12+j]) {
			t.Fatal("the rows are not in their order")
		}
	}
	if got := r.Last().Train.Metrics["rows"]; got != 150*12 {
		t.Errorf("got %v numbers", got)
	}
}

// TestRecordedMetric: of a metric that Go code computes a recipe has the numbers, which choose the same epoch, also where a
// training goes on, and end where the record does.
func TestRecordedMetric(t *testing.T) {
	by := Greatest("distance")
	r := judgedBy(t, by, func(o *Options) { o.Patience = 2 })
	c := r.recipe()
	if c.Judge == nil || c.Judge.Text != "" || len(c.Judge.Values) != len(r.History) {
		t.Fatalf("the judge is %+v of %d epochs, and the recipe lacks %q", c.Judge, len(r.History), c.Lacks)
	}
	m, err := Judged(c.Judge, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, epochs := range []int{1, r.opt.Epochs} {
		again := judgedBy(t, by, func(o *Options) { o.Patience, o.Metrics, o.Dir, o.Epochs = 2, []Metric{m}, dir, epochs })
		if epochs == 1 {
			continue
		}
		if again.Best != r.Best || len(again.History) != len(r.History) {
			t.Errorf("best is epoch %d of %d, was %d of %d", again.Best, len(again.History), r.Best, len(r.History))
		}
		for name, w := range r.params {
			if !slices.Equal(again.params[name], w) {
				t.Errorf("%s has other bits", name)
			}
		}
	}
	x := newMeasurable()
	o := options()
	o.Valid, o.BestBy, o.Metrics, o.Epochs = rows(20), by, []Metric{{Name: "distance", recorded: c.Judge.Values[:1]}}, 3
	_, err = Fit(context.Background(), x.Model, rows(150), o)
	wantError(t, err, `the record has the metric "distance" up to epoch 1, and this is epoch 2: the training parts from its record`)
}
