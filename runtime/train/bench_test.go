package train

import (
	"context"
	"fmt"
	"testing"

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
				epochs := 0
				rows := 0
				b.ResetTimer()
				for range b.N {
					more, err := t.step(ctx)
					if err != nil {
						b.Fatal(err)
					}
					rows += batch
					if !more {
						epochs++
						t.cursor.Epoch, t.cursor.Step = epochs, 0
						if err := t.batches.Seek(epochs, 0); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.StopTimer()
				const flopsPerRow = 2 * 410_000
				rate := float64(rows) / b.Elapsed().Seconds()
				b.ReportMetric(rate, "samples/s")
				b.ReportMetric(100*rate*flopsPerRow/1e9/(simd.PeakFMA(0)*float64(workers)), "%peak")
			})
		}
	}
}
