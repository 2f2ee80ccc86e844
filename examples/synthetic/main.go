// Command synthetic trains a classifier from 100 real digits whose encoder was pretrained on
// generated glyphs alone, by telling them apart, and the same net from scratch beside it. It
// says which share of the rows was generated, ships the pretrained classifier and draws
// what a variational autoencoder, trained on the glyphs, makes of codes that are drawn.
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
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// size says how much is trained.
type size struct {
	rows, glyphs, labels       int
	pretrain, train, generator int // epochs
}

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/synthetic", digits.Train, digits.Test, size{20000, 300, 100, 3, 100, 3}, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, real, test *dataset.Table, n size, progress train.Progress) error {
	glyphs := synthetic.Strokes(n.rows, 1, synthetic.StrokeOptions{Glyphs: n.glyphs}).Rename("y", "glyph")
	few := real.Balanced("y", n.labels, 1)
	fmt.Fprintln(out, glyphs)

	// The glyphs are named by 300 numbers and the digits by ten: two heads on one encoder.
	x, enc := spec.Input("x", 784), encoder()
	code := x.Then(enc)
	reader := spec.NewModel("glyphs", spec.CrossEntropy(code.Then(spec.Dense(n.glyphs).Named("names")), spec.Labels("glyph", n.glyphs)))
	logits := code.Then(spec.Dropout(0.3), spec.Dense(10).Named("head")).Named("logits")
	classifier := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	adam := func(epochs, batch int) train.Options {
		return train.Options{Optimizer: optim.Adam(1e-3).Schedule(optim.Cosine(1)), Epochs: epochs, Batch: batch, KeepLast: true}
	}
	program := pretrain.NewProgram("synthetic", pretrain.Fit(reader, glyphs, adam(n.pretrain, 50)), pretrain.Fit(classifier, few, adam(n.train, 25)))
	fmt.Fprintln(out, program)
	pretrained, err := program.Run(ctx, pretrain.Options{Dir: filepath.Join(dir, "training"), Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	control := spec.Input("x", 784).Then(encoder(), spec.Dropout(0.3), spec.Dense(10).Named("head")).Named("logits") // of parameters of its own
	o := adam(n.train, 25)
	o.Progress = progress
	scratch, err := train.Fit(ctx, spec.NewModel("control", spec.CrossEntropy(control, spec.Labels("y", 10))), few, o)
	if err != nil {
		return err
	}
	for _, way := range []struct {
		name   string
		fit    *train.Result
		logits *spec.Value
	}{{"from scratch", scratch, control}, {"pretrained on generated glyphs", pretrained, logits}} {
		table, err := evaluate.Confuse(ctx, way.fit.Net(way.logits), test, "y")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-31s %5.2f %% of %d test digits read\n", way.name, 100*table.Accuracy(), test.Len())
	}
	phases, err := pretrained.Phases()
	if err != nil {
		return err
	}
	for _, p := range phases {
		fmt.Fprintf(out, "phase %-7s %5d rows, %.0f %% synthetic\n", p.Name, p.Rows, 100*p.Synthetic)
	}
	ship := pretrained.Net(logits.Then(spec.Softmax(-1)).Named("probabilities"))
	if _, err := bundle.Write(ctx, filepath.Join(dir, "classifier"), ship, test, ort.Runtime()); err != nil {
		return err
	}
	return dream(ctx, filepath.Join(dir, "dreamt.png"), glyphs, n.generator, progress)
}

func encoder() *spec.SequentialLayer {
	return spec.Sequential("encoder", spec.Reshape(1, 28, 28), spec.Conv(8, 3).Same(), spec.ReLU(), spec.MaxPool(2),
		spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Flatten(), spec.Dense(64), spec.ReLU())
}

// dream trains a variational autoencoder and draws rows that its decoder makes: a generator that was learnt.
func dream(ctx context.Context, path string, rows dataset.Source, epochs int, progress train.Progress) error {
	dec := spec.Sequential("decoder", spec.Dense(200), spec.ReLU(), spec.Dense(784)) // logits of the pixels
	vae := spec.Variational("vae", spec.Input("x", 784), spec.Sequential("encoder", spec.Dense(200), spec.ReLU()), 16, dec)
	fit, err := train.Fit(ctx, vae.Model, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Batch: 100, KeepLast: true, Progress: progress})
	if err != nil {
		return err
	}
	const high, wide = 4, 12
	made, err := dataset.Collect(synthetic.Decoded(fit.Net(spec.Input("z", 16).Then(dec, spec.Sigmoid()).Named("x")), high*wide, 1))
	if err != nil {
		return err
	}
	lines := make([][][]float32, high)
	for i := range high * wide {
		lines[i/wide] = append(lines[i/wide], made.F32("x")[i*784:][:784])
	}
	return picture.Grid(path, 28, 28, lines...)
}
