// A model of a table: it learns the columns without labels, then a label of two classes, and ships one file that takes rows as
// they are. Make it your own where a comment says "yours".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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
	epochs := flag.Int("epochs", 60, "epochs of each training")
	var curve report.CurveFlags
	curve.Register(flag.CommandLine, "report")
	flag.Parse()
	ctx := train.SignalContext()
	rows, err := read(ctx, "data")
	switch {
	case err != nil:
	case curve.Out != "": // how many labels are enough, and whether it helps to learn the columns first
		err = curve.Run(ctx, os.Stdout, func() report.Model { return model(rows.Schema()) }, report.CurveOptions{Rows: rows, Runtime: ort.Runtime(), Needs: ort.Check})
	default:
		err = run(ctx, os.Stdout, rows, *dir, *epochs, train.Bar)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// read reads rows.csv by schema.json, which says what its fields are. Without a schema.json it writes one; have a look at it.
func read(ctx context.Context, dir string) (*dataset.Table, error) {
	file, description := filepath.Join(dir, "rows.csv"), filepath.Join(dir, "schema.json")
	schema, err := dataset.ReadSchema(description)
	if errors.Is(err, fs.ErrNotExist) {
		// Yours: which fields are the label and the time, and what no file tells. Everything else is found out.
		if schema, err = dataset.Infer(ctx, file, dataset.Label.Of("failed"), dataset.Time.Of("day"), dataset.Unit("h", "hours")); err == nil {
			err = schema.WriteFile(description)
		}
	}
	if err != nil {
		return nil, err
	}
	return schema.CSV(file)
}

// layers declares the model anew. Yours: the sizes of the layers.
func layers(schema *dataset.Schema) (*spec.Table, *spec.SequentialLayer, *spec.DenseLayer) {
	return spec.NewTable(len(schema.Numeric()), schema.Cardinalities()...),
		spec.Sequential("encoder", spec.Dense(32), spec.ReLU(), spec.Dense(16), spec.ReLU()), spec.Dense(2).Named("head")
}

// model is what a label curve trains with more and more labels.
func model(schema *dataset.Schema) report.Model {
	t, enc, head := layers(schema)
	code := t.Row.Then(enc)
	return report.Model{
		Task:     fewlabels.Task{Input: t.Row, Code: code, Logits: code.Then(head), Encoder: enc, Label: "y", Classes: schema.Classes()},
		Pretrain: []report.Pretraining{report.Losses("columns", nil, t.Reconstruction(t.Row.Then(spec.MaskingNoise(0.2), enc))...)},
	}
}

// run trains on the earliest rows, chooses the epoch and the threshold by later ones, and measures on the latest.
func run(ctx context.Context, w io.Writer, rows *dataset.Table, dir string, epochs int, progress train.Progress) error {
	schema := rows.Schema()
	earlier, test := rows.SplitByTime("time", 0.7)
	known, held := earlier.SplitByTime("time", 0.7)

	t, enc, head := layers(schema)
	code, y := t.Row.Then(spec.MaskingNoise(0.2), enc), spec.Labels("y", 2).Optional() // a row without a label teaches none
	o := train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 32}
	last := o
	last.Valid, last.Classes = held, schema.Classes()
	fit, err := pretrain.NewProgram("table",
		pretrain.Fit(spec.NewModel("columns", t.Reconstruction(code)...), known, o),
		pretrain.Fit(spec.NewModel("label", spec.CrossEntropy(code.Then(head), y)), known, last),
	).Run(ctx, pretrain.Options{Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	// What ships: the probability of the second class, a flag that 10 % of the held rows of the first class have, and what each
	// column adds to the probability.
	second := spec.Layers(enc, head, spec.Softmax(-1), spec.Slice(0, 1, 2), spec.Sum(0))
	score := t.Row.Then(second).Named("score")
	ordinary, _ := held.SplitGroups("y", []int64{0})
	limit, err := fit.Net(score).Quantile(ctx, ordinary, 0.9)
	if err != nil {
		return err
	}
	flagged := score.Then(spec.Above(limit)).Named("flag")
	report, err := bundle.Write(ctx, dir, fit.Net(score, flagged, t.Contributions(32, second)), test, ort.Runtime())
	if err != nil {
		return err
	}
	measured, err := evaluate.MeasureNet(ctx, fit.Net(score, flagged), test, "y", evaluate.MeasureOptions{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%v%v\n%v", schema, report, measured)
	return err
}
