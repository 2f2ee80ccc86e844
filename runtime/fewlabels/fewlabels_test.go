package fewlabels

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

var digitNames = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// digitTask is a classifier of the embedded digits.
func digitTask(units int) Task {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(units), spec.ReLU())
	code := x.Then(enc).Named("code")
	return Task{Input: x, Code: code, Logits: code.Then(spec.Dense(10).Named("head")).Named("logits"), Encoder: enc, Label: "y", Classes: digitNames}
}

// errorOf is the share of rows, in per cent, that are predicted wrongly.
func errorOf(t testing.TB, l *Learned, rows dataset.Source) float64 {
	t.Helper()
	p, err := l.Predict(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	y, err := dataset.All(rows).I64("y")
	if err != nil {
		t.Fatal(err)
	}
	n := len(p) / len(y)
	if !evaluate.AreProbabilities(p, n) {
		t.Errorf("the predictions are no probabilities")
	}
	got, err := evaluate.Predict(p, n)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range got {
		if int64(got[i]) != y[i] {
			wrong++
		}
	}
	return 100 * float64(wrong) / float64(len(y))
}

func quick(epochs int) train.Options {
	return train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 50, Seed: 3}
}

// pretrained are the weights of an encoder of digitTask that learned to restore digits.
func pretrained(t testing.TB, units int, rows dataset.Source) []train.From {
	t.Helper()
	task := digitTask(units)
	restored := task.Input.Then(spec.MaskingNoise(0.25), task.Encoder, spec.Mirror("decoder", task.Encoder).Tied())
	fit, err := train.Fit(t.Context(), spec.NewModel("denoiser", spec.MSE(restored, task.Input)), rows, quick(6))
	if err != nil {
		t.Fatal(err)
	}
	from, err := train.NetTensors(fit.Net(task.Code))
	if err != nil {
		t.Fatal(err)
	}
	return []train.From{{Tensors: from, Pattern: "encoder"}}
}

// TestProbesOfCodes: codes of a pretrained encoder are told apart, and nothing of the encoder changes.
func TestProbesOfCodes(t *testing.T) {
	digits := dataset.Digits()
	few, all, test := digits.Train.Balanced("y", 200, 1), digits.Train.Head(2000), digits.Test
	o := quick(1)
	o.InitFrom = pretrained(t, 64, all)
	for _, c := range []struct {
		way   Way
		worst float64 // error in per cent
		what  string  // that it chose
	}{
		{Probe{}, 24, "l2"},
		{Neighbours{}, 24, "k"},
		{Neighbours{K: []int{3}}, 26, "k"},
		{Probe{L2: []float64{0.1}}, 24, "l2"},
	} {
		l, err := c.way.Train(t.Context(), digitTask(64), few, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		got := errorOf(t, l, test)
		t.Logf("%s %+v: error %.2f %%, chosen %v", c.way.Name(), c.way, got, l.Chosen)
		if got > c.worst {
			t.Errorf("%s: error %.2f %%, want at most %v %%", c.way.Name(), got, c.worst)
		}
		if _, ok := l.Chosen[c.what]; !ok {
			t.Errorf("%s chose %v, want %s among it", c.way.Name(), l.Chosen, c.what)
		}
		if l.Net == nil {
			continue
		}
		_, w, _ := o.InitFrom[0].Tensors.Tensor("encoder/dense1/w")
		if got := l.Net.Params()["encoder/dense1/w"]; !equal(got, w) {
			t.Errorf("%s changed the encoder", c.way.Name())
		}
	}
}

func equal(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

// TestFineTuning: each learns, and frozen weights stay.
func TestFineTuning(t *testing.T) {
	digits := dataset.Digits()
	few, all, test := digits.Train.Balanced("y", 100, 1), digits.Train, digits.Test
	from := pretrained(t, 64, all)
	_, w, _ := from[0].Tensors.Tensor("encoder/dense1/w")
	for _, c := range []struct {
		name   string
		way    Way
		from   []train.From
		worst  float64
		frozen bool
	}{
		{"from scratch", FineTune{}, nil, 32, false},
		{"full", FineTune{}, from, 32, false},
		{"partial", FineTune{FrozenTo: "encoder"}, from, 43, true},
	} {
		o := quick(100)
		o.InitFrom = c.from
		l, err := c.way.Train(t.Context(), digitTask(64), few, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		got := errorOf(t, l, test)
		t.Logf("%s: error %.2f %%", c.name, got)
		if got > c.worst {
			t.Errorf("%s: error %.2f %%, want at most %v %%", c.name, got, c.worst)
		}
		if same := equal(l.Net.Params()["encoder/dense1/w"], w); same != c.frozen {
			t.Errorf("%s: the encoder is as it was: %v, want %v", c.name, same, c.frozen)
		}
	}
}

// TestMistakes: what cannot be is said before anything trains.
func TestMistakes(t *testing.T) {
	rows := dataset.Digits().Train.Head(300)
	few := rows.Balanced("y", 20, 1)
	none := rows.Unlabel("y", nil)
	ofOne := rows.Select([]int{0, 0})
	with := func(change func(*Task)) Task {
		task := digitTask(8)
		change(&task)
		return task
	}
	for _, c := range []struct {
		name     string
		way      Way
		task     Task
		labelled dataset.Source
		want     string
	}{
		{"no logits", Probe{}, with(func(t *Task) { t.Logits = nil }), few, "Task.Logits is nil"},
		{"no label", Probe{}, with(func(t *Task) { t.Label = "" }), few, "Task.Label is empty"},
		{"other column", Probe{}, with(func(t *Task) { t.Label = "z" }), few, `no column "z"`},
		{"fewer classes", Probe{}, with(func(t *Task) { t.Classes = t.Classes[:9] }), few, "names 9 classes, but Task.Logits are for 10"},
		{"a class twice", Mixup{}, with(func(t *Task) { t.Classes = append(digitNames[:9:9], "3") }), few, `names two classes "3"`},
		{"no input", Mixup{}, with(func(t *Task) { t.Input = spec.Const(1) }), few, "Task.Input must be an input"},
		{"one class", FineTune{}, digitTask(8), ofOne, "rows of one class tell nothing apart"},
		{"labels beyond", FineTune{}, with(func(t *Task) {
			t.Logits, t.Classes = t.Code.Then(spec.Dense(5).Named("five")), t.Classes[:5]
		}), few, "but Task.Classes names 5 classes, 0 to 4"},
		{"no rows", Probe{}, digitTask(8), nil, "there are no labelled rows"},
		{"no labels", FineTune{}, digitTask(8), none, "none of the 300 labelled rows has a label"},
		{"negative penalty", Probe{L2: []float64{-1}}, digitTask(8), few, "L2 must be zero or positive"},
		{"one fold", Probe{Folds: 1}, digitTask(8), few, "Folds must be two or more"},
		{"no neighbours", Neighbours{K: []int{0}}, digitTask(8), few, "K must be positive"},
		{"too many neighbours", Neighbours{K: []int{21}}, digitTask(8), few, "K is 21, but 20 rows have a label"},
		{"no such layer", FineTune{FrozenTo: "decoder"}, digitTask(8), few, `"decoder" matches no parameter; the model has encoder/dense1/w`},
		{"all frozen", FineTune{FrozenTo: "head"}, digitTask(8), few, "nothing is left to train"},
	} {
		_, err := c.way.Train(t.Context(), c.task, c.labelled, nil, quick(1))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestWorkers: the number of workers changes no bit of a prediction.
func TestWorkers(t *testing.T) {
	digits := dataset.Digits()
	few, test := digits.Train.Balanced("y", 60, 1), digits.Test.Head(200)
	for _, w := range ways() {
		t.Run(w.Name(), func(t *testing.T) {
			var first []float64
			for _, workers := range []int{1, 2, 3} {
				o := quick(2)
				o.Workers = workers
				l, err := w.Train(t.Context(), digitTask(16), few, digits.Train.Head(200), o)
				if err != nil {
					t.Fatal(err)
				}
				p, err := l.Predict(context.Background(), test)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = p
				}
				if fmt.Sprint(p) != fmt.Sprint(first) {
					t.Errorf("%d workers predict otherwise than 1", workers)
				}
			}
		})
	}
}

// ways are all of them, as small as they go.
func ways() []Way {
	picture := dataset.Augment().Shape(1, 28, 28)
	return []Way{Probe{}, Neighbours{}, FineTune{}, FineTune{FrozenTo: "encoder"},
		PseudoLabels{Labelled: 16, Unlabelled: 64, From: 1, To: 4},
		SelfTraining{Rounds: 2, Threshold: 0.3},
		FixMatch{Labelled: 16, Unlabelled: 64, Threshold: 0.3, Weak: picture.Shift(1), Strong: picture.Shift(3).Rotate(20).Erase(0.5)},
		MeanTeacher{Labelled: 16, Unlabelled: 64, To: 4},
		MeanTeacher{Labelled: 16, Unlabelled: 64, To: 4, Views: picture.Shift(2)},
		Mixup{}}
}
