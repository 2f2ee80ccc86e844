package train

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// imageRows is rows of waves in two channels, 8 by 8, and which of four they are.
func imageRows(n int) *dataset.Table {
	key := random.New(12)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		key = key.Derive(1)
		a, class := key.Normal(0), key.Uint64(1)%4
		x := row.F32Slice("x")
		for j := range x {
			y, z := float64(j/8%8), float64(j%8)
			x[j] = float32(math.Sin(a+y*float64(1+class)/3+z/2) + 0.3*math.Cos(float64(j/64)+z*float64(class)/2))
		}
		row.I64("y", int64(class))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{2, 8, 8}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// imageModel has convolutions in bf16 that move by one pixel and by two, and transposed ones;
// two that stay in FP32, one of few filters and one in groups; statistics if wanted.
func imageModel(statistics bool) *spec.Model {
	x := spec.Input("x", 2, 8, 8)
	layers := []spec.Layer{spec.Conv(34, 3).Same(), spec.ReLU(), spec.Conv(36, 3).Same(), spec.ReLU(), spec.MaxPool(2)}
	if statistics {
		layers = append(layers, spec.Conv(32, 3).Same().NoBias(), spec.BatchNorm().Axis(0))
	}
	code := x.Then(spec.Sequential("encoder", append(layers, spec.Conv(32, 3).Stride(2).Pad(1), spec.ReLU())...)).Named("code")
	y := code.Then(spec.Sequential("decoder", spec.ConvTranspose(32, 2).Stride(2), spec.ReLU(), spec.Conv(32, 3).Same().Groups(2), spec.ReLU(), spec.ConvTranspose(2, 2).Stride(2)))
	logits := code.Then(spec.Flatten(), spec.Dense(4).Named("head")).Named("logits")
	return spec.NewModel("images", spec.MSE(y, x), spec.CrossEntropy(logits, spec.Labels("y", 4)).Weight(0.1))
}

func imageOptions() Options {
	o := wideOptions()
	o.Batch, o.Epochs = 32, 2
	return o
}

func fitImages(t *testing.T, m *spec.Model, rows dataset.Source, o Options) *Result {
	t.Helper()
	r, err := Fit(context.Background(), m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBF16ImagesTrainTheSame holds the bits of a training of convolutions in bf16 to those of
// one worker with the Go kernels: for every kernel set, number of workers and of ranks.
func TestBF16ImagesTrainTheSame(t *testing.T) {
	active := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(active); err != nil {
			t.Error(err)
		}
	})
	rows := imageRows(70)
	for name, c := range map[string]struct {
		statistics bool
		changes    []func(*Options)
	}{
		"whole": {false, []func(*Options){
			func(*Options) {}, func(o *Options) { o.Workers = 2 }, func(o *Options) { o.Workers = 3 }, func(o *Options) { o.Workers = 4 },
		}},
		"shards and statistics": {true, []func(*Options){
			func(o *Options) { o.Shards = 2 },
			func(o *Options) { o.Shards, o.Cluster, o.Workers = 2, Local(2), 3 },
		}},
	} {
		want, settled := "", ""
		for _, set := range simd.Available() { // the portable one first
			if err := simd.Select(set); err != nil {
				t.Fatal(err)
			}
			for i, change := range c.changes {
				if set == simd.Available()[0] && i > 1 {
					continue // it is slow
				}
				o := imageOptions()
				o.Workers = 1
				change(&o)
				if got := bits(fitImages(t, imageModel(c.statistics), rows, o)); want == "" {
					want, settled = got, set
				} else if got != want {
					t.Errorf("%s, way %d, %s: other bits than the first with %s", name, i, set, settled)
				}
			}
		}
	}
}

// narrowedConvs counts the convolutions of a plan in bf16, and others.
func narrowedConvs(p *plan.Plan) (bf16, rest int) {
	for i := range p.Steps {
		switch op := p.Steps[i].Op; {
		case op == nil || !strings.HasPrefix(op.Name(), "Conv"):
		case ops.InBF16(op):
			bf16++
		default:
			rest++
		}
	}
	return bf16, rest
}

// TestBF16ImagesAreAnotherTraining sees that the mode does something to the convolutions that
// it names and to no others, that it learns what FP32 does, and that it says why not all of
// them are in bf16.
func TestBF16ImagesAreAnotherTraining(t *testing.T) {
	rows := imageRows(150)
	o := imageOptions()
	o.Epochs = 8
	narrow := fitImages(t, imageModel(false), rows, o)
	o.Precision = optim.FP32
	float := fitImages(t, imageModel(false), rows, o)
	if bits(narrow) == bits(float) {
		t.Error("the training in bf16 has the bits of the one in FP32")
	}
	a, b := narrow.Last().Train.Loss, float.Last().Train.Loss
	if first := float.History[0].Train.Loss; !(math.Abs(a-b) < 0.02*(first-b)) {
		t.Errorf("in bf16 the loss goes to %v, in FP32 from %v to %v", a, first, b)
	}
	trainer := func(p optim.Precision) *Trainer {
		o.Precision = p
		tr, err := New(context.Background(), imageModel(false), rows, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tr.Close)
		return tr
	}
	tr := trainer(optim.BF16)
	// Forward, to the filters and back: the second and third convolution and the first
	// transposed one; of the first one nothing, as its filters have 18 elements.
	if n, rest := narrowedConvs(tr.prog.Train); n != 3*3 || rest == 0 {
		t.Errorf("%d convolutions in bf16 and %d in FP32:\n%s", n, rest, plan.Format(tr.prog.Train))
	}
	if n, _ := narrowedConvs(tr.prog.Eval); n != 0 {
		t.Errorf("%d convolutions of the evaluation are in bf16", n)
	}
	told := tr.Explain()
	for _, want := range []string{
		`products of layer "encoder/conv1": 2 in FP32 (the terms of its sums are 18, fewer than 32; its rows are 18, fewer than 32)`,
		`products of layer "encoder/conv2": 3 in bf16`,
		`products of layer "decoder/convtranspose1": 3 in bf16`,
		`products of layer "decoder/conv1": 3 in FP32 (its channels are in 2 groups)`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("Explain does not say %q:\n%s", want, told)
		}
	}
	tr = trainer(optim.BF16.Except("encoder/conv2"))
	if n, _ := narrowedConvs(tr.prog.Train); n != 2*3 {
		t.Errorf("%d convolutions in bf16 where two layers are", n)
	}
	if s := `products of layer "encoder/conv2": 3 in FP32 (as asked for)`; !strings.Contains(tr.Explain(), s) {
		t.Errorf("Explain does not say %q:\n%s", s, tr.Explain())
	}
	o.Precision = optim.BF16.Except("encoder/pool1")
	wantError(t, o.Check(imageModel(false)), `matches no layer with a product; those are encoder/conv1`)
}

// TestBF16ImagesResumeTheSame stops a training of convolutions, changes the kernel set and the
// workers, and goes on to the bits of an undisturbed one.
func TestBF16ImagesResumeTheSame(t *testing.T) {
	active := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(active); err != nil {
			t.Error(err)
		}
	})
	rows, o := imageRows(100), imageOptions()
	want := bits(fitImages(t, imageModel(true), rows, o))
	sets := simd.Available()
	if err := simd.Select(sets[0]); err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	o.AfterUpdate = func(u Update) {
		if u.Number == 2 {
			cancel()
		}
	}
	if _, err := Fit(ctx, imageModel(true), rows, o); err == nil {
		t.Fatal("it was not interrupted")
	}
	if err := simd.Select(sets[len(sets)-1]); err != nil {
		t.Fatal(err)
	}
	o.AfterUpdate, o.Workers = nil, 3
	if got := bits(fitImages(t, imageModel(true), rows, o)); got != want {
		t.Errorf("begun with %s and gone on with %s, it ends with other bits", sets[0], sets[len(sets)-1])
	}
}

// TestBF16ImagesEffect has the record say how far a Net of convolutions in bf16 is from the
// one that ships.
func TestBF16ImagesEffect(t *testing.T) {
	m, o := imageModel(false), imageOptions()
	o.Valid = imageRows(40)
	r := fitImages(t, m, imageRows(70), o)
	net, narrow := r.Net(m.Tap("code")), r.In(optim.BF16).Net(m.Tap("code"))
	if net.Err() != nil || narrow.Err() != nil || net.Narrow() || !narrow.Narrow() {
		t.Fatalf("the Net that ships is in bf16: %v, the other one: %v (%v, %v)", net.Narrow(), narrow.Narrow(), net.Err(), narrow.Err())
	}
	e := net.Record().Precision
	if e == nil || e.Rows != 40 {
		t.Fatalf("the record says of the precision: %+v", e)
	}
	if got := e.Outputs["code"]; !(got.RMS > 1e-4*got.Of && got.RMS < 1e-2*got.Of) {
		t.Errorf("%+v is not the size of roundings to bf16", got)
	}
}

// TestBF16ImagesStepAllocatesNothing takes steps of convolutions in bf16.
func TestBF16ImagesStepAllocatesNothing(t *testing.T) {
	o := imageOptions()
	o.Workers = 1
	tr, err := New(context.Background(), imageModel(true), imageRows(600), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ctx := context.Background()
	n := testing.AllocsPerRun(10, func() {
		if more, err := tr.step(ctx); !more || err != nil {
			panic(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}
