package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// gemmShape is a product C[M N] = A·B. Its operands lie in memory row by row; in
// NT the B that lies there is [N K], in TN the A is [K M].
type gemmShape struct {
	name    string
	op      string
	m, n, k int
}

// gemmShapes are the products of the tied autoencoder's step at three batches
// (forward, input gradients, weight gradients), squares, convolutions unrolled
// to products, and a transformer block's.
func gemmShapes() []gemmShape {
	var s []gemmShape
	for _, b := range []int{32, 256, 1024} {
		p := fmt.Sprintf("ae%d.", b)
		s = append(s,
			gemmShape{p + "fwd1", "NN", b, 100, 784}, gemmShape{p + "fwd2", "NN", b, 30, 100},
			gemmShape{p + "fwd3", "NN", b, 100, 30}, gemmShape{p + "fwd4", "NN", b, 784, 100},
			gemmShape{p + "dx4", "NT", b, 100, 784}, gemmShape{p + "dx3", "NT", b, 30, 100}, gemmShape{p + "dx2", "NT", b, 100, 30},
			gemmShape{p + "dw4", "TN", 100, 784, b}, gemmShape{p + "dw3", "TN", 30, 100, b},
			gemmShape{p + "dw2", "TN", 100, 30, b}, gemmShape{p + "dw1", "TN", 784, 100, b})
	}
	for _, n := range []int{64, 128, 256, 512, 1024, 2048} {
		s = append(s, gemmShape{fmt.Sprintf("sq.s%d", n), "NN", n, n, n})
	}
	return append(s,
		gemmShape{"conv.c1nchw", "NN", 16, 200704, 9}, gemmShape{"conv.c1nhwc", "NN", 200704, 16, 9},
		gemmShape{"conv.c2nchw", "NN", 32, 50176, 144}, gemmShape{"conv.c2nhwc", "NN", 50176, 32, 144},
		gemmShape{"conv.c2dw", "TN", 144, 32, 50176},
		gemmShape{"tf.qkv", "NN", 256, 576, 192}, gemmShape{"tf.ff1", "NN", 256, 768, 192}, gemmShape{"tf.ff2", "NN", 256, 192, 768},
		gemmShape{"tf.ff1dx", "NT", 256, 192, 768}, gemmShape{"tf.ff1dw", "TN", 192, 768, 256})
}

// gemmResult is how fast one product is.
type gemmResult struct {
	Shape      string  `json:"shape"`
	Op         string  `json:"op"`
	M          int     `json:"m"`
	N          int     `json:"n"`
	K          int     `json:"k"`
	Threads    int     `json:"threads"`
	Kernel     string  `json:"kernel"`
	US         float64 `json:"us"` // the median of samples
	GFLOPS     float64 `json:"gflops"`
	PeakGFLOPS float64 `json:"peak_gflops"` // of the threads together
	OfPeak     float64 `json:"of_peak"`
}

type gemmFlags struct {
	timing.Flags
	shapes string
}

func gemmCommand() *cobra.Command {
	var f gemmFlags
	c := &cobra.Command{
		Use:   "gemm",
		Short: "Measure matrix products of many shapes",
		Long: `Measures float32 products with operands that stay in place, as in training. Ops
are NN, A·B; NT, A times the transpose of B, turning B included; TN, the
transpose of A times B. Each figure is the median of samples of about 1.5 ms,
each beside a sample of the peak.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runGEMM(c, f) },
	}
	c.Flags().IntVar(&f.Threads, "threads", 1, "threads that share a product")
	c.Flags().Float64Var(&f.Seconds, "seconds", 0.2, "how long to measure each shape")
	c.Flags().StringVar(&f.shapes, "shapes", "", "only shapes whose name begins with this")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON for each shape")
	return c
}

func runGEMM(c *cobra.Command, f gemmFlags) error {
	if err := f.Check(); err != nil {
		return err
	}
	shapes := slices.DeleteFunc(gemmShapes(), func(s gemmShape) bool { return !strings.HasPrefix(s.name, f.shapes) })
	if len(shapes) == 0 {
		return fmt.Errorf("no shape's name begins with %q; laminabench gemm lists them all", command.Clean(f.shapes))
	}
	if !f.JSON {
		fmt.Fprintf(c.OutOrStdout(), "%-12s %-3s %-18s %10s %9s %8s  %s\n", "shape", "op", "MxNxK", "us", "GFLOP/s", "of peak", "kernel")
	}
	team := newTeam(f.Threads)
	defer team.stop()
	for _, s := range shapes {
		r, err := s.measure(c.Context(), team, f)
		if err != nil {
			return err
		}
		if f.JSON {
			err = json.NewEncoder(c.OutOrStdout()).Encode(r)
		} else {
			_, err = fmt.Fprintf(c.OutOrStdout(), "%-12s %-3s %-18s %10.1f %9.1f %6.0f %%  %s\n", r.Shape, r.Op,
				fmt.Sprintf("%dx%dx%d", r.M, r.N, r.K), r.US, r.GFLOPS, 100*r.OfPeak, r.Kernel)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure times the product on the team.
func (s gemmShape) measure(ctx context.Context, team *team, f gemmFlags) (gemmResult, error) {
	a, b, c := operand(s.m*s.k), operand(s.k*s.n), make([]float32, s.m*s.n)
	var turned []float32
	if s.op == "NT" {
		turned = make([]float32, s.k*s.n)
	}
	g := &timing.Contender{Name: s.name, Call: func() error { s.run(team, a, b, c, turned); return nil }}
	var peaks []float64
	if err := g.Calibrate(gemmSample); err != nil {
		return gemmResult{}, err
	}
	const least = 3
	for end := time.Now().Add(f.Duration()); len(peaks) < least || time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return gemmResult{}, err
		}
		if err := g.Measure(); err != nil {
			return gemmResult{}, err
		}
		peaks = append(peaks, timing.PeakOf(1, timing.PeakSample/20)*float64(f.Threads))
	}
	r := gemmResult{Shape: s.name, Op: s.op, M: s.m, N: s.n, K: s.k, Threads: f.Threads, Kernel: simd.Active(), US: timing.Median(g.Samples), PeakGFLOPS: timing.Median(peaks)}
	r.GFLOPS = 2 * float64(s.m) * float64(s.n) * float64(s.k) / r.US / 1e3
	r.OfPeak = timing.Ratio(r.GFLOPS, r.PeakGFLOPS)
	return r, nil
}

// gemmSample is the time of one sample.
const gemmSample = 1500 * time.Microsecond

// operand makes small numbers of both signs.
func operand(n int) []float32 {
	r := rand.NewPCG(1, 2)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(int32(r.Uint64())) * 0x1p-31
	}
	return x
}

// run computes the product once.
func (s gemmShape) run(team *team, a, b, c, turned []float32) {
	if team.size > 1 {
		s.share(team, a, b, c, turned)
		return
	}
	rsa, csa := s.strides() // apart from share, whose closures are allocated: small products take less time than that
	if s.op == "NT" {
		simd.Transpose(s.n, s.k, b, s.k, turned, s.n)
		b = turned
	}
	simd.Gemm(s.m, s.n, s.k, a, rsa, csa, b, s.n, c, s.n, false, simd.Epilogue{})
}

// strides are those of A, from row to row and from column to column.
func (s gemmShape) strides() (rsa, csa int) {
	if s.op == "TN" {
		return 1, s.m
	}
	return s.k, 1
}

// shareFrom is the number of multiplications from which threads share a product whose right
// operand one of them has just transposed: fewer take less time than to hand that to another
// core.
const shareFrom = 1 << 18

// share computes the product on the team. Each thread has a band of rows, or of
// columns where there are more of them.
func (s gemmShape) share(team *team, a, b, c, turned []float32) {
	rsa, csa := s.strides()
	if s.op == "NT" && s.m*s.n*s.k < shareFrom {
		simd.Transpose(s.n, s.k, b, s.k, turned, s.n)
		simd.Gemm(s.m, s.n, s.k, a, rsa, csa, turned, s.n, c, s.n, false, simd.Epilogue{})
		return
	}
	switch {
	case s.op != "NT":
	case s.k*s.n < 1<<14: // less than it costs to share
		simd.Transpose(s.n, s.k, b, s.k, turned, s.n)
		b = turned
	default:
		team.do(s.k, 8, func(lo, hi int) {
			simd.Transpose(s.n, hi-lo, b[lo:], s.k, turned[lo*s.n:], s.n)
		})
		b = turned
	}
	if s.m >= s.n {
		team.do(s.m, 24, func(lo, hi int) {
			simd.Gemm(hi-lo, s.n, s.k, a[lo*rsa:], rsa, csa, b, s.n, c[lo*s.n:], s.n, false, simd.Epilogue{})
		})
		return
	}
	team.do(s.n, 16, func(lo, hi int) {
		simd.Gemm(s.m, hi-lo, s.k, a, rsa, csa, b[lo:], s.n, c[lo:], s.n, false, simd.Epilogue{})
	})
}

// team is goroutines that wait for work without sleeping.
type team struct {
	size int
	job  func(lo, hi int)
	n    int
	unit int
	turn atomic.Int64 // number of the job; negative to stop
	done atomic.Int64
}

func newTeam(size int) *team {
	t := &team{size: size}
	for i := 1; i < size; i++ {
		go func() {
			for turn := int64(1); ; turn++ {
				for spins := 0; ; spins++ {
					now := t.turn.Load()
					if now < 0 {
						return
					}
					if now >= turn {
						break
					}
					if spins > 4000 {
						runtime.Gosched()
					}
				}
				t.part(i)
				t.done.Add(1)
			}
		}()
	}
	return t
}

// do cuts [0,n) into one part a thread, in multiples of unit, and waits for all.
func (t *team) do(n, unit int, job func(lo, hi int)) {
	t.job, t.n, t.unit = job, n, unit
	t.done.Store(0)
	t.turn.Add(1)
	t.part(0)
	for spins := 0; t.done.Load() < int64(t.size-1); spins++ {
		if spins > 4000 {
			runtime.Gosched()
		}
	}
}

func (t *team) part(i int) {
	units := (t.n + t.unit - 1) / t.unit
	lo, hi := i*units/t.size*t.unit, min((i+1)*units/t.size*t.unit, t.n)
	if lo < hi {
		t.job(lo, hi)
	}
}

func (t *team) stop() { t.turn.Store(-1) }
