// A model of pictures: it learns them without labels, then their classes, and ships one file that takes bytes and gives the
// probability of each class, how unlike the known pictures a picture is, and a flag. Make it your own where a comment says "yours".
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

// Yours: the size to which pictures are scaled, and their channels, 1 for grey and 3 for colour.
const size, channels = 16, 1

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
	case curve.Out != "": // how many labels are enough, and whether it helps to learn the pictures first
		err = curve.Run(ctx, os.Stdout, func() report.Model { return model(classes) }, report.CurveOptions{Rows: rows, Runtime: ort.Runtime(), Needs: ort.Check})
	default:
		err = run(ctx, os.Stdout, rows, classes, *dir, *epochs, train.Bar)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// read reads the PNG and JPEG files of a folder, which has a folder for each class: x u8[1 16 16] and y, the class.
func read(ctx context.Context, dir string) (rows *dataset.Table, classes []string, err error) {
	pictures, err := dataset.Images(dir, dataset.ImageOptions{Height: size, Width: size, Channels: channels, Bytes: true})
	if err != nil {
		return nil, nil, err
	}
	rows, err = dataset.Collect(dataset.Until(ctx, pictures)) // more than fits into memory trains from pictures itself
	return rows, pictures.Classes(), err
}

// layers declares the input and the encoder anew. Yours: the sizes of the layers.
func layers() (*spec.Value, *spec.SequentialLayer) {
	return spec.Bytes("x", channels, size, size),
		spec.Sequential("encoder", spec.Conv(8, 3).Same().Stride(2), spec.ReLU(), spec.Conv(16, 3).Same().Stride(2), spec.ReLU())
}

// model is what a label curve trains with more and more labels.
func model(classes []string) report.Model {
	x, enc := layers()
	scaled := x.Then(spec.Floats().Times(1.0 / 255))
	code := scaled.Then(enc, spec.Flatten())
	back := scaled.Then(enc, spec.Mirror("decoder", enc))
	return report.Model{
		Task:     fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(len(classes)).Named("head")), Encoder: enc, Label: "y", Classes: classes},
		Pretrain: []report.Pretraining{report.Losses("pictures", back, spec.MSE(back, scaled))},
		Picture:  scaled,
	}
}

// run trains on most pictures, chooses the epoch and the threshold by others, and measures on yet others.
func run(ctx context.Context, w io.Writer, rows *dataset.Table, classes []string, dir string, epochs int, progress train.Progress) error {
	earlier, test := rows.SplitBy("y", 0.7, 1)
	known, held := earlier.SplitBy("y", 0.7, 1)

	x, enc := layers()
	scaled := x.Then(spec.Floats().Times(1.0 / 255))
	code := scaled.Then(enc)
	back := code.Then(spec.Mirror("decoder", enc))
	logits, y := code.Then(spec.Flatten(), spec.Dropout(0.3), spec.Dense(len(classes)).Named("head")), spec.Labels("y", len(classes))
	o := train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 8}
	last := o
	last.Valid, last.Classes, last.Augment = held, classes, dataset.Augment("x").Shift(1)
	fit, err := pretrain.NewProgram("image",
		pretrain.Fit(spec.NewModel("pictures", spec.MSE(back, scaled)), known, o),
		pretrain.Fit(spec.NewModel("class", spec.CrossEntropy(logits, y), spec.MSE(back, scaled)), known, last),
	).Run(ctx, pretrain.Options{Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	// What ships: probabilities, the error of the reconstruction, and a flag above what 95 % of the held pictures have.
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
