package compiler

import (
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkPanels times a training step, and a run of the evaluation plan, whose products
// read panels against one whose products read weights as they are, in turns: the best of
// each, for autoencoders of these widths.
func BenchmarkPanels(b *testing.B) {
	for _, widths := range [][]int{{784, 1000, 30}, {784, 512, 30}, {784, 512, 512, 30}, {1024, 1024, 30}, {1000, 2048, 30}, {1024, 2048, 2048, 30}, {1300, 1800, 30}} {
		for _, rows := range []int{64, 256, 1024} {
			b.Run(fmt.Sprintf("%v/batch=%d", widths, rows), func(b *testing.B) {
				x := spec.Input("x", widths[0])
				var layers []spec.Layer
				for _, w := range widths[1:] {
					layers = append(layers, spec.Dense(w), spec.ReLU())
				}
				enc := spec.Sequential("encoder", layers...)
				y := x.Then(enc, spec.Mirror("decoder", enc))
				g, err := spec.NewModel("panels", spec.MSE(y, x)).Graph()
				if err != nil {
					b.Fatal(err)
				}
				fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, 1))
				opt := optim.Adam(1e-4)
				var train, eval [2]*engine.Engine
				for i, use := range []panelUse{panelsNowhere, panelsWhereTheyPay} {
					tw, err := compileTwin(g, segmentsOf(g), Options{Rows: rows, panels: use})
					if err != nil {
						b.Fatal(err)
					}
					s := engine.NewStore(tw.train.Segments, opt.Slots())
					for _, name := range s.Names() {
						copy(s.Param(name), fed[name].F32)
					}
					for j, p := range []*engine.Engine{nil, nil} {
						pl := tw.train
						if j == 1 {
							pl = tw.eval
						}
						if p, err = engine.New(pl, s, engine.Options{Workers: 1}); err != nil {
							b.Fatal(err)
						}
						defer p.Close()
						if j == 0 {
							train[i] = p
						} else {
							eval[i] = p
						}
					}
				}
				step := int64(0)
				run := func(e *engine.Engine, u *engine.Update) time.Duration {
					start := time.Now()
					if err := e.Run(fed, rows, u); err != nil {
						b.Fatal(err)
					}
					return time.Since(start)
				}
				best := [4]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}
				for b.Loop() {
					for i := range 2 {
						step++
						best[i] = min(best[i], run(train[i], &engine.Update{Opt: opt, T: step, Rate: 1e-4}))
					}
				}
				for range 5 { // the weights are the same now
					for i := range 2 {
						best[2+i] = min(best[2+i], run(eval[i], nil))
					}
				}
				for i, name := range []string{"train-us", "train-panels-us", "eval-us", "eval-panels-us"} {
					b.ReportMetric(float64(best[i].Nanoseconds())/1e3, name)
				}
			})
		}
	}
}
