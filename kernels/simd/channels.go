package simd

// Rescale sets dst[i] to (x[i]-shift[i])·scale[i] + bias[i], each step rounded. It works on len(dst) elements and panics
// when another slice is shorter; dst may be x exactly.
func Rescale(dst, x, shift, scale, bias []float32) {
	n := len(dst)
	need("x", x, n)
	need("shift", shift, n)
	need("scale", scale, n)
	need("bias", bias, n)
	if n > 0 {
		callRescale(selected.Load().isa[opRescale], dst, x[:n], shift[:n], scale[:n], bias[:n])
	}
}

// RescaleGrad sets dst[i] to dy[i]·scale[i] + bias[i] + (x[i]-shift[i])·along[i], each step rounded. It works on len(dst)
// elements and panics when another slice is shorter; dst may be dy or x exactly.
func RescaleGrad(dst, dy, x, shift, scale, bias, along []float32) {
	n := len(dst)
	need("dy", dy, n)
	need("x", x, n)
	need("shift", shift, n)
	need("scale", scale, n)
	need("bias", bias, n)
	need("along", along, n)
	if n > 0 {
		callRescaleGrad(selected.Load().isa[opRescaleGrad], dst, dy[:n], x[:n], shift[:n], scale[:n], bias[:n], along[:n])
	}
}

// ColumnDots adds to sum[j] column j of dy, and to along[j] that column times column j of x less shift[j], rows ascending,
// each step rounded. Rows of dy and of x begin ldx elements apart; with a nil dy it is x less shift itself. It panics when a
// slice is too short; sum and along must not overlap the others.
func ColumnDots(rows, cols int, dy, x []float32, ldx int, shift, sum, along []float32) {
	if rows <= 0 || cols <= 0 {
		return
	}
	need("shift", shift, cols)
	need("sum", sum, cols)
	need("along", along, cols)
	needStrides("x", rows, cols, ldx, 1, len(x))
	if dy != nil {
		needStrides("dy", rows, cols, ldx, 1, len(dy))
	}
	callColumnDots(selected.Load().isa[opColumnDots], rows, dy, x, ldx, shift[:cols], sum[:cols], along[:cols])
}

// The same by the kernels of a set that these are made of, for sets without kernels of their own.

func rescaleBy(i isa, dst, x, shift, scale, bias []float32) {
	callBinary(i, opSub, dst, x, shift)
	callBinary(i, opMul, dst, dst, scale)
	callBinary(i, opAdd, dst, dst, bias)
}

func rescaleGradBy(i isa, dst, dy, x, shift, scale, bias, along []float32) {
	var y [normStep]float32
	for len(dst) > 0 {
		n := min(len(dst), normStep)
		callBinary(i, opSub, y[:n], x[:n], shift[:n])
		callBinary(i, opMul, y[:n], y[:n], along[:n])
		callBinary(i, opMul, dst[:n], dy[:n], scale[:n])
		callBinary(i, opAdd, dst[:n], dst[:n], bias[:n])
		callBinary(i, opAdd, dst[:n], dst[:n], y[:n])
		dst, dy, x, shift, scale, bias, along = dst[n:], dy[n:], x[n:], shift[n:], scale[n:], bias[n:], along[n:]
	}
}

func columnDotsBy(i isa, rows int, dy, x []float32, ldx int, shift, sum, along []float32) {
	var y [normStep]float32
	for at := 0; at < len(sum); at += normStep {
		n := min(len(sum)-at, normStep)
		s, a, m := sum[at:at+n], along[at:at+n], shift[at:at+n]
		for r := range rows {
			d := y[:n]
			callBinary(i, opSub, d, x[r*ldx+at:][:n], m)
			g := d
			if dy != nil {
				g = dy[r*ldx+at:][:n]
			}
			callBinary(i, opAdd, s, s, g)
			callBinary(i, opMul, d, d, g)
			callBinary(i, opAdd, a, a, d)
		}
	}
}
