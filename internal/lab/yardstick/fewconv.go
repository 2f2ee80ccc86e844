package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// pictureNet is an encoder of pictures of 28x28 and the decoder that mirrors it.
type pictureNet struct {
	Kind  string `json:"kind"`  // conv or dense
	Units []int  `json:"units"` // channels of convolutions 3x3, each followed by a pool, or units of dense layers
	Code  int    `json:"code"`
}

// encoder is the net up to its code, from f32[N 784].
func (p pictureNet) encoder() (*spec.SequentialLayer, error) {
	var layers []spec.Layer
	switch p.Kind {
	case "conv":
		layers = append(layers, spec.Reshape(1, side, side))
		for _, n := range p.Units {
			layers = append(layers, spec.Conv(n, 3).Same(), spec.ReLU(), spec.MaxPool(2))
		}
		layers = append(layers, spec.Flatten())
	case "dense":
		for _, n := range p.Units {
			layers = append(layers, spec.Dense(n), spec.ReLU())
		}
	default:
		return nil, fmt.Errorf("yardstick: no net of pictures is named %q", p.Kind)
	}
	return spec.Sequential("encoder", append(layers, spec.Dense(p.Code))...), nil
}

// bent is the activation behind a code: it keeps a slope everywhere, so that no number of
// the few of a code is lost for good.
func bent() spec.Layer { return spec.LeakyReLU().Alpha(0.1) }

// fewConv is a classifier from few labels, from scratch and pretrained as an autoencoder of
// noisy rows with holes, on all of them, without labels: the test error of each number of labels, in
// per cent, averaged over draws. Trainings on different numbers of labels have as many
// updates.
type fewConv struct {
	Net      pictureNet `json:"net"`
	Block    int        `json:"block"` // side of the squares of a picture that are blanked for the denoising autoencoder
	Blank    float64    `json:"blank"` // share of the squares
	Noise    float64    `json:"noise"` // standard deviation of what is added to a pixel
	Pretrain rising     `json:"pretrain"`
	Updates  int        `json:"updates"` // of a training on few labels
	Batch    int        `json:"batch"`
	Rate     float64    `json:"rate"`
	Drop     float64    `json:"drop"`    // share of the code that is dropped before the classifier
	Augment  string     `json:"augment"` // of those trainings, as dataset.ParseAugmentation reads it
	Labels   []int      `json:"labels"`
	Draws    int        `json:"draws"`
}

// blanked is pictures in which squares are 0.
func (f fewConv) blanked(x *spec.Value) *spec.Value {
	if f.Blank == 0 {
		return x
	}
	n := side / f.Block
	seen := x.Then(spec.Slice(0, 0, n*n), spec.Scale(0), spec.Shift(1), spec.MaskingNoise(f.Blank), // a 1 for each square that is seen
		spec.Reshape(1, n, n), spec.Upsample(f.Block), spec.Flatten())
	return spec.Mul(x, seen)
}

func (f fewConv) measure(ctx context.Context, in *input) (n numbers, err error) {
	if f.Draws < 1 || len(f.Labels) == 0 {
		return n, fmt.Errorf("yardstick: %d draws, labels %v", f.Draws, f.Labels)
	}
	enc, err := f.Net.encoder()
	if err != nil {
		return n, err
	}
	augment, err := parseAugmentation(f.Augment)
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	code := x.Then(enc).Named("code")
	restored := f.blanked(x).Then(spec.GaussianNoise(f.Noise), enc, bent(), spec.Mirror("decoder", enc))
	denoiser := spec.NewModel("denoiser", spec.MSE(restored, x))
	logits := code.Then(bent(), spec.Dropout(f.Drop), spec.Dense(10).Named("head")).Named("logits")
	model := spec.NewModel("classifier", spec.CrossEntropy(logits, spec.Labels("y", 10)))

	pretrained, took, err := in.pretrain("pretraining", "pretrained", func(in *input) (*train.Result, error) {
		return f.Pretrain.fit(ctx, in, denoiser, in.digits.Train, scratch)
	}, code, "encoder")
	if err != nil {
		return n, err
	}
	n.add("pretraining ", took)
	n.also["parameters"] = parameters(model)
	err = in.fromLabels(&n, []start{scratch, pretrained}, f.Labels, func(in *input, s start, labels int) (map[string]float64, error) {
		return in.overDraws(labels, f.Draws, func(in *input, rows *dataset.Table) (float64, error) {
			o := updated(f.Updates, rows.Len(), f.Batch, f.Rate).options(in)
			o.InitFrom, o.Augment = s.from, augment
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
	n.value = n.also[fmt.Sprintf("pretrained %d error", f.Labels[0])]
	return n, nil
}

// parseAugmentation reads the augmentation of digits, nil for "".
func parseAugmentation(text string) (*dataset.Augmentation, error) {
	if text == "" {
		return nil, nil
	}
	a, err := dataset.ParseAugmentation(text)
	return a, err
}
