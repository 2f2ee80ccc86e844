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
	in, out   []*view
	inT, outT []ir.Type
}

// reference is the name of the kernel of a step that has none.
const reference = "reference"

// kernel returns the step's kernel and its name.
func (b *binding) kernel() (kernel, string) {
	if b.s.Op == nil {
		return b.update()
	}
	if k, name := packedGemm(b); k != nil {
		return k, name
	}
	if mk := maker(b.s.Op.Name()); mk != nil {
		if k, name := mk(b); k != nil {
			return k, name
		}
	}
	return b.fallback(), reference
}

// width returns the elements of one unit of axis 0, if that is known.
func width(t ir.Type) (int, bool) {
	if t.Rank() == 0 {
		return 1, true
	}
	return t.Shape[1:].Elems(1), !t.Shape[1:].Symbolic()
}
