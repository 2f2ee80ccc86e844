package engine

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// local is a value that the tasks of one group make and read, each its own slice: the
// gradient of a tile of weights, which the tile's update reads at once, or what lies between
// the layers for some rows. Nothing else needs it, so a worker makes it in the same memory in each of its tasks, where it
// stays in the cache of its core. In the arena it would be as large as the weights, be
// fetched from memory to be overwritten, and be written back for nobody.
//
// Kernels know nothing of it. They find row i of the result at i times the elements of a
// row, as in any buffer; where that is depends on the task.
type local struct {
	buffer int
	unit   int // elements for one unit of the group's length
	at     int // floats from where the worker's memory begins
	view   int // place among the views of a worker
}

// locals are the values of an engine that are local.
type locals struct {
	groups map[*plan.Group][]local
	of     map[int]int // the place of each such buffer among a worker's views
	views  [][]view    // of each worker
	binds  int         // the worker for whom steps are being bound
	floats int         // of one worker
	arena  []float32   // the whole of it; the workers' own come last
	base   int         // where they begin
}

// findLocals finds the values that are local.
func (e *Engine) findLocals() {
	p, groups := e.p, e.users()
	for i := range p.Buffers {
		b, g := &p.Buffers[i], groups[i]
		if g == nil || b.Kind != plan.Arena || b.Type.DType != ir.F32 {
			continue
		}
		unit, ok := unitElems(b.Type.Shape, g.Length)
		if !ok || g.Length.Symbolic() && e.shardsOf() > 1 { // whose rows are windows on the arena
			continue
		}
		l := local{buffer: i, unit: unit, view: len(e.local.of)}
		if e.local.groups == nil {
			e.local.groups, e.local.of = map[*plan.Group][]local{}, map[int]int{}
		}
		e.local.of[i] = l.view
		e.local.groups[g] = append(e.local.groups[g], l)
	}
	for g, all := range e.local.groups {
		e.local.floats = max(e.local.floats, arrange(p, g, all, finer(g, p.Capacity, e.workers)))
	}
	for range e.workers {
		e.local.views = append(e.local.views, make([]view, len(e.local.of)))
	}
}

// unitElems returns the elements that a unit of the length has of a value, if their number is
// known.
func unitElems(s ir.Shape, length ir.Dim) (int, bool) {
	if !length.Symbolic() {
		if s.Symbolic() || length.Length() == 0 {
			return 0, false
		}
		n := s.Count()
		return n / length.Length(), n%length.Length() == 0
	}
	if len(s) == 0 || s[1:].Symbolic() {
		return 0, false
	}
	unit, times := s[0].Unit()
	if unit != length || times.Symbolic() {
		return 0, false
	}
	return times.Length() * s[1:].Count(), true
}

// spot is memory of a worker, for values of a group that the plan has in one place.
type spot struct {
	values   []*local
	size     int // floats
	from, to int // the first and the last of the group's steps that use it
	at       int
}

// arrange places the values of a group in the memory of a worker, the largest first, each as near
// the beginning as it may be, and returns how much they take. Values that are not needed at the
// same time share memory, so more of it stays in the cache. A worker executes one task at a time,
// so that groups share it too.
func arrange(p *plan.Plan, g *plan.Group, all []local, grain int) int {
	const line = plan.Align / 4
	var spots []*spot
next:
	for i := range all {
		l := &all[i]
		from, to := used(p, g, l.buffer)
		for _, b := range spots {
			if first := b.values[0]; first.unit == l.unit && p.Buffers[first.buffer].Offset == p.Buffers[l.buffer].Offset {
				b.values, b.from, b.to = append(b.values, l), min(b.from, from), max(b.to, to)
				continue next
			}
		}
		spots = append(spots, &spot{values: []*local{l}, size: (l.unit*grain + line - 1) / line * line, from: from, to: to})
	}
	slices.SortStableFunc(spots, func(a, b *spot) int { return b.size - a.size })
	end := 0
	var busy []*spot
	for i, b := range spots {
		busy = busy[:0]
		for _, q := range spots[:i] {
			if q.from <= b.to && b.from <= q.to {
				busy = append(busy, q)
			}
		}
		slices.SortFunc(busy, func(a, b *spot) int { return a.at - b.at })
		for _, q := range busy {
			if b.at+b.size <= q.at {
				break
			}
			b.at = max(b.at, q.at+q.size)
		}
		for _, l := range b.values {
			l.at = b.at
		}
		end = max(end, b.at+b.size)
	}
	return end
}

// used returns the first and the last of a group's steps that use a buffer. A step behind another
// runs at the same time.
func used(p *plan.Plan, g *plan.Group, buffer int) (from, to int) {
	from = len(g.Steps)
	for i, id := range g.Steps {
		if s := &p.Steps[id]; slices.Contains(s.In, buffer) || slices.Contains(s.Out, buffer) {
			from, to = min(from, i), i
			if s.Behind {
				from = min(from, i-1)
			}
			if i+1 < len(g.Steps) && p.Steps[g.Steps[i+1]].Behind {
				to = i + 1
			}
		}
	}
	return from, to
}

// users returns for each buffer the group whose tasks are all that use it and might have
// it to themselves, or nil.
func (e *Engine) users() []*plan.Group {
	p := e.p
	groups, taken := make([]*plan.Group, len(p.Buffers)), make([]bool, len(p.Buffers))
	use := func(b int, g *plan.Group) {
		if root := p.Root(b); root != b {
			b, g = root, nil
		}
		if taken[b] && groups[b] != g {
			g = nil
		}
		groups[b], taken[b] = g, true
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		for j := range ph.Groups {
			for _, id := range ph.Groups[j].Steps {
				g, s := &ph.Groups[j], &p.Steps[id]
				if ph.Alone || ph.Once || finer(g, p.Capacity, e.workers) >= g.Length.At(p.Capacity) || s.Op == nil && len(s.In) > 1 || e.takesOver(s) {
					g = nil
				}
				for _, b := range slices.Concat(s.In, s.Out) {
					use(b, g)
				}
			}
		}
		for _, id := range ph.Tail {
			for _, b := range slices.Concat(p.Steps[id].In, p.Steps[id].Out) {
				use(b, nil)
			}
		}
	}
	for _, o := range p.Outputs {
		use(o.Buffer, nil)
	}
	return groups
}

// takesOver reports whether a step with several results makes one of them in the place of an
// operand, or takes an operand's columns as they are made. Then both are in the arena.
func (e *Engine) takesOver(s *plan.Step) bool {
	return len(s.Out) > 1 && (s.Behind || s.Op == nil || e.p.InPlace(s) >= 0)
}

// checkLocals holds what findLocals took for granted against how buffers lie.
func (e *Engine) checkLocals() error {
	for g, all := range e.local.groups {
		for _, l := range all {
			if have, n := len(e.views[l.buffer].f32), g.Length.At(e.p.Capacity); have != l.unit*n {
				return fmt.Errorf("engine: plan %q: %s has %d elements, not %d for each of %d", e.p.Name, e.p.Buffers[l.buffer].Name, have, l.unit, n)
			}
		}
	}
	return nil
}

// place returns where a step that is being bound finds a buffer.
func (e *Engine) place(buffer int) *view {
	if at, ok := e.local.of[buffer]; ok {
		return &e.local.views[e.local.binds][at]
	}
	return &e.views[buffer]
}

// bindOthers binds a step of a group with local values for each worker but the first.
func (e *Engine) bindOthers(st *boundStep, g *plan.Group) error {
	if len(e.local.groups[g]) == 0 {
		return nil
	}
	defer func() { e.local.binds = 0 }()
	st.of = append(st.of, st.run)
	for w := 1; w < e.workers; w++ {
		e.local.binds = w
		b := e.binding(&e.p.Steps[st.id], st.id, g)
		run, _ := b.kernel()
		if b.err != nil {
			return b.err
		}
		st.of = append(st.of, run)
	}
	return nil
}

// showLocals shows the kernels of a worker its memory as the slice [lo,hi) of the values of
// a group.
func (c *ctx) showLocals(all []local, lo, hi int) {
	own := &c.e.local
	for i := range all {
		l := &all[i]
		at := own.base + c.id*own.floats + l.at
		own.views[c.id][l.view].f32 = own.arena[at-lo*l.unit : at+(hi-lo)*l.unit]
	}
}
