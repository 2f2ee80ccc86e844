package yardstick

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
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
		o := in.adam(c.Rate, c.Epochs, c.Batch)
		o.Dir, o.Progress = in.dir, in.progress
		fit, err := train.Fit(ctx, ae, in.digits.Train, o)
		if err != nil {
			return nil, err
		}
		return restoring(ctx, fit.Net(ae.Tap("reconstruction")), in.digits)
	})
	if err != nil {
		return n, err
	}
	n.add("", x)
	for _, p := range ae.Params() {
		n.also["parameters"] += float64(ir.Elems(p.Type.Shape.Lengths()))
	}
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
			phases = append(phases, pretrain.Greedy(x, enc, in.digits.Train, in.adam(c.Rate, c.Stage, c.Batch)).Decoder(dec))
		}
		if c.Whole > 0 {
			phases = append(phases, pretrain.Fit(ae, in.digits.Train, in.adam(c.Rate, c.Whole, c.Batch)))
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

func (b block) options(in *input, rate float64, s shortly) train.Options {
	o := in.adam(rate, s.Epochs, s.Batch)
	if b.SGD {
		o.Optimizer = optim.SGD(rate).Momentum(0.9)
	}
	return o
}

func (in *input) adam(rate float64, epochs, batch int) train.Options {
	return train.Options{Optimizer: optim.Adam(rate), Epochs: epochs, Batch: batch, Seed: in.seed, Workers: in.workers, Precision: in.precision, KeepLast: true}
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

	pretraining := func(in *input) (*train.Result, error) {
		greedy := pretrain.Greedy(x, enc, in.digits.Train, c.Block.options(in, c.Block.PretrainRate, c.Pretrain)).Corrupt(spec.MaskingNoise(c.Noise))
		if c.Block.Unit == "sigmoid" {
			greedy.CrossEntropy()
		}
		return in.run(ctx, pretrain.NewProgram("claims", greedy))
	}
	var stack *train.Result
	took, err := in.way("pretraining", func(in *input) (_ map[string]float64, err error) {
		stack, err = pretraining(in)
		return nil, err
	})
	if err == nil && stack == nil { // it was over in a run before this one
		stack, err = pretraining(in.of("pretraining"))
	}
	if err != nil {
		return n, err
	}
	n.add("pretraining ", took)
	start, err := train.NetTensors(stack.Net(code))
	if err != nil {
		return n, err
	}

	fit := func(in *input, rows *dataset.Table, s shortly, from []train.From) (*engine.Net, error) {
		o := c.Block.options(in, c.Block.Rate, s)
		o.Dir, o.Progress, o.InitFrom = in.dir, in.progress, from
		r, err := train.Fit(ctx, model, rows, o)
		if err != nil {
			return nil, err
		}
		return r.Net(logits), nil
	}
	for _, way := range []struct {
		name string
		from []train.From
	}{{"scratch", nil}, {"pretrained", []train.From{{Tensors: start, Pattern: "encoder"}}}} {
		for _, labels := range append(c.Labels[:len(c.Labels):len(c.Labels)], 0) {
			name, draws, s := fmt.Sprintf("%s %d", way.name, labels), c.Draws, c.Few
			if labels == 0 {
				name, draws, s = way.name+" all", 1, c.All
			}
			took, err := in.way(name, func(in *input) (map[string]float64, error) {
				sum := 0.0
				for draw := range draws {
					rows, part := in.digits.Train, in.of(fmt.Sprint("draw", draw))
					if labels > 0 {
						part.seed = in.seed + uint64(draw)
						rows = rows.Balanced("y", labels, part.seed+1)
					}
					net, err := fit(part, rows, s, way.from)
					if err != nil {
						return nil, err
					}
					rate, err := errorRate(ctx, net, in.digits.Test)
					if err != nil {
						return nil, err
					}
					sum += rate
				}
				return map[string]float64{"error": sum / float64(draws)}, nil
			})
			if err != nil {
				return n, err
			}
			n.add(name+" ", took)
		}
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
