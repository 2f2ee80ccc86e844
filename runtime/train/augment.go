package train

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/random"
)

// augment makes the batches of the updates change pictures, if that is asked for.
func (t *Trainer) augment() error {
	a := t.opt.Augment
	if a == nil {
		return nil
	}
	err := a.Check(t.rows, t.feed.columns()...)
	if err == nil {
		err = t.batches.Augment(a, random.New(t.opt.Seed).DeriveString("augment"))
	}
	if err != nil {
		return fmt.Errorf("train: Options.Augment: %w", err)
	}
	return nil
}
