// Command convae trains a convolutional autoencoder that takes noise out of digits. The
// decoder is the mirror image of the encoder, with the same filters. It ships the encoder
// and the denoiser, and says how much nearer to the clean digits the denoised ones are.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const noise = 0.25 // the standard deviation of what is added to a pixel

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/convae", digits.Train, digits.Test, 5, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	enc := spec.Sequential("encoder", spec.Reshape(1, 28, 28),
		spec.Conv(8, 3).Same().Stride(2), spec.ReLU(), // 8 x 14 x 14
		spec.Conv(16, 3).Same().Stride(2), spec.ReLU(), // 16 x 7 x 7
		spec.Flatten(), spec.Dense(64))
	x := spec.Input("x", 784)
	code := x.Then(spec.GaussianNoise(noise), enc).Named("code")
	clean := code.Then(spec.Mirror("decoder", enc).Tied()).Named("clean")
	m := spec.NewModel("convae", spec.MSE(clean, x))

	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 64, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), fit.Net(code), test, ort.Runtime()); err != nil {
		return err
	}
	denoiser := fit.Net(clean)
	if _, err := bundle.Write(ctx, filepath.Join(dir, "denoiser"), denoiser, test, ort.Runtime()); err != nil {
		return err
	}

	want := test.F32("x")
	noisy := &ir.Tensor{DType: ir.F32, Shape: []int{test.Len(), 784}, F32: make([]float32, len(want))}
	key := random.New(1)
	for i, v := range want {
		noisy.F32[i] = v + noise*float32(key.Normal(uint64(i)))
	}
	y, err := denoiser.Run(ctx, map[string]*ir.Tensor{"x": noisy})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "PSNR: %.1f dB noisy, %.1f dB denoised\n", psnr(noisy.F32, want), psnr(y["clean"].F32, want))
	return nil
}

// psnr is the peak signal-to-noise ratio in decibels, of pixels from 0 to 1.
func psnr(x, want []float32) float64 {
	sum := 0.0
	for i, v := range want {
		d := float64(x[i] - v)
		sum += d * d
	}
	return -10 * math.Log10(sum/float64(len(want)))
}
