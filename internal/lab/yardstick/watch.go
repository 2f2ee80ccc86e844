package yardstick

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const watchFile = "watch.npz"

// A window is four seconds of six channels at 50 Hz; the next begins two seconds later.
const (
	windowSteps  = 200
	windowStride = 100
	exercises    = 7
)

// readWatch reads the recordings as windows: x f32[channels steps], the recording, the
// exercise as y, and the subject.
func readWatch(dir string) (*dataset.Split, error) {
	file := filepath.Join(dir, watchFile)
	steps, err := dataset.NPZArrays(file, "x", "recording")
	if err != nil {
		return nil, err
	}
	recordings, err := dataset.NPZArrays(file, "exercise", "subject")
	if err != nil {
		return nil, err
	}
	windows, err := dataset.Collect(dataset.Windows(steps, dataset.WindowOptions{Length: windowSteps, Stride: windowStride, Recording: "recording",
		Of: recordings.Rename("exercise", "y"), ChannelsFirst: true}))
	return &dataset.Split{Train: windows}, err
}

// wearer names the exercises of people who are not in training, by a convolutional net and
// by logistic regression of the windows' means and deviations: the percentage of windows
// that are named rightly, over all folds. Each fold chooses its settings by folds of the
// people in training. With People it is trained on so many of the people alone, with
// settings that are given, from scratch and pretrained as a denoising autoencoder of all
// windows of the training people, and of the test people too.
type wearer struct {
	Folds    int       `json:"folds"`
	Channels []int     `json:"channels"` // of the convolutions
	Pools    []int     `json:"pools"`    // steps of the pool behind each but the last
	Kernel   int       `json:"kernel"`
	Drop     float64   `json:"drop"`    // share of the code that is dropped
	Updates  int       `json:"updates"` // of a training
	Batch    int       `json:"batch"`
	Rate     float64   `json:"rate"`
	Motions  []motion  `json:"motions"`         // what is chosen among; with People there is one
	L2       []float64 `json:"l2"`              // of the logistic regression, chosen among as well
	Inner    int       `json:"inner,omitempty"` // folds of the people in training, to choose by

	People   []int   `json:"people,omitempty"`
	Draws    int     `json:"draws,omitempty"` // of those people, in each fold
	Mask     float64 `json:"mask,omitempty"`  // share of the stretches of a window that are blanked
	Block    int     `json:"block,omitempty"` // steps of a stretch
	Pretrain rising  `json:"pretrain,omitzero"`
}

// seriesNet is the net of windows up to its code, and the autoencoder around it.
type seriesNet struct {
	code, logits *spec.Value
	denoiser     *spec.Model // nil without a mask
	classifier   *spec.Model
}

func (w wearer) net(shape []int, m motion) seriesNet {
	channels, steps := shape[0], shape[1]
	x := m.of(spec.Input("x", channels, steps)).Then(spec.Standardise().Axis(0).Named("standard"))
	var layers []spec.Layer
	for i, n := range w.Channels {
		if i > 0 {
			layers = append(layers, spec.ReLU(), spec.MaxPool(w.Pools[i-1]))
		}
		layers = append(layers, spec.Conv(n, w.Kernel).Same())
	}
	enc := spec.Sequential("encoder", layers...)
	n := seriesNet{code: x.Then(enc).Named("code")}
	bends := n.code.Then(bent())
	over := spec.Concat(0, bends.Then(spec.GlobalAveragePool()), bends.Then(spec.GlobalMaxPool()))
	n.logits = over.Then(spec.Dropout(w.Drop), spec.Dense(exercises).Named("head")).Named("logits")
	n.classifier = spec.NewModel("exercise", spec.CrossEntropy(n.logits, spec.Labels("y", exercises)))
	if w.Mask > 0 {
		seen := x.Then(spec.Slice(0, 0, 1), spec.Slice(1, 0, steps/w.Block), spec.Scale(0), spec.Shift(1), spec.MaskingNoise(w.Mask), spec.Upsample(w.Block))
		restored := spec.Mul(x, seen).Then(enc, bent(), spec.Mirror("decoder", enc))
		n.denoiser = spec.NewModel("denoiser", spec.MSE(restored, x))
	}
	return n
}

// shapeOf is the shape of a window, [channels steps].
func shapeOf(rows *dataset.Table) []int {
	return rows.Columns()[slices.IndexFunc(rows.Columns(), func(c dataset.Column) bool { return c.Name == "x" })].Shape
}

// fold is people to train on and people to test.
type fold struct {
	train, test *dataset.Table
	people      []int64 // those of train
}

// folds divides the people.
func (w wearer) folds(rows *dataset.Table) ([]fold, error) {
	parts, err := evaluate.Folds(rows.I64("y"), rows.I64("subject"), w.Folds, 1)
	if err != nil {
		return nil, err
	}
	var list []fold
	for _, p := range parts {
		f := fold{train: rows.Select(p.Train), test: rows.Select(p.Test)}
		if err := dataset.Disjoint("subject", f.train, f.test); err != nil {
			return nil, err
		}
		f.people = slices.Compact(slices.Sorted(slices.Values(f.train.I64("subject"))))
		list = append(list, f)
	}
	return list, nil
}

// some returns the windows of n people, drawn by seed; the people of a smaller n are among those of a greater.
func (f fold) some(n int, seed uint64) (*dataset.Table, error) {
	if n < 1 || n > len(f.people) {
		return nil, fmt.Errorf("yardstick: %d people of %d", n, len(f.people))
	}
	if n == len(f.people) {
		return f.train, nil
	}
	var chosen []int64
	for _, i := range random.New(seed).DeriveString("people").Perm(len(f.people))[:n] {
		chosen = append(chosen, f.people[i])
	}
	picked, _ := f.train.SplitGroups("subject", chosen)
	return picked, picked.Err()
}

// tally counts windows that were named rightly, over folds and draws.
type tally struct{ right, rows float64 }

func (t *tally) add(percent float64, rows int) {
	t.right += percent / 100 * float64(rows)
	t.rows += float64(rows)
}

func (t *tally) values(folds []float64) map[string]float64 {
	return map[string]float64{"right": 100 * t.right / t.rows, "deviation": deviation(folds), "least": slices.Min(folds), "most": slices.Max(folds)}
}

func (w wearer) measure(ctx context.Context, in *input) (n numbers, err error) {
	if len(w.Motions) == 0 || len(w.L2) == 0 || len(w.People) > 0 && len(w.Motions)+len(w.L2) > 2 {
		return n, fmt.Errorf("yardstick: motions %v and penalties %v to choose among for %v people", w.Motions, w.L2, w.People)
	}
	if len(w.Pools) != len(w.Channels)-1 {
		return n, fmt.Errorf("yardstick: %d pools behind %d convolutions", len(w.Pools), len(w.Channels))
	}
	rows := in.digits.Train
	folds, err := w.folds(rows)
	if err != nil {
		return n, err
	}
	shape := shapeOf(rows)
	net := w.net(shape, w.Motions[0])
	n.also = map[string]float64{"parameters": parameters(net.classifier)}
	fromScratch := slices.Repeat([]start{scratch}, len(folds))
	if len(w.People) == 0 {
		return n, w.whole(ctx, in, &n, folds, shape)
	}
	some, err := w.pretrained(ctx, in, &n, net, "some", folds, func(f fold) *dataset.Table { return f.train })
	if err != nil {
		return n, err
	}
	whole, err := w.pretrained(ctx, in, &n, net, "whole", folds[:1], func(fold) *dataset.Table { return rows })
	if err != nil {
		return n, err
	}
	whole = slices.Repeat(whole, len(folds))
	for _, people := range w.People {
		of := func(f fold, seed uint64) (*dataset.Table, error) { return f.some(people, seed) }
		if err := w.logistic(ctx, in, &n, fmt.Sprintf("%d ", people), folds, w.Draws, of); err != nil {
			return n, err
		}
		for _, starts := range [][]start{fromScratch, some, whole} {
			if err := w.train(ctx, in, &n, fmt.Sprintf("%s %d ", starts[0].name, people), folds, w.Draws, net, of, starts); err != nil {
				return n, err
			}
		}
	}
	n.value = n.also[fmt.Sprintf("some %d right", w.People[0])]
	return n, nil
}

// whole trains on all people of a fold, with what folds of those people choose.
func (w wearer) whole(ctx context.Context, in *input, n *numbers, folds []fold, shape []int) error {
	all := func(f fold, _ uint64) (*dataset.Table, error) { return f.train, nil }
	for _, way := range []struct {
		name    string
		choices int
		right   func(in *input, choice int, rows, others *dataset.Table) (float64, error)
	}{
		{"logistic ", len(w.L2), func(_ *input, choice int, rows, others *dataset.Table) (float64, error) {
			return byMoments(ctx, rows, others, w.L2[choice])
		}},
		{"scratch ", len(w.Motions), func(in *input, choice int, rows, others *dataset.Table) (float64, error) {
			return w.right(ctx, in, w.net(shape, w.Motions[choice]), rows, others, scratch)
		}},
	} {
		took, err := in.way(way.name+"folds", func(in *input) (map[string]float64, error) {
			chosen := make([]float64, way.choices)
			values, err := w.over(folds, 1, all, func(_, _ int, f fold, rows *dataset.Table) (float64, error) {
				best, err := w.choose(rows, way.choices, func(choice int, rows, others *dataset.Table) (float64, error) {
					return way.right(in, choice, rows, others)
				})
				if err != nil {
					return 0, err
				}
				chosen[best]++
				return way.right(in, best, rows, f.test)
			})
			if err != nil {
				return nil, err
			}
			for i, times := range chosen {
				values[fmt.Sprintf("choice %d", i)] = times
			}
			return values, nil
		})
		if err != nil {
			return err
		}
		n.add(way.name, took)
	}
	n.value = n.also["scratch right"]
	return nil
}

// choose returns the choice by which most rows of the inner folds are named rightly.
func (w wearer) choose(rows *dataset.Table, choices int, right func(choice int, rows, others *dataset.Table) (float64, error)) (best int, err error) {
	if choices == 1 {
		return 0, nil
	}
	parts, err := evaluate.Folds(rows.I64("y"), rows.I64("subject"), w.Inner, 1)
	if err != nil {
		return 0, err
	}
	most := -1.0
	for c := range choices {
		var sum tally
		for _, p := range parts {
			others := rows.Select(p.Test)
			x, err := right(c, rows.Select(p.Train), others)
			if err != nil {
				return 0, err
			}
			sum.add(x, others.Len())
		}
		if sum.right > most {
			most, best = sum.right, c
		}
	}
	return best, nil
}

// pretrained trains the autoencoder on the rows that each fold has for it, and returns a start for each.
func (w wearer) pretrained(ctx context.Context, in *input, n *numbers, net seriesNet, name string, folds []fold, of func(fold) *dataset.Table) ([]start, error) {
	var starts []start
	seconds := 0.0
	for i, f := range folds {
		s, took, err := in.pretrain(fmt.Sprintf("pretraining %s %d", name, i), name, func(in *input) (*train.Result, error) {
			return w.Pretrain.fit(ctx, in, net.denoiser, of(f), scratch)
		}, net.code, "encoder", "standard")
		if err != nil {
			return nil, err
		}
		seconds, starts = seconds+took.Seconds, append(starts, s)
	}
	n.also["pretraining "+name+" s"] = seconds
	return starts, nil
}

// train trains a net on the rows of every fold and draw, from the fold's start, and adds what it names rightly.
func (w wearer) train(ctx context.Context, in *input, n *numbers, name string, folds []fold, draws int, net seriesNet,
	of func(fold, uint64) (*dataset.Table, error), starts []start) error {
	took, err := in.way(name+"folds", func(in *input) (map[string]float64, error) {
		return w.over(folds, draws, of, func(i, draw int, f fold, rows *dataset.Table) (float64, error) {
			part := *in
			part.seed += uint64(draw)
			return w.right(ctx, &part, net, rows, f.test, starts[i])
		})
	})
	n.add(name, took)
	return err
}

// right trains a net on rows and returns the percentage of others that it names rightly.
func (w wearer) right(ctx context.Context, in *input, net seriesNet, rows, others *dataset.Table, s start) (float64, error) {
	short := *in
	short.dir = "" // checkpoints would take longer than the training
	fit, err := updated(w.Updates, rows.Len(), w.Batch, w.Rate).fit(ctx, &short, net.classifier, rows, s)
	if err != nil {
		return 0, err
	}
	wrong, err := errorRate(ctx, fit.Net(net.logits), others)
	return 100 - wrong, err
}

// logistic is the same by logistic regression.
func (w wearer) logistic(ctx context.Context, in *input, n *numbers, name string, folds []fold, draws int, of func(fold, uint64) (*dataset.Table, error)) error {
	took, err := in.way("logistic "+name+"folds", func(*input) (map[string]float64, error) {
		return w.over(folds, draws, of, func(_, _ int, f fold, rows *dataset.Table) (float64, error) {
			return byMoments(ctx, rows, f.test, w.L2[0])
		})
	})
	n.add("logistic "+name, took)
	return err
}

// byMoments fits a logistic regression to rows and returns the percentage of others that it names rightly.
func byMoments(ctx context.Context, rows, others *dataset.Table, l2 float64) (float64, error) {
	linear, err := evaluate.FitLinear(ctx, moments(rows), l2)
	if err != nil {
		return 0, err
	}
	test := moments(others)
	named, err := linear.Predict(test)
	if err != nil {
		return 0, err
	}
	right, err := evaluate.Accuracy(named, test.Y)
	return 100 * right, err
}

// over sums up what f gives for each fold and draw.
func (w wearer) over(folds []fold, draws int, of func(fold, uint64) (*dataset.Table, error), f func(i, draw int, f fold, rows *dataset.Table) (float64, error)) (map[string]float64, error) {
	var sum tally
	var each []float64
	for i, x := range folds {
		var own tally
		for draw := range draws {
			rows, err := of(x, uint64(100*i+draw))
			if err != nil {
				return nil, err
			}
			right, err := f(i, draw, x, rows)
			if err != nil {
				return nil, fmt.Errorf("fold %d, draw %d: %w", i, draw, err)
			}
			sum.add(right, x.test.Len())
			own.add(right, x.test.Len())
		}
		each = append(each, 100*own.right/own.rows)
	}
	return sum.values(each), nil
}

// moments are the mean and the deviation of each channel of windows.
func moments(rows *dataset.Table) *evaluate.Set {
	shape := shapeOf(rows)
	channels, steps := shape[0], shape[1]
	s, x := &evaluate.Set{Dim: 2 * channels, Classes: exercises}, rows.F32("x")
	for at := 0; at < len(x); at += steps {
		mean, square := 0.0, 0.0
		for _, v := range x[at : at+steps] {
			mean += float64(v) / float64(steps)
		}
		for _, v := range x[at : at+steps] {
			square += (float64(v) - mean) * (float64(v) - mean) / float64(steps)
		}
		s.X = append(s.X, mean, math.Sqrt(square))
	}
	for _, y := range rows.I64("y") {
		s.Y = append(s.Y, int(y))
	}
	return s
}
