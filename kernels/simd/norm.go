package simd

// SumSquaresAround returns LineDot of x+shift with itself: with the negative mean of x, n times its variance.
func SumSquaresAround(x []float32, shift float32) float64 {
	var s float64
	for len(x) > 0 {
		n := min(len(x), lineBlock)
		s += float64(squaresAround(x[:n], shift))
		x = x[n:]
	}
	return s
}

func squaresAround(x []float32, shift float32) float32 {
	var l [16]float32
	whole := len(x) &^ 15
	if whole > 0 {
		callSquaresAround(selected.Load().isa[opSquaresAround], &l, x[:whole], shift)
	}
	squaresAroundBy(isaGo, &l, x[whole:], shift)
	return halves(&l)
}

// Normalize sets dst[i] to (x[i]+shift)·factor·scale[i] + bias[i], each step rounded, without the addition if bias is
// empty: with the negative mean and the inverse deviation of x, its normalisation. It works on len(dst) elements and
// panics when another slice is shorter; dst may be x exactly.
func Normalize(dst, x, scale, bias []float32, shift, factor float32) {
	need("x", x, len(dst))
	need("scale", scale, len(dst))
	if len(bias) != 0 {
		need("bias", bias, len(dst))
		bias = bias[:len(dst)]
	}
	if len(dst) > 0 {
		callNormalize(selected.Load().isa[opNormalize], dst, x[:len(dst)], scale[:len(dst)], bias, shift, factor)
	}
}

// NormalizeSums returns, for y = (x+shift)·factor and g = dy·scale, LineSum of g and LineDot of g and y over len(dy), and
// sets p to dy·y unless it is empty. It panics when another slice is shorter; p must not overlap the others.
func NormalizeSums(p, dy, x, scale []float32, shift, factor float32) (sum, along float64) {
	n := len(dy)
	if len(p) != 0 {
		need("p", p, n)
	}
	need("x", x, n)
	need("scale", scale, n)
	for at := 0; at < n; at += lineBlock {
		end := min(at+lineBlock, n)
		var part []float32
		if len(p) != 0 {
			part = p[at:end]
		}
		s, a := normalizeSums(part, dy[at:end], x[at:end], scale[at:end], shift, factor)
		sum, along = sum+float64(s), along+float64(a)
	}
	return sum, along
}

func normalizeSums(p, dy, x, scale []float32, shift, factor float32) (sum, along float32) {
	var l [2][16]float32
	if whole := len(dy) &^ 15; whole > 0 {
		var part []float32
		if len(p) != 0 {
			part, p = p[:whole], p[whole:]
		}
		callNormalizeSums(selected.Load().isa[opNormalizeSums], &l, part, dy[:whole], x[:whole], scale[:whole], shift, factor)
		dy, x, scale = dy[whole:], x[whole:], scale[whole:]
	}
	normalizeSumsBy(isaGo, &l, p, dy, x, scale, shift, factor)
	return halves(&l[0]), halves(&l[1])
}

// NormalizeGrad sets dst[i], for y = (x+shift)·factor, to (dy[i]·scale[i] + a + y[i]·b)·factor, each step rounded: with
// the negative means of dy·scale and of dy·scale·y as a and b, the gradient of Normalize along x. It works on len(dst)
// elements and panics when another slice is shorter; dst may be dy or x exactly.
func NormalizeGrad(dst, dy, x, scale []float32, shift, factor, a, b float32) {
	need("dy", dy, len(dst))
	need("x", x, len(dst))
	need("scale", scale, len(dst))
	if n := len(dst); n > 0 {
		callNormalizeGrad(selected.Load().isa[opNormalizeGrad], dst, dy[:n], x[:n], scale[:n], shift, factor, a, b)
	}
}

// NormSums adds to scaled the rows of dy times those of x as Normalize standardizes them, and to plain those of dy, unless
// it is empty: the gradients along scale and bias. dy and x are [rows len(scaled)], ldy and ldx elements apart; a row's
// shift and factor stand in stats, lds elements from those of the row before. Each column is one chain, rows ascending,
// each step rounded. It panics when another slice is too short; scaled and plain must not overlap the others.
func NormSums(rows int, scaled, plain, dy []float32, ldy int, x []float32, ldx int, stats []float32, lds int) {
	cols := len(scaled)
	if len(plain) != 0 {
		need("plain", plain, cols)
		plain = plain[:cols]
	}
	if cols == 0 || rows <= 0 {
		return
	}
	needStrides("dy", rows, cols, ldy, 1, len(dy))
	needStrides("x", rows, cols, ldx, 1, len(x))
	needStrides("stats", rows, 2, lds, 1, len(stats))
	callNormSums(selected.Load().isa[opNormSums], rows, scaled, plain, dy, ldy, x, ldx, stats, lds)
}

// The same by the kernels of a set that these are made of, for sets without kernels of their own. Those that add take
// whole blocks of 16, or the Go set.

// normStep is how many elements they work on at a time.
const normStep = 256

func squaresAroundBy(i isa, l *[16]float32, x []float32, shift float32) {
	var y [normStep]float32
	for len(x) > 0 {
		n := min(len(x), normStep)
		callScalar(i, opAddScalar, y[:n], x[:n], shift)
		callReduce(i, opDot, l, y[:n], y[:n])
		x = x[n:]
	}
}

func normalizeBy(i isa, dst, x, scale, bias []float32, shift, factor float32) {
	callScalar(i, opAddScalar, dst, x, shift)
	callScalar(i, opMulScalar, dst, dst, factor)
	callBinary(i, opMul, dst, dst, scale)
	if len(bias) != 0 {
		callBinary(i, opAdd, dst, dst, bias)
	}
}

func normalizeSumsBy(i isa, l *[2][16]float32, p, dy, x, scale []float32, shift, factor float32) {
	var y, g [normStep]float32
	for len(dy) > 0 {
		n := min(len(dy), normStep)
		callScalar(i, opAddScalar, y[:n], x[:n], shift)
		callScalar(i, opMulScalar, y[:n], y[:n], factor)
		if len(p) != 0 {
			callBinary(i, opMul, p[:n], dy[:n], y[:n])
			p = p[n:]
		}
		callBinary(i, opMul, g[:n], dy[:n], scale[:n])
		callReduce(i, opSum, &l[0], g[:n], g[:n])
		callReduce(i, opDot, &l[1], g[:n], y[:n])
		dy, x, scale = dy[n:], x[n:], scale[n:]
	}
}

func normalizeGradBy(i isa, dst, dy, x, scale []float32, shift, factor, a, b float32) {
	var y, g [normStep]float32
	for len(dst) > 0 {
		n := min(len(dst), normStep)
		callScalar(i, opAddScalar, y[:n], x[:n], shift)
		callScalar(i, opMulScalar, y[:n], y[:n], factor)
		callScalar(i, opMulScalar, y[:n], y[:n], b)
		callBinary(i, opMul, g[:n], dy[:n], scale[:n])
		callScalar(i, opAddScalar, g[:n], g[:n], a)
		callBinary(i, opAdd, g[:n], g[:n], y[:n])
		callScalar(i, opMulScalar, dst[:n], g[:n], factor)
		dst, dy, x, scale = dst[n:], dy[n:], x[n:], scale[n:]
	}
}

func normSumsBy(i isa, rows int, scaled, plain, dy []float32, ldy int, x []float32, ldx int, stats []float32, lds int) {
	var y [normStep]float32
	for at := 0; at < len(scaled); at += normStep {
		n := min(len(scaled)-at, normStep)
		for r := range rows {
			d := dy[r*ldy+at:][:n]
			callScalar(i, opAddScalar, y[:n], x[r*ldx+at:][:n], stats[r*lds])
			callScalar(i, opMulScalar, y[:n], y[:n], stats[r*lds+1])
			callBinary(i, opMul, y[:n], d, y[:n])
			callBinary(i, opAdd, scaled[at:][:n], scaled[at:][:n], y[:n])
			if len(plain) != 0 {
				callBinary(i, opAdd, plain[at:][:n], plain[at:][:n], d)
			}
		}
	}
}
