package main

import (
	"log"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
	ctx, digits := train.SignalContext(), dataset.Digits()
	fit, err := train.Fit(ctx, ae, digits.Train, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 20, Progress: train.Bar, Needs: ort.Check})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := bundle.Write(ctx, "out/encoder", fit.Net(ae.Tap("code")), digits.Test, ort.Runtime()); err != nil {
		log.Fatal(err)
	}
}
