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
func callSquaredError(_ isa, l *[16]float32, dst, y, t []float32, s float32) {
	squaredErrorGo(l, dst, y, t, s)
}
func callSigmoidSoftplus(_ isa, l *[16]float32, dst, x []float32)      { sigmoidSoftplusGo(l, dst, x) }
func callColSums(_ isa, rows int, x []float32, ldx int, dst []float32) { colSumsGo(rows, x, ldx, dst) }
func callRandom(_ isa, o op, dst, x, y []float32, c *randomConsts)     { randomGo(o, dst, x, y, c) }
func callAdam(_ isa, w, g, m, v []float32, c *adamConsts)              { adamGo(w, g, m, v, c) }
func callSGD(_ isa, w, g, vel []float32, c *sgdConsts)                 { sgdGo(w, g, vel, c) }
func callRMSProp(_ isa, w, g, v []float32, c *rmsConsts)               { rmsPropGo(w, g, v, c) }

// The passes of normalisations are made of kernels of the set.

func callSquaresAround(i isa, l *[16]float32, x []float32, shift float32) {
	squaresAroundBy(i, l, x, shift)
}

func callNormalize(i isa, dst, x, scale, bias []float32, shift, factor float32) {
	normalizeBy(i, dst, x, scale, bias, shift, factor)
}

func callNormalizeSums(i isa, l *[2][16]float32, p, dy, x, scale []float32, shift, factor float32) {
	normalizeSumsBy(i, l, p, dy, x, scale, shift, factor)
}

func callNormalizeGrad(i isa, dst, dy, x, scale []float32, shift, factor, a, b float32) {
	normalizeGradBy(i, dst, dy, x, scale, shift, factor, a, b)
}

func callTranspose(_ isa, rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	transposeGo(rows, cols, src, lds, dst, ldd)
}

func peakLoop(isa, int) int { return 0 }

func cpuid() Features { return Features{} }
