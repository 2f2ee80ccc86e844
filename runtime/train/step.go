package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// kernels names the kernel set that computes the bits.
func kernels() string { return simd.Active() }

// step makes one update: as many runs as are accumulated, fewer at the end of
// the epoch. It reports false when the epoch has no more rows. A step that is
// interrupted leaves everything as it was after the update before.
func (t *Trainer) step(ctx context.Context) (more bool, err error) {
	left := t.batches.Steps() - t.cursor.Step
	if left <= 0 {
		return false, nil
	}
	runs := min(t.opt.Accumulate, left)
	rows := min(runs*t.batches.Size(), t.batches.Len()-t.cursor.Step*t.batches.Size())
	if err := t.rates(); err != nil {
		return false, err
	}
	u := &t.update
	u.T, u.Step, u.UpdateRows, u.FirstRow, u.Seed = t.cursor.Update+1, uint64(t.cursor.Update), rows, 0, t.opt.Seed
	u.Opt, u.Accumulate, u.Epoch = t.opt.Optimizer, false, t.cursor.Epoch
	clear(t.sums)
	for range runs {
		b, ok, err := t.batches.Next(ctx)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, errors.New("train: the source has fewer rows than it said")
		}
		in, err := t.feed.take(b)
		if err != nil {
			return false, err
		}
		if err := t.engine.Run(in, b.Rows, u); err != nil {
			return false, t.explain(err, t.feed.whole(), b.Rows)
		}
		for i, name := range t.sumNames {
			t.sums[i] += float64(t.engine.Output(name).F32[0]) * float64(b.Rows)
		}
		u.FirstRow += b.Rows
		u.Accumulate = true
	}
	if t.opt.stored() {
		if _, err := t.engine.Apply(u, t.opt.ClipNorm); err != nil {
			return false, t.explain(err, nil, 0)
		}
	}
	if t.state.Sum == nil {
		t.state.Sum = make(engine.Numbers, len(t.sums))
	}
	for i, s := range t.sums {
		t.state.Sum[i] += s
	}
	t.state.Rows += rows
	t.cursor.Step += runs
	t.cursor.Update++
	t.report.step(t, rows)
	if t.opt.AfterUpdate != nil {
		t.opt.AfterUpdate(Update{Number: t.cursor.Update, Rows: rows, Loss: t.sums[0] / float64(rows)})
	}
	if every := t.opt.CheckpointEvery; every > 0 && t.cursor.Update%int64(every) == 0 && t.cursor.Step < t.batches.Steps() {
		return true, t.save()
	}
	return true, nil
}

// rates sets the learning rate of every parameter for the update to come.
//
// Errors: a schedule that gives no number.
func (t *Trainer) rates() error {
	p := optim.Progress{Update: t.cursor.Update, UpdatesPerEpoch: t.updatesPerEpoch(), Epoch: t.cursor.Epoch, Epochs: t.opt.Epochs}
	t.state.Rate = t.opt.Optimizer.Rate() * t.schedule.Factor(p)
	if !finite(t.state.Rate) {
		return fmt.Errorf("train: epoch %d, step %d: the learning rate is %v, since the schedule multiplies it by %v", t.cursor.Epoch+1, t.cursor.Step+1, t.state.Rate, t.schedule.Factor(p))
	}
	t.update.Rate = float32(t.state.Rate)
	for i, f := range t.factors {
		t.update.Rates[i] = float32(t.state.Rate * f)
	}
	return nil
}

func (t *Trainer) updatesPerEpoch() int {
	return (t.batches.Steps() + t.opt.Accumulate - 1) / t.opt.Accumulate
}

// explain turns a loss that is not finite into an error that names the epoch,
// the step and the first layer that made a value that is not finite.
func (t *Trainer) explain(err error, in engine.Feed, rows int) error {
	var nf *engine.NonFinite
	if !errors.As(err, &nf) {
		return fmt.Errorf("train: epoch %d, step %d: %w", t.cursor.Epoch+1, t.cursor.Step+1, err)
	}
	what := "loss"
	if in == nil {
		what = "gradient's norm"
	}
	return fmt.Errorf("train: epoch %d, step %d: the %s is %v; %s; try a smaller learning rate or ClipNorm%s: %w",
		t.cursor.Epoch+1, t.cursor.Step+1, what, nf.Loss, t.firstNonFinite(in, rows), t.lastGood(), err)
}

// firstNonFinite says where a value that is not finite came from.
func (t *Trainer) firstNonFinite(in engine.Feed, rows int) string {
	if name := t.badParam(); name != "" {
		return fmt.Sprintf("parameter %q is not finite after update %d", name, t.cursor.Update)
	}
	if in == nil {
		return "the gradients are too large for float32"
	}
	f, err := engine.FirstNonFinite(t.prog.Train, t.store, in, rows, &t.update)
	switch {
	case err != nil:
		return err.Error()
	case f == nil:
		return "no layer's value is without bounds by itself"
	}
	return "the first value that is not finite is made by " + f.String()
}

// badParam returns the first parameter that is not finite, or "".
func (t *Trainer) badParam() string {
	for _, p := range t.prog.Params {
		for _, x := range t.store.Param(p.Name) {
			if !finite(float64(x)) {
				return p.Name
			}
		}
	}
	return ""
}
