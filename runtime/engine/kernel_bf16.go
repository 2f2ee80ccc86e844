package engine

import (
	"encoding/binary"
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// bf16Gemm is a product of matrices in bf16, which the kernel takes either way round. It is the only form of the op: the
// reference meaning would round elsewhere, and the bits are promised.
func bf16Gemm(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.GemmBF16)
	if !ok {
		return nil, ""
	}
	form := map[bool]string{false: "gemm_bf16_n", true: "gemm_bf16_t"}[op.TransA] + map[bool]string{false: "n", true: "t"}[op.TransB]
	y, c, matrix := op.Parts(b.inT)
	bias, mask, start, name := b.addends(form, y, c, matrix, op.Relu)
	nAxis, kAxis := 1, 1
	if op.TransA {
		kAxis = 0
	}
	if op.TransB {
		nAxis = 0
	}
	x, w, out := b.in[0], b.in[1], b.out[0]
	xT, wT, sizes := b.inT[0].Shape, b.inT[1].Shape, &b.e.sizes
	tiles := op.Columns > 0
	if tiles {
		wT, name = ir.ShapeOf(0, op.Columns), name+"_tiles"
	}
	most := b.outT[0].Shape[0].At(b.p.Capacity)
	if b.g != nil && !b.g.Whole() {
		if times, ok := b.g.Times(b.outT[0]); ok {
			most = min(most, b.g.Grain*times.At(b.p.Capacity))
		}
	}
	b.needs(simd.BF16Scratch(most, wT[nAxis].At(b.p.Capacity), xT[kAxis].At(b.p.Capacity)))
	nAt, kAt, colsAt, wColsAt := sizes.dim(wT[nAxis]), sizes.dim(xT[kAxis]), sizes.dim(xT[1]), sizes.dim(wT[1])
	relu := op.Relu
	return func(c *ctx, lo, hi int) {
		m, n, k, cols := hi-lo, *nAt, *kAt, *colsAt
		if m <= 0 || n == 0 {
			return
		}
		a, rsa, csa := brains(x.raw), cols, 1
		if op.TransA {
			a, rsa, csa = a[min(lo, len(a)):], 1, cols
		} else {
			a = a[min(lo*cols, len(a)):]
		}
		rsb, csb := *wColsAt, 1
		if op.TransB {
			rsb, csb = csb, rsb
		}
		dst, ep := out.f32[lo*n:hi*n], simd.Epilogue{Relu: relu}
		if bias != nil {
			ep.Bias = bias.f32[:n]
		}
		if mask != nil {
			ep.Mask, ep.LDMask = mask.f32[lo*n:hi*n], n
		}
		if start != nil {
			if from := start.f32[lo*n : hi*n]; &from[0] != &dst[0] {
				copy(dst, from)
			}
		}
		if tiles {
			simd.GemmBF16Tiles(m, n, k, a, rsa, csa, brains(w.raw), dst, n, start != nil, ep, c.scratch(simd.BF16Scratch(m, n, k)))
			return
		}
		simd.GemmBF16(m, n, k, a, rsa, csa, brains(w.raw), rsb, csb, dst, n, start != nil, ep, c.scratch(simd.BF16Scratch(m, n, k)))
	}, name
}

// tilesKernel cuts a matrix into tiles.
func tilesKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Tiles)
	if !ok || !littleEndian {
		return nil, ""
	}
	t := b.tiles(op)
	return func(_ *ctx, lo, hi int) {
		t.move(0, t.k, min(lo*simd.BF16TileColumns, t.n), min(hi*simd.BF16TileColumns, t.n))
	}, "tiles"
}

// tiles is how a matrix lies in tiles.
type tiles struct {
	w, to  *view
	k, n   int
	rs, cs int
}

func (b *binding) tiles(op ops.Tiles) *tiles {
	s := b.inT[0].Shape
	last := len(s) - 1
	t := &tiles{w: b.in[0], to: b.out[0], k: s[:last].Count(), n: s[last].Length(), rs: s[last].Length(), cs: 1}
	if op.Turned {
		t.k, t.n, t.rs, t.cs = t.n, t.k, 1, t.rs
	}
	return t
}

// move brings rows [k0,k1) and columns [j0,j1) of the matrix into the tiles.
func (t *tiles) move(k0, k1, j0, j1 int) {
	simd.PackBF16Tiles(brains(t.to.raw), t.k, t.n, t.w.f32, t.rs, t.cs, k0, k1, j0, j1)
}

// followTiles brings rows or columns of the matrix into the tiles; of filters [… c n] indices of c, or columns.
func (b *binding) followTiles(op ops.Tiles, axis int) follow {
	if !littleEndian {
		return nil
	}
	t, last := b.tiles(op), b.inT[0].Rank()-1
	if (axis == last) != op.Turned {
		return func(_ *ctx, lo, hi int) { t.move(0, t.k, lo, hi) }
	}
	each := t.k
	if last > 1 {
		each = b.inT[0].Shape[axis].Length()
	}
	return func(_ *ctx, lo, hi int) {
		for at := 0; at < t.k; at += each {
			t.move(at+lo, at+hi, 0, t.n)
		}
	}
}

// littleEndian is how this machine has its numbers, and tensors theirs on every machine.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// brains shows the bytes of numbers in bf16 as such, or a copy where the machine has its bytes the other way round.
func brains(raw []byte) []uint16 {
	if littleEndian {
		return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/2)
	}
	out := make([]uint16, len(raw)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return out
}
