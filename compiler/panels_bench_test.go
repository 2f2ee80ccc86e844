package compiler

import (
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkPanels times training steps of one worker whose products read panels where the
// compiler lets them, and nowhere, for autoencoders of these widths.
func BenchmarkPanels(b *testing.B) {
	for _, widths := range [][]int{{784, 1000, 30}, {784, 512, 512, 30}, {1000, 2048, 30}, {1024, 2048, 2048, 30}, {1300, 1800, 30}} {
		for _, rows := range []int{64, 256, 1024} {
			for _, use := range []panelUse{panelsNowhere, panelsWhereTheyPay} {
				b.Run(fmt.Sprintf("%d-%d/batch=%d/panels=%v", widths[0], widths[1], rows, use == panelsWhereTheyPay), func(b *testing.B) {
					x := spec.Input("x", widths[0])
					var layers []spec.Layer
					for _, w := range widths[1:] {
						layers = append(layers, spec.Dense(w), spec.ReLU())
					}
					enc := spec.Sequential("encoder", layers...)
					g, err := spec.NewModel("panels", spec.MSE(x.Then(enc, spec.Mirror("decoder", enc)), x)).Graph()
					if err != nil {
						b.Fatal(err)
					}
					tw, err := compileTwin(g, segmentsOf(g), Options{Rows: rows, panels: use})
					if err != nil {
						b.Fatal(err)
					}
					opt := optim.Adam(1e-4)
					fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, 1))
					s := engine.NewStore(tw.train.Segments, opt.Slots())
					for _, name := range s.Names() {
						copy(s.Param(name), fed[name].F32)
					}
					e, err := engine.New(tw.train, s, engine.Options{Workers: 1})
					if err != nil {
						b.Fatal(err)
					}
					defer e.Close()
					best, u := time.Hour, &engine.Update{Opt: opt, Rate: 1e-4}
					for b.Loop() {
						u.T++
						start := time.Now()
						if err := e.Run(fed, rows, u); err != nil {
							b.Fatal(err)
						}
						best = min(best, time.Since(start))
					}
					b.ReportMetric(float64(best.Nanoseconds())/1e3, "best-us")
				})
			}
		}
	}
}
