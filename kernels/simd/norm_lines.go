package simd

// Lines of a normalisation, one behind the other. Every line has the bits that the functions of one line give it: where a
// set has passes over several lines these go first, one by one the others follow.

// lineMost is the most lines that a set takes at once.
const lineMost = 4

// linesOf checks that x holds whole lines, as many as there are, and returns their length.
func linesOf(x []float32, lines int) (n int) {
	if lines == 0 || len(x)%lines != 0 {
		panic("simd: the elements are no whole lines")
	}
	return len(x) / lines
}

// atOnce returns how many lines a set's passes take, or 1 for lines that are added in several blocks.
func atOnce(o op, n int) int {
	if n == 0 || n > lineBlock {
		return 1
	}
	return lineCount(selected.Load().isa[o])
}

// scaleOf returns how far apart the scales of two lines are: 0 if all lines share one.
func scaleOf(scale []float32, lines, n int) (lds int) {
	if lines > 1 && len(scale) >= lines*n {
		return n
	}
	need("scale", scale, n)
	return 0
}

// LineSums sets sums to LineSum of each line of x.
func LineSums(sums []float64, x []float32) {
	n := linesOf(x, len(sums))
	for k := atOnce(opSum, n); k > 1 && len(sums) >= k; sums, x = sums[k:], x[k*n:] {
		var l [lineMost][16]float32
		whole := n &^ 15
		if whole > 0 {
			callSumLines(selected.Load().isa[opSum], &l, x[:k*n], n, whole)
		}
		for i := range k {
			reduceGo(opSum, &l[i], x[i*n+whole:(i+1)*n], nil)
			sums[i] = float64(halves(&l[i]))
		}
	}
	for i := range sums {
		sums[i] = LineSum(x[i*n:][:n])
	}
}

// LineSquares sets squares to SumSquaresAround of each line of x, with the first of its two stats as shift.
func LineSquares(squares []float64, x, stats []float32) {
	n := linesOf(x, len(squares))
	need("stats", stats, 2*len(squares))
	for k := atOnce(opSquaresAround, n); k > 1 && len(squares) >= k; squares, x, stats = squares[k:], x[k*n:], stats[2*k:] {
		var l [lineMost][16]float32
		whole := n &^ 15
		if whole > 0 {
			callSquaresLines(selected.Load().isa[opSquaresAround], &l, x[:k*n], stats, n, whole)
		}
		for i := range k {
			squaresAroundBy(isaGo, &l[i], x[i*n+whole:(i+1)*n], stats[2*i])
			squares[i] = float64(halves(&l[i]))
		}
	}
	for i := range squares {
		squares[i] = SumSquaresAround(x[i*n:][:n], stats[2*i])
	}
}

// NormalizeLines is Normalize of each line of x, with its two stats as shift and factor. Scale, and bias unless it is
// empty, are one line that all share, or as many lines.
func NormalizeLines(dst, x, scale, bias, stats []float32) {
	lines := len(stats) / 2
	n := linesOf(dst, lines)
	need("x", x, len(dst))
	lds := scaleOf(scale, lines, n)
	if len(bias) != 0 {
		need("bias", bias, n+(lines-1)*lds)
	}
	i := 0
	own := func(i int) []float32 {
		if len(bias) == 0 {
			return nil
		}
		return bias[i*lds:]
	}
	if k := atOnce(opNormalize, n); k > 1 {
		for ; i+k <= lines; i += k {
			callNormalizeLines(selected.Load().isa[opNormalize], dst[i*n:], x[i*n:], scale[i*lds:], own(i), stats[2*i:], lds, n)
		}
	}
	for ; i < lines; i++ {
		Normalize(dst[i*n:][:n], x[i*n:][:n], scale[i*lds:][:n], own(i), stats[2*i], stats[2*i+1])
	}
}

// NormalizeLineSums is NormalizeSums of each line of dy and x without a p, scale being as in NormalizeLines.
func NormalizeLineSums(sums, along []float64, dy, x, scale, stats []float32) {
	lines := len(sums)
	n := linesOf(dy, lines)
	need("x", x, len(dy))
	need("stats", stats, 2*lines)
	lds, i := scaleOf(scale, lines, n), 0
	if k := atOnce(opNormalizeSums, n); k > 1 {
		whole := n &^ 15
		for ; i+k <= lines; i += k {
			var l [2 * lineMost][16]float32
			if whole > 0 {
				callNormalizeLineSums(selected.Load().isa[opNormalizeSums], &l, dy[i*n:], x[i*n:], scale[i*lds:], stats[2*i:], n, lds, whole)
			}
			for j := i; j < i+k; j++ {
				p := (*[2][16]float32)(l[2*(j-i):])
				if whole < n {
					normalizeSumsBy(isaGo, p, nil, dy[j*n+whole:(j+1)*n], x[j*n+whole:], scale[j*lds+whole:], stats[2*j], stats[2*j+1])
				}
				sums[j], along[j] = float64(halves(&p[0])), float64(halves(&p[1]))
			}
		}
	}
	for ; i < lines; i++ {
		sums[i], along[i] = NormalizeSums(nil, dy[i*n:][:n], x[i*n:][:n], scale[i*lds:][:n], stats[2*i], stats[2*i+1])
	}
}

// NormalizeLineGrads is NormalizeGrad of each line, with two numbers of ab as its a and b and scale as in NormalizeLines.
func NormalizeLineGrads(dst, dy, x, scale, stats, ab []float32) {
	lines := len(stats) / 2
	n := linesOf(dst, lines)
	need("dy", dy, len(dst))
	need("x", x, len(dst))
	need("ab", ab, 2*lines)
	lds, i := scaleOf(scale, lines, n), 0
	if k := atOnce(opNormalizeGrad, n); k > 1 {
		for ; i+k <= lines; i += k {
			callNormalizeLineGrads(selected.Load().isa[opNormalizeGrad], dst[i*n:], dy[i*n:], x[i*n:], scale[i*lds:], stats[2*i:], ab[2*i:], lds, n)
		}
	}
	for ; i < lines; i++ {
		NormalizeGrad(dst[i*n:][:n], dy[i*n:][:n], x[i*n:][:n], scale[i*lds:][:n], stats[2*i], stats[2*i+1], ab[2*i], ab[2*i+1])
	}
}
