package reproduce_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/reproduce"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/rates"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

var quiet = slog.New(slog.DiscardHandler)

func options(epochs int) train.Options {
	return train.Options{Optimizer: optim.Adam(2e-3).Schedule(optim.Cosine(1)), Epochs: epochs, Batch: 64, Seed: 3, Log: quiet}
}

// write exports into a new folder and returns it.
func write(t *testing.T, net *engine.Net, rows dataset.Source) string {
	t.Helper()
	orttest.Runtime(t)
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, net, rows, ort.Runtime()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func stack() *spec.SequentialLayer {
	return spec.Sequential("encoder", spec.Dense(40), spec.Sigmoid(), spec.Dense(12).Init(spec.He()), spec.Sigmoid())
}

// ways are trainings of every kind, each with the function that it ships and rows.
func ways() map[string]func(t *testing.T, digits *dataset.Split) (*engine.Net, dataset.Source) {
	type made = func(t *testing.T, digits *dataset.Split) (*engine.Net, dataset.Source)
	fit := func(t *testing.T, m *spec.Model, rows dataset.Source, o train.Options) *train.Result {
		t.Helper()
		r, err := train.Fit(t.Context(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	program := func(t *testing.T, phases ...pretrain.Phase) *train.Result {
		t.Helper()
		r, err := pretrain.NewProgram("p", phases...).Run(t.Context(), pretrain.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return map[string]made{
		"best epoch, noise, averaged": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			in := x.Then(spec.MaskingNoise(0.2))
			enc := stack()
			m := spec.NewModel("denoiser", spec.MSE(in.Then(enc, spec.Mirror("decoder", enc).Tied()), x).Emphasis(in, 1, 0.5))
			o := options(3)
			o.Valid, o.Average, o.ValidAverage, o.ClipNorm = d.Test.Head(100), 0.9, true, 1
			return fit(t, m, d.Train.Head(300), o).Averaged().Net(x.Then(enc)), d.Test
		},
		"classifier of chosen rows": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			logits := x.Then(stack(), spec.Dropout(0.1), spec.Dense(10).Named("head"))
			m := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
			o := options(2)
			o.Classes = strings.Split("0123456789", "")
			o.Accumulate, o.Freeze = 2, []string{"encoder/dense1"}
			few := d.Train.Balanced("y", 200, 4)
			return fit(t, m, few, o).Net(logits.Then(spec.Softmax(-1))), d.Test
		},
		"best epoch by a metric": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, y := spec.Input("x", 784), spec.Labels("y", 10)
			logits := x.Then(stack(), spec.Dense(10).Named("head"))
			m := spec.NewModel("digits", spec.CrossEntropy(logits, y).Smooth(0.1))
			o := options(6)
			o.Optimizer, o.Valid, o.Patience, o.BestBy = optim.Adam(2e-2), d.Test.Head(30), 4, train.Greatest("accuracy")
			o.Metrics = []train.Metric{{Name: "other", Value: logits}, train.Accuracy(logits, y)}
			return fit(t, m, d.Train.Head(300), o).Net(logits.Then(spec.Softmax(-1))), d.Test
		},
		"best epoch by Go code, which decides nothing": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, y := spec.Input("x", 784), spec.Labels("y", 10)
			logits := x.Then(spec.Dense(10).Named("head"))
			o := options(2)
			o.Valid, o.KeepLast, o.BestBy = d.Test.Head(30), true, train.Greatest("mine")
			o.Metrics = []train.Metric{train.OverRows("mine", logits, y, func([]float64, []int) (float64, error) { return 1, nil })}
			return fit(t, spec.NewModel("digits", spec.CrossEntropy(logits, y)), d.Train.Head(300), o).Net(logits), d.Test
		},
		"best epoch by Go code": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, y := spec.Input("x", 784), spec.Labels("y", 10)
			logits := x.Then(spec.Dense(10).Named("head"))
			o := options(9)
			o.Optimizer, o.Valid, o.Patience, o.BestBy = optim.Adam(2e-2), d.Test.Head(30), 2, train.Greatest("mine")
			epoch := 0
			o.Metrics = []train.Metric{train.Accuracy(logits, y), train.OverRows("mine", logits, y, func([]float64, []int) (float64, error) {
				epoch++
				return 1 / (1 + math.Abs(float64(epoch)-3)), nil
			})}
			r := fit(t, spec.NewModel("digits", spec.CrossEntropy(logits, y)), d.Train.Head(300), o)
			if r.Best != 3 || len(r.History) != 5 {
				t.Fatalf("best is epoch %d of %d", r.Best, len(r.History))
			}
			return r.Net(logits), d.Test
		},
		"a mix of few labels and all rows": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			code := x.Then(stack())
			m := spec.NewModel("mixed", spec.CrossEntropy(code.Then(spec.Dense(10).Named("head")), spec.Labels("y", 10).Optional()), spec.MSE(code.Then(spec.Dense(784).Named("out")), x))
			o := options(2)
			few, rest := d.Train.Balanced("y", 40, 4), d.Train.Head(300)
			o.Batch, o.Valid = 0, dataset.Mix(d.Test.Head(20), 4, d.Test.Head(50).Without("y"), 4)
			return fit(t, m, dataset.Mix(few, 8, rest.Unlabel("y", nil), 24), o).Net(code), d.Test
		},
		"a mix in a program, of sources with other columns": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			code := x.Then(spec.Dense(12), spec.Tanh())
			out := spec.MSE(code.Then(spec.Dense(784).Named("out")), x)
			o := options(1)
			o.Batch = 0
			mixed := dataset.Mix(dataset.All(d.Train).Stratified("y", 30, 2), 8, d.Train.Head(100).Without("y"), 24)
			return program(t,
				pretrain.Fit(spec.NewModel("ae", out), d.Train.Head(200).Without("y"), options(1)),
				pretrain.Fit(spec.NewModel("mixed", spec.CrossEntropy(code.Then(spec.Dense(10).Named("head")), spec.Labels("y", 10).Optional()), out), mixed, o)).Net(code), d.Test
		},
		"generated rows, and then behind real ones": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			code := x.Then(spec.Dense(12), spec.Tanh())
			out := spec.MSE(code.Then(spec.Dense(784).Named("out")), x)
			made := synthetic.Strokes(150, 2, synthetic.StrokeOptions{Glyphs: 4})
			logits := code.Then(spec.Dense(10).Named("head"))
			o := options(1)
			o.Valid = made.Without("factors")
			r := program(t, pretrain.Fit(spec.NewModel("ae", out), made, o),
				pretrain.Fit(spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10))), dataset.Concat(d.Train.Head(50), made.Without("factors")), options(1)))
			if p, err := r.Phases(); err != nil || p[0].Synthetic != 1 || p[1].Synthetic != 0.75 {
				t.Errorf("the record says that of %+v is synthetic, %v", p, err)
			}
			return r.Net(logits), d.Test
		},
		"all rows, with few labels": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			logits := x.Then(spec.Dense(10).Named("head"))
			m := spec.NewModel("few", spec.CrossEntropy(logits, spec.Labels("y", 10).Optional()))
			some := d.Train.Select([]int{5, 2, 9, 700, 12, 800, 1, 3, 90, 901})
			twice := some.Unlabel("y", some.Head(8)).Unlabel("y", nil)
			if twice.I64("y")[0] != -1 {
				t.Fatal("a label is left")
			}
			all := dataset.All(some)
			o := options(2)
			o.Valid = all.Unlabel("y", all.Head(6)) // of a selection
			return fit(t, m, some.Unlabel("y", some.Head(4)), o).Net(logits), d.Test
		},
		"greedy, then the whole": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, enc := spec.Input("x", 784), stack()
			dec := spec.Mirror("decoder", enc)
			ae := spec.Autoencoder("digits", x, enc, dec)
			return program(t,
				pretrain.Greedy(x, enc, d.Train.Head(300), options(2)).Corrupt(spec.MaskingNoise(0.1)).Decoder(dec),
				pretrain.Probe(x.Then(enc), d.Train.Head(50), d.Test.Head(50)),
				pretrain.Fit(ae, d.Train.Head(200), options(1))).Net(ae.Tap("code")), d.Test
		},
		"statistics of the batch, folded": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			enc := spec.Sequential("encoder", spec.Dense(12).NoBias(), spec.BatchNorm(), spec.Tanh(), spec.Dense(5))
			m := spec.NewModel("folded", spec.MSE(x.Then(enc, spec.Dense(784)), x))
			return fit(t, m, d.Train.Head(300), options(3)).Folded().Net(x.Then(enc)), d.Test
		},
		"statistics of the batch, averages on a schedule": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			enc := spec.Sequential("encoder", spec.Dense(40).NoBias(), spec.BatchNorm(), spec.ReLU(), spec.Dense(12))
			m := spec.NewModel("batched", spec.MSE(x.Then(enc, spec.Dense(784).Named("out")), x))
			o := options(2)
			o.Average, o.AverageSchedule, o.Shards, o.Cluster = 0.9, optim.Cosine(0), 2, train.Local(2)
			o.Batch = 60 // 300 rows are five whole batches
			return fit(t, m, d.Train.Head(300), o).Averaged().Net(x.Then(enc)), d.Test
		},
		"statistics in the weights": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			code := x.Then(spec.Dense(20), spec.BatchNorm(), spec.ReLU())
			o := options(2)
			o.Optimizer, o.Average, o.Batch = optim.Adam(2e-3).EpsilonHat(1e-7), 0.9, 60
			return fit(t, spec.NewModel("folds", spec.MSE(code.Then(spec.Dense(784).Named("out")), x)), d.Train.Head(300), o).Averaged().Folded().Net(code), d.Test
		},
		"statistics that go on": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			enc := spec.Sequential("encoder", spec.Dense(40), spec.BatchNorm(), spec.Sigmoid())
			code := x.Then(enc)
			o := options(1)
			o.Batch = 60
			ae := spec.NewModel("ae", spec.MSE(code.Then(spec.Dense(784).Named("out")), x))
			head := spec.NewModel("head", spec.CrossEntropy(code.Then(spec.Dense(10).Named("head")), spec.Labels("y", 10)))
			return program(t, pretrain.Fit(ae, d.Train.Head(300), o), pretrain.Fit(head, d.Train.Head(240), o)).Net(code), d.Test
		},
		"constants that are fitted, and go on": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			scaled := x.Then(spec.ClipQuantiles(0.1, 0.9), spec.Standardise().Named("scale"))
			code := scaled.Then(spec.Dense(12), spec.Tanh())
			ae := spec.NewModel("ae", spec.MSE(code.Then(spec.Dense(784).Named("out")), scaled))
			head := spec.NewModel("head", spec.CrossEntropy(scaled.Then(spec.Dense(10).Named("head")), spec.Labels("y", 10)))
			return program(t, pretrain.Fit(ae, d.Train.Head(300), options(1)), pretrain.Fit(head, d.Train.Head(240), options(1))).Net(code, x.Then(spec.Present())), d.Test
		},
		"constants below stages": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			enc := spec.Sequential("encoder", spec.Standardise(), spec.Dense(30), spec.Tanh(), spec.Dense(12), spec.Tanh())
			return program(t,
				pretrain.Greedy(x, enc, d.Train.Head(300), options(1)),
				pretrain.EndToEnd(x, enc, d.Train.Head(240), options(1))).Net(x.Then(enc)), d.Test
		},
		"machines, unrolled": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, enc := spec.Input("x", 784), stack()
			o := options(2)
			o.Optimizer = optim.SGD(0.05).Momentum(0.9).EarlyMomentum(0.5, 1).Decay(2e-4)
			return program(t,
				pretrain.RBM(x, enc, d.Train.Head(300), o).Sampled(),
				pretrain.EndToEnd(x, enc, d.Train.Head(300), options(1)).CrossEntropy().Untied()).Net(x.Then(enc)), d.Test
		},
		"machines and what follows, in bf16": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, enc := spec.Input("x", 784), stack()
			o := options(1)
			o.Optimizer, o.Precision = optim.SGD(0.05).Momentum(0.9), optim.BF16
			whole := options(1)
			whole.Precision = optim.BF16.Except("encoder-mirror-untied")
			return program(t,
				pretrain.RBM(x, enc, d.Train.Head(300), o).Sampled(),
				pretrain.EndToEnd(x, enc, d.Train.Head(300), whole).CrossEntropy().Untied()).Net(x.Then(enc)), d.Test
		},
		"rates from gradients": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x := spec.Input("x", 784)
			logits := x.Then(stack(), spec.Dense(10).Named("head"))
			m, few := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10))), d.Train.Balanced("y", 200, 4)
			o := options(2)
			with, table, err := rates.FromGradients(t.Context(), m, few, o)
			if err != nil {
				t.Fatal(err)
			}
			if f, _ := with.Factor("head/w"); f == 1 || f != table.Rows[len(table.Rows)-1].Factor {
				t.Errorf("the head has the factor %v:\n%s", f, table)
			}
			o.Optimizer = with
			return fit(t, m, few, o).Net(logits), d.Test
		},
		"pretrained, then rates from gradients": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, enc := spec.Input("x", 784), stack()
			ae := spec.NewModel("ae", spec.MSE(x.Then(enc, spec.Mirror("decoder", enc)), x))
			logits := x.Then(enc, spec.Dense(10).Named("head"))
			m, few := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10))), d.Train.Balanced("y", 200, 4)
			first := program(t, pretrain.Fit(ae, d.Train.Head(300), options(2)))
			tensors, err := train.NetTensors(first.Net(x.Then(enc)))
			if err != nil {
				t.Fatal(err)
			}
			o := options(2)
			start := o
			start.InitFrom = []train.From{{Tensors: tensors, Pattern: "encoder"}}
			plain, _, err := rates.FromGradients(t.Context(), m, few, o)
			if err != nil {
				t.Fatal(err)
			}
			if o.Optimizer, _, err = rates.FromGradients(t.Context(), m, few, start); err != nil {
				t.Fatal(err)
			}
			was, _ := plain.Factor("encoder/dense1/w")
			if is, _ := o.Optimizer.Factor("encoder/dense1/w"); is == was || is == 1 {
				t.Errorf("the first layer has the factor %v, not pretrained %v", is, was)
			}
			return program(t, pretrain.Fit(ae, d.Train.Head(300), options(2)), pretrain.Fit(m, few, o)).Net(logits), d.Test
		},
		"average, queue and schedule": func(t *testing.T, d *dataset.Split) (*engine.Net, dataset.Source) {
			x, enc := spec.Input("x", 784), stack()
			code := x.Then(enc)
			heat := spec.Scheduled("heat", 0.5, optim.Warmup(1))
			target := x.Then(spec.Average(enc, 0.9).Schedule(optim.Cosine(0)))
			past := code.Then(spec.Queue(7), spec.Dense(2).Named("past"))
			m := spec.NewModel("follows", spec.MSE(spec.Mul(code, heat), target), spec.MSE(past, past.Then(spec.Tanh())))
			return fit(t, m, d.Train.Head(300), options(2)).Net(target), d.Test
		},
	}
}

// TestBundle trains what each bundle ships once more, and arrives at its bytes.
func TestBundle(t *testing.T) {
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			digits := dataset.Digits()
			net, rows := way(t, digits)
			dir := write(t, net, rows)
			v, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if (name == "best epoch by Go code") != (v.Given == `the best epoch was chosen by the numbers of the record, since Go code computes the metric "mine" of digits`) {
				t.Errorf("given: %q", v.Given)
			}
			if !v.Same || v.Phases < 1 || v.Updates < 2 || v.Bytes == 0 || v.Reason != "" {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// alter rewrites the record of a bundle, and the hash of it.
func alter(t *testing.T, dir string, change func(rec map[string]any)) {
	t.Helper()
	path, sums := filepath.Join(dir, "training.json"), filepath.Join(dir, "verification.json")
	read := func(path string) map[string]any {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	put := func(path string, v any) string {
		b, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(path, b, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256(b)
		return hex.EncodeToString(h[:])
	}
	rec := read(path)
	change(rec)
	ver := read(sums)
	ver["files"].(map[string]any)["training.json"] = put(path, rec)
	put(sums, ver)
}

func phase(rec map[string]any, i int) map[string]any {
	return rec["phases"].([]any)[i].(map[string]any)
}

func recipe(rec map[string]any, i int) map[string]any {
	return phase(rec, i)["recipe"].(map[string]any)
}

// TestBundleDiffers names the phase and the update by which a training parts from its
// record.
func TestBundleDiffers(t *testing.T) {
	digits := dataset.Digits()
	net, rows := ways()["greedy, then the whole"](t, digits)
	for name, c := range map[string]struct {
		change func(rec map[string]any)
		phase  string
		update int64
		want   string
	}{
		"the second stage's seed": {func(rec map[string]any) { recipe(rec, 1)["settings"].(map[string]any)["seed"] = 9 }, "encoder-stage2", 1,
			"phase 2 of 3, encoder-stage2, differs: the loss of update 1 is another"},
		"the schedule after the first epoch": {func(rec map[string]any) {
			o := recipe(rec, 0)["settings"].(map[string]any)["optimizer"].(map[string]any)
			o["schedule"] = map[string]any{"name": "warmup", "epochs": 1}
		}, "encoder-stage1", 8, "phase 1 of 3, encoder-stage1, differs: the loss of update 8 is another"},
		"the trail alone": {func(rec map[string]any) { recipe(rec, 3)["trail"] = "AAAAAAAAAAAAAAAAAAAAAA==" }, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, net, rows)
			alter(t, dir, c.change)
			v, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" { // the trail alone decides nothing
				if !v.Same {
					t.Errorf("got %+v", v)
				}
				return
			}
			if v.Same || v.Phase != c.phase || v.Differs != c.update || v.Agreed != c.update-1 || v.Reason != c.want {
				t.Errorf("got %+v, want %q", v, c.want)
			}
		})
	}
}

// own is an initializer that no record knows.
type own struct{}

func (own) Name() string { return "own" }
func (own) Fill(_ random.Key, _ []int, dst []float32) {
	for i := range dst {
		dst[i] = float32(i%7) / 70
	}
}

// TestBundleCannot says what a record lacks.
func TestBundleCannot(t *testing.T) {
	rows := dataset.Digits().Train.Head(200)
	build := func(src dataset.Source, start train.Tensors, d *spec.DenseLayer) *engine.Net {
		x := spec.Input("x", 784)
		code := x.Then(d)
		o := options(1)
		if start != nil {
			o.InitFrom = []train.From{{Tensors: start, Pattern: "*", Partly: true}}
		}
		r, err := train.Fit(t.Context(), spec.NewModel("m", spec.MSE(code.Then(spec.Dense(784)), x)), src, o)
		if err != nil {
			t.Fatal(err)
		}
		return r.Net(code)
	}
	usual := build(rows, nil, spec.Dense(3).Named("a"))
	start, err := train.NetTensors(usual)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{784}}, F32: make([]float32, 784*70)})
	if err != nil {
		t.Fatal(err)
	}
	x := spec.Input("x", 784)
	code := x.Then(spec.Dense(3).Named("cut"))
	cut, err := train.New(t.Context(), spec.NewModel("m", spec.MSE(code.Then(spec.Dense(784)), x)), rows, options(3))
	if err != nil {
		t.Fatal(err)
	}
	for range cut.Epochs(t.Context()) {
		break
	}
	ended, err := cut.Done()
	if err != nil {
		t.Fatal(err)
	}
	for want, net := range map[string]*engine.Net{
		"it was ended by its program after 1 of 3 epochs":     ended.Net(code),
		`"b/w": its initializer is own, a reproduce_test.own`: build(rows, nil, spec.Dense(3).Named("b").Init(own{})),
		"started from tensors (InitFrom)":                     build(rows, start, spec.Dense(3).Named("a")),
		"give the data it was trained on":                     build(elsewhere, nil, spec.Dense(3).Named("c")),
	} {
		dir := write(t, net, rows)
		_, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{})
		if !errors.Is(err, reproduce.ErrCannot) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if strings.Contains(want, "give the data") {
			v, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{Tables: []*dataset.Table{elsewhere}})
			if err != nil || !v.Same {
				t.Errorf("with its rows: %+v, %v", v, err)
			}
		}
	}
	dir := write(t, usual, rows)
	alter(t, dir, func(rec map[string]any) { delete(phase(rec, 0), "recipe") })
	if _, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{}); !errors.Is(err, reproduce.ErrCannot) || !strings.Contains(err.Error(), "before recipes") {
		t.Errorf("got %v", err)
	}
	dir = write(t, usual, rows)
	alter(t, dir, func(rec map[string]any) { rec["ships"] = "m (f32[N 784] x) => (y) { }" })
	begun := func(*pretrain.Program) { t.Error("a training began of which nothing can ship") }
	if _, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{Begin: begun}); !errors.Is(err, reproduce.ErrCannot) || !strings.Contains(err.Error(), "what it ships: text form") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{}); !errors.Is(err, bundle.ErrDiffers) {
		t.Errorf("got %v", err)
	}
}

func TestBundleEnds(t *testing.T) {
	net, rows := ways()["best epoch, noise, averaged"](t, dataset.Digits())
	dir := write(t, net, rows)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reproduce.Bundle(ctx, dir, reproduce.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
