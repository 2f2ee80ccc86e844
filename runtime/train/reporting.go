package train

import "time"

// every is the least time between two events within an epoch.
const every = 100 * time.Millisecond

// reporting turns steps into events.
type reporting struct {
	to      Reporter
	last    time.Time
	started time.Time // of the run, and the rows trained since
	rows    int64
}

func (r *reporting) start(t *Trainer) {
	if t.opt.Progress == nil {
		return
	}
	r.to = t.opt.Progress()
	r.started = time.Now()
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
	now := time.Now()
	if now.Sub(r.last) < every {
		return
	}
	r.last = now
	r.to.Report(r.event(t, now))
}

func (r *reporting) epoch(t *Trainer, e Epoch) {
	if r.to == nil {
		return
	}
	now := time.Now()
	r.last = now
	ev := r.event(t, now)
	ev.Epoch, ev.Step, ev.Done, ev.Loss = e.Number, ev.Steps, &e, e.Train.Loss
	r.to.Report(ev)
}

func (r *reporting) event(t *Trainer, now time.Time) Event {
	e := Event{Name: t.prog.Name, Epoch: t.cursor.Epoch + 1, Epochs: t.opt.Epochs, Step: t.cursor.Step,
		Steps: t.batches.Steps(), Loss: t.means().Loss}
	if spent := now.Sub(r.started).Seconds(); spent > 0 {
		e.Rate = float64(r.rows) / spent
	}
	if e.Rate > 0 {
		left := int64(t.opt.Epochs-t.cursor.Epoch)*int64(t.batches.Len()) - int64(t.state.Rows)
		e.Left = time.Duration(float64(max(left, 0)) / e.Rate * float64(time.Second))
	}
	return e
}
