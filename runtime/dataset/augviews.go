package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

// And adds an augmentation of other columns, so that columns change in different ways: two views of a picture, one changed
// little and one much, as FixMatch compares them (Sohn et al. 2020). Each names its columns:
//
//	dataset.Augment("x").Shift(2).And(dataset.Augment("strong").Rotate(30).Erase(0.5))
//
// The draws of one do not depend on the other. In the text form a semicolon is between them.
// Errors: those of the other; one of the two names no column, both name the same one, or one has Mixup, which mixes rows.
func (a *Augmentation) And(other *Augmentation) *Augmentation {
	if other == nil {
		return a.wrong("And: the augmentation is nil")
	}
	if err := other.err; err != nil && (a == nil || a.err == nil) {
		return &Augmentation{err: err}
	}
	c := a.with(func(a *Augmentation) {
		single := *other
		single.more = nil
		a.more = append(append(slices.Clone(a.more), &single), other.more...)
	})
	if rule := c.apart(); rule != "" {
		return a.wrong("And: %s", rule)
	}
	return c
}

// Of returns the augmentation for the named columns, in place of those that it names so far.
func (a *Augmentation) Of(columns ...string) *Augmentation {
	named := Augment(columns...)
	if named.err != nil {
		return named
	}
	return a.with(func(a *Augmentation) { a.columns = named.columns })
}

// apart says what keeps the augmentations of several columns from standing side by side, "" for nothing.
func (a *Augmentation) apart() string {
	if a.err != nil || len(a.more) == 0 {
		return ""
	}
	var seen []string
	for _, x := range append([]*Augmentation{a}, a.more...) {
		if len(x.columns) == 0 {
			return "each augmentation must name its columns, such as Augment(\"x\")"
		}
		for _, c := range x.columns {
			if slices.Contains(seen, c) {
				return fmt.Sprintf("column %q is in two augmentations", c)
			}
			seen = append(seen, c)
		}
		for _, c := range x.changes {
			if _, mixes := c.(*mixup); mixes {
				return "Mixup mixes whole rows, so it cannot be that of some columns"
			}
		}
	}
	return ""
}

// bindMore binds the augmentations of other columns.
func (a *Augmentation) bindMore(b *bound, cols []Column) error {
	if rule := a.apart(); rule != "" {
		return errors.New("dataset: Augment: And: " + rule)
	}
	for _, other := range a.more {
		o, err := other.bind(cols)
		if err != nil {
			return err
		}
		b.more = append(b.more, o)
	}
	return nil
}

// newAugmenters are those of other columns.
func newAugmenters(b *bound, key random.Key, src Source, cols []Column, rows int) (all []*augmenter) {
	for _, o := range b.more {
		all = append(all, newAugmenter(o, key, src, cols, rows))
	}
	return all
}

// changeMore augments the other columns of the rows.
func (a *augmenter) changeMore(ctx context.Context, at turns, index []int, cols []column, lo int) error {
	for _, o := range a.more {
		if err := o.change(ctx, at, index, cols, lo); err != nil {
			return err
		}
	}
	return nil
}
