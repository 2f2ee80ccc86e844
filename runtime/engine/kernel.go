package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// kernel makes the slice [lo,hi) along axis 0 of a step's result.
type kernel func(c *ctx, lo, hi int)

// binding is what a kernel is made of: a step, its buffers and their types.
// Buffers of inputs move between runs, so kernels keep the pointers.
type binding struct {
	e         *Engine
	p         *plan.Plan
	s         *plan.Step
	id        int         // of the step
	g         *plan.Group // nil for a tail
	in, out   []*view
	inT, outT []ir.Type
	err       error // of a kernel that is given
}

// reference is the name of the kernel of a step that has none.
const reference = "reference"

// kernel returns the step's kernel and its name.
func (b *binding) kernel() (kernel, string) {
	if b.s.Op == nil {
		return b.update()
	}
	mk := maker(b.s.Op)
	if ir.IsView(b.s.Op, b.inT, b.outT) {
		mk = copyKernel
	}
	if mk != nil {
		if k, name := mk(b); k != nil {
			return k, name
		}
	}
	if k, name := b.given(); k != nil {
		return k, name
	}
	return b.fallback(), reference
}

// inner returns the shape behind axis 0, that of a scalar for a scalar.
func inner(t ir.Type) ir.Shape { return t.Shape[min(1, t.Rank()):] }

// width returns where the elements of one index of axis 0 stand.
func (b *binding) width(t ir.Type) *int { return b.e.sizes.elems(inner(t)) }

// fixedWidth returns the elements of one index of axis 0, if that is known.
func fixedWidth(t ir.Type) (int, bool) {
	if inner(t).Symbolic() {
		return 0, false
	}
	return inner(t).Count(), true
}
