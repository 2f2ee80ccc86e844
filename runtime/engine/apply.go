package engine

import (
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// normBlock is the partition of the sum of squares. It must not depend on the
// workers.
const normBlock = 1 << 13

// norm is the state of the global norm of the gradients.
type norm struct {
	blocks []block
	sums   []float64
	square func(c *ctx, i int)
	apply  func(c *ctx, i int)
}

type block struct{ seg, lo, hi int }

func (n *norm) init(e *Engine) {
	if !e.p.StoreGrads {
		return
	}
	for _, st := range e.p.Steps {
		if st.Param < 0 {
			continue
		}
		i := e.s.index[e.p.Segments[st.Param].Name]
		for lo, all := 0, e.s.segs[i].Len(); lo < all; lo += normBlock {
			n.blocks = append(n.blocks, block{i, lo, min(lo+normBlock, all)})
		}
	}
	n.sums = make([]float64, len(n.blocks))
	n.square = func(_ *ctx, i int) {
		b := n.blocks[i]
		o := e.s.segs[b.seg].Offset
		n.sums[i] = simd.SumSquaresFloat64(e.s.grads[o+b.lo : o+b.hi])
	}
	n.apply = func(c *ctx, i int) {
		defer e.recover()
		b := n.blocks[i]
		o, all := e.s.segs[b.seg].Offset, e.s.segs[b.seg].Len()
		c.update(b.seg, b.lo, b.hi, e.s.params[o:o+all], e.s.grads[o+b.lo:o+b.hi])
	}
}

// Apply updates the parameters by the stored gradients of a plan that stores
// them, and then the state. If clip is positive and the norm of all gradients together
// is greater, they are scaled to that norm (Pascanu et al. 2013). It returns the norm
// before clipping.
//
// Errors: a plan that does not store gradients; *NonFinite with a norm that is
// not finite, and then nothing is updated.
func (e *Engine) Apply(u *Update, clip float64) (float64, error) {
	if !e.p.StoreGrads {
		return 0, fmt.Errorf("engine: plan %q does not store gradients", e.p.Name)
	}
	if u == nil || u.Opt == nil {
		return 0, errors.New("engine: Apply needs an optimizer")
	}
	if e.pool.closed.Load() {
		return 0, errors.New("engine: Apply after Close")
	}
	e.u = *u
	if err := e.checkUpdate(); err != nil {
		return 0, err
	}
	e.err.Store(nil)
	e.parallel(len(e.norm.blocks), e.norm.square)
	sum := 0.0
	for _, s := range e.norm.sums {
		sum += s
	}
	total := math.Sqrt(sum) * float64(e.u.Scale)
	if math.IsNaN(total) || math.IsInf(total, 0) {
		return total, &NonFinite{total}
	}
	if clip > 0 && total > clip {
		e.u.Scale *= float32(clip / total)
	}
	e.parallel(len(e.norm.blocks), e.norm.apply)
	e.s.Touch()
	e.train, e.env = true, ir.Env{Binding: e.sizes.at, Capacity: e.p.Capacity, UpdateRows: e.u.UpdateRows, Seed: e.u.Seed, Update: e.u.Step} // of no run: there may have been none
	for i := range e.phases {
		if e.phases[i].after && e.err.Load() == nil {
			e.runPhase(&e.phases[i])
		}
	}
	if err := e.err.Load(); err != nil {
		return total, *err
	}
	return total, nil
}
