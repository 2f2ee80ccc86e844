package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
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
	o := train.Options{Optimizer: optim.SGD(r.Rate).Momentum(0.9).Decay(r.Decay).Schedule(optim.Cosine(r.Warm)), Epochs: r.Epochs, Batch: r.Batch,
		Seed: in.seed, Workers: in.workers, Precision: in.precision, KeepLast: true, Augment: augment, Dir: in.dir, Progress: in.progress}
	fit, err := train.Fit(ctx, m, in.digits.Train.Reshape("x", dims...), o)
	if err != nil {
		return n, err
	}
	n.value, err = misread(ctx, fit.Net(logits), in.digits.Test.Reshape("x", dims...))
	return n, err
}

// misread is the percentage of rows whose greatest output is not that of the label, for
// rows of any shape and of float32 or bytes.
func misread(ctx context.Context, net *engine.Net, rows *dataset.Table) (float64, error) {
	const some = 500
	if err := net.Err(); err != nil {
		return 0, err
	}
	out, wrong := net.Graph().Outputs[0].Name, 0
	err := dataset.Each(ctx, rows, some, func(b dataset.Batch) error {
		labels := b.I64("y")
		shape := append([]int{len(labels)}, net.Inputs()[0].Type.Shape[1:].Lengths()...)
		t := &ir.Tensor{DType: net.Inputs()[0].Type.DType, Shape: shape}
		if t.DType == ir.U8 {
			t.Raw = b.U8("x")
		} else {
			t.F32 = b.F32("x")
		}
		y, err := net.Run(ctx, map[string]*ir.Tensor{"x": t})
		if err != nil {
			return err
		}
		classes := len(y[out].F32) / len(labels)
		for i, label := range labels {
			best, z := 0, y[out].F32[i*classes:][:classes]
			for j := range z {
				if z[j] > z[best] {
					best = j
				}
			}
			if int64(best) != label {
				wrong++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("yardstick: %w", err)
	}
	return 100 * float64(wrong) / float64(rows.Len()), nil
}
