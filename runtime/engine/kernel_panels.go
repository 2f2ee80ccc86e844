package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// panelGemm is a product whose right operand is in panels, each read from end to end.
// The chains are those of gemm.
func panelGemm(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.GemmPanels)
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	y, c, matrix := op.Parts(b.inT)
	bias, mask, start, name := b.addends("gemm_panels", y, c, matrix, op.Relu)
	x, p, out := b.in[0], b.in[1], b.out[0]
	n, width, relu := op.Columns, b.inT[1].Shape[2].Length(), op.Relu
	kAt := b.e.sizes.dim(b.inT[0].Shape[1])
	return func(_ *ctx, lo, hi int) {
		k := *kAt
		a, dst, ep := x.f32[lo*k:hi*k], out.f32[lo*n:hi*n], simd.Epilogue{Relu: relu, LDMask: n}
		if start != nil {
			if from := start.f32[lo*n : hi*n]; len(from) > 0 && &from[0] != &dst[0] {
				copy(dst, from)
			}
		}
		for j, w := 0, p.f32; j < n && lo < hi; j, w = j+width, w[k*width:] {
			if bias != nil {
				ep.Bias = bias.f32[j:n]
			}
			if mask != nil {
				ep.Mask = mask.f32[lo*n+j : hi*n]
			}
			simd.Gemm(hi-lo, min(width, n-j), k, a, k, 1, w, width, dst[j:], n, start != nil, ep)
		}
	}, name
}

// addends are the operands of a product beside its factors, nil where there are none: the mask is operand y and the
// bias operand c, unless that is a matrix, where the chains start. The kernel's name gets theirs.
func (b *binding) addends(form string, y, c int, matrix, relu bool) (bias, mask, start *view, name string) {
	name = form
	switch {
	case matrix:
		start, name = b.in[c], name+"_chain"
	case c >= 0:
		bias, name = b.in[c], name+"_bias"
	}
	if relu {
		name += "_relu"
	}
	if y >= 0 {
		mask, name = b.in[y], name+"_mask"
	}
	return bias, mask, start, name
}

// panels is how a matrix lies in panels.
type panels struct {
	w, p        *view
	k, n, width int
	turned      bool // w is [n k]
}

func (b *binding) panels(op ops.Panels) *panels {
	s := b.inT[0].Shape
	if !b.all(ir.F32) || s.Symbolic() {
		return nil
	}
	p := &panels{w: b.in[0], p: b.out[0], k: s[0].Length(), n: s[1].Length(), width: op.Width, turned: op.Turned}
	if p.turned {
		p.k, p.n = p.n, p.k
	}
	return p
}

// move brings rows [r0,r1) and columns [j0,j1) of the matrix into the panels.
func (p *panels) move(r0, r1, j0, j1 int) {
	if r0 >= r1 {
		return
	}
	for first := j0 / p.width * p.width; first < j1; first += p.width {
		a, b := max(j0, first), min(j1, first+p.width)
		dst := p.p.f32[first*p.k+r0*p.width+a-first:]
		if p.turned {
			simd.Transpose(b-a, r1-r0, p.w.f32[a*p.k+r0:], p.k, dst, p.width)
			continue
		}
		for r := r0; r < r1; r++ {
			copy(dst[(r-r0)*p.width:][:b-a], p.w.f32[r*p.n+a:])
		}
	}
}

// panelsKernel cuts a matrix into panels.
func panelsKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Panels)
	if !ok {
		return nil, ""
	}
	p := b.panels(op)
	if p == nil {
		return nil, ""
	}
	return func(_ *ctx, lo, hi int) {
		if hi*p.width > p.n {
			clear(p.p.f32[lo*p.k*p.width : hi*p.k*p.width])
		}
		p.move(0, p.k, lo*p.width, min(hi*p.width, p.n))
	}, "panels"
}

// followPanels brings rows or columns of the matrix into the panels.
func (b *binding) followPanels(op ops.Panels, axis int) follow {
	p := b.panels(op)
	switch {
	case p == nil:
		return nil
	case (axis == 0) != op.Turned:
		return func(_ *ctx, lo, hi int) { p.move(lo, hi, 0, p.n) }
	}
	return func(_ *ctx, lo, hi int) { p.move(0, p.k, lo, hi) }
}
