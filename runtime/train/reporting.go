package train

import "time"

// every is the least time between two events within an epoch.
const every = 100 * time.Millisecond

// reporting turns steps into events.
type reporting struct {
	to      Reporter
	last    time.Duration // on the trainer's clock
	started time.Duration // of the run, and the rows trained since
	rows    int64
}

func (r *reporting) start(t *Trainer) {
	if t.opt.Progress == nil {
		return
	}
	r.to = t.opt.Progress()
	r.started, r.rows = t.clock.elapsed(), 0
	r.last = r.started
}

func (r *reporting) close() {
	if r.to != nil {
		r.to.Close()
		r.to = nil
	}
}

func (r *reporting) step(t *Trainer, rows int) {
	r.rows += int64(rows)
	if r.to == nil {
		return
	}
	now := t.clock.elapsed()
	if now-r.last < every {
		return
	}
	r.last = now
	r.to.Report(r.event(t, now))
}

func (r *reporting) epoch(t *Trainer, e Epoch) {
	if r.to == nil {
		return
	}
	now := t.clock.elapsed()
	r.last = now
	ev := r.event(t, now)
	ev.Epoch, ev.Step, ev.Done, ev.Loss = e.Number, ev.Steps, &e, e.Train.Loss
	r.to.Report(ev)
}

func (r *reporting) event(t *Trainer, now time.Duration) Event {
	e := Event{Name: t.prog.Name, Epoch: t.cursor.Epoch + 1, Epochs: t.opt.Epochs, Step: t.cursor.Step,
		Steps: t.batches.Steps(), Loss: t.means().Loss}
	e.Rate = perSecond(r.rows, now-r.started)
	e.Left = timeFor(int64(t.opt.Epochs-t.cursor.Epoch)*int64(t.batches.Len())-int64(t.state.Rows), e.Rate)
	return e
}
