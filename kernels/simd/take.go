package simd

import "fmt"

// TakeLines makes m rows of n elements, ld apart, this core's to write: it stores one element
// of each line of 64 bytes as it is. Nothing changes but the time that later stores take, on
// amd64; elsewhere nothing happens.
//
// A line that other cores have read must be taken from them before it is written. Here some
// ten are on their way at once. A kernel with three results and arithmetic between its stores
// has room for fewer, and for none behind the one it waits for.
//
// It panics when x is shorter than the rows. No other goroutine may write the rows meanwhile.
func TakeLines(m, n int, x []float32, ld int) {
	if m <= 0 || n <= 0 {
		return
	}
	if ld < n && m > 1 || len(x) < (m-1)*ld+n {
		panic(fmt.Sprintf("simd: TakeLines of %d rows of %d, %d apart, from %d elements", m, n, ld, len(x)))
	}
	takeLines(&x[0], uintptr(m), uintptr(ld)*4, uintptr(n)*4)
}
