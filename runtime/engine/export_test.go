package engine

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// NewReference is New with every step run by its op's reference meaning where it
// has one that plans share with graphs.
func NewReference(p *plan.Plan, s *Store, o Options) (*Engine, error) {
	e, err := New(p, s, o)
	if err != nil {
		return nil, err
	}
	e.stays = map[int]bool{} // nothing is turned
	swap := func(st *boundStep) {
		step := &p.Steps[st.id]
		if e.changesStore(st.id) && step.Op != nil {
			return
		}
		again := func(worker int) (run kernel) {
			e.local.binds = worker
			defer func() { e.local.binds = 0 }()
			b := e.binding(step, st.id, nil)
			if step.Op == nil {
				run, st.name = b.kernel()
				return run
			}
			st.name = "reference"
			return b.fallback()
		}
		for w := range st.of {
			st.of[w] = again(w)
		}
		st.run = again(0)
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
	s := &e.phases[len(e.phases)-1].groups[0].steps[0]
	s.run, s.of = func(*ctx, int, int) { panic("broken") }, nil
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
				s := steps[k]
				if s.update {
					steps[k].run, steps[k].of = func(c *ctx, lo, hi int) {
						c.run(&s, lo, hi)
						panic("broken")
					}, nil
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

// Crew is a pool without an engine, some of whose workers never come.
type Crew struct {
	p    *pool
	ctxs []*ctx
}

// NewCrew starts a pool of so many workers, without those that are absent.
func NewCrew(workers int, s Spin, absent ...int) *Crew {
	c := &Crew{p: new(pool)}
	for i := range workers {
		c.ctxs = append(c.ctxs, &ctx{id: i})
	}
	c.p.prepare(workers, s)
	for i := 1; i < workers; i++ {
		if !slices.Contains(absent, i) {
			c.p.start(c.ctxs[i])
		}
	}
	return c
}

// Run has the tasks done, those up to ends[0] by worker 0 if nobody takes them from it.
func (c *Crew) Run(ends []int, fn func(worker, task int)) {
	c.p.run(c.ctxs[0], ends, func(c *ctx, i int) { fn(c.id, i) })
}

// Close ends the workers.
func (c *Crew) Close() { c.p.close() }

// Shares returns for each phase that is shared the tasks of each worker in even and odd
// runs, as group and first index of the slice, at the lengths of the last run.
func (e *Engine) Shares() [][2][][][2]int {
	var all [][2][][][2]int
	for i := range e.phases {
		ph := &e.phases[i]
		if ph.alone || len(ph.groups) == 0 {
			continue
		}
		var s [2][][][2]int
		for odd, tasks := range ph.tasks {
			from := 0
			for _, end := range ph.ends {
				var own [][2]int
				for _, t := range tasks[from:end] {
					own = append(own, [2]int{int(t.group), t.lo})
				}
				s[odd], from = append(s[odd], own), end
			}
		}
		all = append(all, s)
	}
	return all
}

// Locals returns the names of the values that tasks have in their worker's memory.
func (e *Engine) Locals() []string {
	var names []string
	for b := range e.local.of {
		names = append(names, e.p.Buffers[b].Name)
	}
	slices.Sort(names)
	return names
}

// Spot is where a value lies in a worker's memory, in elements.
type Spot struct{ At, End int }

// Spots returns where the values of a group lie that tasks have in their worker's memory, by buffer.
func (e *Engine) Spots(g *plan.Group) map[int]Spot {
	spots := map[int]Spot{}
	for _, l := range e.local.groups[g] {
		spots[l.buffer] = Spot{l.at, l.at + l.unit*finer(g, e.p.Capacity, e.workers)}
	}
	return spots
}

// Span is the tasks that one worker owns.
type Span = span

// Set, First and Last are what workers do with it.
func (s *Span) Set(next, end int)  { s.set(next, end) }
func (s *Span) First() (int, bool) { return s.first() }
func (s *Span) Last() (int, bool)  { return s.last() }

// Store returns the store that the engine changes.
func (e *Engine) Store() *Store { return e.s }
