package simd

import (
	"fmt"
	"math/bits"
	"slices"
)

// Taps says where GemmTaps reads A and writes C. All strides are in elements.
//
//	row (l, i), l < Lines, i < M     A[l*LineA + i*RowA + At[t] + q*ColA]     C[l*LineC + i*LDC + j]
//	step (t, q), t < len(At), q < K  B[(t*K + q)*LDB + j]
type Taps struct {
	Lines, M, N, K    int
	LineA, RowA, ColA int
	At                []int // of each tap, from the first element of A
	LDB               int
	LineC, LDC        int
}

// GemmTaps computes C = A·B, or C + A·B, where the rows of C come in lines and the steps of the sum in taps: a convolution
// without the matrix that it is a product of. A is an image with its padding, a row of C a place of the window, a tap what
// lies under it together; or, for the gradient of the filters, a row is an element of the filter and a tap a line of places.
// The lines may be those of several images that lie one after the other, and so may the places.
//
// Each element of C is one ascending chain of fused multiply-adds, over the taps in order and over the steps of each, as
// in Gemm: its bits are those of a Gemm for each line and tap, where all but the first continue C. With K = 0 the chain is
// its start. The mask of the epilogue is addressed as C is. Done must be nil.
//
// Before anything is written GemmTaps panics, as an index out of range does, when a slice is shorter than the lengths say;
// when a stride or a tap is negative; when rows of C overlap in a line, or lines begin within one row.
func GemmTaps(p *Taps, a, b, c []float32, accumulate bool, e Epilogue) {
	if e.Done != nil {
		panic("simd: GemmTaps does not tell of columns")
	}
	if p.Lines <= 0 || p.M <= 0 || p.N <= 0 {
		return
	}
	p.check(len(a), len(b), len(c), &e)
	tapsPanels(selected.Load(), p, a, b, c, accumulate, e)
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
		needExtent("A", a, [2]int{2, far}, [2]int{p.Lines, p.LineA}, [2]int{p.M, p.RowA}, [2]int{p.K, p.ColA})
		steps, many := bits.Mul64(uint64(len(p.At)), uint64(p.K))
		if steps != 0 || many > 1<<62 {
			panic(fmt.Sprintf("simd: %d taps of %d steps", len(p.At), p.K))
		}
		needExtent("B", b, [2]int{int(many), p.LDB}, [2]int{p.N, 1})
	}
	needExtent("C", c, [2]int{p.Lines, p.LineC}, [2]int{p.M, p.LDC}, [2]int{p.N, 1})
	if p.LDC < p.N && p.M > 1 || p.LineC < p.N && p.Lines > 1 {
		panic(fmt.Sprintf("simd: rows of C are %d apart and lines %d, but rows are %d long", p.LDC, p.LineC, p.N))
	}
	if e.Bias != nil && len(e.Bias) < p.N {
		panic(fmt.Sprintf("simd: bias has %d values for %d columns", len(e.Bias), p.N))
	}
	if e.Mask != nil {
		if e.LDMask != p.LDC {
			panic(fmt.Sprintf("simd: rows of the mask are %d apart, those of C %d", e.LDMask, p.LDC))
		}
		needExtent("the mask", len(e.Mask), [2]int{p.Lines, p.LineC}, [2]int{p.M, p.LDC}, [2]int{p.N, 1})
	}
}

// needExtent panics unless an operand lies within n elements whose dimensions, none 0, have these lengths and strides.
func needExtent(what string, n int, dims ...[2]int) {
	last := uint64(0)
	for _, d := range dims {
		over, by := bits.Mul64(uint64(d[0]-1), uint64(d[1])) // a negative stride is a huge one
		if last += by; over != 0 || by >= uint64(n) || last >= uint64(n) {
			panic(fmt.Sprintf("simd: %s of lengths and strides %v needs more than its %d elements", what, slices.Clone(dims), n))
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
				if last = e; e.Mask != nil {
					last.Mask = e.Mask[l*p.LineC:]
				}
			}
			al, bt := a, b
			if k > 0 {
				al, bt = a[l*p.LineA+at:], b[t*k*p.LDB:]
			}
			if s.isa[opTaps] == isaGo {
				gemmGo(p.M, p.N, k, al, p.RowA, p.ColA, bt, p.LDB, c[l*p.LineC:], p.LDC, accumulate || t > 0, last)
			} else {
				gemmPanels(s, p.M, p.N, k, al, p.RowA, p.ColA, bt, p.LDB, c[l*p.LineC:], p.LDC, accumulate || t > 0, last)
			}
		}
	}
}
