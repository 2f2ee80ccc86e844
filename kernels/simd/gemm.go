package simd

import (
	"fmt"
	"math/bits"
)

// Epilogue is what Gemm does to an element after its whole chain, before the store: first the bias, then what is added,
// then the rectifier, then the mask.
type Epilogue struct {
	Bias   []float32 // one value per column of C, added; nil means none
	Plus   []float32 // [m n], added; nil means none
	LDPlus int       // elements from row to row of Plus
	Relu   bool      // max(v, 0); a NaN stays a NaN, a -0 stays a -0
	Mask   []float32 // y of ReluGrad, [m n]: an element becomes 0 where its y <= 0 and is kept where y is NaN; nil means none
	LDMask int       // elements from row to row of Mask

	// Done, if not nil, is told when columns [from,to) of the rows [row,row+rows) of C are there, soon after they are: each
	// row's columns in ascending order, each but the last a multiple of 16. It may change them. It must not call Gemm.
	Done func(row, rows, from, to int)
	row  int // where the rows of this part begin
}

// doneColumns is how many columns Done is told of at least, but for the last.
const doneColumns = 144

// tell tells of the columns from done on when the first j of n are there, and returns how many it has told of.
func (e *Epilogue) tell(m, done, j, n int) int {
	to := j
	if j < n {
		to &^= 15
	}
	if to-done < doneColumns && to < n {
		return done
	}
	e.Done(e.row, m, done, to)
	return to
}

// Gemm computes C = A·B, or C + A·B, for A [m k], B [k n] and C [m n].
//
// A is addressed by two strides in elements, rsa from row to row and csa from column to column: (lda, 1) reads a
// row-major A, (1, lda) its transpose. Rows of B and C are contiguous, ldb and ldc elements apart. Each element of C is
// one ascending chain of fused multiply-adds over k that starts at 0, or at the stored C when accumulate is set; the
// result does not depend on m, n, the strides or the kernel set. With k = 0 the chain is its start. Nothing outside the
// m by n elements of C is written, nothing outside the operands read. C must not overlap A, B or anything of the epilogue.
//
// Gemm panics, as an index out of range does, when a slice is shorter than its shape and strides say.
func Gemm(m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	if m <= 0 || n <= 0 {
		return
	}
	k = max(k, 0)
	if k > 0 {
		needStrides("A", m, k, rsa, csa, len(a))
		needStrides("B", k, n, ldb, 1, len(b))
	}
	needResult(m, n, len(c), ldc, &e)
	s := selected.Load()
	gemmPanels(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
}

// needResult panics unless C [m n] lies within so many elements, no two of its rows overlap, and the epilogue has what it
// needs for it.
func needResult(m, n, elements, ldc int, e *Epilogue) {
	needStrides("C", m, n, ldc, 1, elements)
	if ldc < n && m > 1 {
		panic(fmt.Sprintf("simd: rows of C are %d apart but %d long", ldc, n))
	}
	if e.Bias != nil && len(e.Bias) < n {
		panic(fmt.Sprintf("simd: bias has %d values for %d columns", len(e.Bias), n))
	}
	if e.Plus != nil {
		needStrides("what is added", m, n, e.LDPlus, 1, len(e.Plus))
	}
	if e.Mask != nil {
		needStrides("the mask", m, n, e.LDMask, 1, len(e.Mask))
	}
}

// rest is x without its first n elements, nil if it has none.
func rest(x []float32, n int) []float32 {
	if len(x) == 0 {
		return nil
	}
	return x[n:]
}

// needStrides panics unless a rows by cols operand, neither 0, with these strides lies within n elements.
func needStrides(what string, rows, cols, rs, cs, n int) {
	h1, down := bits.Mul64(uint64(rows-1), uint64(rs)) // a negative stride is a huge one
	h2, right := bits.Mul64(uint64(cols-1), uint64(cs))
	if h1|h2 != 0 || down >= uint64(n) || right >= uint64(n)-down {
		panic(fmt.Sprintf("simd: %s of %d by %d with strides %d and %d needs more than its %d elements", what, rows, cols, rs, cs, n))
	}
}

// gemmGo is the generic driver and micro-kernel: one row by four columns, accumulators in registers.
func gemmGo(m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	for i := range m {
		row := c[i*ldc:][:n]
		for j := 0; j < n; j += 4 {
			w := min(4, n-j)
			var acc [4]float32
			if accumulate {
				copy(acc[:], row[j:j+w])
			}
			if w == 4 {
				chain4(&acc, k, a[min(i*rsa, len(a)):], csa, b[min(j, len(b)):], ldb)
			} else {
				for p := range k {
					x := a[i*rsa+p*csa]
					for t, y := range b[p*ldb+j:][:w] {
						acc[t] = fma(x, y, acc[t])
					}
				}
			}
			for t := range w {
				if e.Bias != nil {
					acc[t] += e.Bias[j+t]
				}
				if e.Plus != nil {
					acc[t] += e.Plus[i*e.LDPlus+j+t]
				}
				if e.Relu {
					acc[t] = relu(acc[t])
				}
				if e.Mask != nil && e.Mask[i*e.LDMask+j+t] <= 0 {
					acc[t] = 0
				}
			}
			copy(row[j:], acc[:w])
		}
	}
	if e.Done != nil {
		e.tell(m, 0, n, n)
	}
}

// chain4 continues four neighbouring chains: fma by hand, which is too large to inline.
func chain4(acc *[4]float32, k int, a []float32, csa int, b []float32, ldb int) {
	c0, c1, c2, c3 := acc[0], acc[1], acc[2], acc[3]
	for p := range k {
		x := float64(a[p*csa])
		y := b[p*ldb:][:4:4]
		s0 := x*float64(y[0]) + float64(c0)
		s1 := x*float64(y[1]) + float64(c1)
		s2 := x*float64(y[2]) + float64(c2)
		s3 := x*float64(y[3]) + float64(c3)
		if unsafeToRound(s0) || unsafeToRound(s1) || unsafeToRound(s2) || unsafeToRound(s3) {
			f := float32(x)
			c0, c1, c2, c3 = fmaOdd(f, y[0], c0), fmaOdd(f, y[1], c1), fmaOdd(f, y[2], c2), fmaOdd(f, y[3], c3)
			continue
		}
		c0, c1, c2, c3 = float32(s0), float32(s1), float32(s2), float32(s3)
	}
	*acc = [4]float32{c0, c1, c2, c3}
}
