package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// A weight gradient sums over the rows of both operands, so either may be the one
// whose columns fill the vectors. Where those of the right one do not, the product
// is made turned, a task's tile in memory of its own or in that of the result, and
// turned back at the end of its chains. Each element stays the same chain.

const (
	turnRows  = 96  // least rows of the result, which become columns
	turnDepth = 128 // least terms of a chain, so that turning back is little work
	turnFrom  = 64  // columns of the result between which it pays
	turnTo    = 512
	vector    = 16 // elements of the widest vector
)

// turns reports whether a step's product is made turned.
func turns(p *plan.Plan, s *plan.Step) bool {
	if op, ok := s.Op.(ops.Gemm); !ok || !op.TransA || op.TransB {
		return false
	}
	out := p.Buffers[s.Out[0]].Type
	if len(s.In) == 3 && !p.Buffers[s.In[2]].Type.Equal(out) || out.DType != ir.F32 || out.Shape.Symbolic() {
		return false
	}
	rows, cols := out.Shape[0].Length(), out.Shape[1].Length()
	idle := (vector - cols%vector) % vector
	return rows >= turnRows && cols >= turnFrom && cols <= turnTo && 25*idle >= cols &&
		p.Buffers[s.In[0]].Type.Shape[0].At(p.Capacity) >= turnDepth
}

// findTurned finds the results that only the next product of a chain reads, so
// that they may stay turned.
func (e *Engine) findTurned() {
	p := e.p
	e.stays = map[int]bool{}
	readers := map[int]int{}
	for i := range p.Steps {
		for _, b := range p.Steps[i].In {
			readers[p.Root(b)]++
		}
	}
	for i := range p.Phases {
		for j := range p.Phases[i].Groups {
			made := map[int]bool{}
			for _, id := range p.Phases[i].Groups[j].Steps {
				s := &p.Steps[id]
				if !turns(p, s) {
					continue
				}
				if len(s.In) == 3 && made[s.In[2]] {
					e.stays[s.In[2]] = true
				}
				// One that goes on from what is not turned may have its memory, and
				// nothing is turned in place.
				plain := len(s.In) == 3 && !made[s.In[2]]
				if out := s.Out[0]; !plain && (p.Buffers[out].Kind == plan.Arena || p.Buffers[out].Kind == plan.Local) && readers[out] == 1 {
					made[out] = true
				}
			}
		}
	}
}

// turnedGemm makes the transpose of a slice: wᵀ·x for rows of the result that are
// columns of x.
func turnedGemm(b *binding) (kernel, string) {
	e, x, w, y := b.e, b.in[0], b.in[1], b.out[0]
	xT, n := b.inT[0].Shape, b.outT[0].Shape[1].Length()
	depth, cols := e.sizes.dim(xT[0]), xT[1].Length()
	stays := e.stays[b.s.Out[0]]
	name := "gemm_tn_turned"
	var start *view
	turned := false
	if len(b.in) == 3 {
		start, turned, name = b.in[2], e.stays[b.s.In[2]], name+"_chain"
	}
	most := b.outT[0].Shape[0].Length()
	if b.g != nil {
		most = min(most, b.g.Grain)
	}
	b.needs(most * n)
	own, onwards := b.own(b.s.Out, 0), start != nil && b.own(b.s.In, 2)
	return func(c *ctx, lo, hi int) {
		m := hi - lo
		if m <= 0 {
			return
		}
		dst := c.rows(y, own, lo*n, hi*n)
		tile := dst
		switch {
		case stays && own || turned && onwards:
			tile = c.turned[:m*n]
		case !stays:
			tile = c.scratch(m * n)
		}
		switch {
		case start == nil || turned && onwards:
		case !turned:
			simd.Transpose(m, n, c.rows(start, onwards, lo*n, hi*n), n, tile, m)
		case &start.f32[lo*n] != &tile[0]:
			copy(tile, start.f32[lo*n:hi*n])
		}
		simd.Gemm(n, m, *depth, w.f32, 1, n, x.f32[lo:], cols, tile, m, start != nil, simd.Epilogue{})
		if !stays {
			simd.Transpose(n, m, tile, m, dst, n)
		}
	}, name
}

// turnedWidth is the columns that m rows become: AVX2 has a tile for four more
// columns than whole vectors, but none for two.
func turnedWidth(m int) int { return (m + 3) &^ 3 }

// turnedRows is a product whose right operand w [n k] is taken transposed, of few
// rows: the transpose of w·xᵀ, for which the rows are turned and not w. start,
// bias and mask may be nil; those of rows begin at the first one of dst. It uses
// turnedWidth(m)·(n+k) floats of the scratch.
func (c *ctx) turnedRows(m, n, k int, x, w, dst, start []float32, ep simd.Epilogue) {
	ld := turnedWidth(m)
	tmp := c.scratch(ld * (n + k))
	xt, yt := tmp[:k*ld], tmp[k*ld:]
	simd.Transpose(m, k, x, k, xt, ld)
	for i := m; i < len(xt); i += ld {
		clear(xt[i:][:ld-m])
	}
	if start != nil {
		simd.Transpose(m, n, start, n, yt, ld)
	}
	simd.Gemm(n, ld, k, w, k, 1, xt, ld, yt, ld, start != nil, simd.Epilogue{})
	simd.Transpose(n, m, yt, ld, dst, n)
	if ep.Bias != nil {
		simd.AddRow(dst, dst, ep.Bias)
	}
	if ep.Relu {
		simd.Relu(dst, dst)
	}
	if ep.Mask != nil {
		simd.ReluGrad(dst, dst, ep.Mask)
	}
}
