package fewlabels

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// FixMatch trains on two views of each row, one changed little and one much (Sohn et al.
// 2020). The loss of an update is
//
//	mean cross-entropy of the labelled rows, changed little
//	+ Weight · mean over the unlabelled rows of 1(max p ≥ Threshold) · cross-entropy
//
// where p is the net's prediction for the row changed little, and the cross-entropy that
// of the prediction for the row changed much with the class that p is greatest for. No
// gradient goes through p.
//
// The views are made where all augmentations are, as a function of the seed, the epoch, and
// the row, so Options.Augment must be nil. An epoch is one pass over the unlabelled rows,
// and Options.Batch is not looked at. Sohn et al. ship a moving average of the weights, with
// a momentum of 0.999: set Options.Average for that.
type FixMatch struct {
	Labelled   int     // rows of an update; 64
	Unlabelled int     // rows of an update; 448, seven times as many
	Threshold  float64 // in (0, 1); 0.95
	Weight     float64 // of the unlabelled rows; 1
	// Weak and Strong say how the two views are changed. For inputs f32[C H W] they may
	// be nil: then Weak shifts by up to a twelfth of the side, and Strong shifts by up
	// to an eighth, turns by up to 30 degrees, scales by up to a fifth and erases a
	// rectangle with probability 1/2. Columns that they name do not count.
	Weak, Strong *dataset.Augmentation
}

// Name implements [Way].
func (FixMatch) Name() string { return "FixMatch" }

func (f FixMatch) complete(t Task) (FixMatch, error) {
	def(&f.Labelled, 64)
	def(&f.Unlabelled, 448)
	def(&f.Threshold, 0.95)
	def(&f.Weight, 1)
	if !(f.Threshold > 0 && f.Threshold < 1) {
		return f, fmt.Errorf("fewlabels: FixMatch.Threshold must be between 0 and 1, got %v", f.Threshold)
	}
	if !(f.Weight > 0) || math.IsInf(f.Weight, 0) {
		return f, fmt.Errorf("fewlabels: FixMatch.Weight must be positive and finite, got %v", f.Weight)
	}
	if f.Weak == nil || f.Strong == nil {
		typ := t.Input.Type()
		if typ.Rank() != 4 {
			return f, fmt.Errorf("fewlabels: FixMatch.Weak and Strong must say how views of %s are changed; only pictures f32[N C H W] have a default", typ)
		}
		side, _ := typ.Shape[2].Known()
		wide, _ := typ.Shape[3].Known()
		side = min(side, wide)
		if f.Weak == nil {
			f.Weak = dataset.Augment().Shift(max(1, side/12))
		}
		if f.Strong == nil {
			f.Strong = dataset.Augment().Shift(max(1, side/8)).Rotate(30).Scale(0.2).Erase(0.5)
		}
	}
	return f, checkRows("FixMatch", f.Labelled, f.Unlabelled)
}

// Train implements [Way].
func (f FixMatch) Train(ctx context.Context, t Task, labelled, unlabelled dataset.Source, o train.Options) (*Learned, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	f, err := f.complete(t)
	if err != nil {
		return nil, err
	}
	if o.Augment != nil {
		return nil, errors.New("fewlabels: FixMatch makes views of its own: leave Options.Augment out and set Weak")
	}
	rows, _, err := t.begin(f.Name(), labelled)
	if err != nil {
		return nil, err
	}
	rest, err := t.without(f.Name(), unlabelled)
	if err != nil {
		return nil, err
	}
	v, err := t.second("strong", rows)
	if err != nil {
		return nil, err
	}
	y := t.labels()
	strong := v.of.Then(spec.Between("view", t.Input, t.Logits))
	p := t.Logits.Then(spec.StopGradient(), spec.Softmax(-1))
	sure := p.Then(spec.Max(-1), spec.Above(float64(math.Nextafter32(float32(f.Threshold), 0))), spec.Floats())
	m := spec.NewModel("fixmatch", spec.CrossEntropy(t.Logits, y),
		spec.NewLoss("unlabelled", ofUnlabelled(y, spec.Mul(sure, surprise(strong, p.Then(spec.Predicted()))), f.Labelled, f.Unlabelled)).Weight(f.Weight))
	o = t.mixed(o)
	o.Augment = f.Weak.Of(v.column).And(f.Strong.Of(v.name))
	return t.fit(ctx, m, dataset.Mix(v.views(rows), f.Labelled, v.views(dataset.All(rest)), f.Unlabelled), v.valid(o))
}

// second is another view of the task's input.
type second struct {
	of           *spec.Value
	column, name string // of the rows
}

// second declares another view of the input, under a name that the rows do not have yet.
func (t Task) second(name string, rows dataset.Source) (second, error) {
	column, err := t.column()
	if err != nil {
		return second{}, err
	}
	for slices.ContainsFunc(rows.Columns(), func(c dataset.Column) bool { return c.Name == name }) {
		name += "_"
	}
	typ := t.Input.Type()
	if typ.DType != ir.F32 && typ.DType != ir.U8 || typ.Shape[1:].Symbolic() {
		return second{}, fmt.Errorf("fewlabels: views are of inputs f32 or u8 with known lengths, got %s", typ)
	}
	of := spec.Input
	if typ.DType == ir.U8 {
		of = spec.Bytes
	}
	return second{of: of(name, typ.Shape[1:].Lengths()...), column: column, name: name}, nil
}

// views returns rows with the column twice.
func (s second) views(rows *dataset.Selection) *dataset.Selection {
	return rows.Views(s.column, s.column, s.name)
}

// valid gives the rows for validation the second view too, as the model reads it.
func (s second) valid(o train.Options) train.Options {
	if o.Valid != nil {
		o.Valid = s.views(dataset.All(o.Valid))
	}
	return o
}
