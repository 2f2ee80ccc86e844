package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// pretraining says how each layer of a stack is pretrained: autoencoders by Adam or by
// plain SGD, machines by CD-1 with a weight decay, and with momentum 0.5 in the first five
// epochs and 0.9 after them unless SGD is set.
type pretraining struct {
	Kind     string  `json:"kind"`            // none, autoencoder, denoising or rbm
	Noise    float64 `json:"noise,omitempty"` // masked share of a stage's input
	Epochs   int     `json:"epochs,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	CodeRate float64 `json:"code_rate,omitempty"` // of the linear code layer
	Decay    float64 `json:"decay,omitempty"`     // of the weights of machines
	Batch    int     `json:"batch,omitempty"`
	SGD      bool    `json:"sgd,omitempty"` // without momentum
}

// tuning says how a whole net is trained, by Adam, or by SGD if Momentum or Plain
// says so, with a rate that falls to zero along a cosine.
type tuning struct {
	Epochs   int     `json:"epochs"`
	Rate     float64 `json:"rate"`
	Batch    int     `json:"batch"`
	Loss     string  `json:"loss,omitempty"` // of a reconstruction: mse or cross-entropy
	SGD      bool    `json:"sgd,omitempty"`
	Momentum float64 `json:"momentum,omitempty"`
	Decay    float64 `json:"decay,omitempty"` // AdamW's
	Noise    float64 `json:"noise,omitempty"` // masked share of a reconstruction's input
	Stop     bool    `json:"stop,omitempty"`  // of a classifier: keep the epoch with the fewest errors on the validation rows
}

func (p pretraining) options(in *input) train.Options {
	o := in.phase(optim.Adam(p.Rate).Schedule(optim.Cosine(0)), p.Epochs, p.Batch)
	switch {
	case p.SGD:
		o.Optimizer = optim.SGD(p.Rate).Decay(p.Decay).Schedule(optim.Cosine(0))
	case p.Kind == "rbm": // as Hinton and Salakhutdinov 2006
		o.Optimizer = optim.SGD(p.Rate).Momentum(0.9).EarlyMomentum(0.5, 5).Decay(p.Decay).Schedule(optim.Cosine(0))
	}
	return o
}

func (t tuning) options(in *input) train.Options {
	o := in.phase(optim.Adam(t.Rate).Schedule(optim.Cosine(1)), t.Epochs, t.Batch)
	switch {
	case t.SGD:
		o.Optimizer = optim.SGD(t.Rate).Momentum(t.Momentum).Schedule(optim.Cosine(1))
	case t.Decay > 0:
		o.Optimizer = optim.AdamW(t.Rate, t.Decay).Schedule(optim.Cosine(1))
	}
	return o
}

// autoencoder is a deep autoencoder, pretrained or not, on all training digits,
// and its squared error on the test digits.
type autoencoder struct {
	Units    []int       `json:"units"` // of the encoder; the last is the linear code
	Unit     string      `json:"unit"`  // sigmoid or elu
	Pretrain pretraining `json:"pretrain"`
	Tune     tuning      `json:"tune"`
}

func (a autoencoder) measure(ctx context.Context, in *input) (n numbers, err error) {
	x, rows := spec.Input("x", side*side), in.digits.Train
	enc := stack(a.Units, a.Unit, true)
	restored := x.Then(enc, spec.MirrorOf(enc, false), spec.Sigmoid()).Named("restored")
	whole := pretrain.EndToEnd(x, enc, rows, a.Tune.options(in)).Loss(a.Tune.loss)

	if a.Tune.Noise > 0 {
		whole.Corrupt(spec.MaskingNoise(a.Tune.Noise))
	}
	var phases []pretrain.Phase
	switch p := a.Pretrain; p.Kind {
	case "none":
		whole.Untied()
	case "denoising":
		whole.Untied()
		phases = append(phases, pretrain.Greedy(x, enc, rows, p.options(in)).Corrupt(spec.MaskingNoise(p.Noise)).Untied().Loss(stageLoss))
	case "rbm":
		whole.Untied()
		code := p
		code.Rate = p.CodeRate
		phases = append(phases, pretrain.RBM(x, enc, rows, p.options(in)).Stage(len(a.Units), code.options(in)))
	default:
		return n, fmt.Errorf("yardstick: no pretraining is named %q", p.Kind)
	}
	fit, err := in.run(ctx, pretrain.NewProgram("ae30", append(phases, whole)...))
	if err != nil {
		return n, err
	}
	net := fit.Net(restored)
	if n.value, err = squaredError(ctx, net, in.digits.Test); err != nil {
		return n, err
	}
	tr, err := squaredError(ctx, net, rows)
	n.also = map[string]float64{"train": tr}
	return n, err
}

// loss is that of a reconstruction whose prediction is the logits of pixels.
func (t tuning) loss(prediction, target *spec.Value) *spec.Loss {
	if t.Loss == "mse" {
		return spec.MSE(prediction.Then(spec.Sigmoid()), target)
	}
	return spec.BinaryCrossEntropy(prediction, target)
}

// stageLoss is the cross-entropy of pixels, of which the first stage's decoder gives
// the logits as that of the whole net does, and the squared error of codes.
func stageLoss(prediction, target *spec.Value) *spec.Loss {
	if target.Dim(0) == side*side {
		return spec.BinaryCrossEntropy(prediction, target)
	}
	return spec.MSE(prediction, target)
}

// stack is dense layers with units of one kind between them; the last one is
// linear if it is a code.
func stack(units []int, kind string, code bool) *spec.SequentialLayer {
	var layers []spec.Layer
	for i, n := range units {
		d := spec.Dense(n)
		unit := spec.Layer(spec.Sigmoid())
		if kind == "elu" {
			d = d.Init(spec.He())
			unit = spec.ELU()
		}
		layers = append(layers, d)
		if !code || i < len(units)-1 {
			layers = append(layers, unit)
		}
	}
	return spec.Sequential("encoder", layers...)
}
