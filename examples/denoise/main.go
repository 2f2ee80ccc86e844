// Command denoise trains a convolutional autoencoder that takes Gaussian noise out of
// digits: noisy pictures go in, clean ones come out. It ships this denoiser, and says how
// near to the clean digits the noisy and the denoised ones are, by PSNR and SSIM.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const sigma = 0.25 // the standard deviation of what is added to a pixel

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/denoise", digits.Train, digits.Test, 5, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	rows, test = rows.Reshape("x", 1, 28, 28), test.Reshape("x", 1, 28, 28)
	x := spec.Input("x", 1, 28, 28)
	enc := spec.Sequential("encoder",
		spec.Conv(16, 3).Same().Stride(2), spec.ReLU(), // 16 x 14 x 14
		spec.Conv(32, 3).Same().Stride(2), spec.ReLU()) // 32 x 7 x 7
	noisy := x.Then(spec.GaussianNoise(sigma)) // in training only: it never reaches the file
	clean := noisy.Then(enc, spec.Mirror("decoder", enc)).Named("clean")
	m := spec.NewModel("denoise", spec.MSE(clean, x)) // the target is the clean x

	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 64, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	net := fit.Net(clean)
	if _, err := bundle.Write(ctx, filepath.Join(dir, "denoiser"), net, test, ort.Runtime()); err != nil {
		return err
	}

	// Digits that were not trained on, with noise from here.
	want := test.F32("x")
	bad := &ir.Tensor{DType: ir.F32, Shape: []int{test.Len(), 1, 28, 28}, F32: make([]float32, len(want))}
	key := random.New(1)
	for i, v := range want {
		bad.F32[i] = v + sigma*float32(key.Normal(uint64(i)))
	}
	made, err := net.Run(ctx, map[string]*ir.Tensor{"x": bad})
	if err != nil {
		return err
	}
	good := made["clean"].F32
	for _, c := range []struct {
		name   string
		pixels []float32
	}{{"noisy", bad.F32}, {"denoised", good}} {
		ratio, err := evaluate.PSNR(c.pixels, want, 1)
		if err != nil {
			return err
		}
		alike, err := evaluate.SSIM(28, 28, c.pixels, want, 1)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: PSNR %.2f dB, SSIM %.3f\n", c.name, ratio, alike)
	}
	var lines [3][][]float32
	for k, pixels := range [][]float32{want, bad.F32, good} {
		for i := range min(16, test.Len()) {
			lines[k] = append(lines[k], pixels[i*784:][:784])
		}
	}
	return picture.Grid(filepath.Join(dir, "denoised.png"), 28, 28, lines[:]...)
}
