package train

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// against is how far codes are from being at right angles to those of a queue, a
// number for each row.
type against struct{ spec.Base }

// Build returns the means of the squared products.
func (against) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	p := b.Op(ops.MatMul{}, x[0], b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, x[1]))
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, p, p))
}

// momentum is a model whose codes are drawn to those of an average of its encoder and
// away from a queue of these.
type momentum struct {
	*spec.Model
	x, code, target, queue *spec.Value
}

func newMomentum() momentum {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(20), spec.Tanh(), spec.Dense(3))
	m := momentum{x: x, code: x.Then(enc)}
	m.target = x.Then(spec.Average(enc, 0.9).Named("target")).Named("slow")
	m.queue = m.target.Then(spec.Queue(37).Named("queue"))
	m.Model = spec.NewModel("momentum", spec.MSE(m.code.Then(spec.Dense(12)), x), spec.MSE(m.code, m.target),
		spec.NewLoss("Against", spec.Apply(&against{spec.Here("against")}, m.code, m.queue)).Weight(0.1))
	return m
}

func momentumOptions() Options {
	return Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 32, Seed: 4}
}

// trainedState returns the parameters and the state of a training that has ended.
func trainedState(t *testing.T, m *spec.Model, o Options) map[string][]float32 {
	t.Helper()
	tr, err := New(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, tr)
}

func finish(t *testing.T, tr *Trainer) map[string][]float32 {
	t.Helper()
	for range tr.Epochs(context.Background()) {
	}
	all := map[string][]float32{}
	for _, name := range tr.store.Names() {
		all[name] = slices.Clone(tr.store.Param(name))
	}
	for _, s := range tr.store.States() {
		all["state/"+s.Name] = slices.Clone(tr.store.State(s.Name))
	}
	if _, err := tr.Done(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestStateIsTheUpdates trains with an average and a queue: in one part and in two, by
// one worker and by two, in one go and with an end after each few updates, the bits are
// the same.
func TestStateIsTheUpdates(t *testing.T) {
	whole := momentumOptions()
	whole.ClipNorm = 1e9 // gradients are stored, as they are when an update is run in parts
	want := trainedState(t, newMomentum().Model, whole)
	if n := len(want["state/queue/rows"]); n != 37*3 || len(want["state/target/encoder/dense1/w"]) != 240 {
		t.Fatalf("the state is %v", reflect.ValueOf(want).MapKeys())
	}
	if slices.Equal(want["state/target/encoder/dense1/w"], want["encoder/dense1/w"]) || slices.Contains(want["state/queue/rows"], 0) {
		t.Error("the average is the weight, or the queue is not full")
	}
	fused := momentumOptions()
	parts := momentumOptions()
	parts.Batch, parts.Accumulate = 16, 2
	for name, o := range map[string]Options{"stored": whole, "fused": fused, "in two parts": parts} {
		for workers := 1; workers <= 2; workers++ {
			o.Workers = workers
			if got := trainedState(t, newMomentum().Model, o); !reflect.DeepEqual(got, want) {
				differ(t, fmt.Sprintf("%s, %d workers", name, workers), got, want)
			}
		}
		o.Dir = t.TempDir()
		for i := 0; ; i++ {
			ctx, cancel := context.WithCancel(context.Background())
			o.AfterUpdate = func(u Update) {
				if int(u.Number)%(3+i%2) == 0 {
					cancel()
				}
			}
			tr, err := New(ctx, newMomentum().Model, rows(150), o)
			if err != nil {
				t.Fatal(err)
			}
			for range tr.Epochs(ctx) {
			}
			cancel()
			if tr.cursor.Epoch < o.Epochs {
				tr.Close()
				continue
			}
			if got := finish(t, tr); !reflect.DeepEqual(got, want) || i < 2 {
				differ(t, fmt.Sprintf("%s, ended %d times", name, i), got, want)
			}
			break
		}
	}
}

func differ(t *testing.T, what string, got, want map[string][]float32) {
	t.Helper()
	for name, x := range want {
		if !slices.Equal(x, got[name]) {
			t.Errorf("%s: %s is %v…, want %v…", what, name, got[name][:3], x[:3])
		}
	}
}

// TestAverageShips makes a Net of the average, with validation rows the one of the best
// epoch, and computes it anew from the weights.
func TestAverageShips(t *testing.T) {
	for _, last := range []bool{true, false} {
		m, o := newMomentum(), momentumOptions()
		o.Valid, o.KeepLast = rows(40), last
		o.Metrics = []Metric{{Name: "slow", Value: m.target}}
		average := map[string][]float32{}
		var best map[string][]float32
		o.AfterUpdate = func(Update) {}
		tr, err := New(context.Background(), m.Model, rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"encoder/dense1/w", "encoder/dense1/b", "encoder/dense2/w", "encoder/dense2/b"}
		for _, n := range names {
			average[n] = slices.Clone(tr.store.Param(n))
			if !slices.Equal(average[n], tr.store.State("target/"+n)) {
				t.Fatalf("the average of %s does not begin as it", n)
			}
		}
		tr.opt.AfterUpdate = func(Update) {
			for _, n := range names {
				for i, x := range tr.store.Param(n) {
					a := average[n][i]
					average[n][i] = float32(float64(a) + float64(float32(1-0.9))*float64(x-a))
				}
			}
		}
		for e := range tr.Epochs(context.Background()) {
			if e.Best || last {
				best = map[string][]float32{}
				for n, x := range average {
					best[n] = slices.Clone(x)
				}
			}
		}
		r, err := tr.Done()
		if err != nil {
			t.Fatal(err)
		}
		net := r.Net(m.target)
		if net.Err() != nil {
			t.Fatal(net.Err())
		}
		if got := len(net.Params()); got != len(names) {
			t.Errorf("the Net has %d parameters: %v", got, net.Params())
		}
		for _, n := range names {
			if got := net.Params()["target/"+n]; !slices.Equal(got, best[n]) {
				t.Errorf("KeepLast %v: target/%s is %v…, want %v…", last, n, got[:3], best[n][:3])
			}
		}
		out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{40, 12}, F32: rows(40).F32("x")}})
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0
		for _, x := range out["slow"].F32 {
			mean += float64(x) / 120
		}
		if got := r.shipped().Valid.Metrics["slow"]; math.Abs(got-mean) > 1e-6 {
			t.Errorf("KeepLast %v: the mean of the codes is %v, the metric %v", last, mean, got)
		}
		// The layer on a fresh input, after the training.
		y := spec.Input("z", 12)
		other := r.Net(y.Then(spec.Average(spec.Dense(3), 0.5)))
		wantError(t, other.Err(), "was not placed yet")
		if q := r.Net(m.queue); q.Err() != nil || len(q.Params()["queue/rows"]) != 37*3 {
			t.Errorf("the queue: %v", q.Err())
		}
	}
}

// TestAverageHasNoGradient trains an average alone and is refused; and the text of a
// model with state is read again.
func TestAverageHasNoGradient(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Dense(12).Named("encoder")
	_ = x.Then(enc)
	m := spec.NewModel("alone", spec.MSE(x.Then(spec.Average(enc, 0.9)), x))
	_, err := Fit(context.Background(), m, rows(40), momentumOptions())
	wantError(t, err, `its parameter "encoder/w" (f32[12 12]) is never reached by the loss`)

	text := newMomentum().String()
	if !strings.Contains(text, "state (f32[12 20] target/encoder/dense1/w => ") || !strings.Contains(text, " update") || !strings.Contains(text, " step") {
		t.Error(text)
	}
	g, err := ir.Parse(text, ops.ByName)
	if err != nil || ir.Format(g) != text {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestStateOfAllRows refuses to accumulate where what a state becomes needs all rows.
func TestStateOfAllRows(t *testing.T) {
	x := spec.Input("x", 12)
	l := &centred{spec.Here("centred")}
	m := spec.NewModel("centred", spec.MSE(x.Then(spec.Dense(12)), x.Then(l)))
	o := momentumOptions()
	o.Accumulate = 2
	_, err := Fit(context.Background(), m, rows(40), o)
	wantError(t, err, `Options.Accumulate is 2, but the state "centred1/mean" depends on all rows of an update at once; leave Accumulate out`)
}

// centred takes away the mean of the rows before.
type centred struct{ spec.Base }

// Build returns x less the mean of the update before.
func (*centred) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	m := b.State("mean", spec.Zeros(), x[0].Type.Last())
	b.Becomes(m, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x[0]))
	return b.Op(ops.Sub{}, x[0], m)
}

// warming is a model with a number that follows a schedule, and an average whose
// momentum does.
func warming(value float64) (*spec.Model, *spec.Value) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(20), spec.Tanh(), spec.Dense(3))
	code := x.Then(enc)
	warm := spec.Mul(code, spec.Scheduled("warmth", value, optim.Cosine(0))).Named("warm")
	slow := x.Then(spec.Average(enc, 0.9).Schedule(optim.Cosine(0)).Named("target"))
	return spec.NewModel("warming", spec.MSE(warm.Then(spec.Dense(12)), x), spec.MSE(code, slow)), warm
}

// TestScheduled trains with numbers that follow schedules: they are what these say, the
// same in all parts of an update and after an end, and ship as they were last.
func TestScheduled(t *testing.T) {
	whole := momentumOptions()
	whole.ClipNorm = 1e9
	m, warm := warming(0.5)
	var tr *Trainer
	whole.AfterUpdate = func(u Update) {
		f := optim.Cosine(0).Factor(optim.Progress{Update: u.Number - 1, UpdatesPerEpoch: 5, Epoch: int(u.Number-1) / 5, Epochs: 3})
		if got, share := tr.store.State("warmth")[0], tr.store.State("target/share")[0]; got != float32(0.5*f) || share != float32((1-0.9)*f) {
			t.Errorf("update %d: warmth %v, share %v; the factor is %v", u.Number, got, share, f)
		}
	}
	tr, err := New(context.Background(), m, rows(150), whole)
	if err != nil {
		t.Fatal(err)
	}
	for range tr.Epochs(context.Background()) {
	}
	last := tr.store.State("warmth")[0]
	r, err := tr.Done()
	if err != nil {
		t.Fatal(err)
	}
	if net := r.Net(warm); net.Err() != nil || net.Params()["warmth"][0] != last || last == 0 {
		t.Errorf("%v ships as %v, is %v", warm, net.Params()["warmth"], last)
	}
	whole.AfterUpdate = nil
	want := trainedState(t, m, whole)
	parts := momentumOptions()
	parts.Batch, parts.Accumulate, parts.Dir = 16, 2, t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	parts.AfterUpdate = func(u Update) {
		if u.Number == 7 {
			cancel()
		}
	}
	first, err := New(ctx, m, rows(150), parts)
	if err != nil {
		t.Fatal(err)
	}
	for range first.Epochs(ctx) {
	}
	first.Close()
	parts.AfterUpdate = nil
	if got := trainedState(t, m, parts); !reflect.DeepEqual(got, want) {
		differ(t, "in two parts, with an end", got, want)
	}
	other, _ := warming(0.25)
	_, err = New(context.Background(), other, rows(150), parts)
	wantError(t, err, "the scheduled number warmth was 0.5, cosine, warmup 0, is 0.25, cosine, warmup 0")
	parts.Epochs++
	_, err = New(context.Background(), m, rows(150), parts)
	wantError(t, err, `Epochs was 3, is 4, and the schedule of "warmth" depends on it`)
}
