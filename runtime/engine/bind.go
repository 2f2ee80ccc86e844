package engine

import (
	"fmt"
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// finer returns the grain of a group, cut so that each worker gets about as much
// as the others, and each of many at least two tasks. Results do not depend on it.
func finer(g *plan.Group, capacity ir.Binding, workers int) int {
	n := g.Length.At(capacity)
	if workers == 1 && g.Length.Symbolic() && n <= wholeRows && g.Grain > nearRows {
		return max(n, g.Grain)
	}
	if g.Tasks(capacity) <= 1 {
		return g.Grain
	}
	unit := 8 // rows of a weight, of which transposes take so many at once
	if g.Length.Symbolic() {
		unit = 2 // rows of the batch, whose share weighs more than a tile that is cut short
	}
	round := g.Grain * workers
	rounds := max(1, (n+round*3/4)/round) // a short task at the end is no round
	if workers > 4 {
		rounds = max(rounds, 2)
	}
	share := (n + rounds*workers - 1) / (rounds * workers)
	return min(g.Grain, (share+unit-1)/unit*unit)
}

func (e *Engine) findLoss(i int, ph *plan.Phase) {
	root := e.p.Root(e.p.Loss)
	look := func(ids []int) {
		for _, id := range ids {
			for _, b := range e.p.Steps[id].Out {
				if b == root {
					e.lossAt = i
				}
			}
		}
	}
	for j := range ph.Groups {
		look(ph.Groups[j].Steps)
	}
	look(ph.Tail)
}

// bindViews gives each buffer its elements. With apart set no two buffers share
// memory, so that every value of a run can be read after it.
func (e *Engine) bindViews(apart bool, derived []float32) {
	p := e.p
	e.views = make([]view, len(p.Buffers))
	own := &e.local
	own.base = (p.ArenaBytes + plan.Align - 1) / plan.Align * plan.Align / 4
	arena := aligned(own.base + len(own.views)*own.floats)
	own.arena = arena
	base := unsafe.Pointer(unsafe.SliceData(arena))
	for i := range p.Buffers {
		b := &p.Buffers[i]
		n := b.Type.Shape.ElemsAt(p.Capacity)
		v := &e.views[i]
		switch {
		case b.Alias >= 0:
			*v = e.views[b.Alias]
			if b.Kind == plan.Input {
				e.inputAliases = append(e.inputAliases, i)
			}
		case b.Kind == plan.Arena && apart:
			mem := aligned((n*b.Type.DType.Size() + 3) / 4)
			v.at(unsafe.Pointer(unsafe.SliceData(mem)), b.Type.DType, n)
		case b.Kind.InArena():
			v.at(unsafe.Add(base, b.Offset), b.Type.DType, n)
		case b.Kind == plan.Derived:
			v.at(unsafe.Add(unsafe.Pointer(unsafe.SliceData(derived)), b.Offset), b.Type.DType, n)
		case b.Kind == plan.Param:
			v.f32 = e.s.part(e.s.params, e.segment(b.Offset, p.Segments))
		case b.Kind == plan.Grad:
			v.f32 = e.s.Grad(e.segment(b.Offset, p.Segments))
		case b.Kind == plan.State:
			v.f32 = e.s.State(e.segment(b.Offset, p.States))
		case b.Kind == plan.Const:
			*v = viewOf(b.Data.To(b.Type.DType))
		}
	}
}

func (e *Engine) segment(offset int, segs []plan.Segment) string {
	for i := range segs {
		if segs[i].Offset == offset && segs[i].Len() > 0 {
			return segs[i].Name
		}
	}
	return ""
}

// at shows the memory at p as n elements.
func (v *view) at(p unsafe.Pointer, d ir.DType, n int) {
	switch d {
	case ir.F32:
		v.f32 = unsafe.Slice((*float32)(p), n)
	case ir.F64:
		v.f64 = unsafe.Slice((*float64)(p), n)
	case ir.I64:
		v.i64 = unsafe.Slice((*int64)(p), n)
	case ir.Bool:
		v.b = unsafe.Slice((*bool)(p), n)
	default:
		v.raw = unsafe.Slice((*byte)(p), n*d.Size())
	}
}

// bind finds the kernel of a step of a group, nil for a tail.
func (e *Engine) bind(id int, g *plan.Group) (boundStep, error) {
	s := &e.p.Steps[id]
	one := e.sizes.dim(ir.Fixed(1))
	st := boundStep{id: id, units: one, times: one, update: e.changesStore(id), kept: e.isKept(s)}
	if t := e.p.Buffers[s.Out[0]].Type; t.Rank() > 0 {
		st.units = e.sizes.dim(t.Shape[0])
		if g != nil && !g.Whole() {
			times, _ := g.Times(t)
			st.times = e.sizes.dim(times)
		}
	}
	b := e.binding(s, id, g)
	st.run, st.name = b.kernel()
	if b.err != nil {
		return st, b.err
	}
	if st.run == nil {
		return st, fmt.Errorf("engine: step %d: %s has neither a kernel nor a meaning", id, s.Op.Name())
	}
	st.takes = e.takes(s, g)
	return st, e.bindOthers(&st, g)
}

// binding returns what the kernel of a step is made of.
func (e *Engine) binding(s *plan.Step, id int, g *plan.Group) *binding {
	b := &binding{e: e, p: e.p, s: s, id: id, g: g}
	for _, i := range s.In {
		b.in = append(b.in, e.place(i))
		b.inT = append(b.inT, e.p.Buffers[i].Type)
	}
	for _, i := range s.Out {
		b.out = append(b.out, e.place(i))
		b.outT = append(b.outT, e.p.Buffers[i].Type)
	}
	return b
}
