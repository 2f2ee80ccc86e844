package compiler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkFeatures times training steps of one worker, of a convolutional autoencoder with so
// many numbers between two Dense beside images, with the pass features and without, in turns.
func BenchmarkFeatures(b *testing.B) {
	for _, units := range []int{32, 64, 128} {
		for _, rows := range []int{16, 64, 128, 256} {
			b.Run(fmt.Sprintf("units=%d/batch=%d", units, rows), func(b *testing.B) {
				enc := spec.Sequential("encoder", spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(2),
					spec.Conv(32, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Flatten(), spec.Dense(units))
				dec := spec.Sequential("decoder", spec.Dense(1568), spec.ReLU(), spec.Reshape(32, 7, 7),
					spec.ConvTranspose(16, 2).Stride(2), spec.ReLU(), spec.ConvTranspose(1, 2).Stride(2))
				g, err := spec.Autoencoder("features", spec.Input("x", 1, 28, 28), enc, dec).Graph()
				if err != nil {
					b.Fatal(err)
				}
				opt := optim.Adam(1e-4)
				fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, 1))
				var engines [2]*engine.Engine
				for i, name := range []string{"", "features"} {
					h, _ := g.Clone()
					h.Outputs = []*ir.Value{h.Value(lossName)}
					s := &state{opt: Options{Rows: rows}, planned: true, loss: lossName}
					s.rows = slices.DeleteFunc(passes(), func(p pass) bool { return p.name == name })
					if err := s.run(h, front); err != nil {
						b.Fatal(err)
					}
					p, err := s.finish(h, lowerOptions{capacity: s.opt.capacity(h), segments: segmentsOf(g), train: true, loss: lossName})
					if err != nil {
						b.Fatal(err)
					}
					store := engine.NewStore(p.Segments, opt.Slots())
					for _, name := range store.Names() {
						copy(store.Param(name), fed[name].F32)
					}
					if engines[i], err = engine.New(p, store, engine.Options{Workers: 1}); err != nil {
						b.Fatal(err)
					}
					defer engines[i].Close()
				}
				best, u := [2]time.Duration{time.Hour, time.Hour}, &engine.Update{Opt: opt, Rate: 1e-5}
				for b.Loop() {
					u.T++
					for i, e := range engines {
						start := time.Now()
						if err := e.Run(fed, rows, u); err != nil {
							b.Fatal(err)
						}
						best[i] = min(best[i], time.Since(start))
					}
				}
				b.ReportMetric(float64(best[0].Nanoseconds())/1e3, "best-us")
				b.ReportMetric(float64(best[1].Nanoseconds())/1e3, "best-us-without")
			})
		}
	}
}
