package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// NewReference is New with every step run by its op's reference meaning where it
// has one that plans share with graphs.
func NewReference(p *plan.Plan, s *Store, o Options) (*Engine, error) {
	e, err := newEngine(p, s, o, true)
	if err != nil {
		return nil, err
	}
	swap := func(st *boundStep) {
		step := &p.Steps[st.id]
		if e.changesStore(st.id) {
			return
		}
		b := &binding{e: e, p: p, s: step}
		for _, i := range step.In {
			b.in, b.inT = append(b.in, &e.views[i]), append(b.inT, p.Buffers[i].Type)
		}
		for _, i := range step.Out {
			b.out, b.outT = append(b.out, &e.views[i]), append(b.outT, p.Buffers[i].Type)
		}
		st.run, st.name = b.fallback(), "reference"
	}
	for i := range e.phases {
		for j := range e.phases[i].groups {
			for k := range e.phases[i].groups[j].steps {
				swap(&e.phases[i].groups[j].steps[k])
			}
		}
		for k := range e.phases[i].tail {
			swap(&e.phases[i].tail[k])
		}
	}
	return e, nil
}

// Break makes the first step of the last phase panic.
func (e *Engine) Break() {
	e.phases[len(e.phases)-1].groups[0].steps[0].run = func(*ctx, int, int) { panic("broken") }
}

// BreakUpdate makes a step that changes a parameter panic when it has done so.
func (e *Engine) BreakUpdate() {
	for i := range e.phases {
		groups := e.phases[i].groups
		lists := [][]boundStep{e.phases[i].tail}
		for j := range groups {
			lists = append(lists, groups[j].steps)
		}
		for _, steps := range lists {
			for k := range steps {
				if run := steps[k].run; steps[k].update {
					steps[k].run = func(c *ctx, lo, hi int) {
						run(c, lo, hi)
						panic("broken")
					}
					return
				}
			}
		}
	}
}

// Finer returns what an engine makes of the grain of a group of fixed length, or
// of as many rows of the batch.
func Finer(grain, length, workers int, batch bool) int {
	g := &plan.Group{Length: ir.Fixed(length), Grain: grain}
	if batch {
		g.Length = ir.Rows()
	}
	return finer(g, ir.RowsOf(length), workers)
}

// Shared reports whether two engines of a Net have one memory for what is derived from
// its parameters.
func (n *Net) Shared() bool {
	a, errA := n.lane()
	b, errB := n.lane()
	if errA != nil || errB != nil {
		return false
	}
	for id := range a.derivations {
		if x, y := a.views[id].f32, b.views[id].f32; &x[0] != &y[0] {
			return false
		}
	}
	return len(a.derivations) > 0 && a.keptAt == n.s.version.Load()
}

// Quota and Spins are what decides whether workers spin by themselves.
var Quota = quota

func (s Spin) Spins(workers int) bool { return s.spins(workers) }

// SlotElems returns the elements of all slots.
func (s *Store) SlotElems() int {
	n := 0
	for _, x := range s.slots {
		n += len(x)
	}
	return n
}
