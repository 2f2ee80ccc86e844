package engine

import "fmt"

// runPhase executes the groups of a phase by all workers, then its tail.
func (e *Engine) runPhase(ph *boundPhase) {
	e.current = ph
	e.counts = e.counts[:0]
	total := 0
	for i := range ph.groups {
		g := &ph.groups[i]
		total += (g.length.Bind(e.rows) + g.grain - 1) / g.grain
		e.counts = append(e.counts, total)
	}
	e.parallel(total, e.task)
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
	hi := min(lo+g.grain, g.length.Bind(e.rows))
	for k := range g.steps {
		s := &g.steps[k]
		if g.whole {
			lo, hi = 0, s.units.Bind(e.rows)
		}
		if s.update && !e.updates(s) {
			continue
		}
		s.run(c, lo, hi)
	}
}

func (e *Engine) runTail(ph *boundPhase) {
	defer e.recover()
	for k := range ph.tail {
		if e.stopped() {
			return
		}
		s := &ph.tail[k]
		if s.update && !e.updates(s) {
			continue
		}
		s.run(e.ctxs[0], 0, s.units.Bind(e.rows))
	}
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
