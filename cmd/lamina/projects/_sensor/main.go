// A model of recordings: it learns windows of signals without labels, then what was done in them, and ships one file that gives
// the probability of each class, how unlike the known windows a window is, and a flag. Make it your own where a comment says "yours".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	dir := flag.String("out", filepath.Join("out", "bundle"), "`folder` of the bundle")
	epochs := flag.Int("epochs", 40, "epochs of each training")
	var curve report.CurveFlags
	curve.Register(flag.CommandLine, "report")
	flag.Parse()
	ctx := train.SignalContext()
	rows, classes, err := read(ctx, "data")
	switch {
	case err != nil:
	case curve.Out != "": // how many labels are enough, and whether it helps to learn the signals first
		err = curve.Run(ctx, os.Stdout, func() report.Model { return model(classes) }, report.CurveOptions{Rows: rows, Group: "group", Runtime: ort.Runtime(), Needs: ort.Check})
	default:
		err = run(ctx, os.Stdout, rows, classes, *dir, *epochs, train.Bar)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// read cuts the recordings into windows x f32[3 32], with the columns y, the class, and group, the person. steps.csv has a line for
// each step with the number of its recording, recordings.csv one for each recording.
func read(ctx context.Context, dir string) (rows *dataset.Table, classes []string, err error) {
	file := filepath.Join(dir, "recordings.csv")
	schema, err := dataset.Infer(ctx, file, dataset.Label.Of("activity"), dataset.Group.Of("person"))
	if err != nil {
		return nil, nil, err
	}
	recordings, err := schema.CSV(file)
	if err != nil {
		return nil, nil, err
	}
	steps, err := dataset.CSV(filepath.Join(dir, "steps.csv"), dataset.CSVOptions{Label: "recording"})
	if err != nil {
		return nil, nil, err
	}
	// Yours: how long a window is, in steps.
	windows := dataset.Windows(steps.Rename("y", "recording"), dataset.WindowOptions{Length: 32, Stride: 16, Recording: "recording", Of: recordings, ChannelsFirst: true})
	rows, err = dataset.Collect(windows) // more than fits into memory trains from windows itself
	return rows, schema.Classes(), err
}

// layers declares the input and the encoder anew. Yours: the sizes of the layers.
func layers() (*spec.Value, *spec.SequentialLayer) {
	return spec.Input("x", 3, 32),
		spec.Sequential("encoder", spec.Conv(16, 5).Same().Stride(2), spec.ReLU(), spec.Conv(16, 5).Same().Stride(2), spec.ReLU())
}

// model is what a label curve trains with more and more labels.
func model(classes []string) report.Model {
	x, enc := layers()
	scaled := x.Then(spec.Standardise().Axis(0))
	code := scaled.Then(enc, spec.Flatten())
	return report.Model{
		Task:     fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(len(classes)).Named("head")), Encoder: enc, Label: "y", Classes: classes},
		Pretrain: []report.Pretraining{report.Losses("signals", nil, spec.MSE(scaled.Then(enc, spec.Mirror("decoder", enc)), scaled))},
	}
}

// run trains on some people, chooses the epoch and the threshold by others, and measures on yet others.
func run(ctx context.Context, w io.Writer, rows *dataset.Table, classes []string, dir string, epochs int, progress train.Progress) error {
	earlier, test := rows.SplitByGroup("group", 0.7, 1)
	known, held := earlier.SplitByGroup("group", 0.7, 1)

	x, enc := layers()
	scaled := x.Then(spec.Standardise().Axis(0))
	code := scaled.Then(enc)
	back := code.Then(spec.Mirror("decoder", enc))
	logits, y := code.Then(spec.Flatten(), spec.Dropout(0.3), spec.Dense(len(classes)).Named("head")), spec.Labels("y", len(classes)).Optional()
	o := train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 16}
	last := o
	last.Valid, last.Classes = held, classes
	fit, err := pretrain.NewProgram("sensor",
		pretrain.Fit(spec.NewModel("signals", spec.MSE(back, scaled)), known, o),
		pretrain.Fit(spec.NewModel("activity", spec.CrossEntropy(logits, y), spec.MSE(back, scaled)), known, last),
	).Run(ctx, pretrain.Options{Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	// What ships: probabilities, the error of the reconstruction, and a flag above what 95 % of the held windows have.
	p := logits.Then(spec.Softmax(-1)).Named("probabilities")
	score := spec.Sub(back, scaled).Then(spec.MeanSquare()).Named("score")
	limit, err := fit.Net(score).Quantile(ctx, held, 0.95)
	if err != nil {
		return err
	}
	flagged := score.Then(spec.Above(limit)).Named("flag")
	report, err := bundle.Write(ctx, dir, fit.Net(p, score, flagged), test, ort.Runtime())
	if err != nil {
		return err
	}
	measured, err := evaluate.MeasureNet(ctx, fit.Net(p), test, "y", evaluate.MeasureOptions{Absent: true})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%v\n%v%v", report, measured, measured.Confusion())
	return err
}
