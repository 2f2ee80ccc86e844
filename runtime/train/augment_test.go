package train

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// augmentedRows are n digits as pictures, with labels y and probabilities t.
func augmentedRows(n int) *dataset.Table {
	return dataset.Digits().Train.Head(n).Reshape("x", 1, 28, 28).OneHot("y", 10, "t")
}

// augmentedModel is a classifier of pictures.
func augmentedModel() *spec.Model {
	logits := spec.Input("x", 1, 28, 28).Then(spec.Flatten(), spec.Dense(16), spec.ReLU(), spec.Dense(10)).Named("logits")
	return spec.NewModel("pictures", spec.CrossEntropy(logits, spec.Input("t", 10)))
}

// augmentedOptions have every kind of change that grey pictures take.
func augmentedOptions() Options {
	o := steady()
	o.Epochs = 3
	o.Augment = dataset.Augment().Shift(1).Crop(2).Flip(dataset.Horizontally).Rotate(20).Scale(0.2).ColorJitter(0.3, 0.4, 0).Noise(0.1).Erase(0.5).Mixup(0.5, "t")
	return o
}

// A training on augmented pictures has the same bits for any number of workers, processors and ranks, from memory and from a
// source, and other ones than without augmentation.
func TestAugmentedBits(t *testing.T) {
	fit := func(src dataset.Source, change func(*Options)) string {
		t.Helper()
		o := augmentedOptions()
		change(&o)
		r, err := Fit(context.Background(), augmentedModel(), src, o)
		if err != nil {
			t.Fatal(err)
		}
		return bits(r)
	}
	rows := augmentedRows(150)
	want := fit(rows, func(o *Options) { o.Workers = 1 })
	for name, got := range map[string]string{
		"3 workers": fit(rows, func(o *Options) { o.Workers = 3 }),
		"a source":  fit(plainSource{rows}, func(o *Options) { o.Workers = 3 }),
		"1 processor": func() string {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			return fit(rows, func(*Options) {})
		}(),
	} {
		if got != want {
			t.Errorf("%s: other bits than 1 worker's", name)
		}
	}
	shards := fit(rows, func(o *Options) { o.Shards = 2 })
	if got := fit(rows, func(o *Options) { o.Shards, o.Cluster = 2, Local(2) }); got != shards {
		t.Error("two ranks: other bits than one")
	}
	for name, got := range map[string]string{
		"no augmentation": fit(rows, func(o *Options) { o.Augment = nil }),
		"another seed":    fit(rows, func(o *Options) { o.Seed++ }),
		"a change less":   fit(rows, func(o *Options) { o.Augment = o.Augment.Noise(0) }),
	} {
		if got == want {
			t.Errorf("%s: the same bits", name)
		}
	}
}

// looks is a context that ends after so many looks at it, by any number of goroutines.
type looks struct {
	context.Context
	left atomic.Int64
}

func stopping(after int64) *looks {
	l := &looks{Context: context.Background()}
	l.left.Store(after)
	return l
}

func (l *looks) Err() error {
	if l.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// A training that is interrupted again and again, and goes on with another number of workers, ends with the bits of one that
// was not.
func TestAugmentedResume(t *testing.T) {
	o := augmentedOptions()
	o.CheckpointEvery, o.Valid = 1, augmentedRows(30)
	rows := augmentedRows(150)
	r, err := Fit(context.Background(), augmentedModel(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	want := bits(r)
	o.Dir = t.TempDir()
	stops := 0
	for ; ; stops++ {
		o.Workers = 1 + 2*(stops%2)
		looks := int64(9 + 3*(stops%4))
		if stops > 40 {
			looks = 1 << 40
		}
		r, err := Fit(stopping(looks), augmentedModel(), rows, o)
		if err == nil {
			if got := bits(r); got != want {
				t.Fatalf("after %d interruptions: other bits", stops)
			}
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	if stops < 2 {
		t.Errorf("interrupted %d times only", stops)
	}
}

// Validation is of the pictures as they are, and so are metrics of the training rows.
func TestValidationIsNotAugmented(t *testing.T) {
	rows := augmentedRows(60)
	o := augmentedOptions()
	o.Epochs, o.Optimizer = 1, optim.SGD(1e-30)
	o.Valid = rows
	logits := augmentedModel()
	var loss [2]float64
	for i, a := range []*dataset.Augmentation{nil, o.Augment} {
		o.Augment = a
		r, err := Fit(context.Background(), logits, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		loss[i] = r.Last().Valid.Loss
		if same := r.Last().Train.Loss == r.Last().Valid.Loss; i == 1 && same {
			t.Error("the training was not augmented")
		}
	}
	if loss[0] != loss[1] {
		t.Errorf("the validation losses are %v", loss)
	}
	o.Valid, o.Augment = nil, augmentedOptions().Augment
	m := augmentedModel()
	o.Metrics = []Metric{Accuracy(m.Tap("logits"), spec.Labels("y", 10))}
	var got [2]float64
	for i, a := range []*dataset.Augmentation{nil, o.Augment} {
		o.Augment = a
		r, err := Fit(context.Background(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = r.Last().Train.Metrics["accuracy"]
	}
	if got[0] != got[1] {
		t.Errorf("the accuracies of the training rows are %v", got)
	}
}

// The augmentation is in the record, in the recipe, which gives it back, and in what decides the result.
func TestAugmentIsRecorded(t *testing.T) {
	o := augmentedOptions()
	o.Dir = t.TempDir()
	rows := augmentedRows(60)
	r, err := Fit(context.Background(), augmentedModel(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	phases, err := r.Phases()
	if err != nil {
		t.Fatal(err)
	}
	const text = "shift=1,crop=2,flip=h,rotate=20,scale=0.2,jitter=0.3/0.4/0,noise=0.1,erase=0.5,mixup=0.5/t"
	p := phases[0]
	if p.Augment != text || len(p.Recipe.Lacks) > 0 {
		t.Errorf("the record has %q, and its recipe lacks %v", p.Augment, p.Recipe.Lacks)
	}
	again, err := Repeat(p.Recipe.Settings)
	if err != nil || again.Augment.String() != text {
		t.Fatalf("the recipe gives %v, %v", again.Augment, err)
	}
	second, err := Fit(context.Background(), augmentedModel(), rows, again)
	if err != nil {
		t.Fatal(err)
	}
	if bits(second) != bits(r) {
		t.Error("the recipe gives other bits")
	}
	hash, err := dataset.Hash(rows)
	if err != nil || p.DataHash != hash {
		t.Errorf("the rows' hash is %s, not that of the rows as they are, %s: %v", p.DataHash, hash, err)
	}
	for want, change := range map[string]func(*Options){
		"Augment was " + text + ", is shift=2: use another Dir": func(o *Options) { o.Augment, o.Seed = dataset.Augment().Shift(2), 99 },
		"Augment was " + text + ", is not set: use another Dir": func(o *Options) { o.Augment = nil },
	} {
		other := o
		change(&other)
		_, err := Fit(context.Background(), augmentedModel(), rows, other)
		wantError(t, err, filepath.Join(o.Dir, checkpointName), want)
	}
	if _, err := Repeat([]byte(`{"optimizer":{"name":"adam","rate":0.1},"augment":"shift=-1"}`)); err == nil {
		t.Error("a bad recipe is read")
	}
}

// Two views of one picture are trained on, each moved by itself.
func TestViewsAreTrainedOn(t *testing.T) {
	views := dataset.Digits().Train.Head(60).Views("x", "a", "b")
	a, b := spec.Input("a", 784), spec.Input("b", 784)
	enc := spec.Sequential("encoder", spec.Dense(8))
	m := spec.NewModel("views", spec.MSE(a.Then(enc), b.Then(enc)))
	o := steady()
	o.Epochs = 1
	shift := dataset.Augment().Shape(1, 28, 28).Shift(3)
	for _, c := range []struct {
		a    *dataset.Augmentation
		zero bool
	}{{nil, true}, {shift.Together(), true}, {shift.Apart(), false}} {
		o.Augment = c.a
		r, err := Fit(context.Background(), m, views, o)
		if err != nil {
			t.Fatal(err)
		}
		if l := r.Last().Train.Loss; l == 0 != c.zero {
			t.Errorf("%v: the loss is %v", c.a, l)
		}
	}
}

func TestAugmentMistakes(t *testing.T) {
	rows, m := augmentedRows(60), augmentedModel()
	labels := spec.NewModel("labels", spec.CrossEntropy(spec.Input("x", 1, 28, 28).Then(spec.Flatten(), spec.Dense(10)), spec.Labels("y", 10)))
	for want, c := range map[string]struct {
		m   *spec.Model
		src dataset.Source
		a   *dataset.Augmentation
	}{
		"augment_test.go:":   {m, rows, dataset.Augment().Rotate(-1)},
		"it changes nothing": {m, rows, dataset.Augment()},
		`train: Options.Augment: dataset: Augment: column "x", pictures of [1 28 28]: Shift: 28 pixels are not less`:                                {m, rows, dataset.Augment().Shift(28)},
		`Mixup mixes the pictures of two rows, but column "y", which is read too, would be that of one of them: name it in Mixup; labels are mixed`: {labels, rows, dataset.Augment().Mixup(1)},
		`column "y" is i64[], and only f32 can be mixed; labels as probabilities are Table.OneHot("y", …)`:                                          {labels, rows, dataset.Augment().Mixup(1, "y")},
	} {
		o := steady()
		o.Augment = c.a
		_, err := Fit(context.Background(), c.m, c.src, o)
		wantError(t, err, want)
	}
	o := steady()
	o.Augment = dataset.Augment().Shift(-1)
	wantError(t, o.Check(m), "Shift: the pixels must be from 0")
	half := make([]float32, 784*10)
	for i := range half {
		half[i] = 2
	}
	bright, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1, 28, 28}}, F32: half},
		dataset.Data{Column: dataset.Column{Name: "t", DType: dataset.F32, Shape: []int{10}}, F32: slices.Repeat([]float32{0.1}, 100)})
	if err != nil {
		t.Fatal(err)
	}
	o.Augment = dataset.Augment().Noise(0.5)
	_, err = Fit(context.Background(), m, bright, o)
	wantError(t, err, `column "x": Noise takes pictures with values in [0, 1], and these are from 2 to 2`)
	_, err = Fit(context.Background(), m, augmentedRows(5).Rename("t", "u").Join(must(dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "t", DType: dataset.F32, Shape: []int{10}}, F32: slices.Repeat([]float32{-1}, 50)}))), o)
	wantError(t, err, `column "t" is -1 at 0; it is the target of a cross-entropy, which is a probability in [0, 1]`)
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}
