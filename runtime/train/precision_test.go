package train

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// wideRows is rows of 48 features on a curve, long enough for products in bf16.
func wideRows(n int) *dataset.Table {
	key := random.New(11)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		key = key.Derive(1)
		a, b := key.Normal(0), key.Normal(1)
		x := row.F32Slice("x")
		for j := range x {
			x[j] = float32(math.Sin(a+float64(j)/7) + 0.5*math.Cos(b*float64(j)/9))
		}
		row.I64("y", int64(key.Uint64(2)%40))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{48}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// wideModel has what bits may break on: tied weights, whose gradient is a chain of two products, dropout, two losses, a
// layer whose products are too narrow.
func wideModel() *spec.Model {
	x := spec.Input("x", 48)
	enc := spec.Sequential("encoder", spec.Dense(40), spec.ReLU(), spec.Dropout(0.1), spec.Dense(33), spec.Tanh(), spec.Dense(5))
	code := x.Then(enc).Named("code")
	y := code.Then(spec.Mirror("decoder", enc).Tied())
	logits := x.Then(spec.Dense(40).Named("head")).Named("logits")
	return spec.NewModel("wide", spec.MSE(y, x), spec.CrossEntropy(logits, spec.Labels("y", 40)).Weight(0.01))
}

func wideOptions() Options {
	o := options()
	o.Batch, o.Epochs, o.Precision = 64, 3, optim.BF16
	o.Optimizer = optim.Adam(3e-3)
	return o
}

func fitWide(t *testing.T, rows dataset.Source, o Options) *Result {
	t.Helper()
	r, err := Fit(context.Background(), wideModel(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// narrowed counts the products of a plan in bf16, and others.
func narrowed(p *plan.Plan) (bf16, rest int) {
	for i := range p.Steps {
		switch op := p.Steps[i].Op; {
		case op == nil:
		case strings.HasPrefix(op.Name(), "GemmBF16"):
			bf16++
		case strings.HasPrefix(op.Name(), "Gemm"):
			rest++
		}
	}
	return bf16, rest
}

// TestBF16TrainsTheSame holds the bits of a training in bf16 to those of one worker with the Go kernels: for every
// kernel set, number of workers and way to divide an update.
func TestBF16TrainsTheSame(t *testing.T) {
	active := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(active); err != nil {
			t.Error(err)
		}
	})
	cases := map[string][]func(*Options){
		"whole":  {func(*Options) {}, func(o *Options) { o.Workers = 3 }},
		"stored": {func(o *Options) { o.ClipNorm = 0.5 }, func(o *Options) { o.ClipNorm, o.Workers = 0.5, 3 }},
		"shards": {
			func(o *Options) { o.Shards = 2 },
			func(o *Options) { o.Shards, o.Batch, o.Accumulate, o.Workers = 2, 32, 2, 3 },
			func(o *Options) { o.Shards, o.Cluster = 2, Local(2) },
		},
		"statistics": {
			func(o *Options) { o.Shards = 4 },
			func(o *Options) { o.Shards, o.Cluster, o.Workers = 4, Local(2), 3 },
			func(o *Options) { o.Shards, o.Cluster = 4, Local(4) },
		},
	}
	rows := wideRows(150)
	x := spec.Input("x", 48)
	statistics := spec.NewModel("statistics", spec.MSE(x.Then(spec.Dense(40).NoBias(), spec.BatchNorm(), spec.ReLU(), spec.Dense(48)), x))
	for name, changes := range cases {
		want, settled := "", ""
		for _, set := range simd.Available() { // the portable one first
			if err := simd.Select(set); err != nil {
				t.Fatal(err)
			}
			for i, change := range changes {
				o := wideOptions()
				o.Workers = 1
				change(&o)
				m := wideModel()
				if name == "statistics" {
					m = statistics
				}
				r, err := Fit(context.Background(), m, rows, o)
				if err != nil {
					t.Fatal(err)
				}
				if got := bits(r); want == "" {
					want, settled = got, set
				} else if got != want {
					t.Errorf("%s, way %d, %s: other bits than the first with %s", name, i, set, settled)
				}
			}
		}
	}
}

// TestBF16IsAnotherTraining sees that the mode does something, to the products it names and no others, and that it
// learns what FP32 does.
func TestBF16IsAnotherTraining(t *testing.T) {
	rows := wideRows(300)
	o := wideOptions()
	o.Epochs = 20
	narrow := fitWide(t, rows, o)
	o.Precision = optim.FP32
	float := fitWide(t, rows, o)
	if bits(narrow) == bits(float) {
		t.Error("the training in bf16 has the bits of the one in FP32")
	}
	a, b := narrow.Last().Train.Loss, float.Last().Train.Loss
	if first := float.History[0].Train.Loss; !(math.Abs(a-b) < 0.02*(first-b)) {
		t.Errorf("in bf16 the loss goes to %v, in FP32 from %v to %v", a, first, b)
	}
	o.Precision = optim.BF16
	tr, err := New(context.Background(), wideModel(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	// Forward, back and to the weights for 48x40 and 40x33, twice, but not back to x; and the head's two.
	if n, rest := narrowed(tr.prog.Train); n != 3*2*2-1+2 || rest == 0 {
		t.Errorf("%d products in bf16 and %d in FP32:\n%s", n, rest, plan.Format(tr.prog.Train))
	}
	if n, _ := narrowed(tr.prog.Eval); n != 0 {
		t.Errorf("%d products of the evaluation are in bf16", n)
	}
	told := tr.Explain()
	for _, want := range []string{`products of layer "encoder/dense2": 3 in bf16`, `products of layer "encoder/dense3": 3 in FP32 (its columns are 5, fewer than 32`} {
		if !strings.Contains(told, want) {
			t.Errorf("Explain does not say %q:\n%s", want, told)
		}
	}
	o.Precision = optim.BF16.Except("head", "decoder/*")
	if tr, err = New(context.Background(), wideModel(), rows, o); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if n, _ := narrowed(tr.prog.Train); n != 2+3 {
		t.Errorf("%d products in bf16 where two layers are", n)
	}
	if s := `products of layer "head": 2 in FP32 (as asked for)`; !strings.Contains(tr.Explain(), s) {
		t.Errorf("Explain does not say %q:\n%s", s, tr.Explain())
	}
}

// TestBF16ResumesTheSame stops a training, changes the kernel set, and goes on to the bits of an undisturbed one; with
// another precision it does not go on.
func TestBF16ResumesTheSame(t *testing.T) {
	active := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(active); err != nil {
			t.Error(err)
		}
	})
	rows := wideRows(150)
	o := wideOptions()
	want := bits(fitWide(t, rows, o))
	sets := simd.Available()
	for i, set := range sets {
		if err := simd.Select(set); err != nil {
			t.Fatal(err)
		}
		o.Dir = t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		o.AfterUpdate = func(u Update) {
			if u.Number == 5 {
				cancel()
			}
		}
		if _, err := Fit(ctx, wideModel(), rows, o); err == nil {
			t.Fatal("it was not interrupted")
		}
		if err := simd.Select(sets[(i+1)%len(sets)]); err != nil {
			t.Fatal(err)
		}
		o.AfterUpdate, o.Workers = nil, 1+i
		other := o
		other.Precision = optim.FP32
		_, err := Fit(context.Background(), wideModel(), rows, other)
		wantError(t, err, "Precision")
		other.Precision = optim.BF16.Except("head")
		_, err = Fit(context.Background(), wideModel(), rows, other)
		wantError(t, err, "the layers kept in FP32")
		if got := bits(fitWide(t, rows, o)); got != want {
			t.Errorf("begun with %s and gone on with %s, it ends with other bits", set, sets[(i+1)%len(sets)])
		}
	}
}

// TestBF16Mistakes refuses what cannot be kept to.
func TestBF16Mistakes(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Precision = optim.FP32.Except("head") }, "take optim.BF16.Except"},
		{func(o *Options) { o.Precision = optim.BF16.Except("hed") }, `"hed" matches no layer with a product; those are encoder/dense1`},
		{func(o *Options) { o.Precision = optim.BF16.Except("h[") }, "a [ has no ]"},
		{func(o *Options) { o.Batch, o.Accumulate = 40, 2 }, "take a Batch that is a multiple of it, such as 64"},
	} {
		o := wideOptions()
		c.change(&o)
		wantError(t, o.Check(wideModel()), c.want)
		_, err := New(context.Background(), wideModel(), wideRows(64), o)
		wantError(t, err, c.want)
	}
}

// TestBF16KeepsGradientsThatAreValues keeps the products of a gradient that the user takes, which have layers of their own.
func TestBF16KeepsGradientsThatAreValues(t *testing.T) {
	x := spec.Input("x", 48)
	score := spec.Mul(x.Then(spec.Dense(40), spec.Tanh(), spec.Dense(36)), x.Then(spec.Dense(36)))
	m := spec.NewModel("slope", spec.MSE(spec.Grad(score, x), x))
	count := func(p optim.Precision) int {
		o := wideOptions()
		o.Precision = p
		tr, err := New(context.Background(), m, wideRows(64), o)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		n, _ := narrowed(tr.prog.Train)
		return n
	}
	if all, some := count(optim.BF16), count(optim.BF16.Except("grad1")); !(0 < some && some < all) {
		t.Errorf("%d products in bf16, and %d without those of the gradient", all, some)
	}
}

// TestBF16PartsAreWhole gives a parameter that is used once the bits of the whole when an update is made in parts, whose
// rows begin where a block of the sums does.
func TestBF16PartsAreWhole(t *testing.T) {
	x := spec.Input("x", 48)
	m := spec.NewModel("once", spec.MSE(x.Then(spec.Dense(36), spec.ReLU(), spec.Dense(48)), x))
	rows := wideRows(300)
	fit := func(change func(*Options)) map[string][]float32 {
		o := wideOptions()
		o.Log, o.Batch = slog.New(slog.DiscardHandler), 200
		change(&o)
		r, err := Fit(context.Background(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		return r.params
	}
	for name, c := range map[string][2]func(*Options){
		"batches":          {func(o *Options) { o.Batch, o.ClipNorm = 192, 1 }, func(o *Options) { o.Batch, o.Accumulate, o.ClipNorm = 64, 3, 1 }},
		"pieces of shards": {func(o *Options) { o.Shards = 2 }, func(o *Options) { o.Shards, o.Batch, o.Accumulate = 2, 50, 4 }},
	} {
		whole, parts := fit(c[0]), fit(c[1])
		for p, w := range whole {
			for i := range w {
				if math.Float32bits(w[i]) != math.Float32bits(parts[p][i]) {
					t.Fatalf("%s: %s[%d] is %v in parts, %v in one go", name, p, i, parts[p][i], w[i])
				}
			}
		}
	}
}

// TestBF16Effect has the record say how far the function that ships, which is FP32, is from what was trained, on rows of
// the user.
func TestBF16Effect(t *testing.T) {
	m := wideModel()
	o := wideOptions()
	o.Valid = wideRows(70)
	r, err := Fit(context.Background(), m, wideRows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	net, narrow := r.Net(m.Tap("code"), m.Tap("logits")), r.In(optim.BF16).Net(m.Tap("code"), m.Tap("logits"))
	if err := errors.Join(net.Err(), narrow.Err()); err != nil {
		t.Fatal(err)
	}
	if net.Narrow() || !narrow.Narrow() {
		t.Error("the Net that ships is in bf16, or the other one is not")
	}
	rec := net.Record()
	if p := rec.Phases[0].Precision; p != "BF16" {
		t.Errorf("the phase's precision is %q", p)
	}
	e := rec.Precision
	if e == nil || e.Rows != 70 || len(e.Outputs) != 2 {
		t.Fatalf("the record says of the precision: %+v", e)
	}
	ctx, in := context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{70, 48}, F32: o.Valid.(*dataset.Table).F32("x")}}
	a, err := net.Run(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := narrow.Run(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range a {
		most, sum := 0.0, 0.0
		for i := range x.F32 {
			d := math.Abs(float64(x.F32[i]) - float64(b[name].F32[i]))
			most, sum = max(most, d), sum+d*d
		}
		got := e.Outputs[name]
		if rms := math.Sqrt(sum / float64(x.Len())); got.Max != most || math.Abs(got.RMS-rms) > 1e-12 {
			t.Errorf("%s: the record says %+v, it is %v and %v", name, got, most, rms)
		}
		if !(got.RMS > 1e-5*got.Of && got.RMS < 1e-2*got.Of) {
			t.Errorf("%s: %+v is not the size of roundings to bf16", name, got)
		}
	}
	if s := e.String(); !strings.Contains(s, "trained in BF16; computed so instead of in FP32, on 70 rows code changes by at most") {
		t.Error(s)
	}
	raw, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var back engine.Record
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back.Precision, e) {
		t.Errorf("%v: %+v comes back as %+v", err, e, back.Precision)
	}
	again, err := Repeat(rec.Phases[0].Recipe.Settings)
	if err != nil || !again.Precision.Narrow() {
		t.Errorf("the recipe repeats in %v: %v", again.Precision, err)
	}
	o.Precision = optim.FP32
	if r, err = Fit(ctx, m, wideRows(150), o); err != nil {
		t.Fatal(err)
	}
	if rec := r.Net(m.Tap("code")).Record(); rec.Precision != nil || rec.Phases[0].Precision != "" {
		t.Error("a training in FP32 has a record of a precision")
	}
}

// TestBF16StepAllocatesNothing takes steps in bf16.
func TestBF16StepAllocatesNothing(t *testing.T) {
	o := wideOptions()
	o.Workers = 1
	tr, err := New(context.Background(), wideModel(), wideRows(3000), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ctx := context.Background()
	n := testing.AllocsPerRun(20, func() {
		if more, err := tr.step(ctx); !more || err != nil {
			panic(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}
