package simd

// lineBlock is the number of elements that sixteen lanes of float32 add precisely enough.
const lineBlock = 4096

// LineSum adds x as Sum does in blocks of 4096, and the blocks in ascending order in float64: a sum of any length whose
// error is that of a short one, in an order that depends on the length only.
func LineSum(x []float32) float64 {
	if len(x) <= lineBlock {
		return float64(Sum(x))
	}
	var s float64
	for len(x) > 0 {
		n := min(len(x), lineBlock)
		s += float64(Sum(x[:n]))
		x = x[n:]
	}
	return s
}

// LineDot is Dot in the blocks of LineSum. It panics when y is shorter than x.
func LineDot(x, y []float32) float64 {
	need("y", y, len(x))
	if len(x) <= lineBlock {
		return float64(Dot(x, y))
	}
	var s float64
	for len(x) > 0 {
		n := min(len(x), lineBlock)
		s += float64(Dot(x[:n], y[:n]))
		x, y = x[n:], y[n:]
	}
	return s
}

// halves adds lanes: i with i+8, then i+4, i+2, i+1. It is written out because a loop through memory takes longer than
// the lanes of a short row.
func halves(l *[16]float32) float32 {
	a, b, c, d := l[0]+l[8], l[1]+l[9], l[2]+l[10], l[3]+l[11]
	e, f, g, h := l[4]+l[12], l[5]+l[13], l[6]+l[14], l[7]+l[15]
	a, b, c, d = a+e, b+f, c+g, d+h
	return (a + c) + (b + d)
}

// SigmoidSoftplus sets dst to Sigmoid of x and returns LineSum of Softplus of x, with the bits of both, over len(x): the
// activation of a row and its free energy. dst may be x exactly. It panics when dst is shorter.
func SigmoidSoftplus(dst, x []float32) float64 {
	need("dst", dst, len(x))
	dst = dst[:len(x)]
	isa := selected.Load().isa[opSigmoidSoftplus]
	var s float64
	for len(x) > 0 {
		var l [16]float32
		n := min(len(x), lineBlock)
		if whole := n &^ 15; whole > 0 {
			callSigmoidSoftplus(isa, &l, dst[:whole], x[:whole])
		}
		if rest := n & 15; rest > 0 {
			var soft [16]float32
			Softplus(soft[:rest], x[n-rest:n])
			Sigmoid(dst[n-rest:n], x[n-rest:n])
			reduceGo(opSum, &l, soft[:rest], nil)
		}
		s += float64(halves(&l))
		dst, x = dst[n:], x[n:]
	}
	return s
}

func sigmoidSoftplusGo(lanes *[16]float32, dst, x []float32) {
	for i, v := range x {
		lanes[i&15] += softplus(v)
		dst[i] = sigmoid(v)
	}
}
