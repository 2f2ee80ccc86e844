package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// encodeResult is how long one runtime takes for a batch.
type encodeResult struct {
	Runtime    string  `json:"runtime"`
	Batch      int     `json:"batch"`
	Threads    int     `json:"threads"`
	US         float64 `json:"us"` // of a call, the median of samples
	BestUS     float64 `json:"best_us"`
	PeakGFLOPS float64 `json:"peak_gflops"` // of one core
}

type benchEncodeFlags struct {
	benchFlags
	batches []int
}

func benchEncodeCommand() *cobra.Command {
	var f benchEncodeFlags
	c := &cobra.Command{
		Use:   "encode MODEL",
		Short: "Measure a model's calls on Lamina's engine and on onnxruntime",
		Long: `Runs an ONNX file, or the model of a bundle's folder, on uniform random rows: on
Lamina's own importer and engine, and on onnxruntime through its C API with
inputs and outputs bound in place. The two alternate, so that whatever else the
machine does falls on both.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return benchEncode(c, args[0], f) },
	}
	c.Flags().IntSliceVar(&f.batches, "batch", []int{1, 16, 256}, "rows a call")
	c.Flags().IntVar(&f.threads, "threads", 1, "threads that work")
	c.Flags().Float64Var(&f.seconds, "seconds", 2, "how long to measure each batch")
	c.Flags().BoolVar(&f.json, "json", false, "print one line of JSON for each runtime and batch")
	return c
}

// maxEncodeRows bounds --batch.
const maxEncodeRows = 1 << 20

func benchEncode(c *cobra.Command, path string, f benchEncodeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	for _, n := range f.batches {
		if n < 1 || n > maxEncodeRows {
			return fmt.Errorf("--batch must be from 1 to %d, got %d", maxEncodeRows, n)
		}
	}
	file, err := modelPath(path)
	if err != nil {
		return err
	}
	b, err := onnximport.ReadFile(file)
	if err != nil {
		return err
	}
	m, err := onnximport.Decode(c.Context(), b, onnximport.Limits{})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(f.threads))
	told := false
	for _, n := range f.batches {
		results, err := encodeOnce(c.Context(), m, b, n, f)
		if errors.Is(err, verify.ErrUnavailable) {
			if !told {
				fmt.Fprintln(c.ErrOrStderr(), err)
			}
			told = true
		} else if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, r := range results {
			if f.json {
				err = json.NewEncoder(c.OutOrStdout()).Encode(r)
			} else {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%-12s batch %-5d %d threads  %10.2f us a call, best %.2f, at a peak of %.1f GFLOP/s a core\n",
					r.Runtime, r.Batch, r.Threads, r.US, r.BestUS, r.PeakGFLOPS)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// contender is a runtime whose calls are timed.
type contender struct {
	name    string
	call    func() error
	calls   int // of a sample
	samples []float64

	enter, leave func() error // before and after each sample, if there is something to do
}

// turn calls f between enter and leave.
func (c *contender) turn(f func() error) error {
	if c.enter != nil {
		if err := c.enter(); err != nil {
			return err
		}
	}
	err := f()
	if c.leave != nil {
		err = errors.Join(err, c.leave())
	}
	return err
}

// calibrate finds the calls of a sample.
func (c *contender) calibrate(sample time.Duration) error {
	for c.calls = 1; ; c.calls *= 2 {
		took, err := c.sample()
		if err != nil {
			return err
		}
		if took >= sample/2 || c.calls >= 1<<20 {
			c.calls = max(1, int(float64(c.calls)*float64(sample)/float64(max(took, 1))))
			return nil
		}
	}
}

// measure takes one sample.
func (c *contender) measure() error {
	took, err := c.sample()
	if err == nil {
		c.samples = append(c.samples, float64(took.Nanoseconds())/1e3/float64(c.calls))
	}
	return err
}

// encodeOnce times calls of n rows. Without an onnxruntime it returns what
// Lamina took, and the error.
func encodeOnce(ctx context.Context, m *onnximport.Model, model []byte, n int, f benchEncodeFlags) ([]encodeResult, error) {
	const capacity = 256
	p, err := compiler.CompileGraph(m.Graph, compiler.Options{Rows: min((n+f.threads-1)/f.threads, capacity)})
	if err != nil {
		return nil, err
	}
	net, err := engine.NewNet(m.Graph, p, m.ParamData(), engine.Record{})
	if err != nil {
		return nil, err
	}
	at := m.Graph.Capacity.WithRows(n) // free lengths at their capacity
	in, ours, outputs := map[string]*ir.Tensor{}, map[string]*ir.Tensor{}, map[string]*ir.Tensor{}
	r := rand.New(rand.NewPCG(1, 2))
	for _, v := range net.Inputs() {
		if v.Type.DType != ir.F32 {
			return nil, fmt.Errorf("input %q is %v; only float32 inputs are measured here", clean(v.Name), v.Type)
		}
		t := ir.NewTensor(ir.F32, v.Type.Shape.At(at)...)
		for i := range t.F32 {
			t.F32[i] = r.Float32()
		}
		in[v.Name] = t
	}
	for _, v := range m.Graph.Outputs {
		ours[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(at)...)
		outputs[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(at)...)
	}
	all := []*contender{{name: "lamina", call: func() error { return net.RunInto(ctx, in, ours) }}}
	bound, missing := ort.Bind(model, f.threads, in, outputs)
	if missing != nil && !errors.Is(missing, verify.ErrUnavailable) {
		return nil, missing
	}
	if missing == nil {
		theirs := &contender{name: "onnxruntime", call: func() error { return bound.Run() }}
		if f.threads > 1 {
			// Its threads spin while they wait for work, and would hold our processors.
			theirs.leave = func() error { return bound.Close() }
			theirs.enter = func() error {
				bound, err = ort.Bind(model, f.threads, in, outputs)
				if err != nil {
					return err
				}
				return bound.Run()
			}
			if err := bound.Close(); err != nil {
				return nil, err
			}
		} else {
			defer bound.Close()
		}
		all = append(all, theirs)
	}
	peaks, err := alternate(ctx, all, f.duration())
	if err != nil {
		return nil, err
	}
	var out []encodeResult
	for _, c := range all {
		best := slices.Min(c.samples)
		out = append(out, encodeResult{Runtime: c.name, Batch: n, Threads: f.threads, US: median(c.samples), BestUS: best, PeakGFLOPS: median(peaks)})
	}
	return out, missing
}

// encodeSample is the time of one sample, the mean of its calls.
const encodeSample = 5 * time.Millisecond

// alternate takes samples of one contender after another for a time d, with the
// peak beside each round.
func alternate(ctx context.Context, all []*contender, d time.Duration) (peaks []float64, err error) {
	for _, c := range all {
		if err := c.turn(func() error { return c.calibrate(encodeSample) }); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	const least = 3
	for end := time.Now().Add(d); len(peaks) < least || time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, c := range all {
			if err := c.turn(c.measure); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
		}
		peaks = append(peaks, peakOf(1, peakSample/4))
	}
	return peaks, nil
}

func (c *contender) sample() (time.Duration, error) {
	at := time.Now()
	for range c.calls {
		if err := c.call(); err != nil {
			return 0, err
		}
	}
	return time.Since(at), nil
}
