//go:build !amd64 || noasm

package simd

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

func callNormSums(i isa, rows int, scaled, plain, dy []float32, ldy int, x []float32, ldx int, stats []float32, lds int) {
	normSumsBy(i, rows, scaled, plain, dy, ldy, x, ldx, stats, lds)
}

// These sets have no passes over several lines.

func lineCount(isa) int { return 1 }

func callSumLines(isa, *[lineMost][16]float32, []float32, int, int)                           {}
func callSquaresLines(isa, *[lineMost][16]float32, []float32, []float32, int, int)            {}
func callNormalizeLines(isa, []float32, []float32, []float32, []float32, []float32, int, int) {}
func callNormalizeLineSums(isa, *[2 * lineMost][16]float32, []float32, []float32, []float32, []float32, int, int, int) {
}
func callNormalizeLineGrads(isa, []float32, []float32, []float32, []float32, []float32, []float32, int, int) {
}

func callRescale(i isa, dst, x, shift, scale, bias []float32) {
	rescaleBy(i, dst, x, shift, scale, bias)
}

func callRescaleGrad(i isa, dst, dy, x, shift, scale, bias, along []float32) {
	rescaleGradBy(i, dst, dy, x, shift, scale, bias, along)
}

func callColumnDots(i isa, rows int, dy, x []float32, ldx int, shift, sum, along []float32) {
	columnDotsBy(i, rows, dy, x, ldx, shift, sum, along)
}

func callColSumsGrad(i isa, rows int, dy, y []float32, ld int, dst []float32) {
	colSumsGradBy(i, rows, dy, y, ld, dst)
}
