//go:build arm64 && !noasm

package simd

import "unsafe"

func available(i isa) bool { return i == isaGo || i == isaNEON }

// NEON kernels take whole vectors of four elements; these make the one to three that are left.

func callUnary(i isa, o op, dst, src []float32) {
	n := 0
	if i == isaNEON {
		n = len(dst) &^ 3
		vectorUnary_neon(o, &dst[0], &src[0], n)
	}
	unaryGo(o, dst[n:], src[n:])
}

func callBinary(i isa, o op, dst, a, b []float32) {
	n := 0
	if i == isaNEON {
		n = len(dst) &^ 3
		vectorBinary_neon(o, &dst[0], &a[0], &b[0], n)
	}
	binaryGo(o, dst[n:], a[n:], b[n:])
}

func callScalar(i isa, o op, dst, a []float32, s float32) {
	n := 0
	if i == isaNEON {
		n = len(dst) &^ 3
		vectorScalar_neon(o, &dst[0], &a[0], n, s)
	}
	scalarGo(o, dst[n:], a[n:], s)
}

// callReduce takes whole blocks of 16, at least one.
func callReduce(i isa, o op, l *[16]float32, x, y []float32) {
	if i == isaNEON {
		vectorReduce_neon(o, &l[0], &x[0], &y[0], len(x))
		return
	}
	reduceGo(o, l, x, y)
}

// callSquaredError takes at least one row and one column. One of sums and lanes may be nil, dst empty.
func callSquaredError(i isa, sums, lanes, dst, y, t []float32, ldd, ldy, ldt, rows, cols int, s float32) {
	if i != isaNEON {
		squaredErrorGo(sums, lanes, dst, y, t, ldd, ldy, ldt, rows, cols, s)
		return
	}
	whole := cols &^ 15
	for r := range rows {
		var own [16]float32
		l := &own
		if lanes != nil {
			l = (*[16]float32)(lanes[16*r:])
		}
		var to []float32
		var p *float32
		if len(dst) != 0 {
			to = dst[r*ldd:][:cols]
			p = &to[0]
		}
		yr, tr := y[r*ldy:][:cols], t[r*ldt:][:cols]
		if whole > 0 {
			f32squarederror_neon(&l[0], p, &yr[0], &tr[0], whole, s)
		}
		if whole < cols {
			squaredErrorRowGo(l, rest(to, whole), yr[whole:], tr[whole:], s)
		}
		if sums != nil {
			sums[r] = halves(l)
		}
	}
}

// callSigmoidSoftplus takes whole blocks of 16, at least one.
func callSigmoidSoftplus(i isa, l *[16]float32, dst, x []float32) {
	if i != isaNEON {
		sigmoidSoftplusGo(l, dst, x)
		return
	}
	var soft [256]float32
	for len(x) > 0 {
		n := min(len(x), len(soft))
		vectorUnary_neon(opSoftplus, &soft[0], &x[0], n)
		vectorUnary_neon(opSigmoid, &dst[0], &x[0], n)
		vectorReduce_neon(opSum, &l[0], &soft[0], &soft[0], n)
		dst, x = dst[n:], x[n:]
	}
}

// callColSums takes at least one row and one column.
func callColSums(i isa, rows int, x []float32, ldx int, dst []float32) {
	n := 0
	if i == isaNEON {
		n = len(dst) &^ 3
		f32colsums_neon(&dst[0], &x[0], 4*ldx, rows, n)
	}
	if n < len(dst) {
		colSumsGo(rows, x[n:], ldx, dst[n:])
	}
}

func callAdam(i isa, w, g, m, v []float32, c *adamConsts) {
	n := 0
	if i == isaNEON {
		n = len(w) &^ 3
		f32adam_neon(&w[0], &g[0], &m[0], &v[0], n, c)
	}
	adamGo(w[n:], g[n:], m[n:], v[n:], c)
}

func callSGD(i isa, w, g, vel []float32, c *sgdConsts) {
	n := 0
	if i == isaNEON {
		var p *float32
		if n = len(w) &^ 3; len(vel) != 0 {
			p = &vel[0]
		}
		f32sgd_neon(&w[0], &g[0], p, n, c)
	}
	if len(vel) != 0 {
		vel = vel[n:]
	}
	sgdGo(w[n:], g[n:], vel, c)
}

func callRMSProp(i isa, w, g, v []float32, c *rmsConsts) {
	n := 0
	if i == isaNEON {
		n = len(w) &^ 3
		f32rmsprop_neon(&w[0], &g[0], &v[0], n, c)
	}
	rmsPropGo(w[n:], g[n:], v[n:], c)
}

// callRandom takes whole units of drawUnit draws, at least one; x and y may be nil where the op does not read them.
func callRandom(i isa, o op, dst, x, y []float32, c *randomConsts) {
	if i == isaNEON {
		vectorRandom_neon(o, &dst[0], unsafe.SliceData(x), unsafe.SliceData(y), len(dst), c)
	} else {
		randomGo(o, dst, x, y, c)
	}
}

// transposeSize is the side of the blocks that a set turns at a time where the shorter side of a matrix is least, or 0.
func transposeSize(i isa, least int) int {
	if i == isaGo || least < 4 {
		return 0
	}
	return 4
}

// transposeBlocks turns blocks of 4 by 4; strides are in bytes.
func transposeBlocks(_ isa, _ int, dst, src *float32, ldd, lds, blocks, strips int) {
	f32transpose_neon(dst, src, ldd, lds, blocks, strips)
}

// peakLoop runs n rounds of the register loop and returns its floating-point operations; 0 when the set has none.
func peakLoop(i isa, n int) int {
	if i != isaNEON {
		return 0
	}
	f32peak_neon(n)
	return n * 24 * 4 * 2
}

// cpuid: every arm64 CPU has NEON with fused multiply-adds.
func cpuid() Features { return Features{NEON: true} }
