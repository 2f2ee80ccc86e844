package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// kernels names the kernel set that computes the bits, and the kernels of one's own
// with it: avx2+celu.
func (t *Trainer) kernels() string {
	return strings.Join(append([]string{simd.Active()}, t.engine.Given()...), "+")
}

// step makes one update: a run for each batch, fewer at the end of the epoch, or
// one for each shard. It reports false when the epoch has no more rows. A step that is
// interrupted leaves everything as it was after the update before.
func (t *Trainer) step(ctx context.Context) (more bool, err error) {
	left := t.batches.Steps() - t.cursor.Step
	if left <= 0 {
		return false, nil
	}
	runs := min(t.opt.batches(), left)
	rows := min(runs*t.batches.Size(), t.batches.Len()-t.cursor.Step*t.batches.Size())
	if err := t.rates(); err != nil {
		return false, err
	}
	u := &t.update
	u.T, u.Step, u.UpdateRows, u.FirstRow, u.Seed = t.cursor.Update+1, uint64(t.cursor.Update), rows, 0, t.opt.Seed
	u.Opt, u.Accumulate, u.Epoch = t.opt.Optimizer, false, t.cursor.Epoch
	watched := t.watch(runs)
	if t.opt.whole() {
		err = t.shards(ctx)
	} else {
		err = t.parts(ctx, runs)
	}
	if err != nil {
		return false, err
	}
	if t.opt.stored() {
		norm, err := t.engine.Apply(u, t.opt.ClipNorm)
		if err != nil {
			return false, t.explain(err, "gradient's norm")
		}
		t.state.Norms.add(norm)
	}
	if watched {
		if err := t.settled(); err != nil {
			return false, err
		}
	}
	if t.state.Sum == nil {
		t.state.Sum = make(engine.Numbers, len(t.sums.now))
	}
	for i, s := range t.sums.now {
		t.state.Sum[i] += s
	}
	t.state.Rows += rows
	t.cursor.Step += runs
	t.cursor.Update++
	t.state.Trail.add(t.sums.now[0], t.opt.Epochs, t.updatesPerEpoch(), t.cursor.Step >= t.batches.Steps())
	t.report.step(t, rows)
	if t.opt.AfterUpdate != nil {
		t.opt.AfterUpdate(Update{Number: t.cursor.Update, Rows: rows, Loss: t.sums.now[0] / float64(rows)})
	}
	if every := t.opt.CheckpointEvery; every > 0 && t.cursor.Update%int64(every) == 0 && t.cursor.Step < t.batches.Steps() {
		return true, t.save()
	}
	return true, nil
}

// parts runs the batches of an update, one chain of sums.
func (t *Trainer) parts(ctx context.Context, runs int) error {
	clear(t.sums.now)
	for range runs {
		b, err := t.next(ctx)
		if err == nil {
			err = t.run(b)
		}
		if err != nil {
			return err
		}
		t.update.FirstRow += b.Rows
	}
	return nil
}

func (t *Trainer) next(ctx context.Context) (dataset.Batch, error) {
	b, ok, err := t.batches.Next(ctx)
	if err == nil && !ok {
		err = errors.New("train: the source has fewer rows than it said")
	}
	return b, err
}

// run adds the gradients and losses of some rows of the update to what there is.
func (t *Trainer) run(b dataset.Batch) error {
	in, err := t.feed.take(b)
	if err != nil {
		return err
	}
	if err := t.engine.RunAt(in, t.feed.lengths(b), &t.update); err != nil {
		return t.explain(err, "loss")
	}
	t.add(b.Rows)
	return nil
}

// add takes the losses of a run of so many rows.
func (t *Trainer) add(rows int) {
	for i, name := range t.sumNames {
		t.sums.now[i] += float64(t.engine.Output(name).F32[0]) * float64(rows)
	}
	t.update.Accumulate = true
}

// rates sets the learning rate of every parameter, and the model's scheduled numbers,
// for the update to come.
//
// Errors: a schedule that gives no number.
func (t *Trainer) rates() error {
	p := t.progress()
	t.state.Rate = t.opt.Optimizer.Rate() * t.schedule.Factor(p)
	if !finite(t.state.Rate) {
		return fmt.Errorf("train: epoch %d, step %d: the learning rate is %v, since the schedule multiplies it by %v", t.cursor.Epoch+1, t.cursor.Step+1, t.state.Rate, t.schedule.Factor(p))
	}
	t.update.Rate = float32(t.state.Rate)
	for i, f := range t.factors {
		t.update.Rates[i] = float32(t.state.Rate * f)
	}
	return t.setScheduled(p)
}

// progress is where the update to come stands.
func (t *Trainer) progress() optim.Progress {
	return optim.Progress{Update: t.cursor.Update, UpdatesPerEpoch: t.updatesPerEpoch(), Epoch: t.cursor.Epoch, Epochs: t.opt.Epochs}
}

// setScheduled sets the model's scheduled numbers for an update.
//
// Errors: a schedule that gives no number.
func (t *Trainer) setScheduled(p optim.Progress) error {
	for i := range t.scheduled {
		s := &t.scheduled[i]
		x := float32(s.value * s.plan.Factor(p))
		if x-x != 0 {
			return fmt.Errorf("train: epoch %d, step %d: the scheduled number %q is %v", t.cursor.Epoch+1, t.cursor.Step+1, s.name, x)
		}
		s.at[0] = x
	}
	return nil
}

func (t *Trainer) updatesPerEpoch() int {
	return (t.batches.Steps() + t.opt.batches() - 1) / t.opt.batches()
}
