// Command stacked pretrains two layers as sparse denoising autoencoders, unties encoder
// and decoder to train the whole once more, and measures in two ways what the code knows
// of digits whose labels it never saw. It ships the encoder.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/stacked", digits.Train, digits.Test, 15, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(400), spec.Sigmoid(), spec.Dense(150), spec.Sigmoid())
	code := x.Then(enc).Named("code")
	sparse := func(h *spec.Value) *spec.Loss { return spec.KLSparsity(h, 0.1).Weight(1e-3) }

	few := rows.Balanced("y", 300, 1) // labels for the probes only: the encoder sees none
	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 100}
	program := pretrain.NewProgram("stacked",
		// A corrupted element counts four times as much as one that was left alone.
		pretrain.Greedy(x, enc, rows, o).Corrupt(spec.MaskingNoise(0.25)).Emphasis(2, 0.5).CrossEntropy().Penalty(sparse),
		pretrain.Probe(code, few, test),
		pretrain.EndToEnd(x, enc, rows, o).CrossEntropy().Untied(), // starts as the tied decoder, with weights of its own
		pretrain.Probe(code, few, test))
	fmt.Fprintln(out, program)

	fit, err := program.Run(ctx, pretrain.Options{Dir: filepath.Join(dir, "training"), Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	phases, err := fit.Phases()
	if err != nil {
		return err
	}
	for _, p := range phases {
		if p.Probe != "" {
			fmt.Fprintf(out, "%s: a linear classifier says %.1f %%, the nearest neighbours %.1f %%\n", p.Name, 100*p.Metrics["linear/accuracy"], 100*p.Metrics["knn/accuracy"])
		}
	}
	net := fit.Net(code)
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), net, test, ort.Runtime()); err != nil {
		return err
	}

	// What the first units look for: their weights, black for -1 and white for 1.
	const units, across = 400, 16
	w := net.Params()["encoder/dense1/w"]
	lines := make([][][]float32, 4)
	for k := range lines {
		for j := k * across; j < (k+1)*across; j++ {
			filter := make([]float32, 784)
			for i := range filter {
				filter[i] = (w[i*units+j] + 1) / 2
			}
			lines[k] = append(lines[k], filter)
		}
	}
	return picture.Grid(filepath.Join(dir, "filters.png"), 28, 28, lines...)
}
