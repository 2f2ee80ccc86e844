package yardstick

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/rates"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// layerRates is a classifier from few labels whose layers have rates of their own. Its encoder was pretrained as a denoising autoencoder
// of all rows.
type layerRates struct {
	Net      pictureNet `json:"net"`
	Mask     float64    `json:"mask"` // share of the pixels that the denoising autoencoder does not see
	Pretrain rising     `json:"pretrain"`
	Labels   int        `json:"labels"`
	Draws    int        `json:"draws"`
	Tune     rising     `json:"tune"` // on labels; its rate is that of the optimizer before a layer's factor
	Decay    float64    `json:"decay"`
}

// rated is a declaration of the classifier.
func (l layerRates) rated() (rates.Declared, *spec.Value, error) {
	enc, err := l.Net.encoder()
	if err != nil {
		return rates.Declared{}, nil, err
	}
	logits := spec.Input("x", side*side).Then(enc, bent(), spec.Dense(10).Named("head")).Named("logits")
	y := spec.Labels("y", 10)
	return rates.Declared{Model: spec.NewModel("classifier", spec.CrossEntropy(logits, y)), Metrics: []train.Metric{train.Accuracy(logits, y)}}, logits, nil
}

// denoised pretrains the encoder.
func (l layerRates) denoised(ctx context.Context, in *input, n *numbers) (start, error) {
	if l.Draws < 1 || l.Labels < 10 {
		return start{}, fmt.Errorf("yardstick: %d draws of %d labels", l.Draws, l.Labels)
	}
	enc, err := l.Net.encoder()
	if err != nil {
		return start{}, err
	}
	x := spec.Input("x", side*side)
	m := spec.NewModel("denoiser", spec.MSE(x.Then(spec.MaskingNoise(l.Mask), enc, bent(), spec.Mirror("decoder", enc)), x))
	s, took, err := in.pretrain("pretraining", "pretrained", func(in *input) (*train.Result, error) {
		return l.Pretrain.fit(ctx, in, m, in.digits.Train, scratch)
	}, x.Then(enc), "encoder")
	if err != nil {
		return s, err
	}
	n.add("pretraining ", took)
	return s, nil
}

// draw returns the rows of a draw and the options of trainings on them.
func (l layerRates) draw(in *input, draw int, rate float64, s start) (*dataset.Table, train.Options, error) {
	tune := l.Tune
	tune.Rate = rate
	o := tune.options(in)
	o.Seed, o.InitFrom, o.Log = in.seed+uint64(draw), s.from, slog.New(slog.DiscardHandler)
	rows := in.digits.Train.Balanced("y", l.Labels, o.Seed+1)
	return rows, o, rows.Err()
}

// tested trains and returns the error of the test rows.
func (l layerRates) tested(ctx context.Context, in *input, rows *dataset.Table, o train.Options) (float64, error) {
	d, logits, err := l.rated()
	if err != nil {
		return 0, err
	}
	fit, err := train.Fit(ctx, d.Model, rows, o)
	if err != nil {
		return 0, err
	}
	return errorRate(ctx, fit.Net(logits), in.digits.Test)
}

// Ways to set rates.
const (
	uniformRates = "uniform"
	decayRates   = "decay"
	rootRates    = "gradients^0.5"
	fullRates    = "gradients^1"
)

// lrInits are what lrinit compares: a start and a way, and with which of them each is compared.
var lrInits = []struct {
	start, way, title string
}{
	{"pretrained", uniformRates, "pretrained, one rate"},
	{"pretrained", decayRates, "pretrained, × 0.75 from layer to layer"},
	{"pretrained", rootRates, "pretrained, from gradients, p = 0.5"},
	{"pretrained", fullRates, "pretrained, from gradients, p = 1"},
	{"scratch", uniformRates, "from scratch, one rate"},
	{"scratch", rootRates, "from scratch, from gradients, p = 0.5"},
}

// presetRates are rates by layer without a search: the test error of each way and rate, in per cent.
type presetRates struct {
	layerRates
	Rates []float64 `json:"rates"`
}

func (p presetRates) measure(ctx context.Context, in *input) (n numbers, err error) {
	pretrained, err := p.denoised(ctx, in, &n)
	if err != nil {
		return n, err
	}
	for _, rate := range p.Rates {
		one := map[string][]float64{} // errors with one rate, by start
		for _, w := range lrInits {
			s := map[string]start{"pretrained": pretrained, "scratch": scratch}[w.start]
			name := fmt.Sprintf("%s %s %v", w.start, w.way, rate)
			took, err := in.way(name, func(in *input) (map[string]float64, error) { return p.way(ctx, in, s, w.way, rate) })
			if err != nil {
				return n, err
			}
			errors := ofDraws(took.Values, "error", p.Draws)
			if w.way == uniformRates {
				one[w.start] = errors
			}
			n.also[name+" error"], n.also[name+" half"] = spread(errors)
			n.also[name+" more"], n.also[name+" more half"] = spread(differences(errors, one[w.start]))
			n.also[name+" s"] = took.Seconds
			for k, v := range took.Values {
				if strings.HasPrefix(k, "factor ") {
					n.also[name+" "+k] = v
				}
			}
		}
	}
	n.value = n.also[fmt.Sprintf("pretrained %s %v error", rootRates, p.Rates[len(p.Rates)/2])]
	return n, nil
}

// way is one way and rate: the error of each draw, and the factors of the first.
func (p presetRates) way(ctx context.Context, in *input, s start, way string, rate float64) (map[string]float64, error) {
	values := map[string]float64{}
	for draw := range p.Draws {
		part := in.of(fmt.Sprint("draw", draw))
		rows, o, err := p.draw(part, draw, rate, s)
		if err != nil {
			return nil, err
		}
		power := map[string]float64{rootRates: 0.5, fullRates: 1}[way]
		switch {
		case way == decayRates:
			o.Optimizer, err = optim.WithLayerDecay(o.Optimizer, p.Decay)
		case power > 0:
			var d rates.Declared
			var table *rates.Table
			if d, _, err = p.rated(); err != nil {
				return nil, err
			}
			if o.Optimizer, table, err = (rates.Gradients{Power: power}).Measure(ctx, d.Model, rows, o); err == nil && draw == 0 {
				for _, r := range table.Rows {
					values["factor "+r.Param] = r.Factor
				}
			}
		}
		if err == nil {
			values[fmt.Sprint("error ", draw)], err = p.tested(ctx, part, rows, o)
		}
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// ofDraws are the values of a name, by draw.
func ofDraws(values map[string]float64, name string, draws int) (list []float64) {
	for draw := range draws {
		list = append(list, values[fmt.Sprint(name, " ", draw)])
	}
	return list
}

// searchedRates are rates by layer that are searched for by folds of each draw's labelled rows: the test error with what was found,
// in per cent.
type searchedRates struct {
	layerRates
	Folds       int `json:"folds"`
	Population  int `json:"population"`
	Generations int `json:"generations"`
	Confirm     int `json:"confirm"`
}

// lrSearched are what lrsearch compares, by the names of its values.
var lrSearched = []struct{ name, title string }{
	{uniformRates, "pretrained, one rate"},
	{decayRates, "pretrained, × 0.75 from layer to layer"},
	{"searched", "pretrained, searched for"},
	{"scratch", "from scratch, one rate"},
}

func (r searchedRates) measure(ctx context.Context, in *input) (n numbers, err error) {
	pretrained, err := r.denoised(ctx, in, &n)
	if err != nil {
		return n, err
	}
	of := map[string][]float64{}
	seconds := 0.0
	for draw := range r.Draws {
		took, err := in.way(fmt.Sprint("draw", draw), func(in *input) (map[string]float64, error) { return r.draw1(ctx, in, draw, pretrained) })
		if err != nil {
			return n, err
		}
		for k, v := range took.Values {
			if of[k] = append(of[k], v); strings.HasPrefix(k, "factor ") {
				n.also[fmt.Sprint(k, " ", draw)] = v
			}
		}
		seconds += took.Seconds
	}
	for _, w := range lrSearched {
		n.also[w.name+" error"], n.also[w.name+" half"] = spread(of[w.name+" error"])
		n.also[w.name+" more"], n.also[w.name+" more half"] = spread(differences(of[w.name+" error"], of[uniformRates+" error"]))
		if len(of[w.name+" folds"]) > 0 {
			n.also[w.name+" folds"], n.also[w.name+" again"] = mean(of[w.name+" folds"]), mean(of[w.name+" again"])
		}
	}
	n.also["helped"], n.also["candidates"] = mean(of["helped"])*float64(r.Draws), mean(of["candidates"])
	n.also["draws s"] = seconds
	n.value = n.also["searched error"]
	return n, nil
}

// draw1 searches on the rows of a draw and trains with what it found, and with what it is compared with.
func (r searchedRates) draw1(ctx context.Context, in *input, draw int, pretrained start) (map[string]float64, error) {
	rows, o, err := r.draw(in, draw, r.Tune.Rate, pretrained)
	if err != nil {
		return nil, err
	}
	so := rates.SearchOptions{Label: "y", By: train.Greatest("accuracy"), Folds: r.Folds, Population: r.Population, Generations: r.Generations, Confirm: r.Confirm, Decay: r.Decay, Seed: o.Seed}
	if in.dir != "" {
		so.Dir = filepath.Join(in.dir, "search")
	}
	if in.progress != nil {
		shown := in.progress()
		defer shown.Close()
		so.Progress = func(p rates.Progress) { shown.Report(searching(p)) }
	}
	if _, _, err := r.rated(); err != nil {
		return nil, err
	}
	found, err := rates.Search(ctx, func() rates.Declared { d, _, _ := r.rated(); return d }, rows, o, so)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{"candidates": float64(len(found.Tried)), "helped": 0}
	if found.Helped() {
		values["helped"] = 1
	}
	for name, t := range map[string]*rates.Tried{uniformRates: found.Uniform, decayRates: found.Decay, "searched": found.Best} {
		part := in.of(name)
		_, o, err := r.draw(part, draw, r.Tune.Rate, pretrained)
		if err != nil {
			return nil, err
		}
		if o, err = t.Apply(o); err != nil {
			return nil, err
		}
		if values[name+" error"], err = r.tested(ctx, part, rows, o); err != nil {
			return nil, err
		}
		values[name+" folds"], values[name+" again"] = 100*(1-t.Score()), 100*(1-t.Again())
	}
	for i, b := range found.Blocks {
		values["factor "+b.Name] = found.Best.Factors[i]
	}
	part := in.of("scratch")
	_, plain, err := r.draw(part, draw, r.Tune.Rate, scratch)
	if err != nil {
		return nil, err
	}
	values["scratch error"], err = r.tested(ctx, part, rows, plain)
	return values, err
}

// searching shows a set of folds like an epoch, at which the seconds of a way are written down too.
func searching(p rates.Progress) train.Event {
	const name = "loss/accuracy"
	e := &train.Epoch{Number: p.Done}
	if len(p.Score.Folds) > 0 {
		e.Train.Losses = map[string]float64{name: mean(p.Score.Folds)}
	}
	return train.Event{Name: "search", Epoch: p.Done, Epochs: p.Of, Shown: name, Done: e}
}
