package train

import (
	"context"
	"log/slog"
	"testing"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestKernelSetsTrainTheSame trains with every set of kernels this CPU runs: the
// demo's model on its digits, with the portable set to the quality of the others,
// and one of other layers, noises and losses. Weights and losses agree to the bit.
func TestKernelSetsTrainTheSame(t *testing.T) {
	active := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(active); err != nil {
			t.Error(err)
		}
	})
	digits := dataset.Digits().Train.Balanced("y", 260, 1)
	works := map[string]func() (*spec.Model, dataset.Source, Options){
		"demo": func() (*spec.Model, dataset.Source, Options) {
			enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
			dec := spec.Mirror("decoder", enc).Tied()
			return spec.Autoencoder("digits", spec.Input("x", 784), enc, dec), digits, Options{Optimizer: optim.Adam(1e-3), Epochs: 4, Batch: 64}
		},
		"images": func() (*spec.Model, dataset.Source, Options) {
			enc := spec.Sequential("encoder", spec.Reshape(1, 28, 28), spec.Conv(6, 3).Same().Stride(2), spec.BatchNorm().Axis(0), spec.ReLU(),
				spec.Conv(8, 3).Same().Groups(2), spec.ReLU(), spec.MaxPool(2), spec.Flatten(), spec.Dense(20))
			x := spec.Input("x", 784)
			code := x.Then(enc)
			return spec.NewModel("images", spec.CrossEntropy(code.Then(spec.ReLU(), spec.Dense(10)), spec.Labels("y", 10)),
				spec.MSE(code.Then(spec.Dense(64), spec.Reshape(4, 4, 4), spec.ConvTranspose(4, 3).Stride(2).OutputPad(1), spec.AveragePool(2)), code.Then(spec.Dense(100), spec.Reshape(4, 5, 5)))), digits, Options{Optimizer: optim.Adam(1e-3), Epochs: 1, Batch: 52}
		},
		"residual": func() (*spec.Model, dataset.Source, Options) {
			norm := func() spec.Layer { return spec.BatchNorm().Axis(0) }
			y := spec.Input("x", 784).Then(spec.Reshape(1, 28, 28), spec.AveragePool(2), spec.Conv(5, 3).Same(), norm(), spec.ReLU(),
				spec.Residual("r", spec.Conv(5, 3).Same(), norm(), spec.ReLU(), spec.Conv(5, 3).Same(), norm()), spec.ReLU(),
				spec.Residual("s", spec.Conv(9, 3).Same().Stride(2), spec.ReLU(), spec.Conv(9, 3).Same()).Shortcut(spec.Conv(9, 1).Stride(2)), spec.ReLU(), spec.GlobalAveragePool(), spec.Dense(10))
			return spec.NewModel("residual", spec.CrossEntropy(y, spec.Labels("y", 10))), digits, Options{Optimizer: optim.Adam(1e-3), Epochs: 1, Batch: 52}
		},
		"others": func() (*spec.Model, dataset.Source, Options) {
			x := spec.Input("x", 12)
			enc := spec.Sequential("encoder", spec.GaussianNoise(0.1), spec.Dense(21), spec.GELU(), spec.Dropout(0.2),
				spec.Dense(9), spec.Sigmoid(), spec.Dense(5), spec.ELU(), spec.Dense(3), spec.Softplus())
			code := x.Then(enc).Named("code")
			y := code.Then(spec.Dense(12).Named("out"), spec.Tanh())
			logits := code.Then(spec.Dense(4).Named("head")).Named("logits")
			m := spec.NewModel("others", spec.MSE(y, x), spec.CrossEntropy(logits, spec.Labels("y", 4)).Weight(0.3))
			return m, rows(150), Options{Optimizer: optim.AdamW(3e-3, 0.01).Schedule(optim.Cosine(1)), Epochs: 3, Batch: 32, ClipNorm: 1}
		},
	}
	for name, work := range works {
		t.Run(name, func(t *testing.T) {
			want := ""
			for _, set := range simd.Available() { // the portable one first
				if err := simd.Select(set); err != nil {
					t.Fatal(err)
				}
				m, src, o := work()
				o.Workers, o.Log = 2, slog.New(slog.DiscardHandler)
				r, err := Fit(context.Background(), m, src, o)
				if err != nil {
					t.Fatal(err)
				}
				first, last := r.History[0].Train.Loss, r.Last().Train.Loss
				if name == "demo" && !(last < 0.75*first) {
					t.Errorf("%s: the loss goes from %v to %v", set, first, last)
				}
				if got := bits(r); want == "" {
					want = got
				} else if got != want {
					t.Errorf("%s: other bits than %s", set, simd.Available()[0])
				}
			}
			if len(simd.Available()) < 2 {
				t.Logf("this CPU or build has one set, %v", simd.Available())
			}
		})
	}
}

// TestStepAllocatesNothing takes steps, with a callback after each, through
// several epochs' worth of batches.
func TestStepAllocatesNothing(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"plain":      func(*Options) {},
		"clipped":    func(o *Options) { o.ClipNorm = 0.5 },
		"accumulate": func(o *Options) { o.Accumulate = 2 },
		"ranks":      func(o *Options) { o.Shards, o.Cluster = 4, Local(2) },
		"shards":     func(o *Options) { o.Shards, o.Accumulate = 4, 2 },
	} {
		o := options()
		o.Batch, o.Workers = 4, 1
		calls := 0
		o.AfterUpdate = func(u Update) { calls += u.Rows }
		change(&o)
		tr, err := New(context.Background(), model(), rows(400), o)
		if err != nil {
			t.Fatal(err)
		}
		if tr.crew != nil {
			tr.crew.start()
		}
		ctx := context.Background()
		n := testing.AllocsPerRun(30, func() {
			if more, err := tr.step(ctx); !more || err != nil {
				panic(err)
			}
		})
		tr.Close()
		if n != 0 || calls == 0 {
			t.Errorf("%s: %v allocations a step, %d rows", name, n, calls)
		}
	}
}

// TestConvolutionsOfWorkers trains convolutions with several workers, which give the bits
// of one.
func TestConvolutionsOfWorkers(t *testing.T) {
	digits := dataset.Digits().Train.Head(90)
	want := ""
	for _, workers := range []int{1, 2, 5} {
		enc := spec.Sequential("encoder", spec.Reshape(1, 28, 28), spec.Conv(6, 3).Same().Stride(2), spec.ReLU(), spec.MaxPool(2), spec.DepthwiseConv(2, 3).Same(), spec.Tanh())
		m := spec.Autoencoder("images", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		r, err := Fit(context.Background(), m, digits, Options{Optimizer: optim.Adam(1e-3), Epochs: 2, Batch: 32, Workers: workers, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		got := bits(r)
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("%d workers gave other bits than 1", workers)
		}
	}
}
