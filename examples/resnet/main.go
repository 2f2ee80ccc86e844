// Command resnet trains ResNet-20 (He et al. 2016) to read digits, which are shifted and
// turned a little while it trains, and ships it with its normalisations folded into the
// convolutions.
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
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/resnet", digits.Train, digits.Test, 28, 10, train.Bar); err != nil {
		log.Fatal(err)
	}
}

// run takes gray pictures of side x side pixels.
func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, side, epochs int, progress train.Progress) error {
	rows, test = rows.Reshape("x", 1, side, side), test.Reshape("x", 1, side, side)
	logits := spec.Input("x", 1, side, side).Then(spec.ResNet20("resnet", spec.ProjectedShortcuts).Head(10)).Named("logits")
	m := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	fit, err := train.Fit(ctx, m, rows, train.Options{
		Optimizer: optim.SGD(0.05).Momentum(0.9).Schedule(optim.Cosine(0)), Epochs: epochs, Batch: 64,
		Augment: dataset.Augment().Shift(side / 14).Rotate(10), Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	// What ships has no BatchNorm, which saves a pass over each picture. The proof takes 64
	// rows, as it executes all 20 layers in float64, too.
	net := fit.Folded().Net(logits.Then(spec.Softmax(-1)).Named("probabilities"))
	if _, err := bundle.Write(ctx, filepath.Join(dir, "classifier"), net, test.Head(64), ort.Runtime()); err != nil {
		return err
	}
	c, err := evaluate.Confuse(ctx, net, test, "y")
	if err != nil {
		return err
	}
	fmt.Fprint(out, c)
	return nil
}
