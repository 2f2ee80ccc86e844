//go:build amd64 && !noasm

package simd

import "unsafe"

func available(i isa) bool {
	switch i {
	case isaAVX512:
		return features.AVX512
	case isaAVX2:
		return features.AVX2
	}
	return i == isaGo
}

func callUnary(i isa, o op, dst, src []float32) {
	switch i {
	case isaAVX512:
		vectorUnary_avx512(o, &dst[0], &src[0], len(dst))
	case isaAVX2:
		vectorUnary_avx2(o, &dst[0], &src[0], len(dst))
	default:
		unaryGo(o, dst, src)
	}
}

func callBinary(i isa, o op, dst, a, b []float32) {
	switch i {
	case isaAVX512:
		vectorBinary_avx512(o, &dst[0], &a[0], &b[0], len(dst))
	case isaAVX2:
		vectorBinary_avx2(o, &dst[0], &a[0], &b[0], len(dst))
	default:
		binaryGo(o, dst, a, b)
	}
}

func callScalar(i isa, o op, dst, a []float32, s float32) {
	switch i {
	case isaAVX512:
		vectorScalar_avx512(o, &dst[0], &a[0], len(dst), s)
	case isaAVX2:
		vectorScalar_avx2(o, &dst[0], &a[0], len(dst), s)
	default:
		scalarGo(o, dst, a, s)
	}
}

// callReduce takes whole blocks of 16, at least one.
func callReduce(i isa, o op, l *[16]float32, x, y []float32) {
	switch i {
	case isaAVX512:
		vectorReduce_avx512(o, &l[0], &x[0], &y[0], len(x))
	case isaAVX2:
		vectorReduce_avx2(o, &l[0], &x[0], &y[0], len(x))
	default:
		reduceGo(o, l, x, y)
	}
}

// callSquaredError takes at least one row and, unless lanes are nil, one column. One of sums and lanes may be nil, dst empty.
func callSquaredError(i isa, sums, lanes, dst, y, t []float32, ldd, ldy, ldt, rows, cols int, s float32) {
	if i == isaGo {
		squaredErrorGo(sums, lanes, dst, y, t, ldd, ldy, ldt, rows, cols, s)
		return
	}
	ps, pl, pd := unsafe.SliceData(sums), unsafe.SliceData(lanes), unsafe.SliceData(dst)
	if len(dst) == 0 {
		pd = nil
	}
	if i == isaAVX512 {
		f32squarederror_avx512(ps, pl, pd, &y[0], &t[0], 4*ldd, 4*ldy, 4*ldt, rows, cols, s)
	} else {
		f32squarederror_avx2(ps, pl, pd, &y[0], &t[0], 4*ldd, 4*ldy, 4*ldt, rows, cols, s)
	}
}

// callSigmoidSoftplus takes whole blocks of 16, at least one.
func callSigmoidSoftplus(i isa, l *[16]float32, dst, x []float32) {
	switch i {
	case isaAVX512:
		f32sigmoidsoftplus_avx512(&l[0], &dst[0], &x[0], len(x))
	case isaAVX2:
		f32sigmoidsoftplus_avx2(&l[0], &dst[0], &x[0], len(x))
	default:
		sigmoidSoftplusGo(l, dst, x)
	}
}

// callSquaresAround takes whole blocks of 16, at least one.
func callSquaresAround(i isa, l *[16]float32, x []float32, shift float32) {
	switch i {
	case isaAVX512:
		f32squaresaround_avx512(&l[0], &x[0], len(x), shift)
	case isaAVX2:
		f32squaresaround_avx2(&l[0], &x[0], len(x), shift)
	default:
		squaresAroundBy(i, l, x, shift)
	}
}

// callNormalize takes at least one element; bias may be empty.
func callNormalize(i isa, dst, x, scale, bias []float32, shift, factor float32) {
	var p *float32
	if len(bias) != 0 {
		p = &bias[0]
	}
	switch i {
	case isaAVX512:
		f32normalize_avx512(&dst[0], &x[0], &scale[0], p, len(dst), shift, factor)
	case isaAVX2:
		f32normalize_avx2(&dst[0], &x[0], &scale[0], p, len(dst), shift, factor)
	default:
		normalizeBy(i, dst, x, scale, bias, shift, factor)
	}
}

// callNormalizeSums takes whole blocks of 16, at least one; p may be empty.
func callNormalizeSums(i isa, l *[2][16]float32, p, dy, x, scale []float32, shift, factor float32) {
	var to *float32
	if len(p) != 0 {
		to = &p[0]
	}
	switch i {
	case isaAVX512:
		f32normalizesums_avx512(&l[0][0], to, &dy[0], &x[0], &scale[0], len(dy), shift, factor)
	case isaAVX2:
		f32normalizesums_avx2(&l[0][0], to, &dy[0], &x[0], &scale[0], len(dy), shift, factor)
	default:
		normalizeSumsBy(i, l, p, dy, x, scale, shift, factor)
	}
}

// callNormalizeGrad takes at least one element.
func callNormalizeGrad(i isa, dst, dy, x, scale []float32, shift, factor, a, b float32) {
	switch i {
	case isaAVX512:
		f32normalizegrad_avx512(&dst[0], &dy[0], &x[0], &scale[0], len(dst), shift, factor, a, b)
	case isaAVX2:
		f32normalizegrad_avx2(&dst[0], &dy[0], &x[0], &scale[0], len(dst), shift, factor, a, b)
	default:
		normalizeGradBy(i, dst, dy, x, scale, shift, factor, a, b)
	}
}

// lineCount is how many lines the set's passes take at once: those of callSumLines and the others of lines, n elements
// each, of which the passes that add take whole blocks of 16, at least one. Scales are lds apart.
func lineCount(i isa) int {
	switch i {
	case isaAVX512:
		return 4
	case isaAVX2:
		return 2
	}
	return 1
}

func callSumLines(i isa, l *[lineMost][16]float32, x []float32, ldx, n int) {
	if i == isaAVX512 {
		f32sumlines_avx512(&l[0][0], &x[0], 4*ldx, n)
	} else {
		f32sumlines_avx2(&l[0][0], &x[0], 4*ldx, n)
	}
}

func callSquaresLines(i isa, l *[lineMost][16]float32, x, stats []float32, ldx, n int) {
	if i == isaAVX512 {
		f32squareslines_avx512(&l[0][0], &x[0], &stats[0], 4*ldx, n)
	} else {
		f32squareslines_avx2(&l[0][0], &x[0], &stats[0], 4*ldx, n)
	}
}

// callNormalizeLines takes at least one element a line; bias may be empty.
func callNormalizeLines(i isa, dst, x, scale, bias, stats []float32, lds, n int) {
	var p *float32
	if len(bias) != 0 {
		p = &bias[0]
	}
	if i == isaAVX512 {
		f32normalizelines_avx512(&dst[0], &x[0], &scale[0], p, &stats[0], 4*n, 4*lds, n)
	} else {
		f32normalizelines_avx2(&dst[0], &x[0], &scale[0], p, &stats[0], 4*n, 4*lds, n)
	}
}

func callNormalizeLineSums(i isa, l *[2 * lineMost][16]float32, dy, x, scale, stats []float32, ldx, lds, n int) {
	if i == isaAVX512 {
		f32sumslines_avx512(&l[0][0], &dy[0], &x[0], &scale[0], &stats[0], 4*ldx, 4*lds, n)
	} else {
		f32sumslines_avx2(&l[0][0], &dy[0], &x[0], &scale[0], &stats[0], 4*ldx, 4*lds, n)
	}
}

func callNormalizeLineGrads(i isa, dst, dy, x, scale, stats, ab []float32, lds, n int) {
	if i == isaAVX512 {
		f32gradlines_avx512(&dst[0], &dy[0], &x[0], &scale[0], &stats[0], &ab[0], 4*n, 4*lds, n)
	} else {
		f32gradlines_avx2(&dst[0], &dy[0], &x[0], &scale[0], &stats[0], &ab[0], 4*n, 4*lds, n)
	}
}

// callNormSums takes at least one row and one column; plain may be empty.
func callNormSums(i isa, rows int, scaled, plain, dy []float32, ldy int, x []float32, ldx int, stats []float32, lds int) {
	if i == isaGo {
		normSumsBy(i, rows, scaled, plain, dy, ldy, x, ldx, stats, lds)
		return
	}
	var p *float32
	if len(plain) != 0 {
		p = &plain[0]
	}
	if i == isaAVX512 {
		f32normsums_avx512(&scaled[0], p, &dy[0], &x[0], &stats[0], 4*ldy, 4*ldx, 4*lds, rows, len(scaled))
	} else {
		f32normsums_avx2(&scaled[0], p, &dy[0], &x[0], &stats[0], 4*ldy, 4*ldx, 4*lds, rows, len(scaled))
	}
}

// callRescale takes at least one element.
func callRescale(i isa, dst, x, shift, scale, bias []float32) {
	switch i {
	case isaAVX512:
		f32rescale_avx512(&dst[0], &x[0], &shift[0], &scale[0], &bias[0], len(dst))
	case isaAVX2:
		f32rescale_avx2(&dst[0], &x[0], &shift[0], &scale[0], &bias[0], len(dst))
	default:
		rescaleBy(i, dst, x, shift, scale, bias)
	}
}

// callRescaleGrad takes at least one element.
func callRescaleGrad(i isa, dst, dy, x, shift, scale, bias, along []float32) {
	switch i {
	case isaAVX512:
		f32rescalegrad_avx512(&dst[0], &dy[0], &x[0], &shift[0], &scale[0], &bias[0], &along[0], len(dst))
	case isaAVX2:
		f32rescalegrad_avx2(&dst[0], &dy[0], &x[0], &shift[0], &scale[0], &bias[0], &along[0], len(dst))
	default:
		rescaleGradBy(i, dst, dy, x, shift, scale, bias, along)
	}
}

// callColumnDots takes at least one row and one column; dy may be nil.
func callColumnDots(i isa, rows int, dy, x []float32, ldx int, shift, sum, along []float32) {
	var p *float32
	if dy != nil {
		p = &dy[0]
	}
	switch i {
	case isaAVX512:
		f32columndots_avx512(&sum[0], &along[0], &shift[0], p, &x[0], 4*ldx, rows, len(sum))
	case isaAVX2:
		f32columndots_avx2(&sum[0], &along[0], &shift[0], p, &x[0], 4*ldx, rows, len(sum))
	default:
		columnDotsBy(i, rows, dy, x, ldx, shift, sum, along)
	}
}

// callColSums takes at least one row and one column.
func callColSums(i isa, rows int, x []float32, ldx int, dst []float32) {
	switch i {
	case isaAVX512:
		f32colsums_avx512(&dst[0], &x[0], 4*ldx, rows, len(dst))
	case isaAVX2:
		f32colsums_avx2(&dst[0], &x[0], 4*ldx, rows, len(dst))
	default:
		colSumsGo(rows, x, ldx, dst)
	}
}

// callColSumsGrad takes at least one row and one column.
func callColSumsGrad(i isa, rows int, dy, y []float32, ld int, dst []float32) {
	switch i {
	case isaAVX512:
		f32colsumsgrad_avx512(&dst[0], &dy[0], &y[0], 4*ld, rows, len(dst))
	case isaAVX2:
		f32colsumsgrad_avx2(&dst[0], &dy[0], &y[0], 4*ld, rows, len(dst))
	default:
		colSumsGradBy(i, rows, dy, y, ld, dst)
	}
}

// callRandom takes whole units of drawUnit draws, at least one; x and y may be nil where the op does not read them.
func callRandom(i isa, o op, dst, x, y []float32, c *randomConsts) {
	if i == isaGo {
		randomGo(o, dst, x, y, c)
		return
	}
	px, py := unsafe.SliceData(x), unsafe.SliceData(y)
	if i == isaAVX512 {
		vectorRandom_avx512(o, &dst[0], px, py, len(dst), c)
	} else {
		vectorRandom_avx2(o, &dst[0], px, py, len(dst), c)
	}
}

func callAdam(i isa, w, g, m, v []float32, c *adamConsts) {
	switch i {
	case isaAVX512:
		f32adam_avx512(&w[0], &g[0], &m[0], &v[0], len(w), c)
	case isaAVX2:
		f32adam_avx2(&w[0], &g[0], &m[0], &v[0], len(w), c)
	default:
		adamGo(w, g, m, v, c)
	}
}

func callSGD(i isa, w, g, vel []float32, c *sgdConsts) {
	if i == isaGo {
		sgdGo(w, g, vel, c)
		return
	}
	var p *float32
	if len(vel) != 0 {
		p = &vel[0]
	}
	if i == isaAVX512 {
		f32sgd_avx512(&w[0], &g[0], p, len(w), c)
	} else {
		f32sgd_avx2(&w[0], &g[0], p, len(w), c)
	}
}

func callRMSProp(i isa, w, g, v []float32, c *rmsConsts) {
	switch i {
	case isaAVX512:
		f32rmsprop_avx512(&w[0], &g[0], &v[0], len(w), c)
	case isaAVX2:
		f32rmsprop_avx2(&w[0], &g[0], &v[0], len(w), c)
	default:
		rmsPropGo(w, g, v, c)
	}
}

// transposeSize is the side of the blocks that a set turns at a time where the shorter side of a matrix is least, or 0.
func transposeSize(i isa, least int) int {
	switch {
	case i == isaGo || least < 4:
		return 0
	case least < 8:
		return 4
	}
	return 8
}

// transposeBlocks turns blocks of a size that transposeSize gives; strides are in bytes.
func transposeBlocks(i isa, size int, dst, src *float32, ldd, lds, blocks, strips int) {
	switch {
	case i == isaAVX512 && size == 8:
		f32transpose_avx512(dst, src, ldd, lds, blocks, strips)
	case i == isaAVX512:
		f32transpose4_avx512(dst, src, ldd, lds, blocks, strips)
	case size == 8:
		f32transpose_avx2(dst, src, ldd, lds, blocks, strips)
	default:
		f32transpose4_avx2(dst, src, ldd, lds, blocks, strips)
	}
}

// peakLoop runs n rounds of the register loop and returns its floating-point operations; 0 when the set has none.
func peakLoop(i isa, n int) int {
	switch i {
	case isaAVX512:
		f32peak_avx512(n)
		return n * 12 * 16 * 2
	case isaAVX2:
		f32peak_avx2(n)
		return n * 12 * 8 * 2
	}
	return 0
}
