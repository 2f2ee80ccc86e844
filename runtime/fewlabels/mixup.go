package fewlabels

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Mixup trains on the labelled rows, each mixed with another one, with the shares of the
// two labels as what is to be predicted (Zhang, Cisse, Dauphin and Lopez-Paz 2018). Rows
// are mixed by [dataset.Augmentation.Mixup].
type Mixup struct {
	Alpha float64 // of the distribution Beta(Alpha, Alpha) of the shares, in (0, 1]; 0.4
	// Augment says what else changes pictures, before they are mixed; nil for nothing. If the input
	// is not [C H W], it must say by Shape what rows are pictures of. Columns that it names do not count.
	Augment *dataset.Augmentation
}

// Name implements [Way].
func (Mixup) Name() string { return "mixup" }

// Train implements [Way]. It does not use unlabelled rows. Options.Augment must be nil. The
// record of the Net does not have the names of the classes, as the model has no labels.
func (w Mixup) Train(ctx context.Context, t Task, labelled, _ dataset.Source, o train.Options) (*Learned, error) {
	def(&w.Alpha, 0.4)
	if !(w.Alpha > 0 && w.Alpha <= 1) {
		return nil, fmt.Errorf("fewlabels: Mixup.Alpha must be above 0 and at most 1, got %v", w.Alpha)
	}
	if o.Augment != nil {
		return nil, errors.New("fewlabels: Mixup: say in Mixup.Augment what changes rows before they are mixed, not in Options.Augment")
	}
	rows, _, err := t.begin(w.Name(), labelled)
	if err != nil {
		return nil, err
	}
	column, err := t.column()
	if err != nil {
		return nil, err
	}
	v, err := t.second("shares", rows) // for a name that is free
	if err != nil {
		return nil, err
	}
	shares := v.name
	a := w.Augment
	if a == nil {
		a = dataset.Augment()
		if typ := t.Input.Type(); typ.Rank() != 4 {
			a = a.Shape(1, 1, typ.Shape[1:].Count())
		}
	}
	o.Classes = nil // the model has shares of labels alone
	o.Augment = a.Of(column).Mixup(w.Alpha, shares)
	if o.Valid != nil {
		o.Valid = dataset.All(o.Valid).OneHot(t.Label, len(t.Classes), shares)
	}
	m := spec.NewModel("mixup", spec.CrossEntropy(t.Logits, spec.Input(shares, len(t.Classes))))
	return t.fit(ctx, m, rows.OneHot(t.Label, len(t.Classes), shares), o)
}
