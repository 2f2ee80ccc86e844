// Command vae trains a variational autoencoder of digits with a two-dimensional code,
// ships the encoder with both of its heads, mean and log-variance, and draws what the
// decoder makes of a grid of codes.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/vae", digits.Train, digits.Test, 40, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	enc := spec.Sequential("encoder", spec.Dense(300), spec.ReLU())
	dec := spec.Sequential("decoder", spec.Dense(300), spec.ReLU(), spec.Dense(784)) // logits of the pixels
	vae := spec.Variational("vae", spec.Input("x", 784), enc, 2, dec)                // Beta weighs the divergence of codes from the unit normal

	fit, err := train.Fit(ctx, vae.Model, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 100, Valid: test, KeepLast: true, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	last := fit.Last().Valid
	fmt.Fprintf(out, "bound of a test digit: %.1f nats, of which %.1f are the code's\n", last.Loss, last.Losses["loss/klnormal1"])
	// Codes are drawn in training only: what ships computes the distribution.
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), fit.Net(vae.Tap("mean"), vae.Tap("logvar")), test, ort.Runtime()); err != nil {
		return err
	}

	// The decoder alone, on a fresh input: the plane from -2 to 2, a picture a point.
	const n = 12
	decoder := fit.Net(spec.Input("z", 2).Then(dec, spec.Sigmoid()).Named("digit"))
	var z []float32
	for i := range n * n {
		z = append(z, 4*float32(i%n)/(n-1)-2, 4*float32(i/n)/(n-1)-2)
	}
	y, err := decoder.Run(ctx, map[string]*ir.Tensor{"z": {DType: ir.F32, Shape: []int{n * n, 2}, F32: z}})
	if err != nil {
		return err
	}
	lines := make([][][]float32, n)
	for i := range n * n {
		lines[i/n] = append(lines[i/n], y["digit"].F32[i*784:][:784])
	}
	return picture.Grid(filepath.Join(dir, "plane.png"), 28, 28, lines...)
}
