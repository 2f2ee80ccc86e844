package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// totals are sums of data columns over the rows of a whole update, or of a whole set
// that is evaluated, which a plan takes as inputs. Every rank adds all rows of the
// update up itself, so neither parts nor shards nor ranks are in their bits.
type totals struct {
	sums *engine.Totals
	feed *feed       // of the columns that they are made of
	to   engine.Feed // of the plan that takes them
	rows int         // most of a run
}

// newTotals returns nil if the plan that to feeds takes none.
func newTotals(x *plan.Totals, to *feed, batches *dataset.Batches, src dataset.Source, m *spec.Model, o *Options) (*totals, error) {
	if x == nil {
		return nil, nil
	}
	f, err := newFeed(x.Plan, src, m, nil)
	if err != nil {
		return nil, err
	}
	sums, err := engine.NewTotals(x, o.engine())
	if err != nil {
		return nil, err
	}
	t := &totals{sums: sums, feed: f, to: to.in, rows: x.Plan.Capacity.Rows()}
	if err := f.gather(sums.Engine(), batches); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// add adds rows that come next.
//
// Errors: a weight that is negative or no number, with its row.
func (t *totals) add(b dataset.Batch) error {
	for lo := 0; lo < b.Rows; lo += t.rows {
		part := b.Part(lo, min(lo+t.rows, b.Rows))
		in, err := t.feed.take(part)
		if err != nil {
			return err
		}
		if err := t.sums.Add(in, t.feed.lengths(part)); err != nil {
			return t.named(err, part)
		}
	}
	return nil
}

// named tells a row of a part by its place in the data.
func (t *totals) named(err error, part dataset.Batch) error {
	var bad *engine.NoNumber
	if !errors.As(err, &bad) {
		return err
	}
	return fmt.Errorf("train: %w", bad.Named(dataset.Place(t.feed.src, part.Index[bad.Row], strings.Join(t.feed.columns(), ", "))))
}

// give makes the totals of what was added inputs of the other plan.
func (t *totals) give() error {
	if err := t.sums.Give(t.to); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// over makes the totals of one update's rows.
func (t *totals) over(b dataset.Batch) error {
	t.sums.Clear()
	if err := t.add(b); err != nil {
		return err
	}
	return t.give()
}

// overAll makes the totals of all rows of batches.
func (t *totals) overAll(ctx context.Context, batches *dataset.Batches) error {
	if err := batches.Epoch(0); err != nil {
		return err
	}
	defer batches.Close()
	t.sums.Clear()
	for {
		b, ok, err := batches.Next(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return t.give()
		}
		if err := t.add(b); err != nil {
			return err
		}
	}
}

func (t *totals) close() {
	if t != nil {
		t.sums.Close()
	}
}
