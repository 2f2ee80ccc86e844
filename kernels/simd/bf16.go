package simd

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/internal/float16"
)

// BF16Block is the number of steps of k whose two chains a bf16 product adds to C at once.
const BF16Block = 32

// ToBF16 rounds src to bf16, the upper half of a float32: to nearest, ties to even; a NaN becomes the quiet NaN of its sign.
// Subnormals round like other numbers. It panics when dst is shorter than src.
func ToBF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	if len(src) > 0 {
		callToBF16(selected.Load().isa[opBF16Round], dst, src)
	}
}

// FromBF16 widens src, which is exact. It panics when dst is shorter than src.
func FromBF16(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	if len(src) > 0 {
		callFromBF16(selected.Load().isa[opBF16Widen], dst, src)
	}
}

func toBF16Go(dst []uint16, src []float32) {
	for i, v := range src {
		dst[i] = float16.BrainOf(v)
	}
}

func fromBF16Go(dst []float32, src []uint16) {
	for i, v := range src {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

// GemmBF16 computes C = A·B, or C + A·B, for bf16 A [m k] and B [k n] and float32 C [m n], by the arithmetic of Intel's
// TDPBF16PS (SDM vol. 2; what the manual leaves open was measured).
//
// The steps of k are taken in blocks of BF16Block, the first at k = 0 and the last filled up with zeros. In a block, two
// chains of fused multiply-adds begin at +0 and ascend, one over the even steps and one over the odd ones, and their sum is
// added to the element of C, which is 0 before the first block or the stored one when accumulating:
//
//	even = fma(a[i][p], b[p][j], even)   p = 0, 2, … of the block
//	odd  = fma(a[i][p], b[p][j], odd)    p = 1, 3, …
//	c    = c + (even + odd)
//
// Each operation rounds once to float32, to nearest even. Subnormal numbers count as 0 of their sign wherever they are read,
// C included, and a result becomes 0 of its sign if it is tiny: if it lies below 2^-126 after rounding to 24 bits as though
// exponents had no lower limit. Which of several NaNs results is not promised. The bits depend neither on m, n and the
// strides nor on the kernel set. Stopping at a multiple of BF16Block and continuing by accumulating gives the same bits. The
// epilogue is that of Gemm, in ordinary float32: it flushes nothing. With k = 0 and without accumulating C is 0; with k = 0
// and accumulating it keeps its bits; the epilogue follows.
//
// Element (i, p) of A is at i·rsa + p·csa and element (p, j) of B at p·rsb + j·csb; any strides serve, but kernels want one
// stride of each to be 1. Rows of C are ldc elements apart. tmp is scratch of BF16Scratch(m, n, k) elements at least, whose
// contents do not matter. C must not overlap anything else. Plus must be nil. GemmBF16 panics, as an index out of range does, when a slice is
// shorter than its shape and strides say.
func GemmBF16(m, n, k int, a []uint16, rsa, csa int, b []uint16, rsb, csb int, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if m <= 0 || n <= 0 {
		return
	}
	k = max(k, 0)
	if k > 0 {
		needStrides("B", k, n, rsb, csb, len(b))
	}
	gemmBF16(m, n, k, a, rsa, csa, bf16Right{b: b, rs: rsb, cs: csb}, c, ldc, accumulate, e, tmp)
}

// gemmBF16 is a product whose right operand has been checked.
func gemmBF16(m, n, k int, a []uint16, rsa, csa int, b bf16Right, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if k > 0 {
		needStrides("A", m, k, rsa, csa, len(a))
	}
	needResult(m, n, len(c), ldc, &e)
	if e.Plus != nil {
		panic("simd: a product in bf16 adds nothing")
	}
	if want := BF16Scratch(m, n, k); len(tmp) < want {
		panic(fmt.Sprintf("simd: scratch of %d elements, want %d", len(tmp), want))
	}
	switch s := selected.Load(); {
	case k > 0 && s.amxTakes(m, n, k) && b.tiles != nil && min(rsa, csa) == 1:
		gemmBF16TilesAMX(m, n, k, a, rsa, csa, b.tiles, c, ldc, accumulate, e, tmp)
	case k > 0 && s.amxTakes(m, n, k) && min(rsa, csa) == 1 && min(b.rs, b.cs) == 1:
		gemmBF16AMX(m, n, k, a, rsa, csa, b.b, b.rs, b.cs, c, ldc, accumulate, e, tmp)
	case k > 0:
		gemmBF16Panels(s, m, n, k, a, rsa, csa, b, c, ldc, accumulate, e, tmp)
	case accumulate:
		bf16Epilogue(s, m, n, c, ldc, e)
	default:
		gemmPanels(s, m, n, 0, nil, 0, 0, nil, 0, c, ldc, false, e)
	}
}

// bf16Epilogue is what comes after the chains: a product without steps.
func bf16Epilogue(s *selection, m, n int, c []float32, ldc int, e Epilogue) {
	if e.Bias != nil || e.Relu || e.Mask != nil {
		gemmPanels(s, m, n, 0, nil, 0, 0, nil, 0, c, ldc, true, e)
	}
}

// bf16Right is a right operand, from a step and a column on: element (p, j) at p·rs + j·cs, or the tiles of PackBF16Tiles.
type bf16Right struct {
	b      []uint16
	rs, cs int
	tiles  []uint16
	k      int // of the tiles
	p, j   int
}

// at is element (p, j).
func (r *bf16Right) at(p, j int) uint16 {
	if r.tiles != nil {
		return r.tiles[bf16TileAt(r.k, r.p+p, r.j+j)]
	}
	return r.b[(r.p+p)*r.rs+(r.j+j)*r.cs]
}

// from is the part from step p and column j on.
func (r bf16Right) from(p, j int) bf16Right {
	r.p += p
	r.j += j
	return r
}
