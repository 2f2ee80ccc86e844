// Command compress trains convolutional autoencoders of digits with codes of several sizes,
// rounds the codes to several widths, and says what each costs, in bits per pixel, and what
// it keeps, as PSNR, beside JPEG. It draws the curves, and ships the encoder and the decoder
// of the largest code.
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
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// sweep is what is compared.
type sweep struct {
	codes, bits, qualities []int
}

func main() {
	digits := dataset.Digits()
	s := sweep{codes: []int{4, 8, 16, 32}, bits: []int{1, 2, 3, 4, 5, 6}, qualities: []int{2, 5, 10, 20, 40, 60, 80}}
	if err := run(train.SignalContext(), os.Stdout, "out/compress", digits.Train, digits.Test, s, 15, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, s sweep, epochs int, progress train.Progress) error {
	rows, test = rows.Reshape("x", 1, 28, 28), test.Reshape("x", 1, 28, 28)
	var curves []picture.Series
	fmt.Fprintln(out, "code  bits  entropy  bits/pixel   PSNR")
	var c codec
	for _, size := range s.codes {
		var err error
		if c, err = fit(ctx, rows, size, epochs, progress); err != nil {
			return err
		}
		rates, err := evaluate.Rates(ctx, c.encoder, c.decoder, rows, test, 1, s.bits...)
		if err != nil {
			return err
		}
		curve := picture.Series{Name: fmt.Sprintf("%d numbers", size)}
		for _, r := range rates {
			fmt.Fprintf(out, "%4d  %4d  %7.2f  %10.4f  %5.2f\n", size, r.Bits, r.Entropy.Code, r.PerPixel, r.PSNR)
			curve.Points = append(curve.Points, picture.Point{Rate: r.PerPixel, PSNR: r.PSNR})
		}
		curves = append(curves, curve)
	}
	// A JPEG file of one digit is nearly all header, so files of 16x16 digits are compared.
	mosaic, jpeg := evaluate.Mosaic{Channels: 1, Height: 28, Width: 28, Across: 16}, picture.Series{Name: "JPEG"}
	for _, quality := range s.qualities {
		rate, ratio, err := mosaic.JPEG(test.F32("x"), quality)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "JPEG, quality %2d: %14.4f  %5.2f\n", quality, rate, ratio)
		jpeg.Points = append(jpeg.Points, picture.Point{Rate: rate, PSNR: ratio})
	}
	if err := picture.RateDistortion(filepath.Join(dir, "rates.png"), "digits of 28x28", append(curves, jpeg)...); err != nil {
		return err
	}
	return c.ship(ctx, dir, test)
}

// codec is the two halves of an autoencoder: pictures in, codes out, and back.
type codec struct{ encoder, decoder *engine.Net }

// fit trains a codec with codes of so many numbers.
func fit(ctx context.Context, rows *dataset.Table, size, epochs int, progress train.Progress) (codec, error) {
	x, enc := spec.Input("x", 1, 28, 28), spec.ConvEncoder("encoder", 8, 16, size)
	dec := spec.Mirror("decoder", enc)
	ae := spec.Autoencoder("compress", x, enc, dec)
	fit, err := train.Fit(ctx, ae, rows, train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 64, Progress: progress, Needs: ort.Check})
	if err != nil {
		return codec{}, err
	}
	// What decodes is declared on a fresh input: the codes.
	return codec{fit.Net(ae.Tap("code")), fit.Net(spec.Input("code", size).Then(dec).Named("reconstruction"))}, nil
}

func (c codec) ship(ctx context.Context, dir string, test *dataset.Table) error {
	codes, err := c.encoder.Over(ctx, test)
	if err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), c.encoder, test, ort.Runtime()); err != nil {
		return err
	}
	_, err = bundle.Write(ctx, filepath.Join(dir, "decoder"), c.decoder, codes, ort.Runtime())
	return err
}
