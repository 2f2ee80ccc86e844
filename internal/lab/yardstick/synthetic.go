package yardstick

import (
	"context"
	"fmt"
	"maps"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// drawn is a classifier from few labels of real digits whose encoder was pretrained on generated glyphs, as a denoising
// autoencoder and as a classifier of the glyphs; beside it one from scratch, and one that was pretrained on the real digits
// without their labels. The net, the noise and the trainings are those of fewConv.
type drawn struct {
	Strokes string  `json:"strokes"` // text form of the generated rows
	Net     fewConv `json:"net"`     // Labels has one number
}

// Ways of a drawn, in the order of the table.
const (
	fromScratch = "from scratch"
	strokesRebu = "strokes, autoencoder"
	strokesRead = "strokes, glyphs named"
	digitsRebu  = "unlabelled digits, autoencoder"
)

func drawnWays() []string { return []string{fromScratch, strokesRebu, strokesRead, digitsRebu} }

func (d drawn) measure(ctx context.Context, in *input) (n numbers, err error) {
	f := d.Net
	if f.Draws < 1 || len(f.Labels) != 1 {
		return n, fmt.Errorf("yardstick: %d draws, labels %v: there must be a draw and one number of labels", f.Draws, f.Labels)
	}
	strokes, err := synthetic.Parse(d.Strokes)
	if err != nil {
		return n, err
	}
	glyphs, err := dataset.Collect(strokes.Without("factors"))
	if err != nil {
		return n, err
	}
	glyphs = glyphs.Rename("y", "glyph")
	kinds := int64(0)
	for _, y := range glyphs.I64("glyph") {
		kinds = max(kinds, y+1)
	}
	enc, err := f.Net.encoder()
	if err != nil {
		return n, err
	}
	x := spec.Input("x", side*side)
	code := x.Then(enc).Named("code")
	restored := f.blanked(x).Then(spec.GaussianNoise(f.Noise), enc, bent(), spec.Mirror("decoder", enc))
	denoiser := spec.NewModel("denoiser", spec.MSE(restored, x))
	reader := spec.NewModel("reader", spec.CrossEntropy(code.Then(bent(), spec.Dense(int(kinds)).Named("glyph")), spec.Labels("glyph", int(kinds))))
	logits := code.Then(bent(), spec.Dropout(f.Drop), spec.Dense(10).Named("head")).Named("logits")
	model := spec.NewModel("classifier", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	n.also = map[string]float64{"parameters": parameters(model)}

	starts := []start{{name: fromScratch}}
	for _, p := range []struct {
		name string
		m    *spec.Model
		rows *dataset.Table
	}{{strokesRebu, denoiser, glyphs}, {strokesRead, reader, glyphs}, {digitsRebu, denoiser, in.digits.Train}} {
		s, took, err := in.pretrain("pretraining "+p.name, p.name, func(in *input) (*train.Result, error) {
			return f.Pretrain.fit(ctx, in, p.m, p.rows, scratch)
		}, code, "encoder")
		if err != nil {
			return n, err
		}
		n.add("pretraining "+p.name+" ", took)
		starts = append(starts, s)
	}
	for _, s := range starts {
		for draw := range f.Draws {
			name := fmt.Sprintf("%s draw %d", s.name, draw)
			took, err := in.way(name, func(in *input) (map[string]float64, error) {
				part := *in
				part.dir, part.progress, part.seed = "", nil, in.seed+uint64(draw) // it is over before a checkpoint would be worth its while
				rows := part.digits.Train.Balanced("y", f.Labels[0], part.seed+1)
				if err := rows.Err(); err != nil {
					return nil, err
				}
				o := updated(f.Updates, rows.Len(), f.Batch, f.Rate).options(&part)
				o.InitFrom = s.from
				fit, err := train.Fit(ctx, model, rows, o)
				if err != nil {
					return nil, err
				}
				wrong, err := errorRate(ctx, fit.Net(logits), part.digits.Test)
				return map[string]float64{name: wrong}, err
			})
			if err != nil {
				return n, err
			}
			maps.Copy(n.also, took.Values)
		}
	}
	n.value = mean(drawsOf(n.also, strokesRead))
	return n, nil
}

// drawsOf are the errors of a way, by draw.
func drawsOf(also map[string]float64, way string) (errors []float64) {
	for {
		e, ok := also[fmt.Sprintf("%s draw %d", way, len(errors))]
		if !ok {
			return errors
		}
		errors = append(errors, e)
	}
}
