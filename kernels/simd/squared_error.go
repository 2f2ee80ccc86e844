package simd

// SquaredError returns LineSum of the squares of y[i]-t[i] over len(y) and sets dst[i] to (y[i]-t[i])·scale: the error of
// one row and its gradient, with the bits of Sub, then Mul of the difference by itself and LineSum, and MulScalar. With an
// empty dst only the sum is made. dst may be y or t exactly. It panics when another slice is shorter.
func SquaredError(dst, y, t []float32, scale float32) float64 {
	need("t", t, len(y))
	if len(dst) != 0 {
		need("dst", dst, len(y))
	}
	var s float64
	for len(y) > 0 {
		var sum [1]float32
		n := min(len(y), lineBlock)
		callSquaredError(selected.Load().isa[opSquaredError], sum[:], nil, dst, y, t, n, n, n, 1, n, scale)
		if s += float64(sum[0]); len(dst) != 0 {
			dst = dst[n:]
		}
		y, t = y[n:], t[n:]
	}
	return s
}

// SquaredErrorMeans sets means[r], for each row of width elements, to SquaredError of the row divided by width in float64,
// and dst to the gradients. It panics when dst, y or t is shorter than len(means) rows; dst may be y or t exactly.
func SquaredErrorMeans(means, dst, y, t []float32, width int, scale float32) {
	rows := len(means)
	need("dst", dst, rows*width)
	need("y", y, rows*width)
	need("t", t, rows*width)
	switch {
	case rows == 0:
	case width > lineBlock || width == 0:
		for r := range means {
			at, to := r*width, (r+1)*width
			means[r] = float32(SquaredError(dst[at:to], y[at:to], t[at:to], scale) / float64(width))
		}
	default:
		callSquaredError(selected.Load().isa[opSquaredError], means, nil, dst, y, t, width, width, width, rows, width, scale)
		for r, s := range means {
			means[r] = float32(float64(s) / float64(width))
		}
	}
}

// SquaredErrorLanes is SquaredError for a panel of cols columns of each row: it sets dst to the differences times scale, and
// adds the square of column j to lane j mod 16 of the sixteen lanes of its row. Rows of dst, y and t lie ldd, ldy and ldt
// elements apart. If lanes are 0 before the first panel, every panel but the last has a multiple of 16 columns, and
// panels come in the order of the columns, then [FoldLanes] after the last one gives the bits of SquaredError for rows of
// at most 4096 elements; for longer ones, if it is called at each multiple of 4096, and what it gives is added in float64.
// It panics when a slice is too short; dst may be y or t exactly.
func SquaredErrorLanes(lanes []float32, rows, cols int, dst []float32, ldd int, y []float32, ldy int, t []float32, ldt int, scale float32) {
	if rows <= 0 || cols <= 0 {
		return
	}
	need("lanes", lanes, 16*rows)
	needStrides("dst", rows, cols, ldd, 1, len(dst))
	needStrides("y", rows, cols, ldy, 1, len(y))
	needStrides("t", rows, cols, ldt, 1, len(t))
	callSquaredError(selected.Load().isa[opSquaredError], nil, lanes, dst, y, t, ldd, ldy, ldt, rows, cols, scale)
}

// FoldLanes sets sums[r] to the sum of the sixteen lanes of row r, added by halves, and the lanes to 0. It panics when lanes
// are too few.
func FoldLanes(sums, lanes []float32) {
	need("lanes", lanes, 16*len(sums))
	for r := range sums {
		l := (*[16]float32)(lanes[16*r:])
		sums[r] = halves(l)
		clear(l[:])
	}
}

// squaredErrorGo is what the kernels of all sets do: lanes begin at 0 if there are none in memory, and are folded into sums
// if these are given.
func squaredErrorGo(sums, lanes, dst, y, t []float32, ldd, ldy, ldt, rows, cols int, scale float32) {
	for r := range rows {
		l := new([16]float32)
		if lanes != nil {
			l = (*[16]float32)(lanes[16*r:])
		}
		var to []float32
		if len(dst) != 0 {
			to = dst[r*ldd:][:cols]
		}
		squaredErrorRowGo(l, to, y[r*ldy:][:cols], t[r*ldt:], scale)
		if sums != nil {
			sums[r] = halves(l)
		}
	}
}

func squaredErrorRowGo(lanes *[16]float32, dst, y, t []float32, scale float32) {
	for i, v := range y {
		d := v - t[i]
		lanes[i&15] += float32(d * d)
		if len(dst) != 0 {
			dst[i] = d * scale
		}
	}
}
