package train

import (
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// apartFrom refuses validation rows that have a group of the training rows, if both say what they are grouped by.
func (o *Options) apartFrom(rows dataset.Source) error {
	group := dataset.GroupOf(rows)
	if group == "" || o.Valid == nil || group != dataset.GroupOf(o.Valid) {
		return nil
	}
	if err := dataset.Disjoint(group, rows, o.Valid); err != nil {
		return fmt.Errorf("train: Options.Valid has a group of the training rows: %w", err)
	}
	return nil
}

// mixed makes the batch that of rows which say it themselves, as a dataset.Mixture does.
//
// Errors: another Batch; InOrder.
func (o *Options) mixed(rows dataset.Source) error {
	n := dataset.BatchRows(rows)
	switch {
	case n == 0:
		return nil
	case o.Batch == 0:
		o.Batch = n
	case o.Batch != n:
		return fmt.Errorf("train: Options.Batch is %d, but the training rows are a mix whose batches have %d rows (%s): leave Batch out, or set it to %d", o.Batch, n, dataset.Drawn(rows), n)
	}
	if o.InOrder {
		return fmt.Errorf("train: Options.InOrder is set, but the training rows are a mix, which draws them (%s): leave InOrder out", dataset.Drawn(rows))
	}
	return nil
}
