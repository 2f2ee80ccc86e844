package yardstick

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// claimedDecoder is an autoencoder of ReLU units trained at once by Adam, its decoder tied or not, and its squared error.
type claimedDecoder struct {
	Units  []int   `json:"units"`
	Tied   bool    `json:"tied"`
	Epochs int     `json:"epochs"`
	Batch  int     `json:"batch"`
	Rate   float64 `json:"rate"`
}

func (c claimedDecoder) measure(ctx context.Context, in *input) (n numbers, err error) {
	enc := block{Unit: "relu"}.stack(c.Units)
	dec := spec.Mirror("decoder", enc)
	if c.Tied {
		dec = dec.Tied()
	}
	ae := spec.Autoencoder("claims", spec.Input("x", side*side), enc, dec)
	x, err := in.way("training", func(in *input) (map[string]float64, error) {
		fit, err := train.Fit(ctx, ae, in.digits.Train, in.training(optim.Adam(c.Rate), c.Epochs, c.Batch))
		if err != nil {
			return nil, err
		}
		return restoring(ctx, fit.Net(ae.Tap("reconstruction")), in.digits)
	})
	if err != nil {
		return n, err
	}
	n.add("", x)
	n.also["parameters"] = parameters(ae)
	n.value = x.Values["test"]
	return n, nil
}

// claimedGreedy is a deep tied autoencoder of ReLU units: trained at once, from below, or from below and then as a whole.
type claimedGreedy struct {
	Units []int   `json:"units"`
	Stage int     `json:"stage_epochs"` // of each layer; 0 trains none by itself
	Whole int     `json:"epochs"`       // of the whole; 0 leaves it as the stages left it
	Batch int     `json:"batch"`
	Rate  float64 `json:"rate"`
}

func (c claimedGreedy) measure(ctx context.Context, in *input) (n numbers, err error) {
	x, err := in.way("training", func(in *input) (map[string]float64, error) {
		x, enc := spec.Input("x", side*side), block{Unit: "relu"}.stack(c.Units)
		dec := spec.Mirror("decoder", enc).Tied()
		ae := spec.Autoencoder("claims", x, enc, dec)
		var phases []pretrain.Phase
		if c.Stage > 0 {
			phases = append(phases, pretrain.Greedy(x, enc, in.digits.Train, in.phase(optim.Adam(c.Rate), c.Stage, c.Batch)).Decoder(dec))
		}
		if c.Whole > 0 {
			phases = append(phases, pretrain.Fit(ae, in.digits.Train, in.phase(optim.Adam(c.Rate), c.Whole, c.Batch)))
		}
		fit, err := in.run(ctx, pretrain.NewProgram("claims", phases...))
		if err != nil {
			return nil, err
		}
		return restoring(ctx, fit.Net(ae.Tap("reconstruction")), in.digits)
	})
	if err != nil {
		return n, err
	}
	n.add("", x)
	n.value = x.Values["test"]
	return n, nil
}

// claimedDepth is a classifier of some depth, from few and from all labels, from scratch and pretrained without labels
// (Erhan et al. 2010): the test error of each, in per cent.
type claimedDepth struct {
	Depth    int     `json:"depth"`
	Width    int     `json:"width"`
	Block    block   `json:"block"`
	Noise    float64 `json:"noise"` // masked share of a stage's input
	Pretrain shortly `json:"pretrain"`
	Few      shortly `json:"few"`    // trainings on few labels
	All      shortly `json:"all"`    // the training on all labels
	Labels   []int   `json:"labels"` // few, by increasing number
	Draws    int     `json:"draws"`  // of the few labels; their errors are averaged
}

// shortly says for how long something is trained.
type shortly struct {
	Epochs int `json:"epochs"`
	Batch  int `json:"batch"`
}

// block is what one layer is made of, and how it is trained.
type block struct {
	Unit         string  `json:"unit"` // sigmoid or relu
	He           bool    `json:"he,omitempty"`
	Norm         bool    `json:"norm,omitempty"` // layer normalisation in front of the unit
	SGD          bool    `json:"sgd,omitempty"`  // with momentum 0.9, not Adam
	Rate         float64 `json:"rate"`
	PretrainRate float64 `json:"pretrain_rate"`
}

// stack is layers of these units, one behind the other.
func (b block) stack(units []int) *spec.SequentialLayer {
	var layers []spec.Layer
	for _, n := range units {
		d := spec.Dense(n)
		if b.He {
			d = d.Init(spec.He())
		}
		layers = append(layers, d)
		if b.Norm {
			layers = append(layers, spec.LayerNorm())
		}
		if b.Unit == "sigmoid" {
			layers = append(layers, spec.Sigmoid())
		} else {
			layers = append(layers, spec.ReLU())
		}
	}
	return spec.Sequential("encoder", layers...)
}

func (b block) optimizer(rate float64) optim.Optimizer {
	if b.SGD {
		return optim.SGD(rate).Momentum(0.9)
	}
	return optim.Adam(rate)
}

func (c claimedDepth) measure(ctx context.Context, in *input) (n numbers, err error) {
	if c.Depth < 1 || c.Draws < 1 || len(c.Labels) == 0 {
		return n, fmt.Errorf("yardstick: a depth of %d, %d draws, labels %v", c.Depth, c.Draws, c.Labels)
	}
	units := make([]int, c.Depth)
	for i := range units {
		units[i] = c.Width
	}
	x, enc := spec.Input("x", side*side), c.Block.stack(units)
	code := x.Then(enc).Named("code")
	logits := code.Then(spec.Dense(10).Named("head"))
	model := spec.NewModel("classifier", spec.CrossEntropy(logits, spec.Labels("y", 10)))

	pretrained, took, err := in.pretrain("pretraining", "pretrained", func(in *input) (*train.Result, error) {
		greedy := pretrain.Greedy(x, enc, in.digits.Train, in.phase(c.Block.optimizer(c.Block.PretrainRate), c.Pretrain.Epochs, c.Pretrain.Batch)).Corrupt(spec.MaskingNoise(c.Noise))
		if c.Block.Unit == "sigmoid" {
			greedy.CrossEntropy()
		}
		return in.run(ctx, pretrain.NewProgram("claims", greedy))
	}, code, "encoder")
	if err != nil {
		return n, err
	}
	n.add("pretraining ", took)
	labels := append(c.Labels[:len(c.Labels):len(c.Labels)], 0)
	err = in.fromLabels(&n, []start{scratch, pretrained}, labels, func(in *input, s start, labels int) (map[string]float64, error) {
		long := c.Few
		if labels == 0 {
			long = c.All
		}
		return in.overDraws(labels, c.Draws, func(in *input, rows *dataset.Table) (float64, error) {
			o := in.training(c.Block.optimizer(c.Block.Rate), long.Epochs, long.Batch)
			o.InitFrom = s.from
			fit, err := train.Fit(ctx, model, rows, o)
			if err != nil {
				return 0, err
			}
			return errorRate(ctx, fit.Net(logits), in.digits.Test)
		})
	})
	if err != nil {
		return n, err
	}
	n.value = n.also[fmt.Sprintf("pretrained %d error", c.Labels[0])]
	return n, nil
}

// restoring is the squared error per pixel of the test and the training rows.
func restoring(ctx context.Context, net *engine.Net, digits *dataset.Split) (map[string]float64, error) {
	test, err := squaredError(ctx, net, digits.Test)
	tr, err2 := squaredError(ctx, net, digits.Train)
	return map[string]float64{"test": test / (side * side), "train": tr / (side * side)}, errors.Join(err, err2)
}
