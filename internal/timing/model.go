package timing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// ModelResult is how long one runtime takes for a batch.
type ModelResult struct {
	Runtime    string  `json:"runtime"`
	Batch      int     `json:"batch"`
	Threads    int     `json:"threads"`
	US         float64 `json:"us"` // of a call, the median of samples
	BestUS     float64 `json:"best_us"`
	PeakGFLOPS float64 `json:"peak_gflops"` // of one core
}

type modelFlags struct {
	Flags
	batches []int
}

// ModelCommand returns the command of a name that measures the calls of a model
// that it is given.
func ModelCommand(name string) *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   name + " MODEL",
		Short: "Measure a model's calls on Lamina's engine and on onnxruntime",
		Long: `Runs an ONNX file, or the model of a bundle's folder, on uniform random rows: on
Lamina's own importer and engine, and on onnxruntime through its C API with
inputs and outputs bound in place. The two alternate, so that whatever else the
machine does falls on both.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return timeModel(c, args[0], f) },
	}
	c.Flags().IntSliceVar(&f.batches, "batch", []int{1, 16, 256}, "rows a call")
	c.Flags().IntVar(&f.Threads, "threads", 1, "threads that work")
	c.Flags().Float64Var(&f.Seconds, "seconds", 2, "how long to measure each batch")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON for each runtime and batch")
	return c
}

// maxRows bounds --batch.
const maxRows = 1 << 20

func timeModel(c *cobra.Command, path string, f modelFlags) error {
	if err := f.Check(); err != nil {
		return err
	}
	for _, n := range f.batches {
		if n < 1 || n > maxRows {
			return fmt.Errorf("--batch must be from 1 to %d, got %d", maxRows, n)
		}
	}
	file, err := command.ModelPath(path)
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
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(f.Threads))
	told := false
	for _, n := range f.batches {
		results, err := modelOnce(c.Context(), m, b, n, f)
		if errors.Is(err, verify.ErrUnavailable) {
			if !told {
				fmt.Fprintln(c.ErrOrStderr(), err)
			}
			told = true
		} else if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, r := range results {
			if f.JSON {
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

// modelOnce times calls of n rows. Without an onnxruntime it returns what
// Lamina took, and the error.
func modelOnce(ctx context.Context, m *onnximport.Model, model []byte, n int, f modelFlags) ([]ModelResult, error) {
	const capacity = 256
	p, err := compiler.CompileGraph(m.Graph, compiler.Options{Rows: min((n+f.Threads-1)/f.Threads, capacity)})
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
			return nil, fmt.Errorf("input %q is %v; only float32 inputs are measured here", command.Clean(v.Name), v.Type)
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
	all := []*Contender{{Name: "lamina", Call: func() error { return net.RunInto(ctx, in, ours) }}}
	bound, missing := ort.Bind(model, f.Threads, in, outputs)
	if missing != nil && !errors.Is(missing, verify.ErrUnavailable) {
		return nil, missing
	}
	if missing == nil {
		theirs := &Contender{Name: "onnxruntime", Call: func() error { return bound.Run() }}
		if f.Threads > 1 {
			// Its threads spin while they wait for work, and would hold our processors.
			theirs.Leave = func() error { return bound.Close() }
			theirs.Enter = func() error {
				bound, err = ort.Bind(model, f.Threads, in, outputs)
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
	peaks, err := alternate(ctx, all, f.Duration())
	if err != nil {
		return nil, err
	}
	var out []ModelResult
	for _, c := range all {
		best := slices.Min(c.Samples)
		out = append(out, ModelResult{Runtime: c.Name, Batch: n, Threads: f.Threads, US: Median(c.Samples), BestUS: best, PeakGFLOPS: Median(peaks)})
	}
	return out, missing
}
