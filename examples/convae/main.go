// Command convae trains a convolutional autoencoder of digits. The decoder is the mirror
// image of the encoder, with the same filters. It ships the encoder and the whole
// autoencoder, says how near its reconstructions are, and draws them, the filters it has
// learned, and what these make of a digit.
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
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/convae", digits.Train, digits.Test, 5, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	rows, test = rows.Reshape("x", 1, 28, 28), test.Reshape("x", 1, 28, 28)
	x := spec.Input("x", 1, 28, 28)
	first := spec.Layers(spec.Conv(8, 3).Same().Stride(2).Named("first"), spec.ReLU()) // 8 x 14 x 14
	enc := spec.Sequential("encoder", first,
		spec.Conv(16, 3).Same().Stride(2), spec.ReLU(), // 16 x 7 x 7
		spec.Flatten(), spec.Dense(32))
	code := x.Then(enc).Named("code")
	y := code.Then(spec.Mirror("decoder", enc).Tied()).Named("reconstruction")
	m := spec.NewModel("convae", spec.MSE(y, x))

	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 64, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	for name, v := range map[string]*spec.Value{"encoder": code, "autoencoder": y} {
		if _, err := bundle.Write(ctx, filepath.Join(dir, name), fit.Net(v), test, ort.Runtime()); err != nil {
			return err
		}
	}

	made, err := fit.Net(y).Over(ctx, test)
	if err != nil {
		return err
	}
	in, back := test.F32("x"), made.F32("reconstruction")
	ratio, err := evaluate.PSNR(back, in, 1)
	if err != nil {
		return err
	}
	alike, err := evaluate.SSIM(28, 28, back, in, 1)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "reconstructions from 32 numbers: PSNR %.2f dB, SSIM %.3f\n", ratio, alike)

	if err := picture.Reconstructions(filepath.Join(dir, "reconstructions.png"), 28, 28, pictures(in)[:16], pictures(back)[:16]); err != nil {
		return err
	}
	net := fit.Net(x.Then(first).Named("maps"))
	if err := picture.Filters(filepath.Join(dir, "filters.png"), 1, 3, 3, net.Params()["encoder/first/w"]); err != nil {
		return err
	}
	maps, err := net.Run(ctx, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 1, 28, 28}, F32: in[:784]}})
	if err != nil {
		return err
	}
	return picture.FeatureMaps(filepath.Join(dir, "maps.png"), 8, 14, 14, maps["maps"].F32)
}

func pictures(pixels []float32) (out [][]float32) {
	for ; len(pixels) > 0; pixels = pixels[784:] {
		out = append(out, pixels[:784])
	}
	return out
}
