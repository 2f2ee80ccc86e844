package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

type demoFlags struct {
	out, data              string
	epochs, batch, workers int
	seed                   uint64
	json, quiet, explain   bool
	dump                   string
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Train a tied autoencoder on digits, export its encoder and prove the file",
		Long: `Declares the encoder 784-100-30 with a tied decoder 30-100-784, trains it,
exports the encoder, runs the exported file on onnxruntime and compares.

The data are an embedded slice of MNIST, or the IDX files of --data.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c, f) },
	}
	c.Flags().StringVar(&f.out, "out", filepath.Join("out", "demo"), "folder to write")
	c.Flags().StringVar(&f.data, "data", os.Getenv("LAMINA_DATA"), "folder of the MNIST IDX files; default LAMINA_DATA, else the embedded slice")
	c.Flags().IntVar(&f.epochs, "epochs", 20, "epochs to train")
	c.Flags().IntVar(&f.batch, "batch", 256, "rows a step")
	c.Flags().IntVar(&f.workers, "workers", 0, "goroutines; 0 is one a core")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of everything random")
	c.Flags().BoolVar(&f.json, "json", false, "print metrics.json instead of the table")
	c.Flags().BoolVar(&f.explain, "explain", false, "print the compiled plan and stop")
	c.Flags().StringVar(&f.dump, "dump", os.Getenv("LAMINA_DUMP"), "print the graph after this compiler pass, or all; default LAMINA_DUMP")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress line")
	return c
}

// demoMetrics is metrics.json.
type demoMetrics struct {
	Model     string             `json:"model"`
	Data      string             `json:"data"`
	TrainRows int                `json:"train_rows"`
	TestRows  int                `json:"test_rows"`
	Seed      uint64             `json:"seed"`
	Epochs    int                `json:"epochs"`
	Batch     int                `json:"batch"`
	Kernels   string             `json:"kernels"`
	TrainMSE  float64            `json:"train_mse"`
	TestMSE   float64            `json:"test_mse"`
	Rate      float64            `json:"samples_per_second"`
	WorstAbs  float64            `json:"worst_abs"`
	Tolerance float64            `json:"tolerance"`
	Relative  float64            `json:"tolerance_of_largest"`
	Runtimes  []string           `json:"runtimes"`
	Status    string             `json:"status"`
	Seconds   map[string]float64 `json:"seconds"`
}

func demo(c *cobra.Command, f demoFlags) error {
	ctx, started := c.Context(), time.Now()
	m := demoMetrics{Model: "784-100-30, decoder tied", Seed: f.seed, Epochs: f.epochs, Batch: f.batch,
		Kernels: simd.Active(), Seconds: map[string]float64{}}
	clock := time.Now()
	lap := func(part string) {
		m.Seconds[part] = time.Since(clock).Seconds()
		clock = time.Now()
	}

	if !f.explain { // or it would end without its proof
		if err := ort.Check(); err != nil {
			return err
		}
	}
	data, name, err := command.Digits(f.data)
	if err != nil {
		return err
	}
	m.Data, m.TrainRows, m.TestRows = name, data.Train.Len(), data.Test.Len()
	lap("load data")

	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: f.epochs, Batch: f.batch, Workers: f.workers, Seed: f.seed,
		Valid: data.Test, KeepLast: true, Dir: filepath.Join(f.out, "training")}
	if f.dump != "" {
		o.Dump, o.DumpAfter = c.ErrOrStderr(), f.dump
	}
	if f.quiet {
		o.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	} else {
		o.Progress = train.BarTo(c.ErrOrStderr())
	}
	t, err := train.New(ctx, ae, data.Train, o)
	if err != nil {
		return err
	}
	if f.explain {
		defer t.Close()
		_, err := fmt.Fprint(c.OutOrStdout(), t.Explain())
		return err
	}
	done, _ := t.Resumed()
	lap("compile")
	for range t.Epochs(ctx) {
	}
	fit, err := t.Done()
	if err != nil {
		return err
	}
	last := fit.Last()
	m.TrainMSE, m.TestMSE = last.Train.Loss, last.Valid.Loss
	lap("train")
	if n := len(fit.History) - done; n > 0 {
		m.Rate = float64(data.Train.Len()) * float64(n) / m.Seconds["train"]
	}

	report, err := bundle.Write(ctx, filepath.Join(f.out, "encoder"), fit.Net(ae.Tap("code")), data.Test, ort.Runtime())
	if err != nil {
		return err
	}
	v := report.Verification
	m.Status, m.WorstAbs, m.Tolerance = v.Status, v.WorstAbs, v.Tolerance
	m.Relative = v.Relative
	for _, r := range v.Runtimes {
		m.Runtimes = append(m.Runtimes, r.Name+" "+r.Version)
	}
	lap("export and verify")

	if err := demoPictures(c, f, ae, fit, data); err != nil {
		return err
	}
	lap("pictures")
	m.Seconds["total"] = time.Since(started).Seconds()
	out, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(f.out, "metrics.json"), append(out, '\n')); err != nil {
		return err
	}
	// The training is over and shipped: the next demo starts afresh.
	if err := os.RemoveAll(o.Dir); err != nil {
		return err
	}
	if f.json {
		_, err = fmt.Fprintln(c.OutOrStdout(), string(out))
		return err
	}
	printDemo(c.OutOrStdout(), f, m)
	return nil
}

// demoPictures draws the losses and some test rows over their reconstructions.
func demoPictures(c *cobra.Command, f demoFlags, ae *spec.Model, fit *train.Result, data *dataset.Split) error {
	var tr, te []float64
	for _, e := range fit.History {
		tr, te = append(tr, e.Train.Loss), append(te, e.Valid.Loss)
	}
	err := picture.Curves(filepath.Join(f.out, "loss.png"), "tied autoencoder 784-100-30", "mean squared error",
		picture.Curve{Name: "train", Values: tr}, picture.Curve{Name: "test", Values: te})
	if err != nil {
		return err
	}
	const n = 16
	x := data.Test.Head(n).F32("x")
	net := fit.Net(ae.Tap("reconstruction"))
	y, err := net.Run(c.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 784}, F32: x}})
	if err != nil {
		return err
	}
	var in, out [][]float32
	for i := range n {
		in = append(in, x[i*784:(i+1)*784])
		for _, t := range y {
			out = append(out, t.F32[i*784:(i+1)*784])
		}
	}
	return picture.Grid(filepath.Join(f.out, "reconstructions.png"), 28, 28, in, out)
}

func printDemo(w io.Writer, f demoFlags, m demoMetrics) {
	row := func(k, format string, a ...any) { fmt.Fprintf(w, "  %-18s %s\n", k, fmt.Sprintf(format, a...)) }
	fmt.Fprintln(w)
	row("data", "%s, %d rows to train, %d to test", m.Data, m.TrainRows, m.TestRows)
	row("test error", "%.5f mean squared, over pixels", m.TestMSE)
	row("speed", "%.0f samples/s, %s kernels", m.Rate, m.Kernels)
	row("verified", "%s on %s: worst difference %.2g, tolerance %.2g, which is %.1g of the largest output",
		m.Status, strings.Join(m.Runtimes, " and "), m.WorstAbs, m.Tolerance, m.Relative)
	var parts []string
	for _, p := range []string{"load data", "compile", "train", "export and verify", "pictures"} {
		parts = append(parts, fmt.Sprintf("%s %.2f", p, m.Seconds[p]))
	}
	row("seconds", "%s, in all %.2f", strings.Join(parts, ", "), m.Seconds["total"])
	for _, p := range []string{"encoder/", "reconstructions.png", "loss.png", "metrics.json"} {
		row("wrote", "%s", filepath.Join(f.out, p))
	}
}
