package simd

import "math"

// Constants of the exponential, shared with the generated kernels (gen writes the same values as data).
// q(r) = r + r²·P(r) approximates expm1(r) on |r| <= ln2/2 with |P - exact|·r² < 6e-10; P interpolates
// (expm1(r)-r)/r² at Chebyshev nodes.
const (
	log2e = 0x1.715476p+0
	ln2Hi = 0x1.62e43p-1
	ln2Lo = -0x1.05c61p-29
	magic = 0x1.8p+23 // adding it rounds to an integer, ties to even, left in the low bits

	expLo  = -104 // exp is 0 below
	expHi  = 89   // and infinite above
	tanhLo = -40  // 2|x| beyond which tanh is 1

	expC0 = 0.5
	expC1 = 0.1666666716337204
	expC2 = 0.041666463017463684
	expC3 = 0.00833331048488617
	expC4 = 0.0013933685841038823
	expC5 = 0.00019891030387952924
)

// maxps and minps are MAXPS and MINPS: the second operand when either is NaN or both are zero.
func maxps(a, b float32) float32 {
	if a > b {
		return a
	}
	return b
}

func minps(a, b float32) float32 {
	if a < b {
		return a
	}
	return b
}

func relu(x float32) float32 { return maxps(0, x) }

// expm1Parts reduces a clamped x to n·ln2 + r and returns q = expm1(r) and n.
func expm1Parts(x float32) (q float32, n int32) {
	t := fma(x, log2e, magic)
	n = int32(math.Float32bits(t)) - int32(math.Float32bits(magic))
	f := t - magic
	r := fma(-f, ln2Hi, x)
	r = fma(-f, ln2Lo, r)
	p := float32(expC5)
	p = fma(p, r, expC4)
	p = fma(p, r, expC3)
	p = fma(p, r, expC2)
	p = fma(p, r, expC1)
	p = fma(p, r, expC0)
	return fma(float32(r*r), p, r), n
}

func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// exp scales in two halves, so that subnormal results round once and overflow is infinite.
func exp(x float32) float32 {
	q, n := expm1Parts(minps(expHi, maxps(expLo, x)))
	h := n >> 1
	return float32(float32((q+1)*pow2(h)) * pow2(n-h))
}

// sigmoid never lets the exponential overflow: with e = exp(-|x|) it is 1/(1+e), or e/(1+e) for negative x.
func sigmoid(x float32) float32 {
	e := exp(math.Float32frombits(math.Float32bits(x) | 1<<31))
	num := float32(1)
	if math.Float32bits(x)>>31 != 0 {
		num = e
	}
	return num / (1 + e)
}

// tanh is -m/(2+m) for m = expm1(-2|x|), with the sign of x.
func tanh(x float32) float32 {
	sign := math.Float32bits(x) & (1 << 31)
	a := math.Float32frombits(math.Float32bits(x) | 1<<31)
	q, n := expm1Parts(maxps(tanhLo, a+a))
	s := pow2(n)
	m := fma(s, q, s-1)
	y := m / (2 + m)
	return math.Float32frombits(math.Float32bits(y)&^(1<<31) | sign)
}

func unaryGo(o op, dst, src []float32) {
	src = src[:len(dst)]
	switch o {
	case opExp:
		for i, x := range src {
			dst[i] = exp(x)
		}
	case opSigmoid:
		for i, x := range src {
			dst[i] = sigmoid(x)
		}
	case opTanh:
		for i, x := range src {
			dst[i] = tanh(x)
		}
	case opLog:
		for i, x := range src {
			dst[i] = log(x)
		}
	case opErf:
		for i, x := range src {
			dst[i] = erf(x)
		}
	case opSoftplus:
		for i, x := range src {
			dst[i] = softplus(x)
		}
	case opSqrt:
		for i, x := range src {
			dst[i] = sqrt32(x)
		}
	case opFlush:
		for i, x := range src {
			dst[i] = flush(x)
		}
	case opAbs:
		for i, x := range src {
			dst[i] = math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
		}
	case opRelu:
		for i, x := range src {
			dst[i] = relu(x)
		}
	}
}

func binaryGo(o op, dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	switch o {
	case opAdd:
		for i, x := range a {
			dst[i] = x + b[i]
		}
	case opSub:
		for i, x := range a {
			dst[i] = x - b[i]
		}
	case opMul:
		for i, x := range a {
			dst[i] = x * b[i]
		}
	case opDiv:
		for i, x := range a {
			dst[i] = x / b[i]
		}
	case opMax:
		for i, x := range a {
			dst[i] = max(x, b[i])
		}
	case opMin:
		for i, x := range a {
			dst[i] = min(x, b[i])
		}
	case opReluGrad:
		for i, y := range b {
			v := a[i]
			if y <= 0 {
				v = 0
			}
			dst[i] = v
		}
	case opSigmoidGrad:
		for i, y := range b {
			dst[i] = a[i] * float32(y*(1-y))
		}
	case opTanhGrad:
		for i, y := range b {
			dst[i] = a[i] * fma(-y, y, 1)
		}
	}
}

func scalarGo(o op, dst, a []float32, s float32) {
	a = a[:len(dst)]
	switch o {
	case opAddScalar:
		for i, x := range a {
			dst[i] = x + s
		}
	case opMulScalar:
		for i, x := range a {
			dst[i] = x * s
		}
	case opLeakyRelu:
		for i, x := range a {
			if math.Float32bits(x)>>31 != 0 {
				x *= s
			}
			dst[i] = x
		}
	case opElu:
		for i, x := range a {
			dst[i] = elu(x, s)
		}
	case opAxpy:
		for i, x := range a {
			dst[i] = fma(s, x, dst[i])
		}
	}
}

// reduceGo folds x (and y) into the lanes: element i goes to lane i mod 16.
func reduceGo(o op, lanes *[16]float32, x, y []float32) {
	switch o {
	case opSum:
		for i, v := range x {
			lanes[i&15] += v
		}
	case opDot:
		for i, v := range x {
			lanes[i&15] = fma(v, y[i], lanes[i&15])
		}
	}
}

// colSumsGo adds rows of x to dst, ascending.
func colSumsGo(rows int, x []float32, ldx int, dst []float32) {
	for i := 0; i < rows; i++ {
		for j, v := range x[i*ldx:][:len(dst)] {
			dst[j] += v
		}
	}
}
