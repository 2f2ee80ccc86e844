package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// sizes are the rows of a variation's parts.
type sizes struct {
	Train int `json:"train"`
	Valid int `json:"valid"`
	Test  int `json:"test"`
}

// classifier is a stack of logistic units, pretrained and then fine-tuned as a
// classifier, on a variation of the digits, and its error on the test rows.
type classifier struct {
	Data     string      `json:"data"` // basic, rot or bg-rand, regenerated
	Rows     sizes       `json:"rows"`
	Units    []int       `json:"units"`
	Pretrain pretraining `json:"pretrain"` // kind autoencoder is denoising without noise
	Tune     tuning      `json:"tune"`
}

func (c classifier) measure(ctx context.Context, in *input) (n numbers, err error) {
	data, err := variation(in.digits, c.Data, c.Rows.Train, c.Rows.Valid, c.Rows.Test)
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	enc := stack(c.Units, "sigmoid", false)
	logits := x.Then(enc, spec.Dense(10).Named("head"))
	labels := spec.Labels("y", 10)
	m := spec.NewModel("classifier", spec.CrossEntropy(logits, labels))

	var phases []pretrain.Phase
	switch p := c.Pretrain; p.Kind {
	case "none":
	case "autoencoder", "denoising":
		g := pretrain.Greedy(x, enc, data.train, p.options(in)).CrossEntropy()
		if p.Noise > 0 {
			g = g.Corrupt(spec.MaskingNoise(p.Noise))
		}
		phases = append(phases, g)
	case "rbm":
		phases = append(phases, pretrain.RBM(x, enc, data.train, p.options(in)))
	default:
		return n, fmt.Errorf("yardstick: no pretraining is named %q", p.Kind)
	}
	o := c.Tune.options(in)
	if c.Tune.Stop {
		o = stopping(o, data, logits, labels)
	}
	phases = append(phases, pretrain.Fit(m, data.train, o))
	fit, err := in.run(ctx, pretrain.NewProgram("sdae", phases...))
	if err != nil {
		return n, err
	}
	return threeErrors(ctx, fit, logits, data)
}

// stopping are options with which a classifier keeps the epoch with the fewest errors on
// the validation rows.
func stopping(o train.Options, data splits, logits, labels *spec.Value) train.Options {
	o.KeepLast, o.Valid = false, data.valid
	o.Metrics, o.BestBy = []train.Metric{train.Accuracy(logits, labels)}, train.Greatest("accuracy")
	return o
}

// threeErrors gives the error of each part; the value is that of the test rows.
func threeErrors(ctx context.Context, fit *train.Result, logits *spec.Value, data splits) (n numbers, err error) {
	net := fit.Net(logits)
	n.also = map[string]float64{}
	if n.also["train"], err = errorRate(ctx, net, data.train); err != nil {
		return n, err
	}
	if n.also["valid"], err = errorRate(ctx, net, data.valid); err != nil {
		return n, err
	}
	n.value, err = errorRate(ctx, net, data.test)
	return n, err
}
