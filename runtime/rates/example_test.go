package rates_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/rates"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func ExampleFromGradients() {
	ctx, rows := context.Background(), dataset.Digits().Train.Balanced("y", 200, 1)
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(32), spec.ReLU(), spec.Dense(16), spec.ReLU())
	denoiser := spec.NewModel("denoiser", spec.MSE(x.Then(spec.MaskingNoise(0.3), enc, spec.Mirror("decoder", enc)), x))
	classifier := spec.NewModel("classifier", spec.CrossEntropy(x.Then(enc, spec.Dense(10).Named("head")), spec.Labels("y", 10)))

	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: 2, Batch: 50, Log: slog.New(slog.DiscardHandler)}
	pretrained, err := train.Fit(ctx, denoiser, rows, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	tensors, err := train.NetTensors(pretrained.Net(x.Then(enc)))
	if err != nil {
		fmt.Println(err)
		return
	}
	o.InitFrom = []train.From{{Tensors: tensors, Pattern: "encoder"}}
	var table *rates.Table
	if o.Optimizer, table, err = rates.FromGradients(ctx, classifier, rows, o); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range table.Rows {
		fmt.Println(r.Param, r.Factor > 1)
	}
	fit, err := train.Fit(ctx, classifier, rows, o)
	fmt.Println(len(fit.History), err)
	// Output:
	// encoder/dense1/w false
	// encoder/dense1/b false
	// encoder/dense2/w true
	// encoder/dense2/b true
	// head/w true
	// head/b true
	// 2 <nil>
}
