// Command denoising trains an autoencoder to restore digits in which some pixels
// were turned black or white, and ships the whole autoencoder: corrupted digits go
// in and clean ones come out.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
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

const rate = 0.2 // of the pixels are corrupted

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/denoising", digits.Train, digits.Test, 20, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(300), spec.ReLU())
	noisy := x.Then(spec.SaltAndPepper(rate)) // in training only: it never reaches the file
	y := noisy.Then(enc, spec.Mirror("decoder", enc).Tied()).Named("restored")
	m := spec.NewModel("denoising", spec.MSE(y, x)) // the target is the clean x

	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 100, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	net := fit.Net(y)
	if _, err := bundle.Write(ctx, filepath.Join(dir, "restorer"), net, test, ort.Runtime()); err != nil {
		return err
	}

	// Digits that were not trained on: clean, corrupted here, restored.
	const n = 16
	clean := test.Head(n).F32("x")
	bad := corrupt(clean)
	restored, err := net.Run(ctx, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 784}, F32: bad}})
	if err != nil {
		return err
	}
	good := restored["restored"].F32
	fmt.Fprintf(out, "squared error of a corrupted digit: %.1f, restored: %.1f\n", distance(bad, clean)/n, distance(good, clean)/n)
	var lines [3][][]float32
	for k, values := range [][]float32{clean, bad, good} {
		for i := range n {
			lines[k] = append(lines[k], values[i*784:][:784])
		}
	}
	return picture.Grid(filepath.Join(dir, "restored.png"), 28, 28, lines[:]...)
}

// corrupt does to a copy of the pixels what the training did.
func corrupt(clean []float32) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	bad := append([]float32{}, clean...)
	for i := range bad {
		if r.Float64() < rate {
			bad[i] = float32(r.IntN(2))
		}
	}
	return bad
}

func distance(a, b []float32) (sum float64) {
	for i := range a {
		d := float64(a[i] - b[i])
		sum += d * d
	}
	return sum
}
