package train

import (
	"fmt"
	"strings"
	"time"
)

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
	for _, note := range t.notes {
		r.note(t, note)
	}
	t.notes = nil
}

func (r *reporting) note(t *Trainer, note string) {
	e := r.event(t, r.last)
	e.Note = note
	r.to.Report(e)
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
	ev.Epoch, ev.Step, ev.Done, ev.Loss = e.Number, ev.Steps, &e, e.Train.shown(t.opt.Show)
	r.to.Report(ev)
}

func (r *reporting) event(t *Trainer, now time.Duration) Event {
	e := Event{Name: t.prog.Name, Epoch: t.cursor.Epoch + 1, Epochs: t.opt.Epochs, Step: t.cursor.Step,
		Steps: t.batches.Steps(), Shown: t.opt.Show, BestBy: t.opt.BestBy, Loss: t.means().shown(t.opt.Show)}
	e.Rate = perSecond(r.rows, now-r.started)
	e.Left = timeFor(int64(t.opt.Epochs-t.cursor.Epoch)*int64(t.batches.Len())-int64(t.state.Rows), e.Rate)
	return e
}

// say tells what is no epoch: to Progress, and to the log unless that is only the
// default one beside it.
func (t *Trainer) say(note string) {
	if !t.quiet {
		t.opt.Log.Info("train: "+note, "model", t.prog.Name)
	}
	switch {
	case t.report.to != nil:
		t.report.note(t, note)
	case t.opt.Progress != nil:
		t.notes = append(t.notes, note)
	}
}

// tell says how the training starts.
func (t *Trainer) tell() {
	size, n := t.opt.Batch*t.opt.Accumulate, t.batches.Len()
	if size > n && t.asked {
		what := fmt.Sprintf("Batch is %d", t.opt.Batch)
		if t.opt.Accumulate > 1 {
			what = fmt.Sprintf("Batch times Accumulate is %d", size)
		}
		t.opt.Log.Warn(fmt.Sprintf("train: %s, but there are only %d rows, so each epoch is a single update of all rows", what, n), "model", t.prog.Name)
	}
	for _, note := range t.apart() {
		t.opt.Log.Warn("train: "+note, "model", t.prog.Name)
	}
	if t.resumed {
		if !t.finished() {
			t.say(fmt.Sprintf("going on at epoch %d of %d", t.cursor.Epoch+1, t.opt.Epochs))
		}
		return
	}
	for _, r := range t.state.InitFrom {
		t.say("parameters that start from given tensors: " + strings.ReplaceAll(r.String(), "\n", "; "))
	}
}
