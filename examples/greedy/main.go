// Command greedy pretrains a stack of four layers one by one, each on the codes of
// the layers below, then trains all as one autoencoder, and ships the encoder.
// It can be stopped at any moment: run again, it continues where it was.
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
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/greedy", digits.Train, digits.Test, 15, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder",
		spec.Dense(500), spec.Sigmoid(), // a stage: a layer that has a mirror image, and what follows it
		spec.Dense(250), spec.Sigmoid(),
		spec.Dense(100), spec.Sigmoid(),
		spec.Dense(30))
	dec := spec.Mirror("decoder", enc).Tied()
	ae := spec.Autoencoder("digits", x, enc, dec)

	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 100}
	program := pretrain.NewProgram("greedy",
		// A stage learns to undo the noise on its own input; its target, the code below, is clean.
		pretrain.Greedy(x, enc, rows, o).Corrupt(spec.MaskingNoise(0.1)).Decoder(dec),
		pretrain.Fit(ae, rows, o))
	fmt.Fprintln(out, program)

	fit, err := program.Run(ctx, pretrain.Options{Dir: filepath.Join(dir, "training"), Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), fit.Net(ae.Tap("code")), test, ort.Runtime()); err != nil {
		return err
	}

	// Digits that were not trained on, over what the decoder makes of their codes.
	const n = 16
	in := test.Head(n).F32("x")
	y, err := fit.Net(ae.Tap("reconstruction")).Run(ctx, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 784}, F32: in}})
	if err != nil {
		return err
	}
	var top, bottom [][]float32
	for i := range n {
		top, bottom = append(top, in[i*784:][:784]), append(bottom, y["reconstruction"].F32[i*784:][:784])
	}
	return picture.Grid(filepath.Join(dir, "reconstructions.png"), 28, 28, top, bottom)
}
