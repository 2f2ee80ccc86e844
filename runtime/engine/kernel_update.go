package engine

import (
	"unsafe"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// update applies the optimizer to a slice of a parameter, or to whole ones, and makes
// again what is derived from what it changed.
func (b *binding) update() (kernel, string) {
	follow := b.followers()
	name := "update"
	if len(b.s.Derived) > 0 {
		name = "update_derived"
	}
	if len(b.in) > 1 {
		return b.updateAll(follow), name + "_all"
	}
	g, w := b.in[0], b.out[0]
	seg := b.e.s.index[b.p.Segments[b.s.Param].Name]
	n, _ := fixedWidth(b.outT[0])
	if b.e.stays[b.s.In[0]] {
		b.needs(min(b.outT[0].Shape[0].Length(), b.g.Grain) * n)
		return func(c *ctx, lo, hi int) {
			m := hi - lo
			tile := c.scratch(m * n)
			simd.Transpose(n, m, g.f32[lo*n:], m, tile, n)
			c.take(seg, lo*n, hi*n)
			c.apply(seg, w.f32[lo*n:hi*n], tile)
			follow.run(c, 0, lo, hi)
		}, name + "_turned"
	}
	return func(c *ctx, lo, hi int) {
		c.update(seg, lo*n, hi*n, w.f32, g.f32)
		follow.run(c, 0, lo, hi)
	}, name
}

// stretch is parameters whose elements, and those of their gradients, follow each
// other without a gap.
type stretch struct {
	first    int // position in the step
	from, to int // elements of the store
}

// updateAll updates several parameters, in one go where nothing tells them apart.
func (b *binding) updateAll(follow followers) kernel {
	e, in, out := b.e, b.in, b.out
	segs := make([]int, len(in))
	var all []stretch
	for i := range in {
		segs[i] = e.s.index[b.p.Segments[b.s.Param+i].Name]
		sg := &e.s.segs[segs[i]]
		next := stretch{i, sg.Offset, sg.Offset + sg.Len()}
		if len(all) > 0 && all[len(all)-1].to == next.from && follows(in[i-1].f32, in[i].f32) {
			all[len(all)-1].to = next.to
			continue
		}
		all = append(all, next)
	}
	return func(c *ctx, _, _ int) {
		if !e.alike() {
			for i := range segs {
				c.update(segs[i], 0, len(out[i].f32), out[i].f32, in[i].f32[:len(out[i].f32)])
			}
		} else {
			for i := range all {
				s := &all[i]
				n := s.to - s.from
				at := e.s.slotAt[segs[s.first]]
				for j, slot := range e.s.slots {
					c.slots[j] = slot[at : at+n]
				}
				c.apply(segs[s.first], e.s.params[s.from:s.to], unsafe.Slice(unsafe.SliceData(in[s.first].f32), n))
			}
		}
		for i := range out {
			if shape := e.s.segs[segs[i]].Shape; len(shape) > 0 { // nothing follows the rows of a number
				follow.run(c, i, 0, shape[0])
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
	c.take(seg, lo, hi)
	c.apply(seg, w[lo:hi], g[lo:hi])
}

// take makes the slots of c those of the elements [lo,hi) of a segment.
func (c *ctx) take(seg, lo, hi int) {
	at := c.e.s.slotAt[seg]
	for i, s := range c.e.s.slots {
		c.slots[i] = s[at+lo : at+hi]
	}
}

// apply calls the optimizer with the slots of c. It stores no subnormal moment, or that is done here.
func (c *ctx) apply(seg int, w, g []float32) {
	opt := c.e.u.Opt
	opt.Update(c.e.step(seg), w, g, c.slots)
	if f, ok := opt.(optim.Flusher); !ok || !f.Flushes() {
		for _, s := range c.slots {
			simd.FlushSubnormals(s, s)
		}
	}
}
