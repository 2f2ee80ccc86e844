package yardstick

import (
	"context"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// oneClass trains on one class of ten after the other and tells its test rows from
// the others': the mean area under the ROC curve, in per cent (Ruff et al. 2018).
type oneClass struct {
	Larger   bool        `json:"larger,omitempty"` // the net for articles of clothing, on pixels as they are (Ruff et al. 2020)
	Net      *pictureNet `json:"net,omitempty"`    // another net than the authors', on pixels as they are
	Centre   bool        `json:"centre"`           // Deep SVDD behind the autoencoder, not the autoencoder's own error
	Classes  int         `json:"classes"`          // the first so many; 10
	Encoding falling     `json:"encoding"`         // of the autoencoder
	Drawing  falling     `json:"drawing"`          // of the codes towards the centre
}

// falling is a training by Adam, whose rate is divided by ten after two thirds of it.
type falling struct {
	Epochs int     `json:"epochs"`
	Rate   float64 `json:"rate"`
	Batch  int     `json:"batch"`
	Decay  float64 `json:"decay"` // added to gradients, times the weight
}

func (o oneClass) measure(ctx context.Context, in *input) (n numbers, err error) {
	n.also = map[string]float64{}
	for class := range o.Classes {
		x, err := in.way(fmt.Sprint("class", class), func(in *input) (map[string]float64, error) {
			area, err := o.class(ctx, in, int64(class))
			return map[string]float64{"": area}, err
		})
		if err != nil {
			return n, err
		}
		n.also[fmt.Sprint(class)] = x.Values[""]
		n.value += x.Values[""] / float64(o.Classes)
	}
	return n, nil
}

// class is the area where the rows of one class are normal.
func (o oneClass) class(ctx context.Context, in *input, class int64) (float64, error) {
	normal, test, err := o.rows(in.digits, class)
	if err != nil {
		return 0, err
	}
	enc, dec, err := o.nets()
	if err != nil {
		return 0, err
	}
	x := spec.Input("x", side*side)
	code := x.Then(enc).Named("code")
	again := code.Then(dec)
	wrong := spec.Sub(again, x).Then(spec.Square(), spec.Sum(0)).Named("error")
	fit, err := o.Encoding.fit(ctx, in.of("autoencoder"), spec.NewModel("cae", spec.NewLoss("error", wrong)), normal, nil)
	if err != nil {
		return 0, err
	}
	score := fit.Net(wrong)
	if o.Centre {
		net := fit.Net(code)
		start, err := train.NetTensors(net)
		if err != nil {
			return 0, err
		}
		centre, err := train.Centre(ctx, net, normal)
		if err != nil {
			return 0, err
		}
		svdd := spec.NewModel("svdd", spec.OneClass(code, centre))
		if fit, err = o.Drawing.fit(ctx, in.of("svdd"), svdd, normal, []train.From{{Tensors: start, Pattern: "encoder"}}); err != nil {
			return 0, err
		}
		score = fit.Net(code.Then(spec.SquaredDistance(centre)).Named("distance"))
	}
	return areaOf(ctx, score, test, class)
}

// nets are the encoder and the decoder of the authors' programs: two convolutions 5x5, batch
// normalisation without parameters, leaky ReLU, no biases. The larger encoder has a hidden
// dense layer behind them. Another net is mirrored.
func (o oneClass) nets() (enc *spec.SequentialLayer, dec spec.Layer, err error) {
	if o.Net != nil {
		if enc, err = o.Net.encoder(); err != nil {
			return nil, nil, err
		}
		return enc, spec.Layers(bent(), spec.Mirror("decoder", enc), spec.Sigmoid()), nil
	}
	norm := func() spec.Layer { return spec.BatchNorm().Axis(0).NoScale().NoBias().Epsilon(1e-4) }
	first, second, code, from := 8, 4, 32, 2
	if o.Larger {
		first, second, code, from = 16, 32, 64, 8
	}
	down := []spec.Layer{spec.Reshape(1, side, side),
		spec.Conv(first, 5).Same().NoBias(), norm(), spec.LeakyReLU(), spec.MaxPool(2),
		spec.Conv(second, 5).Same().NoBias(), norm(), spec.LeakyReLU(), spec.MaxPool(2), spec.Flatten()}
	var up []spec.Layer
	if o.Larger {
		down = append(down, spec.Dense(128).NoBias(), norm(), spec.LeakyReLU())
		up = append(up, spec.Dense(128).NoBias(), norm())
	}
	enc = spec.Sequential("encoder", append(down, spec.Dense(code).NoBias())...)
	dec = spec.Sequential("decoder", append(up, spec.Reshape(from, 4, 4), spec.LeakyReLU(), spec.Upsample(2),
		spec.ConvTranspose(second, 5).Pad(2).NoBias(), norm(), spec.LeakyReLU(), spec.Upsample(2),
		spec.ConvTranspose(first, 5).Pad(3).NoBias(), norm(), spec.LeakyReLU(), spec.Upsample(2),
		spec.ConvTranspose(1, 5).Pad(2).NoBias(), spec.Sigmoid(), spec.Flatten())...)
	return enc, dec, nil
}

// rows returns the training rows of a class and all test rows.
func (o oneClass) rows(split *dataset.Split, class int64) (normal, test *dataset.Table, err error) {
	if !o.Larger && o.Net == nil {
		return contrasted(split, class)
	}
	normal, err = ofClass(split.Train, class)
	return normal, split.Test, err
}

// fit trains a model on rows.
func (d falling) fit(ctx context.Context, in *input, m *spec.Model, rows *dataset.Table, from []train.From) (*train.Result, error) {
	o := in.training(optim.Adam(d.Rate).Decay(d.Decay).Schedule(optim.StepDecay(max(1, (2*d.Epochs+2)/3), 0.1)), d.Epochs, d.Batch)
	o.InitFrom = from
	return train.Fit(ctx, m, rows, o)
}

// areaOf is the area under the ROC curve, in per cent, of scores that are to be higher
// for all classes but one.
func areaOf(ctx context.Context, score *engine.Net, rows *dataset.Table, normal int64) (float64, error) {
	labels := rows.I64("y")
	var scores []float64
	err := each(ctx, score, rows.F32("x"), func(_ int, y []float32) {
		for _, v := range y {
			scores = append(scores, float64(v))
		}
	})
	if err != nil {
		return 0, err
	}
	other := make([]bool, len(labels))
	for i, y := range labels {
		other[i] = y != normal
	}
	area, err := evaluate.AUROC(scores, other)
	return 100 * area, err
}

// contrasted returns the training rows of a class and all test rows, with each picture's
// contrast normalised: its pixels less their mean, over their mean absolute value, and then
// so scaled that the training pixels of the class reach from 0 to 1.
func contrasted(split *dataset.Split, class int64) (normal, test *dataset.Table, err error) {
	picked, err := ofClass(split.Train, class)
	if err != nil {
		return nil, nil, err
	}
	a, b := contrast(picked.F32("x")), contrast(split.Test.F32("x"))
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range a {
		lo, hi = min(lo, v), max(hi, v)
	}
	for _, x := range [][]float32{a, b} {
		for i := range x {
			x[i] = (x[i] - lo) / (hi - lo)
		}
	}
	if normal, err = table(a, picked.I64("y")); err == nil {
		test, err = table(b, split.Test.I64("y"))
	}
	return normal, test, err
}

// contrast returns pictures less their means, over their mean absolute values.
func contrast(x []float32) []float32 {
	out := make([]float32, len(x))
	for at := 0; at < len(x); at += side * side {
		src, dst := x[at:at+side*side], out[at:at+side*side]
		mean, size := 0.0, 0.0
		for _, v := range src {
			mean += float64(v) / (side * side)
		}
		for _, v := range src {
			size += math.Abs(float64(v)-mean) / (side * side)
		}
		if size == 0 { // a picture of one colour
			continue
		}
		for i, v := range src {
			dst[i] = float32((float64(v) - mean) / size)
		}
	}
	return out
}
