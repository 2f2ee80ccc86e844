package fewlabels

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// MeanTeacher trains a net to agree with the moving average of its own weights, the
// teacher, on all rows (Tarvainen and Valpola 2017). The loss of an update is
//
//	mean cross-entropy of the labelled rows
//	+ w(t) · mean over all rows and classes of (softmax of the net - softmax of the teacher)²
//
// where w(t) rises linearly from 0 to Weight between the updates From and To. No gradient
// goes through the teacher, which is what ships, with the running statistics of the net.
// Each draws its own Dropout and noise, and with Views each sees a view of its own.
//
// An epoch is one pass over the unlabelled rows, and Options.Batch is not looked at.
type MeanTeacher struct {
	Labelled   int     // rows of an update; 32
	Unlabelled int     // rows of an update; 256
	Momentum   float64 // of the average; 0.99
	Weight     float64 // of the agreement; 10 times the number of classes, as this is a mean over them
	From, To   int64   // updates between which the weight rises; 0 and 600 if both are 0
	// Views says how the views of a row are changed; nil gives both the row as it is, and
	// only Dropout and noise of the task tell them apart. Columns that it names do not count.
	Views *dataset.Augmentation
}

// Name implements [Way].
func (MeanTeacher) Name() string { return "mean teacher" }

func (w MeanTeacher) complete(t Task) (MeanTeacher, error) {
	def(&w.Labelled, 32)
	def(&w.Unlabelled, 256)
	def(&w.Momentum, 0.99)
	def(&w.Weight, 10*float64(len(t.Classes)))
	if w.From == 0 && w.To == 0 {
		w.To = 600
	}
	if !(w.Momentum > 0 && w.Momentum < 1) {
		return w, fmt.Errorf("fewlabels: MeanTeacher.Momentum must be between 0 and 1, got %v", w.Momentum)
	}
	if !(w.Weight > 0) || math.IsInf(w.Weight, 0) {
		return w, fmt.Errorf("fewlabels: MeanTeacher.Weight must be positive and finite, got %v", w.Weight)
	}
	if err := optim.Ramp(w.From, w.To).Err(); err != nil {
		return w, fmt.Errorf("fewlabels: MeanTeacher.From and To: %w", err)
	}
	return w, checkRows("MeanTeacher", w.Labelled, w.Unlabelled)
}

// Train implements [Way].
func (w MeanTeacher) Train(ctx context.Context, t Task, labelled, unlabelled dataset.Source, o train.Options) (*Learned, error) {
	w, err := w.complete(t)
	if err != nil {
		return nil, err
	}
	rows, _, err := t.begin(w.Name(), labelled)
	if err != nil {
		return nil, err
	}
	rest, err := t.without(w.Name(), unlabelled)
	if err != nil {
		return nil, err
	}
	if w.Views != nil && o.Augment != nil {
		return nil, errors.New("fewlabels: MeanTeacher.Views and Options.Augment both change rows: leave one out")
	}
	net := spec.Average(spec.Between("net", t.Input, t.Logits), w.Momentum).Named("teacher")
	seen, o := t.Input, t.mixed(o)
	var mixed dataset.Source = dataset.Mix(rows, w.Labelled, rest, w.Unlabelled)
	if w.Views != nil {
		v, err := t.second("other", rows)
		if err != nil {
			return nil, err
		}
		seen, o = v.of, v.valid(o)
		o.Augment = w.Views.Apart().Of(v.column).And(w.Views.Apart().Of(v.name))
		mixed = dataset.Mix(v.views(rows), w.Labelled, v.views(dataset.All(rest)), w.Unlabelled)
	}
	teacher := seen.Then(net, spec.StopGradient())
	apart := spec.Sub(t.Logits.Then(spec.Softmax(-1)), teacher.Then(spec.Softmax(-1)))
	weight := spec.Scheduled("agreement", w.Weight, optim.Ramp(w.From, w.To))
	m := spec.NewModel("meanteacher", spec.CrossEntropy(t.Logits, t.labels()),
		spec.NewLoss("agreement", spec.Mul(weight, apart.Then(spec.Square(), spec.Mean(-1)))))
	r, err := train.Fit(ctx, m, mixed, o)
	if err != nil {
		return nil, err
	}
	return ofNet(r.Net(t.probabilities(t.Input.Then(net))), r)
}
