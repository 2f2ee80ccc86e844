package fewlabels

import (
	"context"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// PseudoLabels trains on labelled and unlabelled rows at once, the latter with the class
// that the net itself gives them at the moment (Lee 2013): the loss of an update is
//
//	mean cross-entropy of the labelled rows + α(t) · mean cross-entropy of the unlabelled ones
//
// where α(t) is 0 up to update From, rises linearly and is Height from update To on. The
// classes are part of the graph and pass no gradient. Lee has a sigmoid for each class,
// this a softmax over them.
//
// An epoch is one pass over the unlabelled rows, and an update has Labelled rows of one
// kind and Unlabelled of the other, so Options.Batch is not looked at.
type PseudoLabels struct {
	Labelled   int     // rows of an update; 32
	Unlabelled int     // rows of an update; 256
	Height     float64 // of α; 3
	From, To   int64   // updates between which α rises; 100 and 600 if both are 0
}

// Name implements [Way].
func (PseudoLabels) Name() string { return "pseudo-labels" }

func (p PseudoLabels) complete() (PseudoLabels, error) {
	def(&p.Labelled, 32)
	def(&p.Unlabelled, 256)
	def(&p.Height, 3)
	if p.From == 0 && p.To == 0 {
		p.From, p.To = 100, 600
	}
	if !(p.Height > 0) || math.IsInf(p.Height, 0) {
		return p, fmt.Errorf("fewlabels: PseudoLabels.Height must be positive and finite, got %v", p.Height)
	}
	if err := optim.Ramp(p.From, p.To).Err(); err != nil {
		return p, fmt.Errorf("fewlabels: PseudoLabels.From and To: %w", err)
	}
	return p, checkRows("PseudoLabels", p.Labelled, p.Unlabelled)
}

// def sets a number that is 0.
func def[T int | int64 | float64](x *T, to T) {
	if *x == 0 {
		*x = to
	}
}

func checkRows(way string, labelled, unlabelled int) error {
	if labelled < 1 || unlabelled < 1 {
		return fmt.Errorf("fewlabels: %s: an update must have rows of both kinds, got %d labelled and %d unlabelled", way, labelled, unlabelled)
	}
	return nil
}

// Train implements [Way].
func (p PseudoLabels) Train(ctx context.Context, t Task, labelled, unlabelled dataset.Source, o train.Options) (*Learned, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	rows, _, err := t.begin(p.Name(), labelled)
	if err != nil {
		return nil, err
	}
	rest, err := t.without(p.Name(), unlabelled)
	if err != nil {
		return nil, err
	}
	y := t.labels()
	guess := t.Logits.Then(spec.StopGradient(), spec.Predicted())
	alpha := spec.Scheduled("alpha", p.Height, optim.Ramp(p.From, p.To))
	m := spec.NewModel("pseudolabels", spec.CrossEntropy(t.Logits, y),
		spec.NewLoss("pseudo", ofUnlabelled(y, spec.Mul(alpha, surprise(t.Logits, guess)), p.Labelled, p.Unlabelled)))
	return t.fit(ctx, m, dataset.Mix(rows, p.Labelled, rest, p.Unlabelled), t.mixed(o))
}

// mixed are the options of a training on a mixture, which says the rows of an update.
func (t Task) mixed(o train.Options) train.Options {
	o = t.options(o)
	o.Batch = 0
	return o
}

// surprise is the cross-entropy of each row, f32[N], of logits with a probability for each
// class.
func surprise(logits, p *spec.Value) *spec.Value {
	return spec.Mul(p, spec.Op(ops.LogSoftmax{Axis: 1}, logits)).Then(spec.Sum(-1), spec.Scale(-1))
}

// ofUnlabelled makes a number for each row, f32[N], one whose mean over the rows of an
// update is the mean of the unlabelled rows, of which there are m beside n others.
func ofUnlabelled(y, row *spec.Value, n, m int) *spec.Value {
	none := spec.Labelled(y).Then(spec.Scale(-1), spec.Shift(1))
	return spec.Mul(row, none).Then(spec.Scale(float64(n+m) / float64(m)))
}
