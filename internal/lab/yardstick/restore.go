package yardstick

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/spec"
)

// restorer is a denoising autoencoder of one noise: by how many decibels the PSNR of the
// test rows, with noise of a fixed seed, is higher behind it. Also the PSNR and the SSIM
// on both sides.
type restorer struct {
	Net   pictureNet `json:"net"`
	Sigma float64    `json:"sigma"` // standard deviation of what is added to a pixel
	Train rising     `json:"train"`
}

func (r restorer) measure(ctx context.Context, in *input) (n numbers, err error) {
	enc, err := r.Net.encoder()
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	clean := x.Then(spec.GaussianNoise(r.Sigma), enc, bent(), spec.Mirror("decoder", enc), spec.Sigmoid()).Named("clean")
	m := spec.NewModel("denoiser", spec.MSE(clean, x))
	took, err := in.way("training", func(in *input) (map[string]float64, error) {
		fit, err := r.Train.fit(ctx, in, m, in.digits.Train, scratch)
		if err != nil {
			return nil, err
		}
		want := in.digits.Test.F32("x")
		noisy, key := make([]float32, len(want)), random.New(2018)
		for i, v := range want {
			noisy[i] = v + float32(r.Sigma*key.Normal(uint64(i)))
		}
		got := make([]float32, 0, len(want))
		if err := each(ctx, fit.Net(clean), noisy, func(_ int, y []float32) { got = append(got, y...) }); err != nil {
			return nil, err
		}
		before, err1 := evaluate.PSNR(noisy, want, 1)
		after, err2 := evaluate.PSNR(got, want, 1)
		alike, err3 := evaluate.SSIM(side, side, noisy, want, 1)
		like, err4 := evaluate.SSIM(side, side, got, want, 1)
		return map[string]float64{"PSNR noisy": before, "PSNR": after, "SSIM noisy": alike, "SSIM": like}, errors.Join(err1, err2, err3, err4)
	})
	if err != nil {
		return n, err
	}
	n.add("", took)
	n.also["parameters"] = parameters(m)
	n.value = took.Values["PSNR"] - took.Values["PSNR noisy"]
	return n, nil
}

// parameters counts the elements of a model's parameters.
func parameters(m *spec.Model) (n float64) {
	for _, p := range m.Params() {
		n += float64(ir.Elems(p.Type.Shape.Lengths()))
	}
	return n
}

// compressor is an autoencoder whose codes are rounded to so many bits: the PSNR of the
// test rows. Also the bits a pixel that the codes take.
type compressor struct {
	Net   pictureNet `json:"net"`
	Bits  int        `json:"bits"`
	Train rising     `json:"train"`
}

func (c compressor) measure(ctx context.Context, in *input) (n numbers, err error) {
	enc, err := c.Net.encoder()
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	dec := spec.Layers(bent(), spec.Mirror("decoder", enc), spec.Sigmoid())
	code := x.Then(enc).Named("code")
	m := spec.NewModel("compressor", spec.MSE(code.Then(dec), x))
	took, err := in.way("training", func(in *input) (map[string]float64, error) {
		fit, err := c.Train.fit(ctx, in, m, in.digits.Train, scratch)
		if err != nil {
			return nil, err
		}
		decoder := fit.Net(spec.Input("code", c.Net.Code).Then(dec).Named("restored"))
		rates, err := evaluate.Rates(ctx, fit.Net(code), decoder, in.digits.Train, in.digits.Test, 1, c.Bits)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"PSNR": rates[0].PSNR, "bits": rates[0].PerPixel}, nil
	})
	if err != nil {
		return n, err
	}
	n.add("", took)
	n.also["parameters"] = parameters(m)
	n.value = took.Values["PSNR"]
	return n, nil
}

// outlier is an autoencoder of one class of the rows, whose error tells other classes: the
// mean area under the ROC curve over the first so many classes, in per cent.
type outlier struct {
	Net     pictureNet `json:"net"`
	Classes int        `json:"classes"`
	Train   rising     `json:"train"`
}

func (o outlier) measure(ctx context.Context, in *input) (n numbers, err error) {
	enc, err := o.Net.encoder()
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	restored := x.Then(enc, bent(), spec.Mirror("decoder", enc), spec.Sigmoid())
	m := spec.NewModel("outlier", spec.MSE(restored, x))
	score := spec.Sub(restored, x).Then(spec.Square(), spec.Sum(0)).Named("error")
	n.also = map[string]float64{"parameters": parameters(m)}
	for class := range o.Classes {
		took, err := in.way(fmt.Sprint("class", class), func(in *input) (map[string]float64, error) {
			normal, err := ofClass(in.digits.Train, int64(class))
			if err != nil {
				return nil, err
			}
			fit, err := o.Train.fit(ctx, in, m, normal, scratch)
			if err != nil {
				return nil, err
			}
			area, err := areaOf(ctx, fit.Net(score), in.digits.Test, int64(class))
			return map[string]float64{"area": area}, err
		})
		if err != nil {
			return n, err
		}
		n.value += took.Values["area"] / float64(o.Classes)
		n.also["s"] += took.Seconds
		n.also["MB"] = math.Max(n.also["MB"], took.MB)
	}
	return n, nil
}

// ofClass returns the rows of a class.
func ofClass(rows *dataset.Table, class int64) (*dataset.Table, error) {
	var chosen []int
	for i, y := range rows.I64("y") {
		if y == class {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("yardstick: no row is of class %d: %w", class, rows.Err())
	}
	return rows.Select(chosen), nil
}
