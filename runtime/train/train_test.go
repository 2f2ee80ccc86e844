package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// rows are points near a plane of three dimensions in twelve, in four classes.
func rows(n int) *dataset.Table {
	key := random.New(7)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		i := int(key.Uint64(0) % 4)
		key = key.Derive(1)
		a, b, c := key.Normal(0)+float64(i), key.Normal(1), key.Normal(2)
		x := row.F32Slice("x")
		for j := range x {
			x[j] = float32(math.Sin(a*float64(j)/5) + b*math.Cos(float64(j)) + 0.1*c)
		}
		row.I64("y", int64(i))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// model has what the determinism of a run may break on: tied weights, dropout,
// two losses.
func model() *spec.Model {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh(), spec.Dropout(0.2), spec.Dense(3))
	code := x.Then(enc).Named("code")
	y := code.Then(spec.Mirror("decoder", enc).Tied())
	logits := code.Then(spec.Dense(4).Named("head")).Named("logits")
	return spec.NewModel("points", spec.MSE(y, x), spec.CrossEntropy(logits, spec.Labels("y", 4)).Weight(0.3))
}

func options() Options {
	return Options{Optimizer: optim.Adam(3e-3).Schedule(optim.Cosine(1)), Epochs: 4, Batch: 32, Seed: 5, Workers: 2,
		Log: slog.New(slog.DiscardHandler)}
}

func mustFit(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Fit(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bits lists every parameter's bits and the losses.
func bits(r *Result) string {
	var b strings.Builder
	for _, p := range r.prog.Params {
		fmt.Fprintf(&b, "%s %x\n", p.Name, r.params[p.Name])
	}
	for _, e := range r.History {
		fmt.Fprintf(&b, "%+v\n", e.timeless())
	}
	return b.String()
}

func TestFitLearns(t *testing.T) {
	o := options()
	o.Epochs = 30
	o.Valid = rows(300).Head(60)
	r := mustFit(t, o)
	first, last := r.History[0], r.Last()
	const mse = "loss/mse1"
	if last.Train.Losses[mse] > 0.5*first.Train.Losses[mse] || last.Valid.Losses[mse] > 0.5*first.Valid.Losses[mse] || last.Valid.Loss > 0.7*first.Valid.Loss {
		t.Fatalf("losses went from %+v to %+v", first, last)
	}
	if len(last.Train.Losses) != 2 || len(last.Valid.Losses) != 2 {
		t.Fatalf("each loss is wanted by name, got %+v", last)
	}
}

func TestSameBitsForAnyWorkers(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"plain":      func(*Options) {},
		"accumulate": func(o *Options) { o.Accumulate = 3 },
		"clip":       func(o *Options) { o.ClipNorm = 0.05; o.Optimizer = optim.SGD(0.1).Momentum(0.9).Nesterov() },
		"valid":      func(o *Options) { o.Valid = rows(50); o.Optimizer = optim.AdamW(1e-3, 0.1) },
	} {
		t.Run(name, func(t *testing.T) {
			var want string
			for _, w := range []int{1, 2, 3, 7} {
				o := options()
				o.Workers = w
				change(&o)
				got := bits(mustFit(t, o))
				if want == "" {
					want = got
				}
				if got != want {
					t.Fatalf("%d workers gave other bits than 1", w)
				}
			}
		})
	}
}

func TestSeedDecides(t *testing.T) {
	a, b := options(), options()
	b.Seed++
	if bits(mustFit(t, a)) == bits(mustFit(t, b)) {
		t.Fatal("two seeds gave the same bits")
	}
}

// A second process must compute the same bits.
func TestSameBitsInAnotherProcess(t *testing.T) {
	const env = "LAMINA_TRAIN_TEST_CHILD"
	if out := os.Getenv(env); out != "" {
		if err := os.WriteFile(out, []byte(bits(mustFit(t, options()))), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	out := filepath.Join(t.TempDir(), "bits")
	c := exec.Command(os.Args[0], "-test.run=^TestSameBitsInAnotherProcess$")
	c.Env = append(os.Environ(), env+"="+out, "GOMAXPROCS=1")
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := bits(mustFit(t, options())); string(got) != want {
		t.Fatal("another process gave other bits")
	}
}

// stopAfter ends its context after n looks at it.
type stopAfter struct {
	context.Context
	n int
}

func (s *stopAfter) Err() error {
	if s.n--; s.n < 0 {
		return context.Canceled
	}
	return nil
}

// A training interrupted after any update and resumed ends with the bits of one
// that was not, its log and history included.
func TestInterruptAndResume(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"plain": func(*Options) {},
		"all": func(o *Options) {
			o.Accumulate, o.CheckpointEvery, o.Valid, o.ClipNorm = 2, 1, rows(40), 1
			o.Optimizer = optim.RMSProp(1e-3).Schedule(optim.Plateau(1, 0.5))
		},
		"shards": func(o *Options) { o.Shards, o.CheckpointEvery = 4, 1 },
		"ranks":  func(o *Options) { o.Shards, o.CheckpointEvery, o.Cluster = 2, 1, Local(2) },
	} {
		t.Run(name, func(t *testing.T) {
			whole := options()
			whole.Dir = t.TempDir()
			change(&whole)
			want := bits(mustFit(t, whole))
			wantLog := readLog(t, whole.Dir)
			for n := 1; n < 26; n += 3 {
				o := options()
				change(&o)
				o.Dir = t.TempDir()
				stops := 0
				for {
					ctx := &stopAfter{context.Background(), n}
					if stops > 40 {
						ctx.n = 1 << 30
					}
					r, err := Fit(ctx, model(), rows(150), o)
					if err == nil {
						if got := bits(r); got != want {
							t.Fatalf("stopped every %d looks, %d times: other bits", n, stops)
						}
						break
					}
					if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), o.Dir) {
						t.Fatalf("got %v", err)
					}
					stops++
				}
				if stops == 0 {
					t.Fatalf("stopping after %d looks never interrupted", n)
				}
				if got := readLog(t, o.Dir); got != wantLog {
					t.Fatalf("log after resume:\n%s\nwant\n%s", got, wantLog)
				}
			}
		})
	}
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(string(bytes.TrimSpace(b)), "\n") {
		head, _, ok := strings.Cut(line, `,"seconds"`)
		if !ok {
			t.Fatalf("log line %q", line)
		}
		out = append(out, head)
	}
	return strings.Join(out, "\n")
}

// Accumulating four batches of 8 is one batch of 32, up to rounding.
func TestAccumulateIsOneBatch(t *testing.T) {
	plain := func(batch, acc int) *Result {
		x := spec.Input("x", 12)
		m := spec.NewModel("m", spec.MSE(x.Then(spec.Dense(3), spec.Tanh(), spec.Dense(12)), x))
		r, err := Fit(context.Background(), m, rows(150), Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: batch, Accumulate: acc})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := plain(32, 1), plain(8, 4)
	for name, w := range a.params {
		for i := range w {
			if math.Abs(float64(w[i]-b.params[name][i])) > 1e-5 {
				t.Fatalf("%s[%d]: %v in one batch, %v accumulated", name, i, w[i], b.params[name][i])
			}
		}
	}
	if math.Abs(a.Last().Train.Loss-b.Last().Train.Loss) > 1e-5 {
		t.Fatalf("loss %v in one batch, %v accumulated", a.Last().Train.Loss, b.Last().Train.Loss)
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	o := options()
	o.Valid, o.Epochs, o.Patience = rows(40), 50, 2
	o.Optimizer = optim.SGD(1e-9) // cannot improve by the delta
	o.MinDelta = 0.5
	r := mustFit(t, o)
	if len(r.History) != 3 || r.Best != 1 {
		t.Fatalf("%d epochs, best %d; want 3 and 1", len(r.History), r.Best)
	}
	o.KeepLast = true
	if l := mustFit(t, o); bits(l) == bits(r) {
		t.Fatal("KeepLast kept the best weights")
	}
}

func TestMetrics(t *testing.T) {
	x := spec.Input("x", 12)
	y := spec.Labels("y", 4)
	logits := x.Then(spec.Dense(16), spec.ReLU(), spec.Dense(4))
	m := spec.NewModel("m", spec.CrossEntropy(logits, y))
	o := Options{Optimizer: optim.Adam(1e-2), Epochs: 15, Batch: 32, Metrics: []Metric{Accuracy(logits, y)}}
	r, err := Fit(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Last().Train.Metrics["accuracy"]; !(a > 0.5 && a <= 1) {
		t.Fatalf("accuracy %v", a)
	}
}

func TestLossThatBecomesNaN(t *testing.T) {
	o := options()
	o.Optimizer = optim.SGD(1e12)
	o.Dir = t.TempDir()
	_, err := Fit(context.Background(), model(), rows(150), o)
	if err == nil {
		t.Fatal("a learning rate of 1e12 trained")
	}
	for _, want := range []string{"epoch 1", "step ", "smaller learning rate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := os.Stat(filepath.Join(o.Dir, checkpointName)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a checkpoint of a failed epoch was written")
	}
}

// The layer that overflows is named with the line of its declaration.
func TestFirstLayerThatOverflows(t *testing.T) {
	x := spec.Input("x", 12)
	big := spec.Dense(4).Init(spec.Constant(1e30)).Named("big")
	y := x.Then(spec.Dense(12).Init(spec.Constant(1e30)).Named("large"), big, spec.Dense(12).Named("last"))
	m := spec.NewModel("m", spec.MSE(y, x))
	_, err := Fit(context.Background(), m, rows(40), Options{Optimizer: optim.SGD(1e-3), Epochs: 1})
	if err == nil || !strings.Contains(err.Error(), `"big" (train_test.go:`) {
		t.Fatalf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	other := spec.NewModel("points", spec.MSE(spec.Input("x", 12).Then(spec.Dense(12)), spec.Input("x2", 12)))
	used := options()
	used.Dir, used.Epochs = t.TempDir(), 1
	mustFit(t, used)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, checkpointName), []byte("LAMINACK"), 0o600); err != nil {
		t.Fatal(err)
	}
	badLabel := dataset.From([]int64{0, 4}, func(y int64, row dataset.Row) { row.F32("x", make([]float32, 12)...); row.I64("y", y) },
		rows(1).Columns()...)
	late := dataset.From(make([]int64, 300), func() func(int64, dataset.Row) {
		i := 0
		return func(_ int64, row dataset.Row) {
			row.F32("x", make([]float32, 12)...)
			row.I64("y", int64(i/299*4))
			i++
		}
	}(), rows(1).Columns()...)
	narrow := dataset.From([]int{1, 2}, func(_ int, row dataset.Row) { row.F32("x", 1, 2); row.I64("y", 1) })
	for name, c := range map[string]struct {
		m    *spec.Model
		src  dataset.Source
		o    func(*Options)
		want string
	}{
		"no optimizer":   {o: func(o *Options) { o.Optimizer = nil }, want: "Optimizer is required"},
		"no epochs":      {o: func(o *Options) { o.Epochs = 0 }, want: "Epochs is required"},
		"rate zero":      {o: func(o *Options) { o.Optimizer = optim.Adam(0) }, want: "learning rate"},
		"rate negative":  {o: func(o *Options) { o.Optimizer = optim.SGD(-1) }, want: "learning rate"},
		"rate NaN":       {o: func(o *Options) { o.Optimizer = optim.SGD(math.NaN()) }, want: "learning rate"},
		"batch":          {o: func(o *Options) { o.Batch = -1 }, want: "Batch"},
		"patience":       {o: func(o *Options) { o.Patience = 3 }, want: "needs Options.Valid"},
		"clip":           {o: func(o *Options) { o.ClipNorm = math.NaN() }, want: "ClipNorm"},
		"group":          {o: func(o *Options) { o.Optimizer = optim.Adam(1).Group("nowhere", 2) }, want: "nowhere"},
		"column missing": {m: other, src: rows(10), want: `"x2"`},
		"label":          {src: badLabel, want: `row 1: column "y" is 4; the model's input takes 0 to 3`},
		"label at the end": {src: late, o: func(o *Options) {
			o.AfterUpdate = func(Update) { t.Error("it was trained before all labels were looked at") }
		},
			want: `row 299: column "y" is 4; the model's input takes 0 to 3`},
		"label to validate": {src: rows(10), o: func(o *Options) {
			o.Valid, o.AfterUpdate = late, func(Update) { t.Error("it was trained before all labels were looked at") }
		},
			want: `Options.Valid: train: row 299: column "y" is 4`},
		"column width": {src: narrow, want: "f32[12], got f32[2]"},
		"column shape": {src: rows(10).Reshape("x", 3, 4), want: "f32[12], got f32[3 4]: declare the input with the shape of the column, or Reshape the column"},
		"no rows":      {src: (*dataset.Table)(nil), want: "nil"},
		"other model":  {m: other, src: rows(10).Join(rows(10).Rename("x", "x2").Rename("y", "z")), o: func(o *Options) { o.Dir = used.Dir }, want: "the input \"x2\" is new"},
		"other seed":   {o: func(o *Options) { o.Dir, o.Seed = used.Dir, 6 }, want: "the seed was 5, is 6"},
		"other batch":  {o: func(o *Options) { o.Dir, o.Batch = used.Dir, 16 }, want: "Batch was 32, is 16"},
		"other data":   {src: rows(149), o: func(o *Options) { o.Dir = used.Dir }, want: "the training rows were 150, are 149"},
		"folder":       {o: func(o *Options) { o.Dir = filepath.Join(file, "sub") }, want: "folder for checkpoints"},
		"damaged":      {o: func(o *Options) { o.Dir = damaged }, want: "not a whole checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			if c.o != nil {
				c.o(&o)
			}
			if c.m == nil {
				c.m = model()
			}
			if c.src == nil {
				c.src = rows(150)
			}
			_, err := Fit(ctx, c.m, c.src, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestPlainProgress(t *testing.T) {
	var b bytes.Buffer
	o := options()
	o.Progress = BarTo(&b)
	mustFit(t, o)
	if n := strings.Count(b.String(), "\n"); n != 4 || !strings.Contains(b.String(), "epoch 4/4") {
		t.Fatalf("got %d lines:\n%s", n, b.String())
	}
}

func TestNetComputesWhatWasTrained(t *testing.T) {
	m := model()
	o := options()
	o.Valid = rows(40)
	r, err := Fit(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	net := r.Net(m.Tap("code"), m.Tap("logits").Then(spec.Softmax(-1)).Named("probabilities"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	if n := len(net.Graph().Outputs); n != 2 {
		t.Fatalf("%d outputs", n)
	}
	for _, p := range net.Graph().Params {
		if strings.HasPrefix(p.Name, "decoder") {
			t.Fatalf("the encoder ships the decoder's %s", p.Name)
		}
	}
	if rec := net.Record(); len(rec.DataHash) != 64 || len(rec.Columns["x"].Min) != 12 || rec.Metrics["valid/loss"] == 0 || rec.Phases[0].Epochs != 4 {
		t.Fatalf("record %+v", rec)
	}
	stranger := r.Net(spec.Input("x", 12).Then(spec.Dense(2)))
	if err := stranger.Err(); err == nil || !strings.Contains(err.Error(), "was not trained") {
		t.Fatalf("a layer that was not trained: %v", err)
	}
	if twin := r.Net(model().Tap("code")); twin.Err() == nil {
		t.Fatal("another model's layers of the same names passed for trained ones")
	}
	if r.Net().Err() == nil {
		t.Fatal("a Net without values")
	}
}

// A label that the model does not take is told with its row and its file.
func TestLabelsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "labels.npy")
	var b bytes.Buffer
	if err := npywrite.Write(&b, []int{10}, []int64{0, 1, 2, 3, 0, 1, 2, 3, 4, 1}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	labels, err := dataset.NPY(path, "y")
	if err != nil {
		t.Fatal(err)
	}
	all := rows(10).Rename("y", "other").Join(labels)
	o := options()
	_, err = New(context.Background(), model(), all, o)
	wantError(t, err, `row 8: column "y" (of `+path+`) is 4`)
	_, err = New(context.Background(), model(), all.Select([]int{0, 8}), o)
	wantError(t, err, `row 1: column "y" (row 8 of `+path+`) is 4`)
}
