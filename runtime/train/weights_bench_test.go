package train

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkWeighted measures steps of the demo's model with weights of the rows and
// without, in turns, and reports the best of each.
func BenchmarkWeighted(b *testing.B) {
	w := make([]float32, 1024) // whole batches
	for i := range w {
		w[i] = float32(i % 5)
	}
	weights, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "w", DType: dataset.F32}, F32: w})
	if err != nil {
		b.Fatal(err)
	}
	data := dataset.Digits().Train.Head(len(w)).Join(weights)
	for name, loss := range map[string]func(y, x *spec.Value) *spec.Loss{
		"MSE": spec.MSE, "MAE": spec.MAE, "BCE": spec.BinaryCrossEntropy,
	} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				var ts [2]*Trainer
				best := [2]time.Duration{time.Hour, time.Hour}
				for i := range ts {
					x := spec.Input("x", 784)
					enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
					l := loss(x.Then(enc, spec.Mirror("decoder", enc).Tied()), x)
					if i == 1 {
						l = l.WeightedBy(spec.Input("w"))
					}
					t, err := New(context.Background(), spec.NewModel("digits", l), data, Options{Optimizer: optim.Adam(1e-3), Epochs: 1 << 20, Batch: 256, Workers: workers})
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
				b.ReportMetric(float64(best[1].Microseconds()), "µs/weighted")
			})
		}
	}
}
