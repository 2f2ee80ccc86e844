package yardstick

import (
	"context"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// tied is the demo's autoencoder, 784-100-30 with a tied decoder, and its mean
// squared error on the test rows.
type tied struct {
	Units  []int   `json:"units"`
	Epochs int     `json:"epochs"`
	Batch  int     `json:"batch"`
	Rate   float64 `json:"rate"`
}

func (t tied) measure(ctx context.Context, in *input) (n numbers, err error) {
	enc := spec.Sequential("encoder", spec.Dense(t.Units[0]), spec.ReLU(), spec.Dense(t.Units[1]), spec.ReLU())
	ae := spec.Autoencoder("digits", spec.Input("x", side*side), enc, spec.Mirror("decoder", enc).Tied())
	fit, err := train.Fit(ctx, ae, in.digits.Train, in.training(optim.Adam(t.Rate), t.Epochs, t.Batch))
	if err != nil {
		return n, err
	}
	n.value, err = squaredError(ctx, fit.Net(ae.Tap("reconstruction")), in.digits.Test)
	n.value /= side * side
	return n, err
}
