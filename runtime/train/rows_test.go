package train

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// mixParts are rows with labels, and other ones without.
func mixParts() (labelled, unlabelled *dataset.Table) {
	all := rows(190)
	x, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, F32: all.F32("x")[40*12:]})
	if err != nil {
		panic(err)
	}
	return all.Head(40), x
}

// mixModel reconstructs all rows and classifies those with a label.
func mixModel() *spec.Model {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh(), spec.Dropout(0.2), spec.Dense(3))
	code := x.Then(enc)
	logits := code.Then(spec.Dense(4).Named("head")).Named("logits")
	return spec.NewModel("mixed", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x),
		spec.CrossEntropy(logits, spec.Labels("y", 4).Optional()).Weight(0.5))
}

func mixOptions() Options {
	return Options{Optimizer: optim.Adam(3e-3), Epochs: 5, Seed: 5, Workers: 1, Log: slog.New(slog.DiscardHandler)}
}

// A training on a mix has the same bits for any number of workers, processors and ranks, from memory and from sources, and
// learns from the labels of the one and from all inputs.
func TestMixedBits(t *testing.T) {
	few, rest := mixParts()
	fit := func(src dataset.Source, change func(*Options)) *Result {
		t.Helper()
		o := mixOptions()
		change(&o)
		r, err := Fit(context.Background(), mixModel(), src, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	mix := dataset.Mix(few, 8, rest, 32)
	first := fit(mix, func(*Options) {})
	want := bits(first)
	if e := first.Last(); e.Rows != 5*40 || e.Updates != 25 {
		t.Errorf("an epoch has %d rows, and %d updates were made; 150 rows by 32 are 5 of 40", e.Rows, e.Updates)
	}
	for name, r := range map[string]*Result{
		"3 workers": fit(mix, func(o *Options) { o.Workers = 3 }),
		"sources":   fit(dataset.Mix(plainSource{few}, 8, plainSource{rest}, 32), func(o *Options) { o.Workers = 3 }),
		"the batch": fit(mix, func(o *Options) { o.Batch = 40 }),
		"1 processor": func() *Result {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			return fit(mix, func(*Options) {})
		}(),
	} {
		if bits(r) != want {
			t.Errorf("%s: other bits", name)
		}
	}
	shards := bits(fit(mix, func(o *Options) { o.Shards, o.Accumulate = 2, 2 }))
	for name, change := range map[string]func(*Options){
		"two ranks":   func(o *Options) { o.Shards, o.Accumulate, o.Cluster = 2, 2, Local(2) },
		"two workers": func(o *Options) { o.Shards, o.Accumulate, o.Workers = 2, 2, 2 },
	} {
		if bits(fit(mix, change)) != shards {
			t.Errorf("%s: other bits than one", name)
		}
	}
	if got := bits(fit(dataset.Mix(plainSource{few}, 8, plainSource{rest}, 32), func(o *Options) { o.Shards, o.Accumulate, o.Cluster = 2, 2, Local(2) })); got != shards {
		t.Error("two ranks that read sources row by row: other bits than one")
	}
	for name, r := range map[string]*Result{
		"other labels": fit(dataset.Mix(few.Unlabel("y", few.Head(1)), 8, rest, 32), func(*Options) {}),
		"other rows":   fit(dataset.Mix(few, 8, rest.Head(140), 32), func(*Options) {}),
		"other counts": fit(dataset.Mix(few, 9, rest, 31), func(*Options) {}),
		"another seed": fit(mix, func(o *Options) { o.Seed = 6 }),
	} {
		if bits(r) == want {
			t.Errorf("%s: the same bits", name)
		}
	}
	long := fit(mix, func(o *Options) {
		o.Epochs, o.Optimizer, o.Valid = 60, optim.Adam(1e-2), rows(300)
		o.Metrics = []Metric{Accuracy(mixModel().Tap("logits"), spec.Labels("y", 4).Optional())}
	})
	if a := long.Last().Valid.Metrics["accuracy"]; a < 0.5 {
		t.Errorf("after 60 epochs the accuracy is %v", a)
	}
}

// A training on a mix that is interrupted again and again, and goes on with another number of workers, ends with the bits of
// one that was not.
func TestMixedResume(t *testing.T) {
	few, rest := mixParts()
	mix := dataset.Mix(few, 8, rest, 32)
	o := mixOptions()
	o.CheckpointEvery, o.Valid = 1, rows(30)
	r, err := Fit(context.Background(), mixModel(), mix, o)
	if err != nil {
		t.Fatal(err)
	}
	want := bits(r)
	o.Dir = t.TempDir()
	for stop := int64(2); ; stop += 3 {
		o.Workers = 1 + 2*int(stop%2)
		ctx, cancel := context.WithCancel(context.Background())
		o.AfterUpdate = func(u Update) {
			if u.Number == stop {
				cancel()
			}
		}
		r, err := Fit(ctx, mixModel(), mix, o)
		cancel()
		if err == nil {
			if stop < 20 || bits(r) != want {
				t.Errorf("other bits after interruptions, the last at update %d", stop)
			}
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	o.AfterUpdate = nil
	// What decides is said: the rows, and how they are mixed, also where their hash is the same.
	for change, src := range map[string]dataset.Source{
		"the mix of the training rows was 8 of 40 rows and 32 of 150, is 10 of 40 rows and 30 of 150": dataset.Mix(few, 10, rest, 30),
		"the training rows were 190, are 180": dataset.Mix(few, 8, rest.Head(140), 32),
	} {
		_, err := Fit(context.Background(), mixModel(), src, o)
		wantError(t, err, filepath.Join(o.Dir, checkpointName), change)
	}
	collected, err := dataset.Collect(mix)
	if err != nil {
		t.Fatal(err)
	}
	o.Batch = 40
	_, err = Fit(context.Background(), mixModel(), collected, o)
	wantError(t, err, "the mix of the training rows was 8 of 40 rows and 32 of 150, is not set")
	phases, err := r.Phases()
	if err != nil || len(phases) != 1 || phases[0].Batch != 40 || len(phases[0].Recipe.Lacks) != 0 {
		t.Fatalf("the record is %+v, %v", phases, err)
	}
	for i, src := range []dataset.Source{few, rest} {
		want, err := dataset.Hash(src)
		if err != nil {
			t.Fatal(err)
		}
		if part := phases[0].Recipe.Data.Mix[i]; part.Count != []int{8, 32}[i] || part.Rows.Rows != src.Len() || part.Hash != want {
			t.Errorf("source %d of the mix is recorded as %+v", i+1, part)
		}
	}
}

// Labelled pictures, which come in many batches of an epoch, are augmented anew each time, and to the same bits.
func TestMixedAugmented(t *testing.T) {
	digits := dataset.Digits().Train.Reshape("x", 1, 28, 28)
	rest, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1, 28, 28}}, F32: digits.Head(120).F32("x")})
	if err != nil {
		t.Fatal(err)
	}
	mix := dataset.Mix(digits.Balanced("y", 10, 1), 8, rest, 24)
	x := spec.Input("x", 1, 28, 28)
	code := x.Then(spec.Flatten(), spec.Dense(16), spec.ReLU())
	m := spec.NewModel("pictures", spec.MSE(code.Then(spec.Dense(784)), x.Then(spec.Flatten())), spec.CrossEntropy(code.Then(spec.Dense(10)), spec.Labels("y", 10).Optional()))
	fit := func(o Options) string {
		r, err := Fit(context.Background(), m, mix, o)
		if err != nil {
			t.Fatal(err)
		}
		return bits(r)
	}
	o := mixOptions()
	o.Epochs, o.Augment = 2, dataset.Augment("x").Shift(2).Noise(0.1)
	want := fit(o)
	o.Workers = 3
	if fit(o) != want {
		t.Error("3 workers: other bits")
	}
	o.Augment = nil
	if fit(o) == want {
		t.Error("without augmentation: the same bits")
	}
}

// Rows that say what they are grouped by share no group with the validation rows.
func TestValidationSharesNoGroup(t *testing.T) {
	data := rows(60)
	person := make([]int64, 60)
	for i := range person {
		person[i] = int64(i / 6)
	}
	more, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "person", DType: dataset.I64}, I64: person})
	if err != nil {
		t.Fatal(err)
	}
	all := dataset.All(data.Join(more))
	grouped := all.GroupedBy("person")
	fit := func(training, valid *dataset.Selection) error {
		o := steady()
		o.Epochs, o.Valid = 1, valid
		_, err := Fit(context.Background(), model(), training, o)
		return err
	}
	if err := fit(grouped.SplitByGroup("person", 0.7, 1)); err != nil {
		t.Error(err)
	}
	if err := fit(all.Split(0.7, 1)); err != nil {
		t.Error("rows that are not grouped:", err)
	}
	wantError(t, fit(grouped.Split(0.7, 1)), "train: Options.Valid has a group of the training rows: dataset: Disjoint: \"person\" ", "of the first source and in row")
	wantError(t, fit(grouped.SplitByGroup("person", 3, 1)), "rows_test.go:", "SplitByGroup: the fraction must be")
}

func TestMixedMistakes(t *testing.T) {
	few, rest := mixParts()
	mix := dataset.Mix(few, 8, rest, 32)
	for want, change := range map[string]func(*Options){
		"train: Options.Batch is 256, but the training rows are a mix whose batches have 40 rows (8 of 40 rows and 32 of 150): leave Batch out, or set it to 40": func(o *Options) { o.Batch = 256 },
		"Options.Batch is 80": func(o *Options) { o.Batch = 80 },
		"train: Options.InOrder is set, but the training rows are a mix": func(o *Options) { o.InOrder = true },
	} {
		o := mixOptions()
		change(&o)
		_, err := Fit(context.Background(), mixModel(), mix, o)
		wantError(t, err, want)
	}
	_, err := Fit(context.Background(), mixModel(), dataset.Mix(few, 0, rest, 32), mixOptions())
	wantError(t, err, "rows_test.go:", "Mix: a batch must have 1 to")
	needsLabels := spec.NewModel("labels", spec.CrossEntropy(spec.Input("x", 12).Then(spec.Dense(4)), spec.Labels("y", 4)))
	_, err = Fit(context.Background(), needsLabels, mix, mixOptions())
	wantError(t, err, `row 0 of the second source of the mix: column "y" is -1; the model's input takes 0 to 3`)
}
