package yardstick

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// fewTask is a classifier of digits from few labels, all other rows being there without
// one: the test error of each number of labels, in per cent, over class-balanced draws.
// Draw d takes Balanced("y", labels, d+1) of the training rows.
type fewTask struct {
	Net     fewNet  `json:"net"`
	Before  kind    `json:"before"`  // the pretraining on all rows, without labels
	Way     string  `json:"way"`     // fine-tuning, pseudo-labels or FixMatch
	Augment string  `json:"augment"` // of trainings on labels, as dataset.ParseAugmentation reads it; FixMatch has views instead
	Updates int     `json:"updates"` // at least, and
	Passes  int     `json:"passes"`  // over the labelled rows
	Batch   int     `json:"batch"`   // labelled rows of an update
	Rest    int     `json:"rest"`    // unlabelled ones
	Rate    float64 `json:"rate"`
	Decay   float64 `json:"decay"`
	Height  float64 `json:"height"`  // of the weight of unlabelled rows,
	From    int64   `json:"from"`    // which rises between this update
	To      int64   `json:"to"`      // and this one
	Average float64 `json:"average"` // momentum of what is measured
	Weak    string  `json:"weak"`    // views of FixMatch, as dataset.ParseAugmentation reads them
	Strong  string  `json:"strong"`
	Labels  []int   `json:"labels"`
	Draws   int     `json:"draws"`
}

// fewNet is a net of digits f32[784] and its code.
type fewNet struct {
	Kind  string    `json:"kind"`  // dense or conv
	Units []int     `json:"units"` // of dense layers, or channels of convolutions 3x3, each followed by a pool
	Drop  []float64 `json:"drop"`  // share that is dropped of the input, and of the code
}

// kind is a pretraining as an autoencoder.
type kind struct {
	Name   string  `json:"name"`  // none, denoising, or views, of which one is restored from another
	Noise  float64 `json:"noise"` // share of the pixels that are masked
	Views  string  `json:"views"` // how the view that is seen is changed
	Epochs int     `json:"epochs"`
	Rate   float64 `json:"rate"`
}

// task declares the net.
func (n fewNet) task() (fewlabels.Task, error) {
	if len(n.Units) == 0 || len(n.Drop) != 2 {
		return fewlabels.Task{}, fmt.Errorf("yardstick: %d layers, %d shares to drop", len(n.Units), len(n.Drop))
	}
	t := fewlabels.Task{Input: spec.Input("x", side*side), Label: "y", Classes: []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}}
	var layers []spec.Layer
	switch n.Kind {
	case "dense":
		for _, u := range n.Units {
			layers = append(layers, spec.Dense(u), spec.ReLU())
		}
	case "conv":
		layers = append(layers, spec.Reshape(1, side, side))
		for _, c := range n.Units {
			layers = append(layers, spec.Conv(c, 3).Same(), spec.LeakyReLU().Alpha(0.1), spec.MaxPool(2))
		}
		layers = append(layers, spec.Flatten())
	default:
		return t, fmt.Errorf("yardstick: no net is named %q", n.Kind)
	}
	enc := spec.Sequential("encoder", layers...)
	h := t.Input
	if n.Drop[0] > 0 {
		h = h.Then(spec.Dropout(n.Drop[0]))
	}
	t.Encoder, t.Code = enc, h.Then(enc).Named("code")
	h = t.Code
	if n.Drop[1] > 0 {
		h = h.Then(spec.Dropout(n.Drop[1]))
	}
	t.Logits = h.Then(spec.Dense(len(t.Classes)).Named("head"))
	return t, nil
}

// pretrain trains the encoder.
func (f fewTask) pretrain(ctx context.Context, in *input) (start, spent, error) {
	t, err := f.Net.task()
	if err != nil {
		return start{}, spent{}, err
	}
	var augment *dataset.Augmentation
	rows, seen := dataset.Source(in.digits.Train), t.Input
	switch f.Before.Name {
	case "denoising":
	case "views":
		seen = spec.Input("seen", side*side)
		rows = in.digits.Train.Views("x", "x", "seen")
		a, err := dataset.ParseAugmentation(f.Before.Views)
		if err != nil {
			return start{}, spent{}, err
		}
		augment = a.Of("seen")
	default:
		return start{}, spent{}, fmt.Errorf("yardstick: no pretraining is named %q", f.Before.Name)
	}
	noisy := seen
	if f.Before.Noise > 0 {
		noisy = seen.Then(spec.MaskingNoise(f.Before.Noise))
	}
	restored := noisy.Then(t.Encoder, spec.Mirror("decoder", t.Encoder))
	return in.pretrain("pretraining", f.Before.Name, func(in *input) (*train.Result, error) {
		o := rising{f.Before.Epochs, 100, f.Before.Rate}.options(in)
		o.Augment = augment
		return train.Fit(ctx, spec.NewModel("before", spec.BinaryCrossEntropy(restored, t.Input)), rows, o)
	}, noisy.Then(t.Encoder), "encoder")
}

// way is how the labels are used, and the epochs that make the updates.
func (f fewTask) way(labels, all int) (fewlabels.Way, int, error) {
	updates := max(f.Updates, f.Passes*labels/f.Batch)
	epochs := func(rows, batch int) int { return max(1, updates/((rows+batch-1)/batch)) }
	switch f.Way {
	case "fine-tuning":
		return fewlabels.FineTune{}, epochs(labels, f.Batch), nil
	case "pseudo-labels":
		return fewlabels.PseudoLabels{Labelled: f.Batch, Unlabelled: f.Rest, Height: f.Height, From: f.From, To: f.To}, epochs(all, f.Rest), nil
	case "FixMatch":
		weak, err := dataset.ParseAugmentation(f.Weak)
		if err != nil {
			return nil, 0, err
		}
		strong, err := dataset.ParseAugmentation(f.Strong)
		return fewlabels.FixMatch{Labelled: f.Batch, Unlabelled: f.Rest, Weak: weak, Strong: strong}, epochs(all, f.Rest), err
	}
	return nil, 0, fmt.Errorf("yardstick: no way is named %q", f.Way)
}

func (f fewTask) measure(ctx context.Context, in *input) (n numbers, err error) {
	if f.Draws < 1 || len(f.Labels) == 0 || f.Batch < 1 {
		return n, fmt.Errorf("yardstick: %d draws, labels %v, batches of %d", f.Draws, f.Labels, f.Batch)
	}
	from := scratch
	if f.Before.Name != "none" {
		var took spent
		if from, took, err = f.pretrain(ctx, in); err != nil {
			return n, err
		}
		n.add("pretraining ", took)
	}
	for _, labels := range f.Labels {
		took, err := in.way(fmt.Sprint(labels), func(in *input) (map[string]float64, error) {
			values, errs := map[string]float64{}, make([]float64, f.Draws)
			for draw := range errs {
				part := in.of(fmt.Sprint("draw", draw))
				part.seed = in.seed + uint64(draw)
				if errs[draw], err = f.draw(ctx, part, labels, from); err != nil {
					return nil, err
				}
				values[fmt.Sprintf("draw %d", draw)] = errs[draw]
			}
			values["error"], values["half"] = spread(errs)
			return values, nil
		})
		if err != nil {
			return n, err
		}
		n.add(fmt.Sprintf("%d ", labels), took)
	}
	n.value = n.also[fmt.Sprintf("%d error", f.Labels[0])]
	return n, nil
}

// draw is the error of one draw of labels.
func (f fewTask) draw(ctx context.Context, in *input, labels int, from start) (float64, error) {
	t, err := f.Net.task()
	if err != nil {
		return 0, err
	}
	few := in.digits.Train.Balanced("y", labels, in.seed+1)
	way, epochs, err := f.way(labels, in.digits.Train.Len())
	if err != nil {
		return 0, err
	}
	o := rising{epochs, f.Batch, f.Rate}.options(in)
	o.Optimizer = optim.AdamW(f.Rate, f.Decay).Schedule(optim.Cosine(0))
	o.InitFrom, o.Average = from.from, f.Average
	if epochs > 50 {
		o.Dir = "" // a checkpoint each epoch would take longer than the training
	}
	if o.Augment, err = parseAugmentation(f.Augment); err != nil {
		return 0, err
	}
	learned, err := way.Train(ctx, t, few, in.digits.Train, o)
	if err != nil {
		return 0, err
	}
	if learned.Net == nil {
		return 0, errors.New("yardstick: the way makes no net")
	}
	return errorRate(ctx, learned.Net, in.digits.Test)
}
