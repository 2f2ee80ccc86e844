// Command tabular learns from a CSV file which machines will fail, from numbers, categories and dates, of which some are
// missing, and few labels. It writes down what the fields are and divides the rows by time. A denoising autoencoder learns from all
// earlier rows how the columns hang together, then a classifier goes on with its encoder. What ships takes the columns as they
// are, and gives a score, a flag for a wanted share of false alarms, and what each column adds to the score.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	file, dir := flag.String("data", "", "CSV `file`; without one, machines are made up"), flag.String("out", "out/tabular", "`folder` to write")
	label, time := flag.String("label", "failed", "`field` of the label, one of two values"), flag.String("time", "day", "`field` of the time")
	alarms, epochs := flag.Float64("alarms", 0.05, "wanted `share` of false alarms"), flag.Int("epochs", 40, "epochs of each training")
	flag.Parse()
	ctx, path := train.SignalContext(), must(given(*file, *dir+"/machines.csv"))

	// The rows, by a schema that is kept: the earliest train, later ones choose epoch and threshold, and the latest are the test.
	schema := must(dataset.Infer(ctx, path, dataset.Label.Of(*label), dataset.Time.Of(*time)))
	must(0, schema.WriteFile(*dir+"/schema.json"))
	earlier, test := must(schema.CSV(path)).SplitByTime("time", 0.75)
	known, held := earlier.SplitByTime("time", 0.8)

	// The model. Its constants are fitted to the rows that train, and ship.
	t := spec.NewTable(len(schema.Numeric()), schema.Cardinalities()...)
	enc, head := spec.Sequential("encoder", spec.Dense(64), spec.ReLU(), spec.Dense(32), spec.ReLU()), spec.Dense(2).Named("head")
	code, y := t.Row.Then(spec.MaskingNoise(0.2), enc), spec.Labels("y", 2).Optional()
	failure := spec.Layers(enc, head, spec.Softmax(-1), spec.Slice(0, 1, 2), spec.Sum(0))
	logits, score := code.Then(head), t.Row.Then(failure).Named("score")
	auroc := train.OverRows("auroc", logits.Then(spec.Softmax(-1)), y, func(p []float64, y []int) (float64, error) { return evaluate.MacroAUROC(p, 2, y) })

	// First all rows without labels, then the labels.
	fit := must(pretrain.NewProgram("tabular",
		pretrain.Fit(spec.NewModel("columns", t.Reconstruction(code)...), known, train.Options{Optimizer: optim.Adam(1e-3), Epochs: *epochs, Batch: 64}),
		pretrain.Fit(spec.NewModel("label", spec.CrossEntropy(logits, y)), known, train.Options{Optimizer: optim.Adam(1e-3), Epochs: *epochs,
			Valid: held, Metrics: []train.Metric{auroc}, BestBy: train.Greatest("auroc"), Classes: schema.Classes()})).Run(ctx, pretrain.Options{Progress: train.Bar, Needs: ort.Check}))

	// The flag is set above what all but the wanted share of the held rows without a failure have.
	ordinary, _ := held.SplitGroups("y", []int64{0})
	flagged := score.Then(spec.Above(must(fit.Net(score).Quantile(ctx, ordinary, 1-*alarms)))).Named("flag")
	report := must(bundle.Write(ctx, *dir+"/bundle", fit.Net(score, flagged, t.Contributions(32, failure)), test, ort.Runtime()))
	fmt.Print(schema, report, "\n", must(evaluate.MeasureNet(ctx, fit.Net(score, flagged), test, "y", evaluate.MeasureOptions{})))
}

// must ends the program with an error.
func must[T any](x T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return x
}
