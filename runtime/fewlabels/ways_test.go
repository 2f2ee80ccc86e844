package fewlabels

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// picture is an augmentation of f32[784].
func picture() *dataset.Augmentation { return dataset.Augment().Shape(1, 28, 28) }

// moved are strong views of digits.
func moved() *dataset.Augmentation { return picture().Shift(3).Rotate(25).Scale(0.2).Erase(0.5) }

// TestLearns: with 100 labels each way that uses the other rows is better than the same net
// from scratch, which misreads 28.15 % (TestFineTuning), and mixup, which does not, learns.
func TestLearns(t *testing.T) {
	digits := dataset.Digits()
	few, rest, test := digits.Train.Balanced("y", 100, 1), digits.Train, digits.Test
	for _, c := range []struct {
		way    Way
		epochs int
		worst  float64
	}{
		{PseudoLabels{From: 30, To: 200, Height: 1}, 16, 27.5},
		{SelfTraining{Rounds: 2, Threshold: 0.9, Updates: 200}, 1, 28},
		{FixMatch{Labelled: 32, Unlabelled: 128, Threshold: 0.8, Weak: picture().Shift(1), Strong: moved()}, 12, 22},
		{MeanTeacher{To: 200, Views: picture().Shift(2).Rotate(10)}, 16, 26},
		{Mixup{}, 200, 34},
	} {
		t.Run(c.way.Name(), func(t *testing.T) {
			o := quick(c.epochs)
			l, err := c.way.Train(t.Context(), digitTask(64), few, rest, o)
			if err != nil {
				t.Fatal(err)
			}
			got := errorOf(t, l, test)
			t.Logf("error %.2f %%, chosen %v", got, l.Chosen)
			if got > c.worst {
				t.Errorf("error %.2f %%, want at most %v %%", got, c.worst)
			}
			if names := l.Net.Record().Classes; c.way.Name() != "mixup" && len(names) != 10 {
				t.Errorf("the record names the classes %v", names)
			}
		})
	}
}

// TestLabelsUnseen: what is written in the labels of the unlabelled rows changes nothing.
func TestLabelsUnseen(t *testing.T) {
	digits := dataset.Digits()
	few, rest, test := digits.Train.Balanced("y", 60, 1), digits.Train.Head(300), digits.Test.Head(100)
	wrong := make([]int64, rest.Len())
	for _, w := range ways() {
		t.Run(w.Name(), func(t *testing.T) {
			var made [3][]float64
			for k, r := range []dataset.Source{rest, dataset.All(rest).Relabel("y", wrong), rest.Without("y")} {
				l, err := w.Train(t.Context(), digitTask(16), few, r, quick(1))
				if err != nil {
					t.Fatal(err)
				}
				if made[k], err = l.Predict(t.Context(), test); err != nil {
					t.Fatal(err)
				}
			}
			for k := 1; k < 3; k++ {
				for i := range made[0] {
					if made[0][i] != made[k][i] {
						t.Fatalf("with other labels of the unlabelled rows the predictions differ (%d)", k)
					}
				}
			}
		})
	}
}

// TestSettings: settings that cannot be are told before anything trains.
func TestSettings(t *testing.T) {
	rows := dataset.Digits().Train.Head(300)
	few := rows.Balanced("y", 20, 1)
	augmented := quick(1)
	augmented.Augment = picture().Shift(1)
	for _, c := range []struct {
		way  Way
		rest dataset.Source
		o    train.Options
		want string
	}{
		{PseudoLabels{}, nil, quick(1), "there are none: give it some, or take FineTune"},
		{SelfTraining{}, nil, quick(1), "there are none"},
		{FixMatch{Weak: picture(), Strong: moved()}, nil, quick(1), "there are none"},
		{MeanTeacher{}, nil, quick(1), "there are none"},
		{PseudoLabels{Height: -1}, rows, quick(1), "Height must be positive"},
		{PseudoLabels{From: 5, To: 2}, rows, quick(1), "got updates 5 to 2"},
		{PseudoLabels{Labelled: -1}, rows, quick(1), "must have rows of both kinds, got -1 labelled"},
		{SelfTraining{Threshold: 1}, rows, quick(1), "Threshold must be between 0 and 1, got 1"},
		{SelfTraining{Rounds: -1}, rows, quick(1), "Rounds must be positive"},
		{SelfTraining{Updates: -1}, rows, quick(1), "Updates must not be negative"},
		{FixMatch{Threshold: 1.5}, rows, quick(1), "Threshold must be between 0 and 1, got 1.5"},
		{FixMatch{Weight: -1, Weak: picture(), Strong: moved()}, rows, quick(1), "Weight must be positive"},
		{FixMatch{}, rows, quick(1), "only pictures f32[N C H W] have a default"},
		{FixMatch{Weak: picture().Shift(1), Strong: moved()}, rows, augmented, "leave Options.Augment out"},
		{MeanTeacher{Momentum: 1}, rows, quick(1), "Momentum must be between 0 and 1"},
		{MeanTeacher{Views: picture().Shift(1)}, rows, augmented, "both change rows"},
		{Mixup{Alpha: 2}, nil, quick(1), "Alpha must be above 0 and at most 1"},
		{Mixup{}, nil, augmented, "not in Options.Augment"},
	} {
		_, err := c.way.Train(t.Context(), digitTask(8), few, c.rest, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: error %v, want %q", c.way.Name(), c.way, err, c.want)
		}
	}
}

// TestPictures: inputs that are pictures need no views to be declared.
func TestPictures(t *testing.T) {
	rows := dataset.Digits().Train.Head(200).Reshape("x", 1, 28, 28)
	x := spec.Input("x", 1, 28, 28)
	code := x.Then(spec.Conv(4, 3), spec.ReLU(), spec.MaxPool(4), spec.Flatten())
	task := Task{Input: x, Code: code, Logits: code.Then(spec.Dense(10)), Label: "y", Classes: digitNames}
	o := quick(1)
	o.Average, o.Valid = 0.9, rows.Head(50)
	l, err := FixMatch{Labelled: 10, Unlabelled: 50}.Train(t.Context(), task, rows.Balanced("y", 20, 1), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := errorOf(t, l, rows); got > 95 {
		t.Errorf("error %.1f %%", got)
	}
}

// Environment of a child process.
const (
	childWay = "LAMINA_FEWLABELS_WAY"
	childDir = "LAMINA_FEWLABELS_DIR"
)

// resumed are the ways that train, as they are killed.
func resumed() map[string]Way {
	return map[string]Way{
		"pseudo-labels": PseudoLabels{Labelled: 16, Unlabelled: 64, From: 1, To: 30},
		"self-training": SelfTraining{Rounds: 2, Threshold: 0.3},
		"FixMatch":      FixMatch{Labelled: 16, Unlabelled: 64, Threshold: 0.3, Weak: picture().Shift(1), Strong: moved()},
		"mean teacher":  MeanTeacher{Labelled: 16, Unlabelled: 64, To: 30, Views: picture().Shift(2)},
		"fine-tuning":   FineTune{FrozenTo: "encoder/dense1/w"},
		"mixup":         Mixup{},
	}
}

func killedRun(ctx context.Context, name, dir string) ([]float64, error) {
	digits := dataset.Digits()
	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: 8, Batch: 8, Seed: 3, Dir: dir, CheckpointEvery: 3, Average: 0.9}
	if dir != "" {
		o.AfterUpdate = func(train.Update) { time.Sleep(2 * time.Millisecond) }
	}
	l, err := resumed()[name].Train(ctx, digitTask(16), digits.Train.Balanced("y", 60, 1), digits.Train.Head(400), o)
	if err != nil {
		return nil, err
	}
	return l.Predict(ctx, digits.Test.Head(100))
}

// TestKilledAndResumed: a process that is killed again and again ends with the predictions
// of one that was left alone.
func TestKilledAndResumed(t *testing.T) {
	if name := os.Getenv(childWay); name != "" {
		if _, err := killedRun(t.Context(), name, os.Getenv(childDir)); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range resumed() {
		t.Run(name, func(t *testing.T) {
			want, err := killedRun(t.Context(), name, "")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "run")
			killed := 0
			for try := range 5 {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledAndResumed$")
				child.Env = append(os.Environ(), childWay+"="+name, childDir+"="+dir)
				if err := child.Start(); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- child.Wait() }()
				select {
				case err := <-done:
					if err != nil {
						t.Fatalf("the child failed: %v", err)
					}
				case <-time.After(time.Duration(100+100*try) * time.Millisecond):
					_ = child.Process.Kill()
					<-done
					killed++
				}
			}
			got, err := killedRun(t.Context(), name, dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("killed %d times", killed)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("after %d kills prediction %d is %v, want %v", killed, i, got[i], want[i])
				}
			}
		})
	}
}

// TestParsed: a task may be of values that were read from a text.
func TestParsed(t *testing.T) {
	x := spec.Input("x", 784).Named("x")
	code := x.Then(spec.Dense(16).Named("encoder"), spec.ReLU()).Named("code")
	logits := code.Then(spec.Dropout(0.2), spec.Dense(10).Named("head")).Named("logits")
	text, err := spec.NewModel("net", spec.CrossEntropy(logits, spec.Labels("y", 10))).Text()
	if err != nil {
		t.Fatal(err)
	}
	digits := dataset.Digits()
	few, rest, test := digits.Train.Balanced("y", 60, 1), digits.Train.Head(300), digits.Test.Head(100)
	for _, w := range []Way{FineTune{}, FixMatch{Labelled: 16, Unlabelled: 64, Threshold: 0.3, Weak: picture().Shift(1), Strong: moved()}, MeanTeacher{Labelled: 16, Unlabelled: 64, To: 4}} {
		m, err := spec.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		task := Task{Input: m.Tap("x"), Code: m.Tap("code"), Logits: m.Tap("logits"), Label: "y", Classes: digitNames}
		l, err := w.Train(t.Context(), task, few, rest, quick(4))
		if err != nil {
			t.Errorf("%s: %v\n%s", w.Name(), err, text)
			continue
		}
		if got := errorOf(t, l, test); got > 88 {
			t.Errorf("%s: error %.1f %%", w.Name(), got)
		}
	}
}
