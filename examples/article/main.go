// Command article goes through a common tutorial on stacked autoencoders in Keras, block by block, in Go: a layer with
// the transposed weights of another, encoder and decoder, a fit with its history, ten digits over their reconstructions,
// training layer by layer, and a classifier on the reused encoder. README.md has the blocks beside those in article.py.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	data := flag.String("data", os.Getenv("LAMINA_DATA"), "folder of the IDX files of MNIST; default LAMINA_DATA, else the embedded slice")
	out := flag.String("out", filepath.Join("out", "article"), "folder to write to")
	epochs := flag.Int("epochs", 20, "epochs of each training")
	flag.Parse()
	if err := start(*data, *out, *epochs); err != nil {
		log.Fatal(err)
	}
}

func start(data, out string, epochs int) error {
	digits := dataset.Digits()
	if data != "" {
		var err error
		if digits, err = dataset.MNIST(data); err != nil {
			return err
		}
	}
	return run(train.SignalContext(), os.Stdout, out, digits.Train, digits.Test, epochs, train.Bar)
}

// encoder is 784-100-30 on images [28 28].
func encoder() (enc *spec.SequentialLayer, first, second *spec.DenseLayer) {
	first, second = spec.Dense(100), spec.Dense(30)
	return spec.Sequential("encoder", spec.Flatten(), first, spec.ReLU(), second, spec.ReLU()), first, second
}

// stack is the autoencoder, whose decoder has the encoder's weights and biases of its own.
func stack() *spec.Model {
	enc, first, second := encoder()
	dec := spec.Sequential("decoder", spec.Tied(second), spec.ReLU(), spec.Tied(first), spec.Reshape(28, 28))
	return spec.Autoencoder("stacked", spec.Input("x", 28, 28), enc, dec)
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	rows, test = rows.Reshape("x", 28, 28), test.Reshape("x", 28, 28)
	o := train.Options{Optimizer: optim.Adam(1e-3).EpsilonHat(1e-7), Epochs: epochs, Batch: 256, Progress: progress, Needs: ort.Check}

	ae := stack()
	fmt.Fprintln(out, ae.Summary())
	o.Valid = test
	fit, err := train.Fit(ctx, ae, rows, o)
	if err != nil {
		return err
	}
	for _, e := range fit.History {
		fmt.Fprintf(out, "epoch %2d  train %.5f  test %.5f\n", e.Number, e.Train.Loss, e.Valid.Loss)
	}
	if err := pictures(ctx, dir, fit, ae.Tap("reconstruction"), test); err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), fit.Net(ae.Tap("code")), test, ort.Runtime()); err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "autoencoder"), fit.Net(ae.Tap("reconstruction")), test, ort.Runtime()); err != nil {
		return err
	}
	fmt.Fprintln(out)
	o.Valid = nil
	if err := greedy(ctx, out, rows, test, o); err != nil {
		return err
	}
	o.Epochs, o.Batch = 3*epochs, 50
	return classify(ctx, out, fit.Net(ae.Tap("code")), rows, test, o)
}

// pictures draws the history, and ten test digits over their reconstructions.
func pictures(ctx context.Context, dir string, fit *train.Result, restored *spec.Value, test *dataset.Table) error {
	tr, te := picture.Curve{Name: "train"}, picture.Curve{Name: "test"}
	for _, e := range fit.History {
		tr.Values, te.Values = append(tr.Values, e.Train.Loss), append(te.Values, e.Valid.Loss)
	}
	if err := picture.Curves(filepath.Join(dir, "loss.png"), "tied 784-100-30", "mean squared error", tr, te); err != nil {
		return err
	}

	ten := test.Head(10).F32("x")
	y, err := fit.Net(restored).Run(ctx, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{10, 28, 28}, F32: ten}})
	if err != nil {
		return err
	}
	return picture.Grid(filepath.Join(dir, "reconstructions.png"), 28, 28, images(ten), images(y["reconstruction"].F32))
}

// images cuts rows of images.
func images(x []float32) (list [][]float32) {
	for i := 0; i < len(x); i += 28 * 28 {
		list = append(list, x[i:][:28*28])
	}
	return list
}

// greedy trains the first layer on images and the second on its codes.
func greedy(ctx context.Context, out io.Writer, rows, test *dataset.Table, o train.Options) error {
	progress := o.Progress
	o.Progress = nil // the program's

	x := spec.Input("x", 28, 28)
	enc, _, _ := encoder()
	dec := spec.Mirror("decoder", enc).Tied() // the decoder of stack, which a phase can take apart
	whole := spec.Autoencoder("greedy", x, enc, dec)
	program := pretrain.NewProgram("greedy", pretrain.Greedy(x, enc, rows, o).Decoder(dec))
	fmt.Fprintln(out, program)
	fit, err := program.Run(ctx, pretrain.Options{Progress: progress})
	if err != nil {
		return err
	}

	phases, err := fit.Phases()
	if err != nil {
		return err
	}
	for _, p := range phases {
		fmt.Fprintf(out, "%s: train %.5f\n", p.Name, p.Metrics["train/loss"])
	}
	loss, err := squaredError(ctx, fit, whole.Tap("reconstruction"), test)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the stack of both, test %.5f\n\n", loss)
	return nil
}

// squaredError is the mean over rows and pixels.
func squaredError(ctx context.Context, fit *train.Result, restored *spec.Value, test *dataset.Table) (float64, error) {
	got, err := fit.Net(restored).Over(ctx, test)
	if err != nil {
		return 0, err
	}
	x, y, sum := test.F32("x"), got.F32("reconstruction"), 0.0
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return sum / float64(len(x)), nil
}

// classify trains a classifier from 60 labels of each digit, from scratch and on the encoder that was trained without.
func classify(ctx context.Context, out io.Writer, trained *engine.Net, rows, test *dataset.Table, o train.Options) error {
	enc, _, _ := encoder()
	logits, y := spec.Input("x", 28, 28).Then(enc, spec.Dense(10).Named("head")), spec.Labels("y", 10)
	classifier := spec.NewModel("classifier", spec.CrossEntropy(logits, y))
	few := rows.Balanced("y", min(600, rows.Len()/20*10), 1)
	reused, err := train.NetTensors(trained)
	if err != nil {
		return err
	}

	for _, way := range []struct {
		name  string
		start []train.From
	}{{"from scratch", nil}, {"on the reused encoder", []train.From{{Tensors: reused, Pattern: "encoder"}}}} {
		o.InitFrom = way.start
		fit, err := train.Fit(ctx, classifier, few, o)
		if err != nil {
			return err
		}
		table, err := evaluate.Confuse(ctx, fit.Net(logits), test, "y")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "classifier of %d labels, %s: %.2f %% of the test digits\n", few.Len(), way.name, 100*table.Accuracy())
	}
	return nil
}
