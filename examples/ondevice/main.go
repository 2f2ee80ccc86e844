// Command ondevice trains a classifier of digits and ships two files: its encoder, and one
// update of a head on the encoder's codes. A device makes codes with the first and trains
// its own head with the second, with nothing but an ONNX runtime.
package main

import (
	"context"
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
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const (
	width   = 30 // of a code
	classes = 10
	device  = 64  // rows that the device has
	rate    = 0.2 // of its updates
	updates = 101 // that are made here, for comparison
)

func main() {
	digits := dataset.Digits()
	if _, err := run(train.SignalContext(), os.Stdout, "out/ondevice", digits.Train, digits.Test, 10, train.Bar); err != nil {
		log.Fatal(err)
	}
}

// run ships both files and returns the head as Lamina's own engine trains it, which is
// what a device should come to.
func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) (*engine.Net, error) {
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(width), spec.ReLU())
	code := spec.Input("x", 784).Then(enc).Named("code")
	m := spec.NewModel("digits", spec.CrossEntropy(code.Then(spec.Dense(classes)), spec.Labels("y", classes)))
	fit, err := train.Fit(ctx, m, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: epochs, Progress: progress, Needs: ort.Check})
	if err != nil {
		return nil, err
	}
	encoder := fit.Net(code)
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), encoder, test, ort.Runtime()); err != nil {
		return nil, err
	}

	// One update: codes, labels and a head come in, the head that is a step better goes out.
	codes, labels := spec.Input("code", width), spec.Labels("y", classes)
	w, b, step := spec.Given("w", width, classes), spec.Given("b", classes), spec.Given("rate")
	loss := spec.CrossEntropy(spec.Add(spec.MatMul(codes, w), b), labels).Value()
	better := func(p *spec.Value) *spec.Value { return spec.Sub(p, spec.Mul(step, spec.Grad(loss, p))) }
	update := fit.Net(better(w).Named("w_next"), better(b).Named("b_next"), loss.Named("loss"))

	coded, err := encoder.Over(ctx, test)
	if err != nil {
		return nil, err
	}
	coded = coded.Join(test).Head(device)
	head := map[string]*ir.Tensor{"w": ir.NewTensor(ir.F32, width, classes), "b": ir.NewTensor(ir.F32, classes),
		"rate": {DType: ir.F32, Shape: []int{}, F32: []float32{rate}}}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "update"), update, bundle.With(coded, head), ort.Runtime()); err != nil {
		return nil, err
	}

	// The same head, trained here: from zeros, all rows in each update.
	logits := codes.Then(spec.Dense(classes).Named("head").Init(spec.Zeros()))
	own := spec.NewModel("head", spec.CrossEntropy(logits, labels))
	trained, err := train.Fit(ctx, own, coded, train.Options{Optimizer: optim.SGD(rate), Epochs: updates, Batch: device})
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(trained.History); i += 10 {
		fmt.Fprintf(out, "update %3d: loss %.6f\n", i+1, trained.History[i].Train.Loss)
	}
	return trained.Net(logits), nil
}
