package fewlabels

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// trained are the parameters of a result that are named in like.
func trained(l *Learned, like map[string][]float64) map[string][]float32 {
	out := map[string][]float32{}
	for name := range like {
		out[name] = l.Result.Param(name)
	}
	return out
}

// average is momentum·a + (1-momentum)·b.
func average(a, b map[string][]float64, momentum float64) map[string][]float64 {
	out := map[string][]float64{}
	for name, x := range a {
		for i := range x {
			out[name] = append(out[name], momentum*x[i]+(1-momentum)*b[name][i])
		}
	}
	return out
}

// descended is what a step of descent on a loss makes of weights, by central differences.
func descended(w map[string][]float64, rate float64, loss func(map[string][]float64) float64) map[string][]float64 {
	const h = 1e-5
	out := map[string][]float64{}
	for name, x := range w {
		for i, was := range x {
			x[i] = was + h
			up := loss(w)
			x[i] = was - h
			down := loss(w)
			x[i] = was
			out[name] = append(out[name], was-rate*(up-down)/(2*h))
		}
	}
	return out
}

// logOf is the mean of -log p of these classes, each with a weight.
func logOf(p [][]float64, classes []int64, weights []float64) (sum float64) {
	for i, c := range classes {
		sum -= weights[i] * math.Log(p[i][c]) / float64(len(classes))
	}
	return sum
}

const byHand = 0.5 // rate of the trainings that are repeated by hand

// after trains updates with all rows in each, and returns the last one's loss and the weights.
func after(t *testing.T, way Way, task Task, updates int, few, rest dataset.Source, start map[string][]float64) (float64, map[string][]float64) {
	t.Helper()
	var loss float64
	o := train.Options{Optimizer: optim.SGD(byHand), Epochs: updates, Seed: 4, Batch: few.Len(), AfterUpdate: func(u train.Update) { loss = u.Loss }}
	l, err := way.Train(t.Context(), task, few, rest, o)
	if err != nil {
		t.Fatal(err)
	}
	return loss, wide(trained(l, start))
}

// same compares weights after an update, relative to how far it went.
func same(t *testing.T, name string, from, got, want map[string][]float64) {
	t.Helper()
	far, off := 0.0, 0.0
	for p, x := range want {
		for i, v := range x {
			far, off = math.Max(far, math.Abs(v-from[p][i])), math.Max(off, math.Abs(v-got[p][i]))
		}
	}
	if !(off < 2e-5*far) {
		t.Errorf("%s: the weights went up to %.4g far, and are up to %.4g off", name, far, off)
	}
}

// TestUpdatesByHand: an update descends on the loss of the paper, of which what the net says of
// unlabelled rows is a constant.
func TestUpdatesByHand(t *testing.T) {
	plainTask := func() Task { return plainTask(4) }
	few, rest := plainRows(t, 6, 1).Reshape("x", 4), plainRows(t, 4, 2).Reshape("x", 4)
	start := wide(train.Untrained(4, plainTask().Logits).Params())
	targets := func(w map[string][]float64) (classes []int64, best []float64) {
		for _, p := range forward(w, rest) {
			classes, best = append(classes, int64(greatest(p))), append(best, p[greatest(p)])
		}
		return classes, best
	}
	ones := []float64{1, 1, 1, 1}

	pseudo := PseudoLabels{Labelled: 6, Unlabelled: 4, Height: 3, From: 0, To: 2} // half of it in the second update
	_, first := after(t, pseudo, plainTask(), 1, few, rest, start)
	same(t, "pseudo-labels, update 1", start, first, descended(start, byHand, func(w map[string][]float64) float64 { return supervised(forward(w, few), few) }))
	_, second := after(t, pseudo, plainTask(), 2, few, rest, start)
	classes, _ := targets(first)
	same(t, "pseudo-labels, update 2", first, second, descended(first, byHand, func(w map[string][]float64) float64 {
		return supervised(forward(w, few), few) + 1.5*logOf(forward(w, rest), classes, ones)
	}))

	// In two batches of half the rows each, an update is the same.
	for updates, want := range map[int]map[string][]float64{1: first, 2: second} {
		halves := PseudoLabels{Labelled: 3, Unlabelled: 2, Height: 3, From: 0, To: 2}
		o := train.Options{Optimizer: optim.SGD(byHand), Epochs: updates, Seed: 4, Accumulate: 2}
		l, err := halves.Train(t.Context(), plainTask(), few, rest, o)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "pseudo-labels, accumulated", start, wide(trained(l, start)), want)
	}

	// A view that is changed much is black or as it was; the loss says which.
	rest = plainRows(t, 8, 2).Reshape("x", 4)
	classes, best := targets(start)
	threshold, sure := 0.0, make([]float64, 8)
	for _, p := range best {
		threshold += p / 8
	}
	for i, p := range best {
		if p >= threshold {
			sure[i] = 1
		}
	}
	fix := FixMatch{Labelled: 6, Unlabelled: 8, Threshold: threshold, Weight: 1.3, Weak: dataset.Augment().Shape(1, 2, 2).Shift(1), Strong: dataset.Augment().Shape(4, 1, 1).TimeMask(1)}
	loss, first := after(t, fix, plainTask(), 1, few, rest, start)
	found := 0
	for black := range 256 {
		view := pixels(rest)
		for i := range view {
			if black>>i&1 == 1 {
				view[i] = make([]float64, 4)
			}
			if black>>i&1 == 1 && sure[i] == 0 {
				view = nil // as without it
				break
			}
		}
		if view == nil {
			continue
		}
		of := func(w map[string][]float64) float64 {
			return supervised(forward(w, few), few) + 1.3*logOf(through(w, view), classes, sure)
		}
		if math.Abs(of(start)-loss) < 1e-6*loss {
			found++
			if black == 0 {
				t.Error("FixMatch: no sure row has a black view, which shows little: take other rows")
			}
			same(t, "FixMatch", start, first, descended(start, byHand, of))
		}
	}
	if found != 1 {
		t.Errorf("FixMatch: %d choices of black views have its loss", found)
	}

	rest = plainRows(t, 4, 2).Reshape("x", 4)
	way := MeanTeacher{Labelled: 6, Unlabelled: 4, Momentum: 0.6, Weight: 5, From: 0, To: 2}
	_, first = after(t, way, plainTask(), 1, few, rest, start)
	_, second = after(t, way, plainTask(), 2, few, rest, start)
	teacher := average(start, first, 0.6)
	a, b := forward(teacher, few), forward(teacher, rest)
	same(t, "mean teacher", first, second, descended(first, byHand, func(w map[string][]float64) float64 {
		p := forward(w, few)
		sum := supervised(p, few)
		return sum + 2.5*apart(append(append([][]float64{}, p...), forward(w, rest)...), append(append([][]float64{}, a...), b...))
	}))
}

// apart is the mean square of the differences.
func apart(p, q [][]float64) (sum float64) {
	for i := range p {
		for c, v := range p[i] {
			sum += (v - q[i][c]) * (v - q[i][c]) / float64(len(p)*len(p[i]))
		}
	}
	return sum
}

// normed normalises columns by their own mean and variance, and returns these.
func normed(x [][]float64) (y [][]float64, mean, variance []float64) {
	n := float64(len(x))
	mean, variance = make([]float64, len(x[0])), make([]float64, len(x[0]))
	for _, row := range x {
		for j, v := range row {
			mean[j] += v / n
		}
	}
	for _, row := range x {
		for j, v := range row {
			variance[j] += (v - mean[j]) * (v - mean[j]) / n
		}
	}
	for _, row := range x {
		z := make([]float64, len(row))
		for j, v := range row {
			z[j] = (v - mean[j]) / math.Sqrt(variance[j]+1e-5)
		}
		y = append(y, z)
	}
	return y, mean, variance
}

// TestStatisticsOfTheFirstView: running statistics are those of the rows as the net sees them first, whatever
// strong views and the teacher make of them; the teacher normalises by what itself computes, and ships
// with the net's statistics.
func TestStatisticsOfTheFirstView(t *testing.T) {
	few, rest := plainRows(t, 6, 1).Reshape("x", 4), plainRows(t, 4, 2).Reshape("x", 4)
	all := append(pixels(few), pixels(rest)...)
	task := func() Task {
		x := spec.Input("x", 4)
		code := x.Then(spec.Dense(3).Named("below"), spec.BatchNorm().NoScale().NoBias().Named("norm"))
		return Task{Input: x, Code: code, Logits: code.Then(spec.Dense(3).Named("above")), Label: "y", Classes: []string{"a", "b", "c"}}
	}
	start := wide(train.Untrained(4, task().Logits).Params())
	for name := range start {
		if name == "norm/mean" || name == "norm/variance" {
			delete(start, name)
		}
	}
	run := func(way Way, updates int) (loss float64, l *Learned) {
		o := train.Options{Optimizer: optim.SGD(byHand), Epochs: updates, Seed: 4, AfterUpdate: func(u train.Update) { loss = u.Loss }}
		l, err := way.Train(t.Context(), task(), few, rest, o)
		if err != nil {
			t.Fatal(err)
		}
		return loss, l
	}
	near := func(name string, got []float32, want []float64) {
		t.Helper()
		for i, v := range want {
			if math.Abs(float64(got[i])-v) > 1e-5 {
				t.Errorf("%s: got %v, want %v", name, got, want)
				return
			}
		}
	}
	_, mean, variance := normed(affine(start, "below", all))
	for i := range mean {
		mean[i], variance[i] = 0.1*mean[i], 0.9+0.1*variance[i]
	}
	_, l := run(FixMatch{Labelled: 6, Unlabelled: 4, Threshold: 0.1, Weak: dataset.Augment().Shape(1, 2, 2).Shift(1), Strong: dataset.Augment().Shape(1, 1, 4).Hiss(100)}, 1)
	near("FixMatch, mean", l.Net.Params()["norm/mean"], mean)
	near("FixMatch, variance", l.Net.Params()["norm/variance"], variance)

	way := MeanTeacher{Labelled: 6, Unlabelled: 4, Momentum: 0.6, Weight: 5, From: 0, To: 1}
	_, l = run(way, 1)
	near("mean teacher, mean", l.Net.Params()["norm/mean"], mean)
	first := wide(trained(l, start))
	loss, l := run(way, 2)
	teacher := average(start, first, 0.6)
	net, now, _ := normed(affine(first, "below", all))
	other, _, _ := normed(affine(teacher, "below", all))
	p, q := softmax(affine(first, "above", net)), softmax(affine(teacher, "above", other))
	if want := supervised(p[:6], few) + 5*apart(p, q); math.Abs(loss-want) > 1e-5*want {
		t.Errorf("mean teacher: the loss is %v, want %v", loss, want)
	}
	for i := range now {
		now[i] = 0.9*mean[i] + 0.1*now[i]
	}
	near("mean teacher, mean of two updates", l.Net.Params()["norm/mean"], now)
}

// TestAveragesShip: with Options.Average, every way but the mean teacher ships the averages of its weights.
func TestAveragesShip(t *testing.T) {
	few, rest := plainRows(t, 6, 1), plainRows(t, 4, 2)
	start := wide(train.Untrained(4, plainTask(1, 2, 2).Logits).Params())
	for _, w := range []Way{FineTune{}, PseudoLabels{Labelled: 6, Unlabelled: 4}, SelfTraining{Rounds: 1, Threshold: 0.99}, FixMatch{Labelled: 6, Unlabelled: 4}, Mixup{}} {
		params := func(average float64) map[string][]float64 {
			o := train.Options{Optimizer: optim.SGD(byHand), Epochs: 1, Seed: 4, Average: average}
			l, err := w.Train(t.Context(), plainTask(1, 2, 2), few, rest, o)
			if err != nil {
				t.Fatal(err)
			}
			if math.Float32bits(l.Net.Params()["below/w"][0]) != math.Float32bits(l.Result.Param("below/w")[0]) {
				t.Errorf("%s: the weights of the result are not those of the net", w.Name())
			}
			if settings := string(l.Net.Record().Phases[0].Recipe.Settings); w.Name() == "mixup" && !strings.Contains(settings, `"mixup=0.4/shares,of=x"`) {
				t.Errorf("mixup: the record has %s", settings)
			}
			return wide(l.Net.Params())
		}
		last := params(0)
		same(t, w.Name(), last, params(0.75), average(start, last, 0.75))
	}
}

// TestLogsOfRounds: each round of self-training has logs of its own.
func TestLogsOfRounds(t *testing.T) {
	dir := t.TempDir()
	o := train.Options{Optimizer: optim.SGD(byHand), Epochs: 2, Seed: 4, Logs: []train.EpochLog{train.CSVLog(filepath.Join(dir, "run.csv"))}}
	if _, err := (SelfTraining{Rounds: 2, Threshold: 0.01}).Train(t.Context(), plainTask(1, 2, 2), plainRows(t, 6, 1), plainRows(t, 4, 2), o); err != nil {
		t.Fatal(err)
	}
	for i, rows := range []string{"6", "10", "10"} {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("run-round%d.csv", i)))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[2], "2,2,"+rows+",") {
			t.Errorf("round %d has the log\n%s", i, b)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "run.csv")); err == nil {
		t.Error("there is a log of no round")
	}
}

// TestProbesNeedNoOptimizer: where no update is made, options need not say how.
func TestProbesNeedNoOptimizer(t *testing.T) {
	log := filepath.Join(t.TempDir(), "new", "run.csv")
	for _, w := range []Way{Probe{}, Neighbours{}} {
		if _, err := w.Train(t.Context(), plainTask(1, 2, 2), plainRows(t, 6, 1), nil, train.Options{Logs: []train.EpochLog{train.CSVLog(log)}}); err != nil {
			t.Errorf("%s: %v", w.Name(), err)
		}
	}
	if _, err := os.Stat(filepath.Dir(log)); err == nil {
		t.Error("a folder was made for a log without epochs")
	}
}

// TestFrozenStatistics: below FrozenTo nothing moves, be it a layer that has statistics and no weights;
// above it both do.
func TestFrozenStatistics(t *testing.T) {
	norm := func(name string) spec.Layer { return spec.BatchNorm().NoScale().NoBias().Named(name) }
	for frozenTo, want := range map[string]string{
		"b":       "a/b a/w n/mean n/variance b/b b/w",
		"m":       "a/b a/w n/mean n/variance b/b b/w m/bias m/mean m/scale m/variance",
		"m/bias":  "a/b a/w n/mean n/variance b/b b/w m/bias m/mean m/scale m/variance",
		"m/scale": "a/b a/w n/mean n/variance b/b b/w m/scale",
		"n":       "a/b a/w n/mean n/variance",
		"a":       "a/b a/w",
	} {
		x := spec.Input("x", 1, 2, 2)
		code := x.Then(spec.Flatten(), spec.Dense(3).Named("a"), norm("n"), spec.Tanh(), spec.Dense(3).Named("b"), spec.BatchNorm().Named("m"))
		task := Task{Input: x, Code: code, Logits: code.Then(norm("p"), spec.Dense(3).Named("head")), Label: "y", Classes: []string{"a", "b", "c"}}
		start := train.Untrained(4, task.Logits).Params()
		l, err := FineTune{FrozenTo: frozenTo}.Train(t.Context(), task, plainRows(t, 6, 1), nil, train.Options{Optimizer: optim.SGD(byHand), Epochs: 2, Seed: 4, Freeze: []string{"head/b"}})
		if err != nil {
			t.Fatal(err)
		}
		still := map[string]bool{"head/b": true}
		for _, name := range strings.Fields(want) {
			still[name] = true
		}
		for name, w := range l.Net.Params() {
			if equal(w, start[name]) != still[name] {
				t.Errorf("FrozenTo %q: %s stays as it is: %v", frozenTo, name, !still[name])
			}
		}
	}
}

// TestViewsApart: the teacher's view is drawn anew, also of an augmentation that changes columns alike.
func TestViewsApart(t *testing.T) {
	few, rest := plainRows(t, 6, 1).Reshape("x", 4), plainRows(t, 4, 2).Reshape("x", 4)
	start := wide(train.Untrained(4, plainTask(4).Logits).Params())
	views := dataset.Augment().Shape(1, 1, 4).Hiss(0.3)
	var losses []float64
	for _, v := range []*dataset.Augmentation{views, views.Together()} {
		loss, _ := after(t, MeanTeacher{Labelled: 6, Unlabelled: 4, Momentum: 0.999, Weight: 1000, From: 0, To: 1, Views: v}, plainTask(4), 2, few, rest, start)
		losses = append(losses, loss)
	}
	if losses[0] != losses[1] {
		t.Errorf("apart and together the losses are %v", losses)
	}
	// Weights that stay make the teacher the net, so they differ by the views alone.
	losses = nil
	o := train.Options{Optimizer: optim.SGD(1e-20), Epochs: 2, Seed: 4, AfterUpdate: func(u train.Update) { losses = append(losses, u.Loss) }}
	l, err := MeanTeacher{Labelled: 6, Unlabelled: 4, Weight: 1e6, From: 0, To: 1, Views: views}.Train(t.Context(), plainTask(4), few, rest, o)
	if err != nil {
		t.Fatal(err)
	}
	if !(losses[1] > 1000) {
		t.Errorf("the losses are %v, as if net and teacher had one view", losses)
	}
	if settings := string(l.Net.Record().Phases[0].Recipe.Settings); !strings.Contains(settings, `"hiss=0.3,shape=1x1x4,of=x,apart;hiss=0.3,shape=1x1x4,of=other,apart"`) {
		t.Errorf("the record has %s", settings)
	}
	if l, err = (MeanTeacher{Labelled: 6, Unlabelled: 4, Views: views}).Train(t.Context(), plainTask(4), few.Views("x", "x", "other"), rest.Views("x", "x", "other"), o); err != nil {
		t.Fatal(err)
	}
	if settings := string(l.Net.Record().Phases[0].Recipe.Settings); !strings.Contains(settings, `of=other_,`) {
		t.Errorf("where rows have the column, the record has %s", settings)
	}
}

// TestDefaults: settings that are left out are those of the papers, or what is said beside them.
func TestDefaults(t *testing.T) {
	x := spec.Input("x", 1, 40, 28)
	code := x.Then(spec.Flatten(), spec.Dense(3))
	task := Task{Input: x, Code: code, Logits: code.Then(spec.Dense(3)), Label: "y", Classes: []string{"a", "b", "c"}}
	fix, err := FixMatch{}.complete(task)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(fix.Labelled, fix.Unlabelled, fix.Threshold, fix.Weight, " ", fix.Weak, " ", fix.Strong)
	if want := "64 448 0.95 1 shift=2 shift=3,rotate=30,scale=0.2,erase=0.5"; got != want {
		t.Errorf("FixMatch: %s, want %s", got, want)
	}
	pseudo, err := PseudoLabels{}.complete()
	if want := (PseudoLabels{Labelled: 32, Unlabelled: 256, Height: 3, From: 100, To: 600}); err != nil || pseudo != want {
		t.Errorf("pseudo-labels: %+v, %v", pseudo, err)
	}
	teacher, err := MeanTeacher{}.complete(task)
	if want := (MeanTeacher{Labelled: 32, Unlabelled: 256, Momentum: 0.99, Weight: 30, To: 600}); err != nil || teacher != want {
		t.Errorf("mean teacher: %+v, %v", teacher, err)
	}
}

// TestRounds: rows of which a teacher is as sure as the threshold are learned, and updates are whole epochs.
func TestRounds(t *testing.T) {
	rows, classes := SelfTraining{Threshold: 0.75}.sure([]float64{0.75, 0.25, 0.7, 0.3, 0.1, 0.9, math.NaN(), math.NaN()}, 2)
	if !slices.Equal(rows, []int{0, 2}) || !slices.Equal(classes, []int64{0, 1}) {
		t.Errorf("rows %v are of the classes %v", rows, classes)
	}
	for _, c := range []struct{ updates, rows, batch, accumulate, want int }{
		{0, 100, 10, 0, 7}, {20, 100, 10, 0, 2}, {29, 100, 10, 1, 2}, {29, 101, 10, 0, 2}, {20, 100, 10, 2, 4}, {3, 100, 10, 0, 1}, {3, 257, 0, 0, 1}, {3, 256, 0, 0, 3},
	} {
		o := train.Options{Epochs: 7, Batch: c.batch, Accumulate: c.accumulate}
		if got := (SelfTraining{Updates: c.updates}).epochs(c.rows, o); got != c.want {
			t.Errorf("%+v: %d epochs", c, got)
		}
	}
}

// TestValidation: every way that trains measures rows for validation, as the net is, without views and mixing.
func TestValidation(t *testing.T) {
	few, rest, valid := plainRows(t, 6, 1), plainRows(t, 4, 2), plainRows(t, 9, 3)
	start := wide(train.Untrained(4, plainTask(1, 2, 2).Logits).Params())
	want := supervised(forward(start, valid), valid)
	for _, w := range []Way{FineTune{}, PseudoLabels{Labelled: 6, Unlabelled: 4, From: 0, To: 1}, SelfTraining{Rounds: 1, Threshold: 0.99}, FixMatch{Labelled: 6, Unlabelled: 4, Threshold: 0.1}, MeanTeacher{Labelled: 6, Unlabelled: 4}, Mixup{}} {
		o := train.Options{Optimizer: optim.SGD(1e-20), Epochs: 2, Seed: 4, Valid: valid}
		l, err := w.Train(t.Context(), plainTask(1, 2, 2), few, rest, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Result.Last().Valid.Loss; math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: the validation loss is %v, want %v", w.Name(), got, want)
		}
	}
}

// TestUnlabelledAmongLabelled: rows of the labelled ones that have no label are left out.
func TestUnlabelledAmongLabelled(t *testing.T) {
	rows := plainRows(t, 9, 1)
	some := rows.Unlabel("y", rows.Select([]int{0, 1, 2, 4, 5, 8}))
	for _, w := range []Way{Probe{}, Neighbours{}, FineTune{}, Mixup{}} {
		var made [2][]float64
		for i, few := range []dataset.Source{some, rows.Select([]int{0, 1, 2, 4, 5, 8})} {
			l, err := w.Train(t.Context(), plainTask(1, 2, 2), few, nil, train.Options{Optimizer: optim.SGD(byHand), Epochs: 1, Seed: 4})
			if err != nil {
				t.Fatal(err)
			}
			if made[i], err = l.Predict(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(made[0], made[1]) {
			t.Errorf("%s: rows without a label change predictions", w.Name())
		}
	}
}

// TestChoices: of penalties that are as good the larger is chosen, of neighbours the fewer, and folds have a row of every class.
func TestChoices(t *testing.T) {
	rows := plainRows(t, 9, 1)
	x := spec.Input("x", 1, 2, 2)
	code := x.Then(spec.Flatten(), spec.Dense(3), spec.Scale(0)) // tells nothing apart
	task := Task{Input: x, Code: code, Logits: code.Then(spec.Dense(3)), Label: "y", Classes: []string{"a", "b", "c"}}
	for _, c := range []struct {
		way  Way
		rows dataset.Source
		want float64
	}{
		{Probe{L2: []float64{1, 3, 2}}, rows, 3},
		{Probe{L2: []float64{1, 3}}, rows.Head(4), alonePenalty}, // two classes have one row each
		{Neighbours{K: []int{6, 4, 5}}, rows, 4},
		{Neighbours{K: []int{3, 2}}, rows.Head(4), 2},
		{Neighbours{K: []int{2, 50}}, rows, 2},
		{Probe{L2: []float64{5}}, rows.Select([]int{0, 1, 3, 4}), 5}, // of two classes of the three
		{Neighbours{K: []int{3}}, rows.Select([]int{0, 1, 3, 4}), 3},
	} {
		l, err := c.way.Train(t.Context(), task, c.rows, nil, train.Options{Seed: 4})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Chosen["l2"] + l.Chosen["k"]; got != c.want {
			t.Errorf("%+v chose %v, want %v", c.way, got, c.want)
		}
		if p, err := l.Predict(t.Context(), rows); err != nil || len(p) != 3*9 {
			t.Errorf("%+v predicts %d numbers of 9 rows and 3 classes, %v", c.way, len(p), err)
		}
	}
}
