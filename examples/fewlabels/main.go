// Command fewlabels finds out how many labels it takes to read digits, and whether it helps to
// learn from digits without labels first. It measures 10 draws of each number of labels, writes
// out/fewlabels/report.html and ships the best net, trained on all labels, as a bundle that
// says how good it is expected to be. If it is interrupted, it goes on from what was measured.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	o := report.CurveOptions{Rows: digits.Train, Test: digits.Test, Counts: []int{20, 60, 200, 600}, Drawn: "balanced", Dir: "out/fewlabels",
		Progress: func(p report.CurveProgress) { fmt.Fprintln(os.Stderr, p) }}
	if err := run(train.SignalContext(), os.Stdout, o); err != nil {
		log.Fatal(err)
	}
}

// model declares what is learned, and two ways to pretrain it.
func model() report.Model {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(500), spec.ReLU(), spec.Dense(300), spec.ReLU())
	code := x.Then(enc).Named("code")
	restored := x.Then(spec.MaskingNoise(0.25), enc, spec.Mirror("decoder", enc).Tied())
	return report.Model{
		Task: fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(10).Named("head")), Encoder: enc,
			Label: "y", Classes: strings.Fields("zero one two three four five six seven eight nine")},
		Pretrain: []report.Pretraining{report.Losses("denoising", restored, spec.MSE(restored, x)), report.Greedy(x, enc)},
		Picture:  x,
	}
}

func run(ctx context.Context, out io.Writer, o report.CurveOptions) error {
	o.Ship, o.Runtime, o.Needs = filepath.Join(o.Dir, "classifier"), ort.Runtime(), ort.Check
	curve, err := report.LabelCurve(ctx, model, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(out, curve)
	return err
}
