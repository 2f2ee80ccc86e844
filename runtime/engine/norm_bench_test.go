package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkNorms times steps of a stack of Dense layers of width 512, batch 256, by one
// worker and by two, with each normalisation in front of its activations and without: the
// share is what a normalisation adds to the step of a Dense layer, of the fastest steps,
// taken in turns.
func BenchmarkNorms(b *testing.B) {
	const width, batch, layers = 512, 256, 3
	kinds := []struct {
		name string
		norm func() spec.Layer
	}{
		{"LayerNorm", func() spec.Layer { return spec.LayerNorm() }},
		{"RMSNorm", func() spec.Layer { return spec.RMSNorm() }},
		{"GroupNorm", func() spec.Layer { return spec.GroupNorm(8) }},
		{"BatchNorm", func() spec.Layer { return spec.BatchNorm() }},
	}
	for _, act := range []struct {
		name  string
		layer func() spec.Layer
	}{{"ReLU", func() spec.Layer { return spec.ReLU() }}, {"SiLU", func() spec.Layer { return spec.SiLU() }}, {"HardSwish", func() spec.Layer { return spec.HardSwish() }}} {
		for i := range 2 * len(kinds) {
			k, workers := kinds[i/2], 1+i%2
			b.Run(fmt.Sprintf("%s/%s/workers=%d", k.name, act.name, workers), func(b *testing.B) {
				var runs [2]func() time.Duration
				for i := range runs {
					var l []spec.Layer
					for range layers {
						l = append(l, spec.Dense(width))
						if i == 1 {
							l = append(l, k.norm())
						}
						l = append(l, act.layer())
					}
					x := spec.Input("x", width)
					p, err := compiler.Compile(spec.NewModel("m", spec.MSE(x.Then(l...), x)), compiler.Options{Rows: batch})
					if err != nil {
						b.Fatal(err)
					}
					e, in, u := trainer(b, p, width, batch, engine.Options{Workers: workers})
					runs[i] = func() time.Duration {
						start := time.Now()
						if err := e.Run(in, batch, u); err != nil {
							b.Fatal(err)
						}
						u.T++
						return time.Since(start)
					}
				}
				best := [2]time.Duration{time.Hour, time.Hour}
				for b.Loop() {
					for i := range runs {
						best[i] = min(best[i], runs[i]())
					}
				}
				b.ReportMetric(float64(best[0].Nanoseconds())/1e3/layers, "dense-us")
				b.ReportMetric(float64((best[1]-best[0]).Nanoseconds())/1e3/layers, "norm-us")
				b.ReportMetric(100*float64(best[1]-best[0])/float64(best[0]), "%")
			})
		}
	}
}
