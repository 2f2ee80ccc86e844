package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/lab/coherence"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// workersRow is what the steps of a work take with some number of workers.
type workersRow struct {
	Workers int     `json:"workers"`
	Least   float64 `json:"least_us"` // of the samples that count
	Tenth   float64 `json:"tenth_us"` // below it are a tenth of them
	Median  float64 `json:"median_us"`
	Any     float64 `json:"any_us"`  // the median of all samples
	OfPeak  float64 `json:"of_peak"` // at the tenth
	Faster  float64 `json:"faster"`  // than one worker, at the tenth
	Counted int     `json:"counted"`
	Samples int     `json:"samples"`
}

// workersResult compares numbers of workers.
type workersResult struct {
	Work       string       `json:"work"`
	Batch      int          `json:"batch"`
	Kernels    string       `json:"kernels"`
	CPU        string       `json:"cpu"`
	PeakGFLOPS float64      `json:"peak_gflops"`  // of one core, the highest
	Neighbour  [2]float64   `json:"neighbour_ns"` // latency of a line that another core modified, the least and the most in between; 0 if not known
	Rows       []workersRow `json:"rows"`
}

func workersCommand() *cobra.Command {
	var f timing.Flags
	var names []string
	c := &cobra.Command{
		Use:   "workers",
		Short: "Measure a work's steps with one worker and with several",
		Long: `Trains a work with one worker and with several, in turns, on random rows in
memory that each step gathers. A sample is a few steps between two measurements
of the cores: of the peak, and of a product from the second cache. It counts if
these are at least 97 % of the highest seen and if no thread that works waited for a processor meanwhile,
or at most 1 % of the time, so that what other programs do is left out where it
can be seen: what they do to the shared cache cannot. The cores of a virtual
machine may be near each other or far apart, and change that while it runs, so
the latency between two of them stands beside the figures.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			errs := []error{f.Check()}
			if f.Threads < 2 {
				errs = append(errs, fmt.Errorf("--threads must be at least 2, to compare with 1, got %d", f.Threads))
			}
			var list []*work
			for _, name := range names {
				w, err := findWork(name)
				list, errs = append(list, w), append(errs, err)
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			for _, w := range list {
				r, err := compareWorkers(c.Context(), w, f)
				if err == nil && f.JSON {
					err = json.NewEncoder(c.OutOrStdout()).Encode(r)
				} else if err == nil {
					err = printWorkers(c.OutOrStdout(), r)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&names, "work", []string{"tied-ae", "deep-ae", "rbm"}, "what to train, one or several works of train")
	c.Flags().IntVar(&f.Threads, "threads", 2, "the most workers; powers of two below it are measured too")
	c.Flags().Float64Var(&f.Seconds, "seconds", 20, "how long to measure each work")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON for each work")
	return c
}

// crew trains with a number of workers.
type crew struct {
	workers int
	e       *engine.Engine
	labels  engine.Feed // those of the first rows, where the work has labels
	u       engine.Update
	samples []crewSample
}

type crewSample struct {
	us     float64 // of a step
	around rates   // the lower of those before and after
	queued float64 // share of the time for which a thread waited for a processor
}

// rates are what all the cores do together, in GFLOP/s: multiply-adds in registers, and a
// product from the second cache, which falls where another machine uses the same core.
type rates struct{ peak, product float64 }

func ratesOf(threads int) rates {
	r := rates{peak: timing.PeakOf(threads, crewRateTime)}
	each := make([]float64, threads)
	var wg sync.WaitGroup
	for i := range each {
		wg.Go(func() { each[i] = productRate(crewRateTime) })
	}
	wg.Wait()
	for _, x := range each {
		r.product += x
	}
	return r
}

// productRate is the best rate of a product whose operands fill half a second cache.
func productRate(d time.Duration) float64 {
	const m, n, k = 64, 96, 784
	a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	best := 0.0
	for end := time.Now().Add(d); ; {
		at := time.Now()
		simd.Gemm(m, n, k, a, k, 1, b, n, c, n, false, simd.Epilogue{})
		best = max(best, 2*m*n*k/float64(max(time.Since(at), 1)))
		if time.Now().After(end) {
			return best
		}
	}
}

func (r rates) lower(o rates) rates  { return rates{min(r.peak, o.peak), min(r.product, o.product)} }
func (r rates) higher(o rates) rates { return rates{max(r.peak, o.peak), max(r.product, o.product)} }

// quiet reports whether they are about the highest.
func (r rates) quiet(top rates) bool {
	return r.peak >= crewShare*top.peak && r.product >= crewShare*top.product
}

// step trains on one batch.
func (c *crew) step(rows int) error {
	c.u.T++
	c.u.Step = uint64(c.u.T)
	return c.e.Run(c.labels, rows, &c.u)
}

// newCrew compiles the work and gathers its batches from random rows of the table.
func newCrew(w *work, workers int, table *dataset.Table) (*crew, error) {
	prog, err := compiler.Compile(w.model(), compiler.Options{Rows: w.batch})
	if err != nil {
		return nil, err
	}
	s := engine.NewStore(prog.Train.Segments, w.optim.Slots(), prog.Train.States...)
	for _, q := range prog.Params {
		copy(s.Param(q.Name), q.Initial(random.New(0)))
	}
	s.Touch()
	e, err := engine.New(prog.Train, s, engine.Options{Workers: workers})
	if err != nil {
		return nil, err
	}
	c := &crew{workers: workers, e: e, u: engine.Update{Opt: w.optim, Rate: float32(w.optim.Rate())}}
	if w.classes > 0 {
		c.labels = engine.Feed{"y": {DType: ir.I64, Shape: []int{w.batch}, I64: table.I64("y")[:w.batch]}}
	}
	rows, width := table.F32("x"), w.width()
	order := rand.New(rand.NewPCG(3, 4)).Perm(table.Len())
	return c, e.Gather("x", func(lo, hi int, dst []float32) {
		first := int(c.u.T) * w.batch
		for i := lo; i < hi; i++ {
			from := order[(first+i)%len(order)] * width
			copy(dst[(i-lo)*width:], rows[from:from+width])
		}
	})
}

const (
	crewSampleTime = 1500 * time.Microsecond // at least
	crewRateTime   = 300 * time.Microsecond
	crewShare      = 0.97
	crewQueued     = 0.01
)

func compareWorkers(ctx context.Context, w *work, f timing.Flags) (*workersResult, error) {
	table, err := w.rows(w.batch)
	if err != nil {
		return nil, err
	}
	var crews []*crew
	for n := 1; ; n = min(2*n, f.Threads) {
		c, err := newCrew(w, n, table)
		if err != nil {
			return nil, err
		}
		defer c.e.Close()
		if crews = append(crews, c); n == f.Threads {
			break
		}
	}
	top := ratesOf(f.Threads)
	var asked time.Time
	var apart []float64
	for end := time.Now().Add(f.Duration()); len(crews[0].samples) < 3 || time.Now().Before(end); {
		if time.Since(asked) > time.Second {
			if ns, ok := neighbour(); ok {
				apart = append(apart, ns)
			}
			asked = time.Now()
		}
		for _, c := range crews {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			for range 2 { // the caches hold what the others used
				if err := c.step(w.batch); err != nil {
					return nil, err
				}
			}
			before := ratesOf(f.Threads)
			steps, took, threads, began := 0, time.Duration(0), threadTimes(), time.Now()
			for ; took < crewSampleTime; took = time.Since(began) {
				if err := c.step(w.batch); err != nil {
					return nil, err
				}
				steps++
			}
			s := crewSample{us: float64(took.Nanoseconds()) / 1e3 / float64(steps)}
			s.queued = float64(queued(threads, threadTimes(), took)) / float64(took)
			after := ratesOf(f.Threads)
			s.around, top = before.lower(after), top.higher(before).higher(after)
			c.samples = append(c.samples, s)
		}
	}
	r := &workersResult{Work: w.name, Batch: w.batch, Kernels: simd.Active(), CPU: simd.CPU().Identity.String(), PeakGFLOPS: top.peak / float64(f.Threads)}
	if len(apart) > 0 {
		r.Neighbour = [2]float64{slices.Min(apart), slices.Max(apart)}
	}
	flops := 2 * float64(w.macs) * float64(w.batch)
	for _, c := range crews {
		row := c.row(top)
		row.OfPeak = timing.Ratio(flops/row.Tenth/1e3, r.PeakGFLOPS*float64(c.workers))
		if row.Faster = 1; len(r.Rows) > 0 {
			row.Faster = timing.Ratio(r.Rows[0].Tenth, row.Tenth)
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

// threadTime is how long a thread ran, and how long it waited for a processor that others had.
type threadTime struct{ ran, waited time.Duration }

// queued returns how long threads that worked waited for a processor. Those that ran for less
// than a tenth of the time do not work: the runtime has some that look after the others.
func queued(before, after map[string]threadTime, took time.Duration) time.Duration {
	sum := time.Duration(0)
	for id, t := range after {
		if b := before[id]; t.ran-b.ran >= took/10 {
			sum += t.waited - b.waited
		}
	}
	return sum
}

// neighbour measures how far two cores are apart, where the system tells. A virtual machine's
// may move while it runs.
func neighbour() (ns float64, ok bool) {
	cpu, other, err := coherence.Pair()
	if err != nil {
		return 0, false
	}
	costs, err := coherence.Measure(cpu, other, 0)
	for _, c := range costs {
		if c.State == coherence.Modified {
			return c.Chase, err == nil
		}
	}
	return 0, false
}

// row sums up the samples; without any that counts, all of them do.
func (c *crew) row(top rates) workersRow {
	var all, counted []float64
	for _, s := range c.samples {
		all = append(all, s.us)
		if s.around.quiet(top) && s.queued <= crewQueued {
			counted = append(counted, s.us)
		}
	}
	r := workersRow{Workers: c.workers, Any: timing.Median(all), Counted: len(counted), Samples: len(all)}
	if len(counted) == 0 {
		counted = all
	}
	slices.Sort(counted)
	r.Least, r.Tenth, r.Median = counted[0], counted[len(counted)/10], timing.Median(counted)
	return r
}

func printWorkers(out io.Writer, r *workersResult) error {
	fmt.Fprintf(out, "%s, batch %d, %s kernels, %s, %.1f GFLOP/s a core; a line that the other core modified takes %.0f to %.0f ns\n\n", r.Work, r.Batch, r.Kernels, r.CPU, r.PeakGFLOPS, r.Neighbour[0], r.Neighbour[1])
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workers\tleast us\ttenth\tmedian\tof all\tsamples/s\tof peak\tfaster\tcounted\t")
	for _, w := range r.Rows {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f\t%.0f %%\t%.2f x\t%d of %d\t\n", w.Workers, w.Least, w.Tenth, w.Median, w.Any,
			1e6*float64(r.Batch)/w.Tenth, 100*w.OfPeak, w.Faster, w.Counted, w.Samples)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}
