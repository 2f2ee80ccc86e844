package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// gemm is a product of matrices, with a row bias, a rectifier, a rectifier's
// mask, or a matrix where the chains start. The right operand must have
// contiguous rows: for one that is taken transposed it or the rows are turned in
// the worker's scratch, unless the compiler did that once for all.
func gemm(b *binding) (kernel, string) {
	if turns(b.p, b.s) {
		return turnedGemm(b)
	}
	var transA, transB, relu bool
	var bias, mask, start *view
	switch op := b.s.Op.(type) {
	case ops.Gemm:
		transA, transB = op.TransA, op.TransB
	case ops.GemmRelu:
		transA, transB, relu = op.TransA, op.TransB, true
	case ops.GemmReluGrad:
		transA, transB, mask = op.TransA, op.TransB, b.in[2]
		if len(b.in) == 4 {
			start = b.in[3]
		}
	case ops.MatMul:
		if b.inT[0].Rank() != 2 || b.inT[1].Rank() != 2 {
			return b.batched()
		}
	default:
		return nil, ""
	}
	if !b.all(ir.F32) {
		return nil, ""
	}
	e, x, w, y := b.e, b.in[0], b.in[1], b.out[0]
	xT, wT := b.inT[0].Shape, b.inT[1].Shape
	if len(b.in) == 3 && mask == nil {
		if b.inT[2].Rank() == 1 {
			bias = b.in[2]
		} else {
			start = b.in[2]
		}
	}
	if relu && bias == nil {
		return nil, ""
	}
	nAxis, kAxis := 1, 1
	name := "gemm_n"
	if transA {
		kAxis, name = 0, "gemm_t"
	}
	if transB {
		nAxis = 0
		name += "t"
	} else {
		name += "n"
	}
	switch {
	case relu:
		name += "_bias_relu"
	case bias != nil:
		name += "_bias"
	case start != nil:
		name += "_chain"
	}
	if mask != nil {
		name += "_mask"
	}
	if transB {
		b.needs(wT.ElemsAt(b.p.Capacity))
	}
	nAt, kAt, colsAt := e.sizes.dim(wT[nAxis]), e.sizes.dim(xT[kAxis]), e.sizes.dim(xT[1])
	own, onwards := b.own(b.s.Out, 0), start != nil && b.own(b.s.In, len(b.in)-1)
	return func(c *ctx, lo, hi int) {
		n, k, cols := *nAt, *kAt, *colsAt
		a, rsa, csa := x.f32[min(lo*cols, len(x.f32)):], cols, 1
		if transA {
			a, rsa, csa = x.f32[lo:], 1, cols
		}
		dst := c.rows(y, own, lo*n, hi*n)
		ep := simd.Epilogue{Relu: relu}
		if bias != nil {
			ep.Bias = bias.f32[:n]
		}
		if mask != nil {
			ep.Mask, ep.LDMask = mask.f32[lo*n:hi*n], n
		}
		var from []float32
		if start != nil {
			from = c.rows(start, onwards, lo*n, hi*n)
		}
		if transB && !transA && turnedWidth(hi-lo)*(n+k) <= n*k {
			c.turnedRows(hi-lo, n, k, a, w.f32, dst, from, ep)
			return
		}
		wf := w.f32
		if transB {
			wf = c.scratch(n * k)
			simd.Transpose(n, k, w.f32, k, wf, n)
		}
		if len(from) > 0 && &from[0] != &dst[0] {
			copy(dst, from)
		}
		simd.Gemm(hi-lo, n, k, a, rsa, csa, wf, n, dst, n, start != nil, ep)
	}, name
}

// all reports whether operands and results have one dtype.
func (b *binding) all(d ir.DType) bool {
	for _, t := range b.inT {
		if t.DType != d {
			return false
		}
	}
	for _, t := range b.outT {
		if t.DType != d {
			return false
		}
	}
	return true
}

// needs says how many floats of scratch the kernel takes at capacity, so that no run
// makes them.
func (b *binding) needs(n int) { b.e.scratch = max(b.e.scratch, n) }

// scratch returns n floats that belong to the worker.
func (c *ctx) scratch(n int) []float32 {
	if cap(c.tmp) < n {
		c.tmp = aligned(n)
	}
	return c.tmp[:n]
}
