//go:build !(amd64 || arm64) || noasm

package simd

func available(i isa) bool { return i == isaGo }

func gemmPanels(_ *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
}

func callUnary(_ isa, o op, dst, src []float32)              { unaryGo(o, dst, src) }
func callBinary(_ isa, o op, dst, a, b []float32)            { binaryGo(o, dst, a, b) }
func callScalar(_ isa, o op, dst, a []float32, s float32)    { scalarGo(o, dst, a, s) }
func callReduce(_ isa, o op, l *[16]float32, x, y []float32) { reduceGo(o, l, x, y) }
func callSquaredError(_ isa, sums, lanes, dst, y, t []float32, ldd, ldy, ldt, rows, cols int, s float32) {
	squaredErrorGo(sums, lanes, dst, y, t, ldd, ldy, ldt, rows, cols, s)
}
func callSigmoidSoftplus(_ isa, l *[16]float32, dst, x []float32)      { sigmoidSoftplusGo(l, dst, x) }
func callColSums(_ isa, rows int, x []float32, ldx int, dst []float32) { colSumsGo(rows, x, ldx, dst) }
func callRandom(_ isa, o op, dst, x, y []float32, c *randomConsts)     { randomGo(o, dst, x, y, c) }
func callAdam(_ isa, w, g, m, v []float32, c *adamConsts)              { adamGo(w, g, m, v, c) }
func callSGD(_ isa, w, g, vel []float32, c *sgdConsts)                 { sgdGo(w, g, vel, c) }
func callRMSProp(_ isa, w, g, v []float32, c *rmsConsts)               { rmsPropGo(w, g, v, c) }

func transposeSize(isa, int) int { return 0 }

func transposeBlocks(_ isa, _ int, dst, src *float32, ldd, lds, blocks, strips int) {}

func peakLoop(isa, int) int { return 0 }

func cpuid() Features { return Features{} }
