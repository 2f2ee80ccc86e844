package engine

import (
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// update applies the optimizer to a slice of a parameter, or to whole ones, and
// turns what it changed into their twins.
func (b *binding) update() (kernel, string) {
	turn, name := b.turn(), "update"
	if len(b.s.Twins) > 0 {
		name = "update_turn"
	}
	if len(b.in) > 1 {
		return b.updateAll(turn), name + "_all"
	}
	g, w := b.in[0], b.out[0]
	seg := b.e.s.index[b.p.Segments[b.s.Param].Name]
	n, _ := fixedWidth(b.outT[0])
	return func(c *ctx, lo, hi int) {
		c.update(seg, lo*n, hi*n, w.f32, g.f32)
		turn(0, lo, hi)
	}, name
}

// turn returns what copies rows of the step's parameter i into the columns of its
// twins.
func (b *binding) turn() func(i, lo, hi int) {
	type twin struct {
		w, t       *view
		rows, cols int
	}
	of := make([][]twin, len(b.s.Out))
	for _, id := range b.s.Twins {
		shape := b.p.Buffers[id].Type.Shape
		for i, out := range b.s.Out {
			if from := b.e.turned[id]; from == out {
				of[i] = append(of[i], twin{b.out[i], &b.e.views[id], shape[1].Length(), shape[0].Length()})
			}
		}
	}
	return func(i, lo, hi int) {
		for _, t := range of[i] {
			simd.Transpose(hi-lo, t.cols, t.w.f32[lo*t.cols:], t.cols, t.t.f32[lo:], t.rows)
		}
	}
}

// stretch is parameters whose elements, and those of their gradients, follow each
// other without a gap.
type stretch struct {
	first, last int // positions in the step
	from, to    int // elements of the store
}

// updateAll updates several parameters, in one go where nothing tells them apart.
func (b *binding) updateAll(turn func(i, lo, hi int)) kernel {
	e, in, out := b.e, b.in, b.out
	segs := make([]int, len(in))
	var all []stretch
	for i := range in {
		segs[i] = e.s.index[b.p.Segments[b.s.Param+i].Name]
		sg := &e.s.segs[segs[i]]
		next := stretch{i, i, sg.Offset, sg.Offset + sg.Len()}
		if len(all) > 0 && all[len(all)-1].to == next.from && follows(in[i-1].f32, in[i].f32) {
			all[len(all)-1].last, all[len(all)-1].to = i, next.to
			continue
		}
		all = append(all, next)
	}
	return func(c *ctx, _, _ int) {
		if !e.alike() {
			for i := range segs {
				c.update(segs[i], 0, len(out[i].f32), out[i].f32, in[i].f32)
			}
		} else {
			for i := range all {
				s := &all[i]
				n := s.to - s.from
				at := e.s.slotAt[segs[s.first]]
				for j, slot := range e.s.slots {
					c.slots[j] = slot[at : at+n]
				}
				e.u.Opt.Update(e.step(segs[s.first]), e.s.params[s.from:s.to], unsafe.Slice(unsafe.SliceData(in[s.first].f32), n), c.slots)
			}
		}
		for i := range out {
			if shape := e.s.segs[segs[i]].Shape; len(shape) > 0 { // a number has no twin
				turn(i, 0, shape[0])
			}
		}
	}
}

// follows reports whether b begins where a ends.
func follows(a, b []float32) bool {
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(a)), 4*len(a)) == unsafe.Pointer(unsafe.SliceData(b))
}

// alike reports whether nothing tells the weights of this update apart: one rate,
// and an optimizer that does not let some of them decay.
func (e *Engine) alike() bool {
	for _, r := range e.u.Rates {
		if r != e.u.Rates[0] {
			return false
		}
	}
	d, ok := e.u.Opt.(optim.Decayer)
	return ok && !d.Decays()
}

// step is what the optimizer is told about a segment.
func (e *Engine) step(seg int) optim.Step {
	rate := e.u.Rate
	if e.u.Rates != nil {
		rate = e.u.Rates[seg]
	}
	decay, share := e.s.segs[seg].Decay, float32(0)
	if e.u.Decays != nil {
		share = e.u.Decays[seg]
		decay = decay && share != 0
	}
	return optim.Step{LR: rate, Decay: decay, Share: share, T: e.u.T, Epoch: e.u.Epoch, Scale: e.u.Scale}
}

// update changes the elements [lo,hi) of a segment whose weights are w and
// gradients g.
func (c *ctx) update(seg, lo, hi int, w, g []float32) {
	e := c.e
	at := e.s.slotAt[seg]
	for i, s := range e.s.slots {
		c.slots[i] = s[at+lo : at+hi]
	}
	e.u.Opt.Update(e.step(seg), w[lo:hi], g[lo:hi], c.slots)
}

// findTwins finds the parameter of each twin that an update makes again, and
// whether updates leave nothing that is made once to be made again.
func (e *Engine) findTwins() {
	p := e.p
	again := map[int]bool{}
	for i := range p.Steps {
		for _, b := range p.Steps[i].Twins {
			again[b] = true
		}
	}
	e.turned, e.lasting = map[int]int{}, true
	for i := range p.Phases {
		if !p.Phases[i].Once {
			continue
		}
		for _, id := range p.Phases[i].Steps() {
			s := &p.Steps[id]
			if again[s.Out[0]] {
				e.turned[s.Out[0]] = s.In[0]
				continue
			}
			for _, b := range s.In {
				k := p.Buffers[p.Root(b)].Kind
				e.lasting = e.lasting && k != plan.Param && !again[p.Root(b)]
			}
		}
	}
}
