package simd

import (
	"fmt"
	"math"
)

// BF16Block is the number of steps of k whose two chains a bf16 product adds to C at once.
const BF16Block = 32

// ToBF16 rounds src to bf16, the upper half of a float32: to nearest, ties to even; a NaN stays a NaN, made quiet.
// Subnormals round like other numbers. dst has the length of src at least.
func ToBF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = brain(v)
	}
}

// FromBF16 widens src, which is exact. dst has the length of src at least.
func FromBF16(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

func brain(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
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
// Each operation rounds once to float32, to nearest even. Subnormal numbers count as 0 wherever they are read, C included,
// and a result that is tiny after rounding, to 24 bits as if exponents had no least value, becomes 0 of its sign. Which NaN results is not promised. The
// bits depend neither on m, n and the strides nor on the kernel set. Stopping at a multiple of BF16Block and continuing by
// accumulating gives the same bits. The epilogue is that of Gemm, in ordinary float32: it flushes nothing. With k = 0 and
// without accumulating C is 0; with k = 0 and accumulating it keeps its bits; the epilogue follows.
//
// Element (i, p) of A is at i·rsa + p·csa and element (p, j) of B at p·rsb + j·csb; one stride of each is 1. Rows of C are
// ldc elements apart. tmp is scratch of BF16Scratch(m, n, k) elements at least, whose contents do not matter. C must not
// overlap anything else. GemmBF16 panics, as an index out of range does, when a slice is shorter than its shape and strides
// say.
func GemmBF16(m, n, k int, a []uint16, rsa, csa int, b []uint16, rsb, csb int, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if m <= 0 || n <= 0 {
		return
	}
	k = max(k, 0)
	if k > 0 {
		needStrides("A", m, k, rsa, csa, len(a))
		needStrides("B", k, n, rsb, csb, len(b))
	}
	needStrides("C", m, n, ldc, 1, len(c))
	if ldc < n && m > 1 {
		panic(fmt.Sprintf("simd: rows of C are %d apart but %d long", ldc, n))
	}
	if e.Bias != nil && len(e.Bias) < n {
		panic(fmt.Sprintf("simd: bias has %d values for %d columns", len(e.Bias), n))
	}
	if e.Mask != nil {
		needStrides("the mask", m, n, e.LDMask, 1, len(e.Mask))
	}
	gemmBF16Go(m, n, k, a, rsa, csa, b, rsb, csb, c, ldc, accumulate, e)
}

// BF16Scratch returns how many elements of scratch GemmBF16 takes for these lengths, at most.
func BF16Scratch(m, n, k int) int { return 0 }

// gemmBF16Go is the definition, element by element.
func gemmBF16Go(m, n, k int, a []uint16, rsa, csa int, b []uint16, rsb, csb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	for i := range m {
		for j := range n {
			var acc float32
			if accumulate {
				acc = c[i*ldc+j]
			}
			for p0 := 0; p0 < k; p0 += BF16Block {
				var chain [2]float32
				for p := p0; p < min(p0+BF16Block, k); p++ {
					x, y := a[i*rsa+p*csa], b[p*rsb+j*csb]
					chain[p&1] = flushed(wide(x), wide(y), chain[p&1])
				}
				if k-p0 < BF16Block { // the zeros of the rest, which tell only where a chain is -0
					chain[0] += 0
					chain[1] += 0
				}
				acc = flushed(1, flushed(1, chain[0], chain[1]), zeroed(acc))
			}
			if e.Bias != nil {
				acc += e.Bias[j]
			}
			if e.Relu {
				acc = relu(acc)
			}
			if e.Mask != nil && e.Mask[i*e.LDMask+j] <= 0 {
				acc = 0
			}
			c[i*ldc+j] = acc
		}
	}
}

// wide is a bf16 number as a float32, subnormal ones being 0.
func wide(x uint16) float32 { return zeroed(math.Float32frombits(uint32(x) << 16)) }

// zeroed makes subnormal numbers 0 of their sign.
func zeroed(x float32) float32 {
	if b := math.Float32bits(x); b&0x7f800000 == 0 {
		return math.Float32frombits(b & (1 << 31))
	}
	return x
}

// flushed is x·y + z, rounded once, and 0 of its sign if it is tiny: if, rounded to 24 bits without a least exponent, it
// lies below 2^-126.
func flushed(x, y, z float32) float32 {
	const up = 0x1p100
	if r := fma(x, y, z); r == 0 || r != r || math.Abs(float64(r)) > 0x1p-126 {
		return r
	}
	r := fma(x*0x1p50, y*0x1p50, z*up) // exact: whatever gives a tiny sum is small
	if math.Abs(float64(r)) < 0x1p-26 {
		return zeroed(r * 0)
	}
	return r / up
}
