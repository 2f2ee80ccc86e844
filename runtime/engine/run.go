package engine

import (
	"fmt"
	"time"
)

// runPhase executes the groups of a phase by all workers, then its tail.
func (e *Engine) runPhase(ph *boundPhase) {
	e.current = ph
	if ph.alone {
		for i := range ph.groups {
			g := &ph.groups[i]
			for lo := 0; lo < *g.length; lo += g.grain {
				e.runSlice(e.ctxs[0], g, lo)
			}
		}
	} else {
		if ph.dividedAt != e.sizes.turn {
			e.divide(ph)
		}
		ph.odd = 1 - ph.odd
		e.pool.run(e.ctxs[0], ph.ends, e.task)
	}
	if len(ph.joins) > 0 {
		e.meet(ph)
	}
	if len(ph.tail) > 0 && e.err.Load() == nil {
		e.runTail(ph)
	}
}

// runTask executes a task of the current phase, by its place in the division.
func (e *Engine) runTask(c *ctx, i int) {
	t := e.current.tasks[e.current.odd][i]
	e.runSlice(c, &e.current.groups[t.group], t.lo)
}

// runSlice executes all steps of a group on the slice that begins at lo.
func (e *Engine) runSlice(c *ctx, g *boundGroup, lo int) {
	defer e.recover()
	if e.stopped() {
		return
	}
	hi := min(lo+g.grain, *g.length)
	for _, x := range g.gather {
		x.take(lo, hi)
	}
	c.showLocals(g.locals, lo, hi)
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
	run := s.run
	if s.of != nil {
		run = s.of[c.id]
	}
	var start time.Time
	if c.times != nil {
		start = time.Now()
	}
	for i := range s.takes {
		s.takes[i].take(lo, hi)
	}
	run(c, lo, hi)
	if c.times != nil {
		c.times[s.id] += time.Since(start)
	}
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
