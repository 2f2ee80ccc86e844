package engine

import (
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// findOwn returns the buffers of kind Local whose slices are made and read by kernels that
// do so in memory of the worker's own, and makes room for the largest slice. Others have a
// place of their own.
func (e *Engine) findOwn() map[int]bool {
	own := map[int]bool{}
	product := func(s *plan.Step) bool {
		op, ok := s.Op.(ops.Gemm)
		return ok && op.TransA && !op.TransB
	}
	for i := range e.p.Phases {
		for j := range e.p.Phases[i].Groups {
			g := &e.p.Phases[i].Groups[j]
			for _, id := range g.Steps {
				s := &e.p.Steps[id]
				_, stores := s.Op.(plan.StoreGrad)
				for k, b := range s.In {
					own[b] = own[b] && (stores || s.Update() && len(s.In) == 1 || product(s) && k == 2)
				}
				for _, b := range s.Out {
					buf := &e.p.Buffers[b]
					if own[b] = buf.Kind == plan.Local && product(s); own[b] {
						rows := buf.Type.Shape[0].Length()
						e.local = max(e.local, min(rows, g.Grain)*(buf.Type.Shape.Count()/max(rows, 1)))
					}
				}
			}
		}
	}
	return own
}

// own reports whether a task's slice of that one of buffers is in memory of its worker.
func (b *binding) own(buffers []int, i int) bool {
	return i < len(buffers) && b.p.Buffers[buffers[i]].Kind == plan.Local && b.e.views[buffers[i]].f32 == nil
}

// rows returns the elements [from,to) of a buffer of which they are a slice.
func (c *ctx) rows(v *view, own bool, from, to int) []float32 {
	if own {
		return c.own[:to-from]
	}
	return v.f32[from:to]
}
