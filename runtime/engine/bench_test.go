package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// works are the models whose steps are timed: the demo's, a deep one, a tiny one.
var works = []struct {
	name   string
	widths []int
	tied   bool
	batch  int
}{
	{"tied", []int{784, 100, 30}, true, 256},
	{"deep", []int{784, 1000, 500, 250, 30}, false, 256},
	{"tiny", []int{32, 16, 4}, false, 32},
}

// work compiles the autoencoder of these widths for training.
func work(b *testing.B, widths []int, tied bool, batch int) *compiler.Program {
	b.Helper()
	var layers []spec.Layer
	for _, w := range widths[1:] {
		layers = append(layers, spec.Dense(w), spec.ReLU())
	}
	enc := spec.Sequential("encoder", layers...)
	dec := spec.Mirror("decoder", enc)
	if tied {
		dec = dec.Tied()
	}
	p, err := compiler.Compile(spec.Autoencoder("work", spec.Input("x", widths[0]), enc, dec), compiler.Options{Rows: batch})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// trainer returns an engine for steps of Adam, its input and its update.
func trainer(b *testing.B, p *compiler.Program, width, batch int, o engine.Options) (*engine.Engine, engine.Feed, *engine.Update) {
	b.Helper()
	opt := optim.Adam(1e-3)
	s := engine.NewStore(p.Train.Segments, opt.Slots(), p.Train.States...)
	for _, name := range s.Names() {
		fill(name, s.Param(name), 0.05)
	}
	e, err := engine.New(p.Train, s, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	return e, engine.Feed{"x": rowsOf(batch, width)}, &engine.Update{Opt: opt, T: 1, Rate: 1e-3}
}

// BenchmarkWork times training steps of each work on rows already gathered. The
// share of the peak is that of the fastest step, which other processes disturb
// least.
func BenchmarkWork(b *testing.B) {
	for _, w := range works {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", w.name, workers), func(b *testing.B) {
				p := work(b, w.widths, w.tied, w.batch)
				e, in, u := trainer(b, p, w.widths[0], w.batch, engine.Options{Workers: workers})
				flops := int64(0)
				for i := range p.Train.Steps {
					f, _ := p.Train.Cost(i)
					flops += f
				}
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					if err := e.Run(in, w.batch, u); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(start))
					u.T++
				}
				b.ReportMetric(float64(best.Nanoseconds())/1e3, "best-us")
				b.ReportMetric(100*float64(flops)/float64(best.Nanoseconds())/(simd.PeakFMA(20*time.Millisecond)*float64(workers)), "%peak")
			})
		}
	}
}

// BenchmarkProfile prints where the time of one worker's step goes: for each
// kernel of the plan the least time of many steps, so that what other processes
// took is not in it.
func BenchmarkProfile(b *testing.B) {
	for _, w := range works {
		b.Run(w.name, func(b *testing.B) {
			p := work(b, w.widths, w.tied, w.batch)
			e, in, u := trainer(b, p, w.widths[0], w.batch, engine.Options{Workers: 1, Profile: true})
			least := make([]time.Duration, len(p.Train.Steps))
			var times []time.Duration
			whole := time.Hour
			runs := 0
			for b.Loop() {
				start := time.Now()
				if err := e.Run(in, w.batch, u); err != nil {
					b.Fatal(err)
				}
				whole = min(whole, time.Since(start))
				u.T++
				times = e.Times(times)
				for i, t := range times {
					if runs == 0 || t < least[i] {
						least[i] = t
					}
				}
				runs++
			}
			b.ReportMetric(float64(whole.Nanoseconds())/1e3, "best-us")
			if runs > 1 { // the first round only finds how many there will be
				b.Logf("%s, batch %d, %d steps\n%s", w.name, w.batch, runs, table(e, least))
			}
		})
	}
}

// table is the steps of a plan, the longest first.
func table(e *engine.Engine, times []time.Duration) string {
	p := e.Plan()
	order := make([]int, len(times))
	var sum time.Duration
	for i := range order {
		order[i] = i
		sum += times[i]
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(times[j], times[i]) })
	var out bytes.Buffer
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "us\t%\tGFLOP/s\tkernel\tresult\t")
	peak := simd.PeakFMA(20 * time.Millisecond)
	for _, i := range order {
		s := &p.Steps[i]
		flops, _ := p.Cost(i)
		fmt.Fprintf(t, "%.1f\t%.1f\t%.1f\t%s\t%s %v\t\n", float64(times[i].Nanoseconds())/1e3, 100*float64(times[i])/float64(sum),
			float64(flops)/float64(times[i].Nanoseconds()), e.Kernel(i), p.Buffers[s.Out[0]].Name, p.Buffers[s.Out[0]].Type)
	}
	t.Flush()
	return fmt.Sprintf("%.1f us in steps, peak %.1f GFLOP/s\n%s", float64(sum.Nanoseconds())/1e3, peak, strings.TrimRight(out.String(), "\n"))
}

// BenchmarkEncode times a Net on the caller's goroutine, with weights in panels and, as
// width=100, without.
func BenchmarkEncode(b *testing.B) {
	for _, widths := range [][]int{{100, 30}, {1000, 500, 250, 30}, {512, 512, 30}, {4096, 30}} {
		var layers []spec.Layer
		for _, w := range widths {
			layers = append(layers, spec.Dense(w), spec.ReLU())
		}
		code := spec.Input("x", 784).Then(layers...).Named("code")
		g, _, err := spec.GraphOf("encoder", code)
		if err != nil {
			b.Fatal(err)
		}
		p, err := compiler.CompileGraph(g, compiler.Options{Rows: 256})
		if err != nil {
			b.Fatal(err)
		}
		params := map[string][]float32{}
		for _, s := range p.Segments {
			params[s.Name] = fill(s.Name, make([]float32, s.Len()), 0.05)
		}
		n, err := engine.NewNet(g, p, params, engine.Record{})
		if err != nil {
			b.Fatal(err)
		}
		for _, rows := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("width=%d/batch=%d", widths[0], rows), func(b *testing.B) {
				in := map[string]*ir.Tensor{"x": rowsOf(rows, 784)}
				out := map[string]*ir.Tensor{"code": ir.NewTensor(ir.F32, rows, 30)}
				ctx := context.Background()
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					if err := n.RunInto(ctx, in, out); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(start))
				}
				b.ReportMetric(float64(best.Nanoseconds())/1e3, "best-us")
			})
		}
	}
}
