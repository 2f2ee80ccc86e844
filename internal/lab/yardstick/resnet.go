package yardstick

import (
	"context"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// residual is ResNet-20 on all labels, by SGD with momentum 0.9 and a rate that falls to
// zero along a cosine: the error of the test rows, in per cent.
type residual struct {
	Picture []int     `json:"picture"` // channels, height and width
	Bytes   bool      `json:"bytes"`   // whether the rows are bytes from 0 to 255
	Mean    []float64 `json:"mean"`    // of each channel, of pixels from 0 to 1
	Spread  []float64 `json:"spread"`  // the standard deviation
	Augment string    `json:"augment"`
	Epochs  int       `json:"epochs"`
	Batch   int       `json:"batch"`
	Rate    float64   `json:"rate"`
	Warm    int       `json:"warm"`  // epochs in which the rate rises
	Decay   float64   `json:"decay"` // of weights, added to gradients
}

func (r residual) measure(ctx context.Context, in *input) (n numbers, err error) {
	augment, err := parseAugmentation(r.Augment)
	if err != nil {
		return n, err
	}
	dims := r.Picture
	x := spec.Input("x", dims...)
	pixels := x
	if r.Bytes {
		x = spec.Bytes("x", dims...)
		pixels = x.Then(spec.Floats().Times(1.0 / 255))
	}
	logits := pixels.Then(spec.Normalize(r.Mean, r.Spread), spec.ResNet20("net", spec.ProjectedShortcuts).Head(10)).Named("logits")
	m := spec.NewModel("resnet20", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	o := in.training(optim.SGD(r.Rate).Momentum(0.9).Decay(r.Decay).Schedule(optim.Cosine(r.Warm)), r.Epochs, r.Batch)
	o.Augment = augment
	fit, err := train.Fit(ctx, m, in.digits.Train.Reshape("x", dims...), o)
	if err != nil {
		return n, err
	}
	n.value, err = errorRate(ctx, fit.Net(logits), in.digits.Test.Reshape("x", dims...))
	return n, err
}
