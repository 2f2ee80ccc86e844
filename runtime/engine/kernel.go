package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// kernel makes the slice [lo,hi) along axis 0 of a step's result.
type kernel func(c *ctx, lo, hi int)

// binding is what a kernel is made of: a step, its buffers and their types.
// Buffers of inputs move between runs, so kernels keep the pointers.
type binding struct {
	e         *Engine
	p         *plan.Plan
	s         *plan.Step
	in, out   []*view
	inT, outT []ir.Type
}

// kernel returns the step's kernel and its name.
func (b *binding) kernel() (kernel, string) {
	if b.s.Op == nil {
		return b.update(), "update"
	}
	if k, name := packedGemm(b); k != nil {
		return k, name
	}
	if mk := maker(b.s.Op.Name()); mk != nil {
		if k, name := mk(b); k != nil {
			return k, name
		}
	}
	return b.fallback(), "reference"
}

// width returns the elements of one unit of axis 0, if that is known.
func width(t ir.Type) (int, bool) {
	if t.Rank() == 0 {
		return 1, true
	}
	return t.Shape[1:].Elems(1), !t.Shape[1:].Symbolic()
}

// update applies the optimizer to a slice of a parameter.
func (b *binding) update() kernel {
	e, g, w := b.e, b.in[0], b.out[0]
	seg := e.s.index[b.p.Segments[b.s.Param].Name]
	n, _ := width(b.outT[0])
	return func(c *ctx, lo, hi int) { c.update(seg, lo*n, hi*n, w.f32, g.f32) }
}

// update changes the elements [lo,hi) of a segment whose weights are w and
// gradients g.
func (c *ctx) update(seg, lo, hi int, w, g []float32) {
	e := c.e
	u, sg := &e.u, &e.s.segs[seg]
	rate := u.Rate
	if u.Rates != nil {
		rate = u.Rates[seg]
	}
	for i, s := range e.s.slots {
		c.slots[i] = s[sg.Offset+lo : sg.Offset+hi]
	}
	u.Opt.Update(optim.Step{LR: rate, Decay: sg.Decay, T: u.T, Epoch: u.Epoch, Scale: u.Scale}, w[lo:hi], g[lo:hi], c.slots)
}
