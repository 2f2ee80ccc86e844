package train

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// weightedRows are rows with weights that differ much from part to part: in updates of
// 32 the first rows weigh a thousand times the last, every fifth nothing, and some rows
// have no label.
func weightedRows(n int) *dataset.Table {
	of := rows(n)
	x, y := of.F32("x"), of.I64("y")
	i := 0
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		copy(row.F32Slice("x"), x[i*12:])
		w, label := float32(math.Pow(10, 3-float64(i%32)/8)), y[i]
		if i%5 == 4 {
			w = 0
		}
		if i%3 == 1 || i < 16 {
			label = -1
		}
		row.F32("w", w)
		row.I64("y", label)
		mask := row.F32Slice("mask")
		for j := range mask {
			mask[j] = 1
			if j > i%4 {
				mask[j] = 0
			}
		}
		i++
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, dataset.Column{Name: "w", DType: dataset.F32},
		dataset.Column{Name: "y", DType: dataset.I64}, dataset.Column{Name: "mask", DType: dataset.F32, Shape: []int{4}})
}

// relative is a weighted mean as a user writes one: each row's error times its weight
// over the mean weight.
type relative struct{ spec.Base }

func (*relative) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	d := b.Op(ops.Sub{}, x[0], x[1])
	e := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, d, d))
	share := b.Op(ops.Div{}, x[2], b.Op(ops.ReduceMean{}, x[2]))
	return b.Op(ops.Mul{}, e, share)
}

// withWeights are models whose losses divide by sums of data over the rows.
var withWeights = map[string]func() *spec.Model{
	"rows": func() *spec.Model {
		x := spec.Input("x", 12)
		return spec.NewModel("m", spec.MSE(x.Then(spec.Dense(9), spec.ReLU(), spec.Dense(12)), x).WeightedBy(spec.Input("w")))
	},
	"labels": func() *spec.Model {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.GaussianNoise(0.1), spec.Dense(8), spec.Tanh(), spec.Dropout(0.2), spec.Dense(3))
		code := x.Then(enc).Named("code")
		labels := spec.Labels("y", 4).Optional()
		return spec.NewModel("points", spec.Huber(code.Then(spec.Mirror("decoder", enc).Tied()), x, 0.5).WeightedBy(spec.Input("w")),
			spec.CrossEntropy(code.Then(spec.Dense(4).Named("head")).Named("logits"), labels).WeightedBy(spec.ClassWeights(labels, 1, 2, 3, 4)).Weight(0.3), spec.L1(code))
	},
	"mask": func() *spec.Model {
		x := spec.Input("x", 12)
		steps := x.Then(spec.Reshape(4, 3))
		y := steps.Then(spec.Dense(5), spec.Tanh(), spec.Dense(3))
		return spec.NewModel("m", spec.MAE(y, steps).WeightedBy(spec.Input("mask", 4)))
	},
	"by hand": func() *spec.Model {
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(9), spec.ReLU(), spec.Dense(12))
		return spec.NewModel("m", spec.NewLoss("relative", spec.Apply(&relative{spec.Here("relative")}, y, x, spec.Input("w"))))
	},
}

// TestWeightsInParts: a loss with weights that are very unequal in the parts gives the
// bits of the whole update for every number of parts and ranks, and a last update of
// fewer rows too. It is not the mean of the means of parts.
func TestWeightsInParts(t *testing.T) {
	for name, model := range withWeights {
		t.Run(name, func(t *testing.T) {
			var last *Result
			fit := func(parts, shards, ranks, workers int) string {
				o := Options{Optimizer: optim.SGD(0.05).Momentum(0.9), Epochs: 3, Batch: 32 / parts, Accumulate: parts, Shards: shards, Workers: workers,
					Seed: 3, InOrder: true, Valid: weightedRows(45), Log: slog.New(slog.DiscardHandler)}
				if ranks > 1 {
					o.Cluster = Local(ranks)
				}
				r, err := Fit(context.Background(), model(), weightedRows(75), o)
				if err != nil {
					t.Fatal(err)
				}
				last = r
				return bits(r)
			}
			want := fit(1, 4, 1, 1)
			sharded := last.Last()
			for _, parts := range []int{1, 2, 4} {
				for _, ranks := range []int{1, 2, 4} {
					if got := fit(parts, 4, ranks, 2*ranks); got != want {
						t.Errorf("%d parts, %d ranks: other bits than the whole\n%s\n%s", parts, ranks, got, want)
					}
				}
			}
			if fit(1, 1, 1, 1) == want {
				t.Error("four shards give the bits of one, so that nothing was tested")
			}
			for what, x := range map[string][2]float64{"training": {sharded.Train.Loss, last.Last().Train.Loss}, "validation": {sharded.Valid.Loss, last.Last().Valid.Loss}} {
				if math.Abs(x[0]-x[1]) > 1e-4*math.Abs(x[1]) {
					t.Errorf("the %s loss of four shards is %v, and %v of one", what, x[0], x[1])
				}
			}
		})
	}
}

// TestWeightsBesideState: weights and absent labels go with layers that keep state. Where
// all weights are alike and all labels there, the losses are those of the mean.
func TestWeightsBesideState(t *testing.T) {
	for name, layer := range map[string]func(enc spec.Layer) spec.Layer{
		"batch norm": func(spec.Layer) spec.Layer { return spec.BatchNorm() },
		"average": func(enc spec.Layer) spec.Layer {
			return spec.Sequential("average", spec.Dense(12), spec.Average(enc, 0.9))
		},
		"queue": func(spec.Layer) spec.Layer {
			return spec.Func("near", func(x *spec.Value) *spec.Value {
				return spec.Add(x, spec.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x.Then(spec.Queue(4))))
			})
		},
		"scheduled": func(spec.Layer) spec.Layer {
			return spec.Func("scaled", func(x *spec.Value) *spec.Value {
				return spec.Mul(x, spec.Scheduled("temperature", 2, optim.Cosine(0)))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			model := func(weighted bool) *spec.Model {
				x := spec.Input("x", 12)
				labels := spec.Labels("y", 4)
				if weighted {
					labels = labels.Optional()
				}
				enc := spec.Dense(8)
				code := x.Then(enc, spec.Tanh())
				code = spec.Add(code, code.Then(layer(enc)))
				decoded := spec.MSE(code.Then(spec.Dense(12)), x)
				if weighted {
					decoded = decoded.WeightedBy(spec.Input("w"))
				}
				return spec.NewModel("m", decoded, spec.CrossEntropy(code.Then(spec.Dense(4)), labels))
			}
			fit := func(m *spec.Model, of *dataset.Table, o Options) *Result {
				o.Optimizer, o.Epochs, o.Batch, o.Seed, o.Log = optim.SGD(0.05), 2, 32, 3, slog.New(slog.DiscardHandler)
				r, err := Fit(context.Background(), m, of, o)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			of := rows(64)
			ones := dataset.From(make([]struct{}, 64), func(_ struct{}, row dataset.Row) { row.F32("w", 3) }, dataset.Column{Name: "w", DType: dataset.F32})
			got, want := fit(model(true), of.Join(ones), Options{}).Last().Train, fit(model(false), of, Options{}).Last().Train
			if math.Abs(got.Loss-want.Loss) > 1e-5*want.Loss {
				t.Errorf("the loss of weights that are alike is %v, that of none %v", got.Loss, want.Loss)
			}
			one := bits(fit(model(true), weightedRows(75), Options{Shards: 4, Valid: weightedRows(45)}))
			if two := bits(fit(model(true), weightedRows(75), Options{Shards: 4, Valid: weightedRows(45), Cluster: Local(2)})); one != two {
				t.Errorf("two ranks have other bits than one\n%s\n%s", one, two)
			}
		})
	}
}

// TestWeightsGoOnOverParts: at one shard parts give the weights of the whole, since the
// total is that of the update.
func TestWeightsGoOnOverParts(t *testing.T) {
	fit := func(parts int) string {
		o := Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: 32 / parts, Accumulate: parts, ClipNorm: 1e9, InOrder: true, Log: slog.New(slog.DiscardHandler)}
		r, err := Fit(context.Background(), withWeights["rows"](), weightedRows(75), o)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.params)
	}
	want := fit(1)
	for _, parts := range []int{2, 4, 32} {
		if fit(parts) != want {
			t.Errorf("%d parts: other bits than the whole", parts)
		}
	}
}

// TestWeightedLossIsOverAllRows holds what updates and validation report to Σw·l / Σw
// over all their rows, worked out here from the predictions.
func TestWeightedLossIsOverAllRows(t *testing.T) {
	for _, parts := range []int{1, 2} {
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(9), spec.ReLU(), spec.Dense(12)).Named("out")
		logits := x.Then(spec.Dense(4).Named("head")).Named("logits")
		m := spec.NewModel("m", spec.MSE(y, x).WeightedBy(spec.Input("w")), spec.CrossEntropy(logits, spec.Labels("y", 4).Optional()))
		src := weightedRows(75)
		var losses []float64
		o := Options{Optimizer: optim.SGD(1e-30), Epochs: 1, Batch: 32 / parts, Accumulate: parts, Seed: 3, InOrder: true, Valid: src, KeepLast: true, Workers: 1,
			Log: slog.New(slog.DiscardHandler), AfterUpdate: func(u Update) { losses = append(losses, u.Loss) }}
		r, err := Fit(context.Background(), m, src, o)
		if err != nil {
			t.Fatal(err)
		}
		net := r.Net(y, logits)
		in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{75, 12}, F32: src.F32("x")}}
		out, err := net.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		over := func(lo, hi int) (float64, float64) {
			var s, sw, ce, n float64
			for i := lo; i < hi; i++ {
				e := 0.0
				for j := range 12 {
					d := float64(out["out"].F32[i*12+j] - src.F32("x")[i*12+j])
					e += d * d / 12
				}
				w := float64(src.F32("w")[i])
				s, sw = s+w*e, sw+w
				if label := src.I64("y")[i]; label >= 0 {
					z, sum := out["logits"].F32[i*4:][:4], 0.0
					for _, v := range z {
						sum += math.Exp(float64(v))
					}
					ce, n = ce+math.Log(sum)-float64(z[label]), n+1
				}
			}
			return s / sw, ce / n
		}
		near := func(what string, got, want float64) {
			if !(math.Abs(got-want) <= 1e-5*math.Abs(want)) {
				t.Errorf("%d parts: %s is %v, want %v", parts, what, got, want)
			}
		}
		for i, lo := range []int{0, 32, 64} {
			a, b := over(lo, min(lo+32, 75))
			near(fmt.Sprintf("the loss of update %d", i+1), losses[i], a+b)
		}
		a, b := over(0, 75)
		near("the validation's loss/mse1", r.Last().Valid.Losses["loss/mse1"], a)
		near("the validation's loss/crossentropy1", r.Last().Valid.Losses["loss/crossentropy1"], b)
	}
}

// TestRowsWithoutALabel: they count neither in the loss, its gradient nor the accuracy,
// and rows of which none has a label change nothing.
func TestRowsWithoutALabel(t *testing.T) {
	labelled := func(n int, label func(i int) int64) *dataset.Table {
		of, i := rows(n), 0
		return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
			copy(row.F32Slice("x"), of.F32("x")[i*12:])
			row.I64("y", label(i))
			i++
		}, of.Columns()...)
	}
	head := func(labels *spec.Value) (*spec.Model, *spec.Value) {
		logits := spec.Input("x", 12).Then(spec.Dense(4).Named("head")).Named("logits")
		return spec.NewModel("m", spec.CrossEntropy(logits, labels)), logits
	}
	fit := func(labels *spec.Value, src *dataset.Table) *Result {
		m, logits := head(labels)
		o := Options{Optimizer: optim.SGD(0.5), Epochs: 2, Batch: 128, InOrder: true, KeepLast: true, Workers: 1, Log: slog.New(slog.DiscardHandler),
			Valid: src, Metrics: []Metric{Accuracy(logits, labels)}, Dir: t.TempDir()}
		r, err := Fit(context.Background(), m, src, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	y := rows(120).I64("y")
	some := fit(spec.Labels("y", 4).Optional(), labelled(120, func(i int) int64 {
		if i >= 50 {
			return -1
		}
		return y[i]
	}))
	few := fit(spec.Labels("y", 4), rows(120).Head(50))
	for name, p := range few.params {
		for i, want := range p {
			if got := some.params[name][i]; !(math.Abs(float64(got-want)) <= 1e-6) {
				t.Fatalf("%s[%d] is %v, and %v of the labelled rows alone", name, i, got, want)
			}
		}
	}
	if a, b := some.Last().Valid, few.Last().Valid; !(math.Abs(a.Loss-b.Loss) <= 1e-6) || a.Metrics["accuracy"] != b.Metrics["accuracy"] {
		t.Errorf("measured %+v, and %+v of the labelled rows alone", a, b)
	}
	none := fit(spec.Labels("y", 4).Optional(), labelled(30, func(int) int64 { return -1 }))
	start := fmt.Sprint(none.prog.Params[0].Initial(random.New(0)))
	if got := fmt.Sprint(none.params[none.prog.Params[0].Name]); got != start || none.Last().Train.Loss != 0 || none.Last().Valid.Loss != 0 {
		t.Errorf("without a label the loss is %+v, and parameters have changed: %v", none.Last(), got != start)
	}
	if a := none.Last().Valid.Metrics["accuracy"]; !math.IsNaN(a) {
		t.Errorf("the accuracy of no row is %v", a)
	}
	for _, c := range []struct {
		labels *spec.Value
		label  int64
		want   string
	}{
		{spec.Labels("y", 4), -1, `row 3: column "y" is -1; the model's input takes 0 to 3`},
		{spec.Labels("y", 4).Optional(), -2, `row 3: column "y" is -2; the model's input takes 0 to 3, and -1 for none`},
	} {
		m, _ := head(c.labels)
		_, err := New(context.Background(), m, labelled(9, func(i int) int64 {
			if i == 3 {
				return c.label
			}
			return 0
		}), options())
		wantError(t, err, c.want)
	}
}

// TestWeightsAllocateNothing: an update whose totals are made allocates no more than one
// without, which is nothing.
func TestWeightsAllocateNothing(t *testing.T) {
	for name, model := range withWeights {
		tr, err := New(context.Background(), model(), weightedRows(320), Options{Optimizer: optim.SGD(0.01), Epochs: 9, Batch: 8, Accumulate: 4, Workers: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if err := tr.batches.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		tr.cursor.Update = early // those before are watched
		n := testing.AllocsPerRun(5, func() {
			if _, err := tr.step(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations an update", name, n)
		}
	}
}

// TestMaskOfAFreeLength: a mask of sequences whose length is free is one of those whose
// length is known.
func TestMaskOfAFreeLength(t *testing.T) {
	fit := func(steps, mask *spec.Value, parts int) string {
		y := steps.Then(spec.Dense(5), spec.Tanh(), spec.Dense(3))
		m := spec.NewModel("m", spec.MSE(y, steps).WeightedBy(mask))
		o := Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: 32 / parts, Accumulate: parts, Shards: 4, Seed: 3, Log: slog.New(slog.DiscardHandler)}
		src := weightedRows(75).Reshape("x", 4, 3)
		o.Valid = src.Head(20)
		r, err := Fit(context.Background(), m, src, o)
		if err != nil {
			t.Fatal(err)
		}
		return bits(r)
	}
	want := fit(spec.Input("x", 4, 3), spec.Input("mask", 4), 1)
	if got := fit(spec.Input("x", 6, 3).Free("T"), spec.Input("mask", 6).Free("T"), 2); got != want {
		t.Errorf("other bits\n%s\n%s", got, want)
	}
}

// TestRowsWithoutWeight: a row of weight 0 whose loss is not finite changes nothing.
func TestRowsWithoutWeight(t *testing.T) {
	fit := func(big float32, loss func(y, x *spec.Value) *spec.Loss) string {
		of, i := rows(40), 0
		src := dataset.From(make([]struct{}, 40), func(_ struct{}, row dataset.Row) {
			x := row.F32Slice("x")
			copy(x, of.F32("x")[i*12:])
			w := float32(1)
			if i%3 == 0 {
				w = 0
				for j := range x {
					x[j] = big
				}
			}
			row.F32("w", w)
			i++
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, dataset.Column{Name: "w", DType: dataset.F32})
		x := spec.Input("x", 12)
		m := spec.NewModel("m", loss(x.Then(spec.Dense(12)), x).WeightedBy(spec.Input("w")))
		r, err := Fit(context.Background(), m, src, Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: 16, Accumulate: 2, Valid: src, Workers: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return bits(r)
	}
	for name, loss := range map[string]func(y, x *spec.Value) *spec.Loss{
		"MSE": func(y, x *spec.Value) *spec.Loss { return spec.MSE(y, x) },
		"MAE": func(y, x *spec.Value) *spec.Loss { return spec.MAE(spec.Mul(y, y), x) },
		"own": func(y, x *spec.Value) *spec.Loss {
			return spec.NewLoss("own", spec.Mul(spec.Sub(y, x), spec.Sub(y, x)))
		},
	} {
		if fit(1e25, loss) != fit(1, loss) {
			t.Errorf("%s: rows of weight 0 whose loss is infinite have changed something", name)
		}
	}
}

// TestBadWeights are errors that name the row before anything is trained, or before the
// update of computed ones.
func TestBadWeights(t *testing.T) {
	src := func(w float32) *dataset.Table {
		i := 0
		return dataset.From(make([]struct{}, 40), func(_ struct{}, row dataset.Row) {
			row.F32("x", 1, 2)
			if i == 17 {
				row.F32("w", w)
			} else {
				row.F32("w", 1)
			}
			i++
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{2}}, dataset.Column{Name: "w", DType: dataset.F32})
	}
	model := func(of func(w *spec.Value) *spec.Value) *spec.Model {
		x := spec.Input("x", 2)
		return spec.NewModel("m", spec.MSE(x.Then(spec.Dense(2)), x).WeightedBy(of(spec.Input("w"))))
	}
	plain := func(w *spec.Value) *spec.Value { return w }
	doubled := func(w *spec.Value) *spec.Value { return spec.Add(w, w) }
	for _, valid := range []bool{false, true} {
		fit := func(m *spec.Model, src *dataset.Table) error {
			o := options()
			o.InOrder, o.Batch, o.Accumulate = true, 8, 2
			of := src
			if valid {
				o.Valid, of = src, nil
			}
			if of == nil {
				of = dataset.From(make([]struct{}, 4), func(_ struct{}, row dataset.Row) { row.F32("x", 1, 2); row.F32("w", 1) }, src.Columns()...)
			}
			_, err := Fit(context.Background(), m, of, o)
			return err
		}
		wantError(t, fit(model(plain), src(-1)), `row 17: column "w" is -1; it is a weight of a loss, which must be at least 0`)
		wantError(t, fit(model(doubled), src(-1)), `weights_test.go:`, `layer "loss/mse1": ReduceMean: row 17: column "w" gives no finite number to a sum over the rows: a weight must be finite and at least 0`)
		wantError(t, fit(model(doubled), src(3e38)), `row 17: column "w" gives no finite number`)
		if err := fit(model(doubled), src(0)); err != nil {
			t.Error(err)
		}
	}
	if _, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "w", DType: dataset.F32}, F32: []float32{1, float32(math.NaN())}}); err == nil || !strings.Contains(err.Error(), `row 1: column "w" is NaN`) {
		t.Errorf("a weight that is NaN: %v", err)
	}
}

// TestDenominatorsOfMore: a denominator that a parameter or noise is in is refused with
// parts, by name, and trains without.
func TestDenominatorsOfMore(t *testing.T) {
	for want, of := range map[string]func(x, y *spec.Value) *spec.Value{
		`layer "ratio1": Div: it brings a sum or mean over the rows (ReduceMean) back to them, so that a row depends on the others, and the sum depends on the parameter "dense1/w", not on data columns alone`: func(x, y *spec.Value) *spec.Value { return y },
		`the sum depends on the draws of GaussianNoise in layer "gaussiannoise1", not on data columns alone`:                                                                                                    func(x, y *spec.Value) *spec.Value { return x.Then(spec.GaussianNoise(0.1)) },
		"": func(x, y *spec.Value) *spec.Value { return x },
	} {
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(12))
		ratio := &ownOf{spec.Here("ratio"), func(b *spec.Builder, v ...*ir.Value) *ir.Value {
			den := b.Op(ops.ReduceMean{}, b.Op(ops.Abs{}, v[1]))
			return b.Op(ops.Div{}, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, b.Op(ops.Abs{}, v[0])), den)
		}}
		m := spec.NewModel("m", spec.NewLoss("ratio", spec.Apply(ratio, y, of(x, y))))
		o := options()
		o.Epochs = 1
		if _, err := Fit(context.Background(), m, rows(50), o); err != nil {
			t.Fatal(err)
		}
		o.Accumulate = 2
		_, err := Fit(context.Background(), m, rows(50), o)
		if want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantError(t, err, want)
	}
}

// ownOf is a layer of several operands that a function builds.
type ownOf struct {
	spec.Base
	build func(b *spec.Builder, x ...*ir.Value) *ir.Value
}

func (l *ownOf) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x...) }

// TestWeightsGoOn: a training with totals that is interrupted between updates, and
// started again in other ranks, has the bits of one that was not; of a table and of a
// source that is read ahead.
func TestWeightsGoOn(t *testing.T) {
	for name, src := range map[string]func() dataset.Source{
		"table":  func() dataset.Source { return weightedRows(75) },
		"source": func() dataset.Source { return struct{ dataset.Source }{weightedRows(75)} },
	} {
		opts := func() Options {
			return Options{Optimizer: optim.Adam(1e-3), Epochs: 3, Batch: 8, Accumulate: 4, Workers: 1, Valid: weightedRows(40), CheckpointEvery: 1, Log: slog.New(slog.DiscardHandler)}
		}
		whole, err := Fit(context.Background(), withWeights["labels"](), src(), opts())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for stop := int64(2); ; stop += 3 {
			ctx, cancel := context.WithCancel(context.Background())
			o := opts()
			o.Dir = dir
			o.AfterUpdate = func(u Update) {
				if u.Number == stop {
					cancel()
				}
			}
			r, err := Fit(ctx, withWeights["labels"](), src(), o)
			cancel()
			if err == nil {
				if stop < 8 || bits(r) != bits(whole) {
					t.Errorf("%s: other bits after interruptions, the last at update %d\n%s\n%s", name, stop, bits(r), bits(whole))
				}
				break
			}
			if stop > 20 {
				t.Fatal(err)
			}
		}
	}
}
