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
// sets p to dy·y. It panics when another slice is shorter; p must not overlap the others.
func NormalizeSums(p, dy, x, scale []float32, shift, factor float32) (sum, along float64) {
	n := len(dy)
	need("p", p, n)
	need("x", x, n)
	need("scale", scale, n)
	for at := 0; at < n; at += lineBlock {
		end := min(at+lineBlock, n)
		s, a := normalizeSums(p[at:end], dy[at:end], x[at:end], scale[at:end], shift, factor)
		sum, along = sum+float64(s), along+float64(a)
	}
	return sum, along
}

func normalizeSums(p, dy, x, scale []float32, shift, factor float32) (sum, along float32) {
	var l [2][16]float32
	whole := len(p) &^ 15
	if whole > 0 {
		callNormalizeSums(selected.Load().isa[opNormalizeSums], &l, p[:whole], dy[:whole], x[:whole], scale[:whole], shift, factor)
	}
	normalizeSumsBy(isaGo, &l, p[whole:], dy[whole:], x[whole:], scale[whole:], shift, factor)
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
	for len(p) > 0 {
		n := min(len(p), normStep)
		callScalar(i, opAddScalar, y[:n], x[:n], shift)
		callScalar(i, opMulScalar, y[:n], y[:n], factor)
		callBinary(i, opMul, p[:n], dy[:n], y[:n])
		callBinary(i, opMul, g[:n], dy[:n], scale[:n])
		callReduce(i, opSum, &l[0], g[:n], g[:n])
		callReduce(i, opDot, &l[1], g[:n], y[:n])
		p, dy, x, scale = p[n:], dy[n:], x[n:], scale[n:]
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
