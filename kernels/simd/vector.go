package simd

import "fmt"

// need panics unless a slice has n elements.
func need(what string, s []float32, n int) {
	if len(s) < n {
		panic(fmt.Sprintf("simd: %s has %d elements, needs %d", what, len(s), n))
	}
}

func map1(o op, dst, src []float32) {
	need("src", src, len(dst))
	if len(dst) > 0 {
		callUnary(selected.Load().isa[o], o, dst, src[:len(dst)])
	}
}

func map2(o op, dst, a, b []float32) {
	need("first operand", a, len(dst))
	need("second operand", b, len(dst))
	if len(dst) > 0 {
		callBinary(selected.Load().isa[o], o, dst, a[:len(dst)], b[:len(dst)])
	}
}

func mapScalar(o op, dst, a []float32, s float32) {
	need("operand", a, len(dst))
	if len(dst) > 0 {
		callScalar(selected.Load().isa[o], o, dst, a[:len(dst)], s)
	}
}

// Relu sets dst[i] to max(src[i], 0), keeping NaN and -0. Like every elementwise function here it works on len(dst)
// elements, panics when an operand is shorter, and allows dst to be one of the operands exactly, not to overlap it partly.
func Relu(dst, src []float32) { map1(opRelu, dst, src) }

// Exp sets dst[i] to e^src[i] within 1 ULP, subnormal results included: 0 below -104, +Inf above 88.73, NaN for NaN.
func Exp(dst, src []float32) { map1(opExp, dst, src) }

// Sigmoid sets dst[i] to 1/(1+e^-src[i]) within 2.5 ULP, subnormal results included.
func Sigmoid(dst, src []float32) { map1(opSigmoid, dst, src) }

// Tanh sets dst[i] to tanh(src[i]) within 2.5 ULP; the sign of zero is kept.
func Tanh(dst, src []float32) { map1(opTanh, dst, src) }

// Log sets dst[i] to the natural logarithm of src[i] within 2 ULP, subnormal operands included: -Inf for either zero,
// NaN below.
func Log(dst, src []float32) { map1(opLog, dst, src) }

// Erf sets dst[i] to the error function of src[i] within 1.5 ULP; the sign of zero is kept.
func Erf(dst, src []float32) { map1(opErf, dst, src) }

// Softplus sets dst[i] to log(1+e^src[i]) within 2.5 ULP, subnormal results included.
func Softplus(dst, src []float32) { map1(opSoftplus, dst, src) }

// Sqrt sets dst[i] to the square root of src[i], correctly rounded: NaN below zero.
func Sqrt(dst, src []float32) { map1(opSqrt, dst, src) }

// FlushSubnormals sets dst[i] to src[i], or to +0 where |src[i]| < 2^-126, which -0 is as well. NaN keeps its bits.
// The optimizers do this with every moment they store.
func FlushSubnormals(dst, src []float32) { map1(opFlush, dst, src) }

// Abs sets dst[i] to |src[i]|.
func Abs(dst, src []float32) { map1(opAbs, dst, src) }

// LeakyRelu sets dst[i] to a[i], times alpha where its sign is set.
func LeakyRelu(dst, a []float32, alpha float32) { mapScalar(opLeakyRelu, dst, a, alpha) }

// Elu sets dst[i] to a[i], or to alpha·(e^a[i]-1) where its sign is set, that exponential less one within 1 ULP.
func Elu(dst, a []float32, alpha float32) { mapScalar(opElu, dst, a, alpha) }

// Max sets dst[i] to the greater of a[i] and b[i], NaN if one is; -0 is below +0.
func Max(dst, a, b []float32) { map2(opMax, dst, a, b) }

// Min sets dst[i] to the lesser of a[i] and b[i], NaN if one is; -0 is below +0.
func Min(dst, a, b []float32) { map2(opMin, dst, a, b) }

// ReluGrad sets dst[i] to dy[i] where y[i] > 0 or is NaN, else to 0; y is Relu's result or its argument.
func ReluGrad(dst, dy, y []float32) { map2(opReluGrad, dst, dy, y) }

// SigmoidGrad sets dst[i] to dy[i]·(y[i]·(1-y[i])); y is Sigmoid's result.
func SigmoidGrad(dst, dy, y []float32) { map2(opSigmoidGrad, dst, dy, y) }

// TanhGrad sets dst[i] to dy[i]·(1-y[i]²), the bracket rounded once; y is Tanh's result.
func TanhGrad(dst, dy, y []float32) { map2(opTanhGrad, dst, dy, y) }

// Add sets dst[i] to a[i]+b[i].
func Add(dst, a, b []float32) { map2(opAdd, dst, a, b) }

// Sub sets dst[i] to a[i]-b[i].
func Sub(dst, a, b []float32) { map2(opSub, dst, a, b) }

// Mul sets dst[i] to a[i]·b[i].
func Mul(dst, a, b []float32) { map2(opMul, dst, a, b) }

// Div sets dst[i] to a[i]/b[i], correctly rounded.
func Div(dst, a, b []float32) { map2(opDiv, dst, a, b) }

// AddScalar sets dst[i] to a[i]+s.
func AddScalar(dst, a []float32, s float32) { mapScalar(opAddScalar, dst, a, s) }

// MulScalar sets dst[i] to a[i]·s.
func MulScalar(dst, a []float32, s float32) { mapScalar(opMulScalar, dst, a, s) }

// Axpy adds a·x[i] to dst[i] with one rounding.
func Axpy(dst []float32, a float32, x []float32) { mapScalar(opAxpy, dst, x, a) }

// AddRow adds row to every row of x: dst[i] = x[i] + row[i mod len(row)]. len(dst) must be a multiple of len(row).
func AddRow(dst, x, row []float32) {
	need("x", x, len(dst))
	n := len(row)
	if len(dst) == 0 {
		return
	}
	if n == 0 || len(dst)%n != 0 {
		panic(fmt.Sprintf("simd: %d elements are not whole rows of %d", len(dst), n))
	}
	isa := selected.Load().isa[opAdd]
	for i := 0; i < len(dst); i += n {
		callBinary(isa, opAdd, dst[i:i+n], x[i:i+n], row)
	}
}

// reduce folds x and y into 16 lanes and the lanes by halves: lane i with lane i+8, then i+4, i+2, i+1.
func reduce(o op, x, y []float32) float32 {
	var l [16]float32
	if whole := len(x) &^ 15; whole > 0 {
		callReduce(selected.Load().isa[o], o, &l, x[:whole], y[:whole])
		x, y = x[whole:], y[whole:]
	}
	reduceGo(o, &l, x, y)
	return halves(&l)
}

// Sum adds x in 16 lanes (element i in lane i mod 16), then the lanes as a balanced tree. The sum of nothing is 0.
func Sum(x []float32) float32 { return reduce(opSum, x, x) }

// Dot returns the sum of x[i]·y[i] over len(x), each lane one chain of fused multiply-adds, the lanes as in Sum.
func Dot(x, y []float32) float32 {
	need("y", y, len(x))
	return reduce(opDot, x, y[:len(x)])
}

// SumSquaresFloat64 adds the squares of x, which are exact, in float64 in 4 lanes, then the lanes by halves.
func SumSquaresFloat64(x []float32) float64 {
	var l [4]float64
	for i, v := range x {
		l[i&3] += float64(v) * float64(v)
	}
	return (l[0] + l[2]) + (l[1] + l[3])
}

// ColumnSums adds the rows of x [rows cols], ldx elements apart, into dst [cols], each column ascending from 0, or from
// the stored dst when accumulate is set.
func ColumnSums(rows, cols int, x []float32, ldx int, dst []float32, accumulate bool) {
	if cols <= 0 {
		return
	}
	need("dst", dst, cols)
	dst = dst[:cols]
	if !accumulate {
		clear(dst)
	}
	if rows <= 0 {
		return
	}
	needStrides("x", rows, cols, ldx, 1, len(x))
	callColSums(selected.Load().isa[opColSums], rows, x, ldx, dst)
}

// ColumnSumsReluGrad is ColumnSums of what [ReluGrad] makes of dy and y, [rows cols] both, ld elements apart: an element of dy
// counts as 0 where that of y is at most 0, and as it is where that is NaN.
func ColumnSumsReluGrad(rows, cols int, dy, y []float32, ld int, dst []float32, accumulate bool) {
	if cols <= 0 {
		return
	}
	need("dst", dst, cols)
	if dst = dst[:cols]; !accumulate {
		clear(dst)
	}
	if rows <= 0 {
		return
	}
	needStrides("dy", rows, cols, ld, 1, len(dy))
	needStrides("y", rows, cols, ld, 1, len(y))
	callColSumsGrad(selected.Load().isa[opColSums], rows, dy, y, ld, dst)
}

// colSumsGradBy is the same by the kernels of a set that it is made of, for sets without a kernel of their own.
func colSumsGradBy(i isa, rows int, dy, y []float32, ld int, dst []float32) {
	var part [normStep]float32
	for at := 0; at < len(dst); at += normStep {
		n := min(len(dst)-at, normStep)
		for r := range rows {
			callBinary(i, opReluGrad, part[:n], dy[r*ld+at:][:n], y[r*ld+at:][:n])
			callBinary(i, opAdd, dst[at:at+n], dst[at:at+n], part[:n])
		}
	}
}
