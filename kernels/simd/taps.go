package simd

import (
	"fmt"
	"math/bits"
)

// Taps says where GemmTaps reads A and writes C. All strides are in elements.
//
//	row (l, i), l < Lines, i < M     A[l*LineA + i*RowA + At[t] + q*ColA]     C[l*LineC + i*LDC + j]
//	step (t, q), t < len(At), q < K  B[t*TapB + q*LDB + j]
type Taps struct {
	Lines, M, N, K    int
	LineA, RowA, ColA int
	At                []int // of each tap, from the first element of A
	LDB               int
	TapB              int // 0 stands for K*LDB: the rows of B lie one after the other
	LineC, LDC        int
}

// GemmTaps computes C = A·B, or C + A·B, where the rows of C come in lines and the steps of the sum in taps: a convolution
// without the matrix that it is a product of. A is an image with its padding, a row of C a place of the window, a tap what
// lies under it together; or, for the gradient of the filters, a row is an element of the filter and a tap a line of places.
// The lines may be those of several images that lie one after the other, and so may the places.
//
// Each element of C is one ascending chain of fused multiply-adds, over the taps in order and over the steps of each, as
// in Gemm: its bits are those of a Gemm for each line and tap, where all but the first continue C. With K = 0 the chain is
// its start. What the epilogue adds, and its mask, are addressed as C is. Done must be nil.
// C must not overlap anything else, but may be what is added if the product is [Taps.Unbroken].
//
// Before anything is written GemmTaps panics, as an index out of range does, when a slice is shorter than the lengths say;
// when a stride or a tap is negative; when rows of C overlap in a line, or lines begin within one row.
func GemmTaps(p *Taps, a, b, c []float32, accumulate bool, e Epilogue) {
	GemmTapsAhead(p, a, b, c, accumulate, e, nil, nil)
}

// Unbroken reports whether GemmTaps makes each element in one go. If not, it interrupts chains and keeps them in C meanwhile.
// If so, what the epilogue adds may be C itself.
func (p *Taps) Unbroken() bool { return tapsUnbroken(selected.Load(), p) }

// GemmTapsAhead is GemmTaps, and meanwhile fetches two ranges into the second cache: what the next product will read or
// write, which lies in memory far away. No bit depends on them, and they may be empty.
func GemmTapsAhead(p *Taps, a, b, c []float32, accumulate bool, e Epilogue, first, second []float32) {
	if e.Done != nil {
		panic("simd: GemmTaps does not tell of columns")
	}
	if p.Lines <= 0 || p.M <= 0 || p.N <= 0 {
		return
	}
	p.check(len(a), len(b), len(c), &e)
	tapsPanels(selected.Load(), p, a, b, c, accumulate, e, first, second)
}

// check panics unless the operands lie within so many elements.
func (p *Taps) check(a, b, c int, e *Epilogue) {
	if len(p.At) == 0 {
		panic("simd: GemmTaps without taps")
	}
	if p.K > 0 {
		far := 0
		for _, at := range p.At {
			if at < 0 {
				panic(fmt.Sprintf("simd: a tap lies %d elements before A", -at))
			}
			far = max(far, at)
		}
		needExtent("A from the last tap on", a-far, p.Lines, p.LineA, p.M, p.RowA, p.K, p.ColA)
		steps, many := bits.Mul64(uint64(len(p.At)), uint64(p.K))
		rows, each := bits.Mul64(uint64(p.K), uint64(p.LDB))
		if steps != 0 || many > 1<<62 || rows != 0 || each > 1<<62 {
			panic(fmt.Sprintf("simd: %d taps of %d steps, in rows %d apart", len(p.At), p.K, p.LDB))
		}
		needExtent("B", b, len(p.At), p.tapB(), p.K, p.LDB, p.N, 1)
	}
	needExtent("C", c, p.Lines, p.LineC, p.M, p.LDC, p.N, 1)
	if p.LDC < p.N && p.M > 1 || p.LineC < p.N && p.Lines > 1 {
		panic(fmt.Sprintf("simd: rows of C are %d apart and lines %d, but rows are %d long", p.LDC, p.LineC, p.N))
	}
	if e.Bias != nil && len(e.Bias) < p.N {
		panic(fmt.Sprintf("simd: bias has %d values for %d columns", len(e.Bias), p.N))
	}
	if e.Plus != nil {
		p.asC("what is added", len(e.Plus), e.LDPlus)
	}
	if e.Mask != nil {
		p.asC("the mask", len(e.Mask), e.LDMask)
	}
}

// tapB is how far the rows of B of two taps are apart.
func (p *Taps) tapB() int {
	if p.TapB != 0 {
		return p.TapB
	}
	return p.K * p.LDB
}

// asC panics unless an operand of so many elements can be addressed as C is.
func (p *Taps) asC(what string, elements, ld int) {
	if ld != p.LDC {
		panic(fmt.Sprintf("simd: rows of %s are %d apart, those of C %d", what, ld, p.LDC))
	}
	needExtent(what, elements, p.Lines, p.LineC, p.M, p.LDC, p.N, 1)
}

// needExtent panics unless an operand of three dimensions, none 0, with these lengths and strides, lies within n elements.
func needExtent(what string, n, l0, s0, l1, s1, l2, s2 int) {
	const small = 1 << 30 // products and sums of less cannot overflow
	if uint(l0|s0|l1|s1|l2|s2) < small && (l0-1)*s0+(l1-1)*s1+(l2-1)*s2 < n {
		return
	}
	dims := [...][2]int{{l0, s0}, {l1, s1}, {l2, s2}}
	last := uint64(0)
	for _, d := range dims {
		over, by := bits.Mul64(uint64(d[0]-1), uint64(d[1])) // a negative stride is a huge one
		if last += by; over != 0 || by >= uint64(max(n, 0)) || last >= uint64(max(n, 0)) {
			panic(fmt.Sprintf("simd: %s of lengths and strides %v needs more than its %d elements", what, dims, n))
		}
	}
}

// tapsLoop computes C by a product for each line and tap.
func tapsLoop(s *selection, p *Taps, a, b, c []float32, accumulate bool, e Epilogue) {
	k := max(p.K, 0)
	for l := range p.Lines {
		for t, at := range p.At {
			var last Epilogue
			if t == len(p.At)-1 {
				last = e
				last.Plus, last.Mask = rest(e.Plus, l*p.LineC), rest(e.Mask, l*p.LineC)
			}
			al, bt := a, b
			if k > 0 {
				al, bt = a[l*p.LineA+at:], b[t*p.tapB():]
			}
			if s.isa[opTaps] == isaGo {
				gemmGo(p.M, p.N, k, al, p.RowA, p.ColA, bt, p.LDB, c[l*p.LineC:], p.LDC, accumulate || t > 0, last)
			} else {
				gemmPanels(s, p.M, p.N, k, al, p.RowA, p.ColA, bt, p.LDB, c[l*p.LineC:], p.LDC, accumulate || t > 0, last)
			}
		}
	}
}
