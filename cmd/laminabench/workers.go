package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
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
	PeakGFLOPS float64      `json:"peak_gflops"` // of one core, the highest
	Rows       []workersRow `json:"rows"`
}

func workersCommand() *cobra.Command {
	f := trainFlags{}
	c := &cobra.Command{
		Use:   "workers",
		Short: "Measure a work's steps with one worker and with several",
		Long: `Trains a work with one worker and with several, in turns, on random rows in
memory that each step gathers. A sample is a few steps between two measurements
of the peak of all the cores. It counts if both peaks are at least 97 % of the
highest seen and if no thread that works waited for a processor meanwhile,
or at most 1 % of the time, so that what other programs do is left out where it
can be seen: what they do to the shared cache cannot.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := findWork(f.work)
			if err := errors.Join(err, f.Check()); err != nil {
				return err
			}
			if f.Threads < 2 {
				return fmt.Errorf("--threads must be at least 2, to compare with 1, got %d", f.Threads)
			}
			r, err := compareWorkers(c.Context(), w, f)
			if err != nil {
				return err
			}
			if f.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return printWorkers(c.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&f.work, "work", "tied-ae", "what to train, as in train")
	c.Flags().IntVar(&f.Threads, "threads", 2, "the most workers; powers of two below it are measured too")
	c.Flags().Float64Var(&f.Seconds, "seconds", 20, "how long to measure")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON")
	return c
}

// crew trains with a number of workers.
type crew struct {
	workers int
	e       *engine.Engine
	u       engine.Update
	samples []crewSample
}

type crewSample struct {
	us     float64 // of a step
	before float64 // peak of all the cores, GFLOP/s
	after  float64
	queued float64 // share of the time for which a thread waited for a processor
}

// step trains on one batch.
func (c *crew) step(rows int) error {
	c.u.T++
	c.u.Step = uint64(c.u.T)
	return c.e.Run(nil, rows, &c.u)
}

// newCrew compiles the work and gathers its batches from random rows of the table.
func newCrew(w *work, workers int, rows []float32) (*crew, error) {
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
	order := rand.New(rand.NewPCG(3, 4)).Perm(len(rows) / w.width)
	return c, e.Gather("x", func(lo, hi int, dst []float32) {
		first := int(c.u.T) * w.batch
		for i := lo; i < hi; i++ {
			from := order[(first+i)%len(order)] * w.width
			copy(dst[(i-lo)*w.width:], rows[from:from+w.width])
		}
	})
}

const (
	crewSampleTime = 1500 * time.Microsecond // at least
	crewPeakTime   = 300 * time.Microsecond
	crewPeakShare  = 0.97
	crewQueued     = 0.01
)

func compareWorkers(ctx context.Context, w *work, f trainFlags) (*workersResult, error) {
	table, err := w.rows(w.batch)
	if err != nil {
		return nil, err
	}
	x := table.F32("x")
	var crews []*crew
	for n := 1; ; n = min(2*n, f.Threads) {
		c, err := newCrew(w, n, x)
		if err != nil {
			return nil, err
		}
		defer c.e.Close()
		if crews = append(crews, c); n == f.Threads {
			break
		}
	}
	top := timing.PeakOf(f.Threads, timing.PeakSample)
	for end := time.Now().Add(f.Duration()); len(crews[0].samples) < 3 || time.Now().Before(end); {
		for _, c := range crews {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			for range 2 { // the caches hold what the others used
				if err := c.step(w.batch); err != nil {
					return nil, err
				}
			}
			s := crewSample{before: timing.PeakOf(f.Threads, crewPeakTime)}
			steps, took, threads, began := 0, time.Duration(0), threadTimes(), time.Now()
			for ; took < crewSampleTime; took = time.Since(began) {
				if err := c.step(w.batch); err != nil {
					return nil, err
				}
				steps++
			}
			s.us = float64(took.Nanoseconds()) / 1e3 / float64(steps)
			s.queued = float64(queued(threads, threadTimes(), took)) / float64(took)
			s.after = timing.PeakOf(f.Threads, crewPeakTime)
			top = max(top, s.before, s.after)
			c.samples = append(c.samples, s)
		}
	}
	r := &workersResult{Work: w.name, Batch: w.batch, Kernels: simd.Active(), CPU: simd.CPU().Identity.String(), PeakGFLOPS: top / float64(f.Threads)}
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

// row sums up the samples; without any that counts, all of them do.
func (c *crew) row(top float64) workersRow {
	var all, counted []float64
	for _, s := range c.samples {
		all = append(all, s.us)
		if min(s.before, s.after) >= crewPeakShare*top && s.queued <= crewQueued {
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
	fmt.Fprintf(out, "%s, batch %d, %s kernels, %s, %.1f GFLOP/s a core\n\n", r.Work, r.Batch, r.Kernels, r.CPU, r.PeakGFLOPS)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workers\tleast us\ttenth\tmedian\tof all\tsamples/s\tof peak\tfaster\tcounted\t")
	for _, w := range r.Rows {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f\t%.0f %%\t%.2f x\t%d of %d\t\n", w.Workers, w.Least, w.Tenth, w.Median, w.Any,
			1e6*float64(r.Batch)/w.Tenth, 100*w.OfPeak, w.Faster, w.Counted, w.Samples)
	}
	return t.Flush()
}
