package train

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkTiedAutoencoder measures whole training steps of the demo's model,
// data loading included, and prints the share of the machine's peak.
func BenchmarkTiedAutoencoder(b *testing.B) {
	data := dataset.Digits().Train
	for _, workers := range []int{1, 2} {
		for _, batch := range []int{32, 256, 1024} {
			b.Run(fmt.Sprintf("workers=%d/batch=%d", workers, batch), func(b *testing.B) {
				enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
				ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
				ctx := context.Background()
				t, err := New(ctx, ae, data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: batch, Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
				defer t.Close()
				steps(b, t, batch)
				const flopsPerRow = 2 * 410_000
				rate := float64(b.N*batch) / b.Elapsed().Seconds()
				b.ReportMetric(100*rate*flopsPerRow/1e9/(simd.PeakFMA(0)*float64(workers)), "%peak")
			})
		}
	}
}

// BenchmarkFrozen measures steps of a classifier trained whole, and with all layers
// but the last one frozen, whose backward half falls away.
func BenchmarkFrozen(b *testing.B) {
	data := dataset.Digits().Train
	for _, frozen := range [][]string{nil, {"encoder"}} {
		b.Run(fmt.Sprintf("frozen=%v", frozen), func(b *testing.B) {
			enc := spec.Sequential("encoder", spec.Dense(1000), spec.ReLU(), spec.Dense(1000), spec.ReLU(), spec.Dense(1000), spec.ReLU())
			logits := spec.Input("x", 784).Then(enc, spec.Dense(10).Named("head"))
			m := spec.NewModel("classes", spec.CrossEntropy(logits, spec.Labels("y", 10)))
			t, err := New(context.Background(), m, data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: 100, Freeze: frozen})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			steps(b, t, 100)
		})
	}
}

// BenchmarkShards measures epochs of the demo's model whose updates are made in
// shards, and of ranks that share them.
func BenchmarkShards(b *testing.B) {
	data := dataset.Digits().Train
	for _, c := range []struct{ shards, parts, ranks int }{{1, 1, 1}, {1, 2, 1}, {2, 1, 1}, {4, 1, 1}, {8, 1, 1}, {2, 1, 2}} {
		b.Run(fmt.Sprintf("shards=%d/parts=%d/ranks=%d", c.shards, c.parts, c.ranks), func(b *testing.B) {
			enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
			ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
			o := Options{Optimizer: optim.Adam(1e-3), Epochs: b.N, Batch: 256 / c.parts, Accumulate: c.parts, Shards: c.shards, Workers: 2}
			if c.ranks > 1 {
				o.Cluster = Local(c.ranks)
			}
			t, err := New(context.Background(), ae, data, o)
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			b.ResetTimer()
			best := 0.0
			for e := range t.Epochs(context.Background()) {
				best = max(best, e.RowsPerSecond)
			}
			b.ReportMetric(best, "best-samples/s")
		})
	}
}

// BenchmarkGradNorm measures steps of the demo's model by one worker, in turn without and
// with the norms of gradients: the least time of each, and by how much they differ.
func BenchmarkGradNorm(b *testing.B) {
	data := dataset.Digits().Train
	var trainers [2]*Trainer
	for i := range trainers {
		enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
		ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		t, err := New(context.Background(), ae, data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: 256, Workers: 1, GradNorm: i == 1})
		if err != nil {
			b.Fatal(err)
		}
		defer t.Close()
		if err := t.batches.Seek(0, 0); err != nil {
			b.Fatal(err)
		}
		trainers[i] = t
	}
	least := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for b.Loop() {
		for i, t := range trainers {
			began := time.Now()
			more, err := t.step(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			if !more {
				t.cursor.Step = 0
				if err := t.batches.Seek(0, 0); err != nil {
					b.Fatal(err)
				}
				continue
			}
			least[i] = min(least[i], time.Since(began))
		}
	}
	b.ReportMetric(float64(least[0].Microseconds()), "µs-without")
	b.ReportMetric(float64(least[1].Microseconds()), "µs-with")
	b.ReportMetric(100*(least[1].Seconds()/least[0].Seconds()-1), "%-longer")
}

// BenchmarkTinyAutoencoder measures whole training steps of 16-8-4 and back, of
// which the arithmetic is a small part.
func BenchmarkTinyAutoencoder(b *testing.B) {
	x := make([]float32, 8192*16)
	for i := range x {
		x[i] = float32(i*31%97) / 97
	}
	data, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{16}}, F32: x})
	if err != nil {
		b.Fatal(err)
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d/batch=32", workers), func(b *testing.B) {
			enc := spec.Sequential("encoder", spec.Dense(8), spec.ReLU(), spec.Dense(4), spec.ReLU())
			ae := spec.Autoencoder("tiny", spec.Input("x", 16), enc, spec.Mirror("decoder", enc))
			ctx := context.Background()
			t, err := New(ctx, ae, data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: 32, Workers: workers})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			steps(b, t, 32)
		})
	}
}

// steps takes b.N steps, through as many epochs as that needs.
func steps(b *testing.B, t *Trainer, batch int) {
	ctx, epochs, done := context.Background(), 0, 0
	best := time.Hour
	b.ResetTimer()
	for done < b.N {
		start := time.Now()
		more, err := t.step(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if more {
			best = min(best, time.Since(start))
			done++
			continue
		}
		epochs++
		t.cursor.Epoch, t.cursor.Step = epochs, 0
		if err := t.batches.Seek(epochs, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(best.Nanoseconds())/1e3, "best-us")
}

// BenchmarkAverage measures steps with a moving average of all parameters and without,
// in turns, and reports the best of each: what the average costs an update.
func BenchmarkAverage(b *testing.B) {
	data := dataset.Digits().Train.Head(1024) // whole batches
	for name, widths := range map[string][]int{"tied": {100, 30}, "deep": {1000, 500, 250, 30}} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				var ts [2]*Trainer
				best := [2]time.Duration{time.Hour, time.Hour}
				for i, momentum := range []float64{0, 0.999} {
					var layers []spec.Layer
					for _, w := range widths {
						layers = append(layers, spec.Dense(w), spec.ReLU())
					}
					enc := spec.Sequential("encoder", layers...)
					ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
					t, err := New(context.Background(), ae, data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: 256, Workers: workers, Average: momentum})
					if err != nil {
						b.Fatal(err)
					}
					defer t.Close()
					ts[i] = t
				}
				for b.Loop() {
					for i, t := range ts {
						if t.cursor.Step%t.batches.Steps() == 0 {
							t.cursor.Step = 0
							if err := t.batches.Seek(t.cursor.Epoch, 0); err != nil {
								b.Fatal(err)
							}
						}
						start := time.Now()
						if _, err := t.step(context.Background()); err != nil {
							b.Fatal(err)
						}
						best[i] = min(best[i], time.Since(start))
					}
				}
				b.ReportMetric(float64(best[0].Microseconds()), "µs/step")
				b.ReportMetric(float64(best[1].Microseconds()), "µs/averaged")
			})
		}
	}
}
