// Command extend trains an encoder made of what this module adds to Lamina: a
// layer and its initializer, an op with its kernel, a loss, a metric and a data source. It exports the encoder as a bundle
// and verifies that.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	"example.com/extend/celu"
	"example.com/extend/glu"
	"example.com/extend/logcosh"
	"example.com/extend/truncated"
	"example.com/extend/waves"
	"example.com/extend/within"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	out := flag.String("out", "out/waves", "folder of the bundle")
	epochs := flag.Int("epochs", 20, "epochs to train")
	flag.Parse()
	if err := run(train.SignalContext(), *out, *epochs); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out string, epochs int) error {
	clean := spec.Input("clean", waves.Samples)
	encoder := spec.Sequential("encoder", glu.New(64).Init(truncated.Normal{SD: 0.1}), glu.New(12))
	code := spec.Input("x", waves.Samples).Then(encoder).Named("code")
	wave := code.Then(spec.Dense(64), celu.New(1), spec.Dense(waves.Samples)).Named("wave")
	m := spec.NewModel("waves", logcosh.Loss(wave, clean))

	test := waves.Source{Count: 512, Seed: 2}
	fit, err := train.Fit(ctx, m, waves.Source{Count: 8192, Seed: 1}, train.Options{
		Optimizer: optim.Adam(3e-3).Schedule(optim.Cosine(1)),
		Epochs:    epochs,
		Batch:     128,
		Valid:     test,
		Metrics:   []train.Metric{within.Metric(wave, clean, 0.25)},
		Progress:  train.Bar,
		Kernels:   []engine.Maker{celu.Kernel},
		Needs:     ort.Check,
	})
	if err != nil {
		return err
	}
	last := fit.Last()
	fmt.Printf("trained: loss %.4f, %.0f %% of the waves within 0.25\n", last.Valid.Loss, 100*last.Valid.Metrics["within"])

	report, err := bundle.Write(ctx, out, fit.Net(code, wave), test, ort.Runtime())
	if err != nil {
		return err
	}
	verdict, err := bundle.Verify(ctx, report.Dir, ort.Runtime())
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, worst difference %.2g of %.2g allowed\n", report.Dir, verdict.Status, verdict.WorstAbs, verdict.Tolerance)
	if verdict.Status != bundle.Holds {
		return fmt.Errorf("the bundle does not hold: %s", verdict.Reason)
	}
	return nil
}
