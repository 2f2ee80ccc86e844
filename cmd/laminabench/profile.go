package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// profileStep is what one step of a plan costs.
type profileStep struct {
	Kernel string  `json:"kernel"`
	Layer  string  `json:"layer,omitempty"`
	Result string  `json:"result"`
	US     float64 `json:"us"` // the median of many runs, summed over the workers
	Share  float64 `json:"share"`
	FLOPs  int64   `json:"flops"`
	Bytes  int64   `json:"bytes"` // of operands and results
	GFLOPS float64 `json:"gflops"`
	GBPerS float64 `json:"gb_per_s"`
	OfPeak float64 `json:"of_peak"`
}

// profile is where the time of a work's step goes.
type profile struct {
	Work       string        `json:"work"`
	Threads    int           `json:"threads"`
	Batch      int           `json:"batch"`
	Precision  string        `json:"precision"`
	Kernels    string        `json:"kernels"`
	US         float64       `json:"us"`          // of a whole run, the median
	InSteps    float64       `json:"in_steps"`    // share of the workers' time that is in steps
	PeakGFLOPS float64       `json:"peak_gflops"` // of one core
	OfPeak     float64       `json:"of_peak"`
	Steps      []profileStep `json:"steps"`
}

func runProfile(c *cobra.Command, w *work, f trainFlags) error {
	p, err := profileTraining(c, w, f)
	if err != nil {
		return err
	}
	if f.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(p)
	}
	return printProfile(c.OutOrStdout(), p)
}

// profileTraining runs the plan's steps on one batch that stays in place, with a
// clock around each.
func profileTraining(c *cobra.Command, w *work, f trainFlags) (*profile, error) {
	precision, err := f.parsed()
	if err != nil {
		return nil, err
	}
	o := compiler.Options{Rows: f.batch}
	if precision.Narrow() {
		o.BF16 = &compiler.BF16{Keep: precision.Keeps}
	}
	prog, err := compiler.Compile(w.model(), o)
	if err != nil {
		return nil, err
	}
	plan := prog.Train
	s := engine.NewStore(plan.Segments, w.optim.Slots(), plan.States...)
	for _, q := range prog.Params {
		copy(s.Param(q.Name), q.Initial(random.New(0)))
	}
	s.Touch()
	e, err := engine.New(plan, s, engine.Options{Workers: f.Threads, Profile: true})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	rows, err := w.rows(f.batch)
	if err != nil {
		return nil, err
	}
	batches, err := dataset.NewBatches(rows, f.batch, random.New(0), true)
	if err != nil {
		return nil, err
	}
	defer batches.Close()
	if err := batches.Seek(0, 0); err != nil {
		return nil, err
	}
	b, _, err := batches.Next(c.Context())
	if err != nil {
		return nil, err
	}
	in := engine.Feed{"x": {DType: ir.F32, Shape: append([]int{f.batch}, w.shape...), F32: b.F32("x")}}
	if w.classes > 0 {
		in["y"] = &ir.Tensor{DType: ir.I64, Shape: []int{f.batch}, I64: b.I64("y")}
	}
	u := engine.Update{Opt: w.optim, Rate: float32(w.optim.Rate())}

	var (
		runs, peaks []float64
		times       []time.Duration
		steps       = make([][]float64, len(plan.Steps))
		began       = time.Now()
	)
	for u.T = 1; u.T < 10 || time.Since(began) < f.Duration(); u.T++ {
		if err := c.Context().Err(); err != nil {
			return nil, err
		}
		u.Step = uint64(u.T)
		at := time.Now()
		if err := e.Run(in, f.batch, &u); err != nil {
			return nil, err
		}
		d := time.Since(at)
		if len(runs) == maxProfiled {
			continue
		}
		runs = append(runs, float64(d.Nanoseconds())/1e3)
		times = e.Times(times)
		for i, t := range times {
			steps[i] = append(steps[i], float64(t.Nanoseconds())/1e3)
		}
		if u.T%64 == 1 {
			peaks = append(peaks, timing.PeakOf(1, timing.PeakSample))
		}
	}
	p := &profile{Work: w.name, Threads: f.Threads, Batch: f.batch, Precision: strings.ToLower(precision.String()), Kernels: simd.Active(), US: timing.Median(runs), PeakGFLOPS: timing.Median(peaks)}
	sum, flops := 0.0, int64(0)
	for i := range plan.Steps {
		st := &plan.Steps[i]
		out := &plan.Buffers[st.Out[0]]
		row := profileStep{Kernel: e.Kernel(i), Layer: st.Layer, Result: fmt.Sprintf("%s %v", out.Name, out.Type), US: timing.Median(steps[i])}
		row.FLOPs, row.Bytes = plan.Cost(i)
		if row.US > 0 {
			row.GFLOPS, row.GBPerS = float64(row.FLOPs)/row.US/1e3, float64(row.Bytes)/row.US/1e3
		}
		row.OfPeak = timing.Ratio(row.GFLOPS, p.PeakGFLOPS)
		sum, flops = sum+row.US, flops+row.FLOPs
		p.Steps = append(p.Steps, row)
	}
	for i := range p.Steps {
		p.Steps[i].Share = timing.Ratio(p.Steps[i].US, sum)
	}
	p.InSteps = timing.Ratio(sum, p.US*float64(f.Threads))
	p.OfPeak = timing.Ratio(float64(flops)/p.US/1e3, p.PeakGFLOPS*float64(f.Threads))
	slices.SortStableFunc(p.Steps, func(a, b profileStep) int { return cmp.Compare(b.US, a.US) })
	return p, nil
}

// maxProfiled bounds the runs that are kept.
const maxProfiled = 1 << 16

func printProfile(out io.Writer, p *profile) error {
	fmt.Fprintf(out, "%s in %s, batch %d, %d threads, %s kernels: %.1f us a run, %.0f %% of it in steps; %.0f %% of %.1f GFLOP/s a core\n\n",
		p.Work, p.Precision, p.Batch, p.Threads, p.Kernels, p.US, 100*p.InSteps, 100*p.OfPeak, p.PeakGFLOPS)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "us\t%\tMFLOP\tkB\tGFLOP/s\tGB/s\tof peak\tkernel\tresult\t")
	for _, s := range p.Steps {
		fmt.Fprintf(t, "%.1f\t%.1f\t%.2f\t%.0f\t%.1f\t%.1f\t%.0f %%\t%s\t%s\t\n", s.US, 100*s.Share, float64(s.FLOPs)/1e6, float64(s.Bytes)/1e3,
			s.GFLOPS, s.GBPerS, 100*s.OfPeak, s.Kernel, s.Result)
	}
	return t.Flush()
}
