package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/lab/yardstick"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// trainResult is the line of a measurement. Other frameworks' programs print the
// same fields.
type trainResult struct {
	Peer        string     `json:"peer"`
	Mode        string     `json:"mode"` // the kernel set
	Work        string     `json:"work"`
	Threads     int        `json:"threads"`
	Batch       int        `json:"batch"`
	Precision   string     `json:"precision"`     // of products: fp32 or bf16
	SamplesPerS float64    `json:"samples_per_s"` // median of bursts
	Best        float64    `json:"best"`
	USPerStep   float64    `json:"us_per_step"`
	GFLOPS      float64    `json:"gflops"`
	FirstStepS  float64    `json:"first_step_s"` // from the start of the process
	PeakRSSMB   float64    `json:"peak_rss_mb"`
	Loss        [2]float64 `json:"loss"` // of the first step and of the last
	PeakGFLOPS  float64    `json:"peak_gflops"`
	OfPeak      float64    `json:"of_peak"`
}

type trainFlags struct {
	timing.Flags
	work      string
	batch     int
	precision string
	profile   bool
}

// parsed is the precision that --precision names.
func (f *trainFlags) parsed() (optim.Precision, error) {
	p, err := optim.ParsePrecision(f.precision)
	if err != nil {
		return p, fmt.Errorf("--precision is fp32 or bf16; got %q", command.Clean(f.precision))
	}
	return p, nil
}

func trainCommand() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use:   "train",
		Short: "Measure the training steps of a work",
		Long: `Trains on uniform random rows in memory and measures whole steps: the shuffled
batch is gathered, the loss and its gradients are computed, the weights updated.
The figures are medians over bursts of 100 ms.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runTrain(c, f) },
	}
	c.Long += "\n"
	for _, w := range works {
		c.Long += fmt.Sprintf("\n  %-8s %s; batch %d", w.name, w.about, w.batch)
	}
	c.Flags().StringVar(&f.work, "work", "tied-ae", "what to train")
	c.Flags().IntVar(&f.Threads, "threads", runtime.GOMAXPROCS(0), "goroutines that work")
	c.Flags().IntVar(&f.batch, "batch", 0, "rows a step; 0 is the work's own")
	c.Flags().StringVar(&f.precision, "precision", "fp32", "of products: fp32, or bf16 operands with fp32 sums")
	c.Flags().Float64Var(&f.Seconds, "seconds", 5, "how long to measure")
	c.Flags().BoolVar(&f.profile, "profile", false, "print the time, operations, bytes and share of the peak of each step of the plan")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON")
	return c
}

func runTrain(c *cobra.Command, f trainFlags) error {
	w, err := findWork(f.work)
	_, unknown := f.parsed()
	if err := errors.Join(err, unknown, f.Check()); err != nil {
		return err
	}
	if f.batch == 0 {
		f.batch = w.batch
	}
	if f.batch < 1 || f.batch > memoryRows {
		return fmt.Errorf("--batch must be from 1 to %d, got %d", memoryRows, f.batch)
	}
	if f.profile {
		return runProfile(c, w, f)
	}
	r, err := measureTraining(c.Context(), w, f)
	if err != nil {
		return err
	}
	if f.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s in %s, batch %d, %d threads, %s kernels\n", r.Work, r.Precision, r.Batch, r.Threads, r.Mode)
	fmt.Fprintf(out, "  %-12s %.0f samples/s, best %.0f; %.1f us a step\n", "speed", r.SamplesPerS, r.Best, r.USPerStep)
	fmt.Fprintf(out, "  %-12s %.1f of %.1f GFLOP/s, %.0f %%\n", "of the peak", r.GFLOPS, r.PeakGFLOPS, 100*r.OfPeak)
	fmt.Fprintf(out, "  %-12s %.3f s from the start of the process\n", "first step", r.FirstStepS)
	fmt.Fprintf(out, "  %-12s %.0f MB at most, %.1f of it the rows\n", "memory", r.PeakRSSMB, float64(memoryRows*w.width()*4)/(1<<20))
	return nil
}

// burst is the time over which one rate is taken.
const burst = 100 * time.Millisecond

// warmUp is the number of steps after the first that are not measured.
const warmUp = 5

// measureTraining trains until f.Seconds of bursts are measured.
func measureTraining(ctx context.Context, w *work, f trainFlags) (r trainResult, err error) {
	precision, err := f.parsed()
	if err != nil {
		return r, err
	}
	rows, err := w.rows(f.batch)
	if err != nil {
		return r, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		first        time.Time
		began        time.Time // of the burst under way
		inBurst      int
		rates, peaks []float64
		measured     time.Duration
		firstLoss    float64
		last         train.Update
	)
	o := train.Options{Optimizer: w.optim, Epochs: math.MaxInt32 / 4, Batch: f.batch, Workers: f.Threads, Precision: precision, KeepLast: true}
	o.AfterUpdate = func(u train.Update) {
		switch {
		case u.Number == 1:
			first, firstLoss = time.Now(), u.Loss
		case u.Number == 1+warmUp:
			peaks = append(peaks, timing.PeakOf(f.Threads, timing.PeakSample))
			began = time.Now()
		case u.Number > 1+warmUp:
			inBurst += u.Rows
			d := time.Since(began)
			if d < burst {
				return
			}
			rates = append(rates, float64(inBurst)/d.Seconds())
			peaks = append(peaks, timing.PeakOf(f.Threads, timing.PeakSample))
			if measured += d; measured >= f.Duration() {
				last = u
				stop()
			}
			inBurst, began = 0, time.Now()
		}
	}
	t, err := train.New(ctx, w.model(), rows, o)
	if err != nil {
		return r, err
	}
	for range t.Epochs(ctx) {
	}
	if _, err := t.Done(); err != nil && (last.Number == 0 || !errors.Is(err, train.ErrInterrupted)) {
		return r, err
	}
	r = trainResult{Peer: "lamina", Mode: simd.Active(), Work: w.name, Threads: f.Threads, Batch: f.batch,
		Precision: strings.ToLower(precision.String()), Loss: [2]float64{firstLoss, last.Loss}}
	r.Best = slices.Max(rates)
	r.SamplesPerS, r.PeakGFLOPS = timing.Median(rates), timing.Median(peaks)
	r.USPerStep = 1e6 * float64(f.batch) / r.SamplesPerS
	r.GFLOPS = r.SamplesPerS * float64(w.macs) * 2 / 1e9
	r.OfPeak = timing.Ratio(r.GFLOPS, r.PeakGFLOPS)
	r.FirstStepS = first.Sub(started()).Seconds()
	r.PeakRSSMB = float64(yardstick.PeakMemory()) / (1 << 20)
	return r, nil
}

// initialized is when the program's own code began.
var initialized = time.Now()

// started returns when the process was started: PEER_STARTED, in Unix seconds,
// where the one who starts it knows better than the system does.
func started() time.Time {
	if s, err := strconv.ParseFloat(os.Getenv("PEER_STARTED"), 64); err == nil && s > 0 && s < 1e11 {
		return time.UnixMicro(int64(math.Round(s * 1e6)))
	}
	if at, ok := processStart(); ok && at.Before(initialized) {
		return at
	}
	return initialized
}
