package engine

import (
	"fmt"
	"time"
)

// runPhase executes the groups of a phase by all workers, then its tail.
func (e *Engine) runPhase(ph *boundPhase) {
	e.current = ph
	e.counts = e.counts[:0]
	total := 0
	for i := range ph.groups {
		g := &ph.groups[i]
		total += (*g.length + g.grain - 1) / g.grain
		e.counts = append(e.counts, total)
	}
	if ph.alone {
		for i := range total {
			e.runTask(e.ctxs[0], i)
		}
	} else {
		e.parallel(total, e.task)
	}
	if len(ph.joins) > 0 {
		e.meet(ph)
	}
	if len(ph.tail) > 0 && e.err.Load() == nil {
		e.runTail(ph)
	}
}

// runTask executes all steps of a group on one slice.
func (e *Engine) runTask(c *ctx, i int) {
	defer e.recover()
	if e.stopped() {
		return
	}
	j, first := 0, 0
	for i >= e.counts[j] {
		first = e.counts[j]
		j++
	}
	g := &e.current.groups[j]
	lo := (i - first) * g.grain
	hi := min(lo+g.grain, *g.length)
	for _, x := range g.gather {
		x.take(lo, hi)
	}
	for k := range g.steps {
		s := &g.steps[k]
		if s.update && !e.updates(s) || s.kept && e.fresh {
			continue
		}
		if g.whole {
			c.run(s, 0, *s.units)
		} else {
			c.run(s, lo**s.times, hi**s.times)
		}
	}
}

func (e *Engine) runTail(ph *boundPhase) {
	defer e.recover()
	for k := range ph.tail {
		if e.stopped() {
			return
		}
		s := &ph.tail[k]
		if s.update && !e.updates(s) || s.kept && e.fresh {
			continue
		}
		e.ctxs[0].run(s, 0, *s.units)
	}
}

// run executes a step on a slice.
func (c *ctx) run(s *boundStep, lo, hi int) {
	if c.times == nil {
		s.run(c, lo, hi)
		return
	}
	start := time.Now()
	s.run(c, lo, hi)
	c.times[s.id] += time.Since(start)
}

// Times sets dst to the time spent in each step of the plan since the last call,
// summed over all workers, and returns it; dst is allocated if it is too short. The result
// is nil unless the engine was made with Profile. Run must not be in progress.
func (e *Engine) Times(dst []time.Duration) []time.Duration {
	if e.ctxs[0].times == nil {
		return nil
	}
	if len(dst) < len(e.p.Steps) {
		dst = make([]time.Duration, len(e.p.Steps))
	}
	dst = dst[:len(e.p.Steps)]
	clear(dst)
	for _, c := range e.ctxs {
		for i, t := range c.times {
			dst[i] += t
		}
		clear(c.times)
	}
	return dst
}

// updates reports whether this run performs a step that changes the store.
func (e *Engine) updates(s *boundStep) bool {
	return e.u.Opt != nil || e.train && e.p.Steps[s.id].Op != nil
}

// stopped reports whether the run has failed or its context has ended.
func (e *Engine) stopped() bool {
	if e.err.Load() != nil {
		return true
	}
	if e.context == nil || e.context.Err() == nil {
		return false
	}
	e.fail(e.context.Err())
	return true
}

// fail records the first error of a run.
func (e *Engine) fail(err error) {
	if err != nil {
		e.err.CompareAndSwap(nil, &err)
	}
}

// recover turns a panic of a kernel into the run's error.
func (e *Engine) recover() {
	if r := recover(); r != nil {
		e.fail(fmt.Errorf("engine: internal error in plan %q: %v", e.p.Name, r))
	}
}
