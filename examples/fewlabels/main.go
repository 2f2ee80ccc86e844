// Command fewlabels trains a classifier from 600 labels twice: on layers pretrained on
// all rows without labels, and on the same layers from scratch. It does so for several
// draws of the labels and ships the pretrained classifier with the names of its classes.
// Both use the same rows, rate, epochs and seed for a draw. If each uses the best of the
// rates 3e-4, 1e-3 and 3e-3, they are nearly as far apart.
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
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

var names = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// size says how much is trained.
type size struct {
	labels, draws   int
	pretrain, train int // epochs
}

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/fewlabels", digits.Train, digits.Test, size{600, 5, 20, 60}, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, n size, progress train.Progress) error {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(500), spec.Sigmoid(), spec.Dense(300), spec.Sigmoid())
	code := x.Then(enc).Named("code")
	logits, y := code.Then(spec.Dense(10).Named("head")), spec.Labels("y", 10)
	classifier := spec.NewModel("digits", spec.CrossEntropy(logits, y))

	// Once, without a label: each layer learns to undo masking noise.
	program := pretrain.NewProgram("fewlabels",
		pretrain.Greedy(x, enc, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: n.pretrain, Batch: 100}).
			Corrupt(spec.MaskingNoise(0.25)).CrossEntropy(),
		pretrain.Probe(code, rows.Balanced("y", n.labels, 1), test))
	fmt.Fprintln(out, program)
	stack, err := program.Run(ctx, pretrain.Options{Dir: filepath.Join(dir, "training"), Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}
	pretrained, err := train.NetTensors(stack.Net(code))
	if err != nil {
		return err
	}

	ways := []string{"from scratch", "pretrained"}
	var last [2]*train.Result
	var mean [2]float64
	fmt.Fprintf(out, "draw  %s  %s   (test digits read, %d labels)\n", ways[0], ways[1], n.labels)
	for draw := range n.draws {
		few := rows.Balanced("y", n.labels, uint64(draw+1)) // as many of each digit; the row numbers go into training.json
		fmt.Fprintf(out, "%4d", draw+1)
		for k := range ways {
			o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: n.train, Batch: 50, Seed: uint64(draw + 1), Valid: test, KeepLast: true,
				Metrics: []train.Metric{train.Accuracy(logits, y)}, Classes: names}
			if k == 1 {
				o.InitFrom = []train.From{{Tensors: pretrained, Pattern: "encoder"}}
			}
			if last[k], err = train.Fit(ctx, classifier, few, o); err != nil {
				return err
			}
			accuracy := last[k].Last().Valid.Metrics["accuracy"]
			mean[k] += accuracy / float64(n.draws)
			fmt.Fprintf(out, "  %10.2f %%", 100*accuracy)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "mean  %10.2f %%  %10.2f %%\n\n", 100*mean[0], 100*mean[1])

	table, err := evaluate.Confuse(ctx, last[1].Net(logits), test, "y")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, table)
	ship := last[1].Net(logits.Then(spec.Softmax(-1)).Named("probabilities"))
	if _, err := bundle.Write(ctx, filepath.Join(dir, "classifier"), ship, test, ort.Runtime()); err != nil {
		return err
	}
	curves := make([]picture.Curve, 2)
	for k, name := range ways {
		curves[k].Name = name
		for _, e := range last[k].History {
			curves[k].Values = append(curves[k].Values, 100*(1-e.Valid.Metrics["accuracy"]))
		}
	}
	return picture.Curves(filepath.Join(dir, "errors.png"), fmt.Sprintf("%d labels", n.labels), "test digits misread, %", curves...)
}
