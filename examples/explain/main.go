// Command explain trains a classifier of digits and ships it together with what each
// pixel adds to the score of the predicted digit: integrated gradients, as plain ops in
// the same file.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/explain", digits.Train, digits.Test, 10, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	x := spec.Input("x", 784)
	classifier := spec.Sequential("classifier", spec.Dense(32), spec.ReLU(), spec.Dense(10))
	logits := x.Then(classifier).Named("logits")
	m := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	// The score of the digit that is read at x, along the way from a black picture to x.
	ig := spec.IntegratedGradients(32, func(x *spec.Value, digit ...*spec.Value) *spec.Value {
		return spec.Mul(x.Then(classifier), digit[0])
	})
	pixels := spec.Apply(ig, x, logits.Then(spec.Predicted())).Named("contributions")
	ship := fit.Net(logits, pixels, pixels.Result(1).Named("score"), pixels.Result(2).Named("black"))
	report, err := bundle.Write(ctx, dir, ship, test, ort.Runtime())
	if err != nil {
		return err
	}
	fmt.Fprintln(out, report)
	return nil
}
