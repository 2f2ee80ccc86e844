package simd

import "fmt"

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
//
// Each element of C is one ascending chain of fused multiply-adds, over the taps in order and over the steps of each, as
// in Gemm: its bits are those of a Gemm for each line and tap, where all but the first continue C. The mask of the
// epilogue is addressed as C is. Done must be nil.
//
// GemmTaps panics, as an index out of range does, when a slice is shorter than the lengths say.
func GemmTaps(p *Taps, a, b, c []float32, accumulate bool, e Epilogue) {
	if e.Done != nil {
		panic("simd: GemmTaps does not tell of columns")
	}
	if p.Lines <= 0 || p.M <= 0 || p.N <= 0 {
		return
	}
	if len(p.At) == 0 {
		panic("simd: GemmTaps without taps")
	}
	if e.Mask != nil && e.LDMask != p.LDC {
		panic(fmt.Sprintf("simd: rows of the mask are %d apart, those of C %d", e.LDMask, p.LDC))
	}
	for l := range p.Lines {
		for t, at := range p.At {
			var last Epilogue
			if t == len(p.At)-1 {
				if last = e; e.Mask != nil {
					last.Mask = e.Mask[l*p.LineC:]
				}
			}
			Gemm(p.M, p.N, p.K, a[l*p.LineA+at:], p.RowA, p.ColA, b[t*p.K*p.LDB:], p.LDB, c[l*p.LineC:], p.LDC, accumulate || t > 0, last)
		}
	}
}
