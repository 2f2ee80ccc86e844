package simd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// use makes a row or set the choice for one test; it skips, or fails where LAMINA_REQUIRE_KERNELS names the set.
func use(t *testing.T, name, set string, available bool) {
	t.Helper()
	if !available {
		for _, r := range strings.Split(os.Getenv("LAMINA_REQUIRE_KERNELS"), ",") {
			if r == set {
				t.Fatalf("LAMINA_REQUIRE_KERNELS asks for %s, which this CPU or build lacks", set)
			}
		}
		t.Skipf("this CPU or build lacks %s; TestEmulated runs the text of AVX-512, make test-arm64 runs NEON", set)
	}
	old := selected.Load()
	if err := Select(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { selected.Store(old) })
}

// guarded is a slice of n values between canaries, at any alignment of 4 bytes.
type guarded struct{ all, mid []float32 }

const canary = float32(-12345.678)

func guard(rng *rand.Rand, n int) guarded {
	off := 16 + rng.IntN(16)
	g := guarded{all: make([]float32, off+n+32)}
	for i := range g.all {
		g.all[i] = canary
	}
	g.mid = g.all[off : off+n : off+n]
	return g
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	before := len(g.all) - 32 - len(g.mid)
	for i, v := range g.all {
		if v != canary && (i < before || i >= before+len(g.mid)) {
			t.Fatalf("%s: wrote %v at %d, outside its %d elements", what, v, i-before, len(g.mid))
		}
	}
}

// TestKernels runs every row of the table against the generic kernels, which other tests hold to float64.
func TestKernels(t *testing.T) {
	for i, v := range Variants() {
		t.Run(v.Name, func(t *testing.T) {
			use(t, v.Name, v.ISA, v.Available)
			if v.isa == isaAMX {
				return // TestAMX
			}
			if got := selected.Load().isa[v.op]; got != v.isa {
				t.Fatalf("%s selects %v", v.Name, got)
			}
			rng := rand.New(rand.NewPCG(5, uint64(i)))
			if v.op == opTranspose {
				for range 200 {
					checkTranspose(t, rng)
				}
				return
			}
			if v.op == opGemm {
				for range 120 {
					checkGemm(t, rng)
				}
				return
			}
			if v.op == opTaps {
				for range 40 {
					checkTaps(t, rng)
				}
				return
			}
			if v.op >= opMaxPool && v.op <= opMaxPoolWinnersGrad {
				for range 60 {
					checkPool(t, rng)
				}
				return
			}
			if v.op >= opBF16Gemm {
				checkBF16Row(t, rng, v.op)
				return
			}
			for n := range 68 {
				checkVector(t, rng, v.op, n)
			}
			checkVector(t, rng, v.op, 1000+rng.IntN(100))
		})
	}
}

// checkNorm holds the passes of normalisations to the kernels that they join.
func checkNorm(t *testing.T, rng *rand.Rand, o op, dst guarded) {
	t.Helper()
	n := len(dst.mid)
	what := fmt.Sprintf("%v of %d", o, n)
	x, dy, scale, bias := normals(rng, n), normals(rng, n), normals(rng, n), normals(rng, n)
	y, g, want := make([]float32, n), make([]float32, n), make([]float32, n)
	AddScalar(y, x, -0.3)
	if o == opSquaresAround {
		sameBits(t, what, []float32{float32(SumSquaresAround(x, -0.3))}, []float32{float32(LineDot(y, y))})
		return
	}
	MulScalar(y, y, 1.7)
	Mul(g, dy, scale)
	alias := rng.IntN(2) == 0
	switch o {
	case opNormalize:
		Mul(want, y, scale)
		if n%3 == 0 {
			bias = nil
		} else {
			Add(want, want, bias)
		}
		if alias {
			copy(dst.mid, x)
			x = dst.mid
		}
		Normalize(dst.mid, x, scale, bias, -0.3, 1.7)
	case opNormalizeSums:
		Mul(want, dy, y)
		for _, p := range [][]float32{nil, dst.mid} {
			sum, along := NormalizeSums(p, dy, x, scale, -0.3, 1.7)
			sameBits(t, what, []float32{float32(sum), float32(along)}, []float32{float32(LineSum(g)), float32(LineDot(g, y))})
		}
	case opNormalizeGrad:
		MulScalar(y, y, 0.6)
		AddScalar(g, g, -0.2)
		Add(g, g, y)
		MulScalar(want, g, 1.7)
		if alias {
			copy(dst.mid, dy)
			dy = dst.mid
		}
		NormalizeGrad(dst.mid, dy, x, scale, -0.3, 1.7, -0.2, 0.6)
	}
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

// checkLines holds passes over several lines to those over one, for lines that share a scale or do not, and NaN and
// infinities among their elements.
func checkLines(t *testing.T, rng *rand.Rand, o op, n int) {
	t.Helper()
	lines := 1 + rng.IntN(9)
	draw, shared := normals, rng.IntN(2) == 0
	if rng.IntN(3) == 0 {
		draw = testValues
	}
	what := fmt.Sprintf("%v of %d lines of %d, one scale %v", o, lines, n, shared)
	x, dy, stats, ab := draw(rng, lines*n), draw(rng, lines*n), draw(rng, 2*lines), draw(rng, 2*lines)
	of, lds := lines*n, n
	if shared {
		of, lds = n, 0
	}
	scale, bias := draw(rng, of), draw(rng, of)
	if rng.IntN(3) == 0 {
		bias = nil
	}
	dst, want := guard(rng, lines*n), make([]float32, lines*n)
	if rng.IntN(2) == 0 {
		copy(dst.mid, dy)
		dy = dst.mid
	}
	sums, along := make([]float64, lines), make([]float64, lines)
	var got, ones []float32
	each := func(f func(l int, cut func(v []float32, by int) []float32)) {
		for l := range lines {
			f(l, func(v []float32, by int) []float32 { return v[l*by:][:n] })
		}
	}
	switch o {
	case opSum:
		LineSums(sums, x)
		each(func(_ int, cut func([]float32, int) []float32) { ones = append(ones, float32(LineSum(cut(x, n)))) })
	case opSquaresAround:
		LineSquares(sums, x, stats)
		each(func(l int, cut func([]float32, int) []float32) {
			ones = append(ones, float32(SumSquaresAround(cut(x, n), stats[2*l])))
		})
	case opNormalizeSums:
		NormalizeLineSums(sums, along, dy, x, scale, stats)
		each(func(l int, cut func([]float32, int) []float32) {
			s, a := NormalizeSums(nil, cut(dy, n), cut(x, n), cut(scale, lds), stats[2*l], stats[2*l+1])
			ones = append(ones, float32(s), float32(a))
		})
	case opNormalize:
		each(func(l int, cut func([]float32, int) []float32) {
			var b []float32
			if bias != nil {
				b = cut(bias, lds)
			}
			Normalize(cut(want, n), cut(dy, n), cut(scale, lds), b, stats[2*l], stats[2*l+1])
		})
		NormalizeLines(dst.mid, dy, scale, bias, stats)
	case opNormalizeGrad:
		each(func(l int, cut func([]float32, int) []float32) {
			NormalizeGrad(cut(want, n), cut(dy, n), cut(x, n), cut(scale, lds), stats[2*l], stats[2*l+1], ab[2*l], ab[2*l+1])
		})
		NormalizeLineGrads(dst.mid, dy, x, scale, stats, ab)
	}
	if ones == nil {
		sameBits(t, what, dst.mid, want)
		dst.check(t, what)
		return
	}
	for l := range sums {
		if got = append(got, float32(sums[l])); o == opNormalizeSums {
			got = append(got, float32(along[l]))
		}
	}
	sameBits(t, what, got, ones)
}

// checkNormSums holds the sums of columns to loops over the elements, for strides, rows without a plain sum, and NaN and
// infinities among operands and statistics.
func checkNormSums(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	rows, ldy, ldx, lds := rng.IntN(6), n+rng.IntN(3), n+rng.IntN(3), 2+rng.IntN(3)
	draw := normals
	if rng.IntN(3) == 0 {
		draw = testValues
	}
	dy, x, stats := draw(rng, rows*ldy), draw(rng, rows*ldx), draw(rng, rows*lds)
	scaled, plain := guard(rng, n), guard(rng, n)
	copy(scaled.mid, draw(rng, n))
	copy(plain.mid, draw(rng, n))
	wantScaled, wantPlain := append([]float32(nil), scaled.mid...), append([]float32(nil), plain.mid...)
	both := rng.IntN(3) > 0
	for r := range rows {
		for j := range n {
			y := float32(float32(x[r*ldx+j]+stats[r*lds]) * stats[r*lds+1])
			wantScaled[j] += float32(dy[r*ldy+j] * y)
			if both {
				wantPlain[j] += dy[r*ldy+j]
			}
		}
	}
	to := plain.mid
	if !both {
		to = nil
	}
	NormSums(rows, scaled.mid, to, dy, ldy, x, ldx, stats, lds)
	what := fmt.Sprintf("%d rows of %d columns, both %v", rows, n, both)
	sameBits(t, what, scaled.mid, wantScaled)
	sameBits(t, what, plain.mid, wantPlain)
	scaled.check(t, what)
	plain.check(t, what)
}

// checkChannels holds the passes of normalisations over columns to the kernels that they join.
func checkChannels(t *testing.T, rng *rand.Rand, o op, dst guarded) {
	t.Helper()
	n := len(dst.mid)
	what := fmt.Sprintf("%v of %d", o, n)
	x, dy, shift, scale, bias, along := testValues(rng, n), testValues(rng, n), normals(rng, n), normals(rng, n), normals(rng, n), normals(rng, n)
	y, want := make([]float32, n), make([]float32, n)
	Sub(y, x, shift)
	switch o {
	case opRescale:
		Mul(want, y, scale)
		Add(want, want, bias)
		if rng.IntN(2) == 0 {
			copy(dst.mid, x)
			x = dst.mid
		}
		Rescale(dst.mid, x, shift, scale, bias)
	case opRescaleGrad:
		Mul(y, y, along)
		Mul(want, dy, scale)
		Add(want, want, bias)
		Add(want, want, y)
		switch rng.IntN(3) {
		case 0:
			copy(dst.mid, x)
			x = dst.mid
		case 1:
			copy(dst.mid, dy)
			dy = dst.mid
		}
		RescaleGrad(dst.mid, dy, x, shift, scale, bias, along)
	case opColumnDots:
		rows, ldx := rng.IntN(6), n+rng.IntN(3)
		x, dy = testValues(rng, rows*ldx), testValues(rng, rows*ldx)
		if rng.IntN(2) == 0 {
			dy = nil
		}
		other := guard(rng, n)
		copy(dst.mid, bias)
		copy(other.mid, scale)
		copy(want, bias)
		for r := range rows {
			Sub(y, x[r*ldx:][:n], shift)
			g := append([]float32(nil), y...)
			if dy != nil {
				copy(g, dy[r*ldx:][:n])
			}
			Add(want, want, g)
			Mul(y, y, g)
			Add(scale, scale, y)
		}
		ColumnDots(rows, n, dy, x, ldx, shift, dst.mid, other.mid)
		sameBits(t, what, other.mid, scale)
		other.check(t, what)
	}
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

func checkVector(t *testing.T, rng *rand.Rand, o op, n int) {
	t.Helper()
	what := fmt.Sprintf("%v of %d", o, n)
	x, y := testValues(rng, n), testValues(rng, n)
	dst := guard(rng, n)
	copy(dst.mid, testValues(rng, n))
	want := append([]float32(nil), dst.mid...)
	switch {
	case o <= opAbs:
		map1(o, dst.mid, x)
		unaryGo(o, want, x)
	case o <= opTanhGrad:
		map2(o, dst.mid, x, y)
		binaryGo(o, want, x, y)
	case o <= opElu:
		mapScalar(o, dst.mid, x, 0.3)
		scalarGo(o, want, x, 0.3)
	case o <= opDot:
		if o == opSum {
			checkLines(t, rng, o, n)
		}
		x, y = normals(rng, n), normals(rng, n)
		var l [16]float32
		reduceGo(o, &l, x, y)
		for h := 8; h > 0; h /= 2 {
			for i := range h {
				l[i] += l[i+h]
			}
		}
		sameBits(t, what, []float32{reduce(o, x, y)}, l[:1])
		return
	case o == opSquaredError:
		x, y = normals(rng, n), normals(rng, n)
		if rng.IntN(2) == 0 {
			copy(dst.mid, x)
			x = dst.mid
		}
		Sub(want, x, y)
		square := make([]float32, n)
		Mul(square, want, want)
		MulScalar(want, want, 0.3)
		sums := []float32{float32(SquaredError(nil, x, y, 0.3)), float32(SquaredError(dst.mid, x, y, 0.3))}
		sameBits(t, what, sums, []float32{float32(LineSum(square)), float32(LineSum(square))})
		checkErrorRows(t, rng, n)
	case o == opSigmoidSoftplus:
		soft := make([]float32, n)
		Softplus(soft, x)
		Sigmoid(want, x)
		if rng.IntN(2) == 0 {
			copy(dst.mid, x)
			x = dst.mid
		}
		sameBits(t, what, []float32{float32(SigmoidSoftplus(dst.mid, x))}, []float32{float32(LineSum(soft))})
	case o >= opSquaresAround && o <= opNormalizeGrad:
		checkNorm(t, rng, o, dst)
		checkLines(t, rng, o, n)
		return
	case o == opNormSums:
		checkNormSums(t, rng, n)
		return
	case o >= opRescale && o <= opColumnDots:
		checkChannels(t, rng, o, dst)
		return
	case o == opColSums:
		rows, ldx := rng.IntN(6), n+rng.IntN(3)
		x = testValues(rng, rows*ldx)
		accumulate := rng.IntN(2) == 0
		if !accumulate {
			clear(want)
		}
		ColumnSums(rows, n, x, ldx, dst.mid, accumulate)
		if n > 0 {
			colSumsGo(rows, x, max(ldx, 1), want)
		}
		checkSumsGrad(t, rng, n)
	case o >= opUniform && o <= opAddNormal:
		checkDraws(t, rng, o, dst)
		return
	default:
		checkOptimizer(t, rng, o, n)
		return
	}
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

// checkSumsGrad holds sums of masked columns to a loop over the elements, NaN and infinities among both operands.
func checkSumsGrad(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	rows, ld, accumulate := rng.IntN(6), n+rng.IntN(3), rng.IntN(2) == 0
	dy, y := testValues(rng, rows*ld), testValues(rng, rows*ld)
	dst := guard(rng, n)
	copy(dst.mid, testValues(rng, n))
	want := append([]float32(nil), dst.mid...)
	if !accumulate {
		clear(want)
	}
	for r := range rows {
		for j := range n {
			if g := dy[r*ld+j]; y[r*ld+j] <= 0 {
				want[j] += 0
			} else {
				want[j] += g
			}
		}
	}
	ColumnSumsReluGrad(rows, n, dy, y, ld, dst.mid, accumulate)
	what := fmt.Sprintf("masked sums of %d rows of %d columns, accumulated %v", rows, n, accumulate)
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

// checkErrorRows holds the squared errors of several rows to those of one, whole and cut into panels of columns.
func checkErrorRows(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	rows, ldd, ldy, ldt := 1+rng.IntN(4), n+rng.IntN(3), n+rng.IntN(3), n+rng.IntN(3)
	what := fmt.Sprintf("squared error of %d rows of %d", rows, n)
	draw := normals
	if rng.IntN(3) == 0 {
		draw = testValues
	}
	y, x := draw(rng, rows*ldy), draw(rng, rows*ldt)
	flat := func(v []float32, ld int) (out []float32) {
		for r := range rows {
			out = append(out, v[r*ld:][:n]...)
		}
		return out
	}
	fy, fx, want := flat(y, ldy), flat(x, ldt), make([]float32, rows*n)
	sums, means := make([]float32, rows), make([]float32, rows)
	for r := range rows {
		s := SquaredError(want[r*n:][:n], fy[r*n:][:n], fx[r*n:][:n], -0.7)
		sums[r], means[r] = float32(s), float32(s/float64(n))
	}
	dst, got := guard(rng, rows*n), guard(rng, rows)
	if rng.IntN(2) == 0 {
		copy(dst.mid, fy)
		fy = dst.mid
	}
	SquaredErrorMeans(got.mid, dst.mid, fy, fx, n, -0.7)
	sameBits(t, what, got.mid, means)
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
	got.check(t, what)
	if n > lineBlock {
		return
	}
	lanes, part := guard(rng, 16*rows), guard(rng, rows*ldd)
	clear(lanes.mid)
	for i := range part.mid {
		part.mid[i] = canary
	}
	for j := 0; j < n; {
		cols := min(n-j, 16*(1+rng.IntN(4)))
		SquaredErrorLanes(lanes.mid, rows, cols, part.mid[j:], ldd, y[j:], ldy, x[j:], ldt, -0.7)
		j += cols
	}
	FoldLanes(got.mid, lanes.mid)
	sameBits(t, what, got.mid, sums)
	sameBits(t, what, flat(part.mid, ldd), want)
	for i, v := range part.mid {
		if i%max(ldd, 1) >= n && v != canary {
			t.Fatalf("%s: writes between rows, at %d", what, i)
		}
	}
	sameBits(t, what, lanes.mid, make([]float32, 16*rows))
	lanes.check(t, what)
	part.check(t, what)
}

func checkOptimizer(t *testing.T, rng *rand.Rand, o op, n int) {
	t.Helper()
	checkUpdate(t, rng, o, normals(rng, n), normals(rng, n), normals(rng, n), squares(rng, n))
	checkUpdate(t, rng, o, testValues(rng, n), testValues(rng, n), testValues(rng, n), testValues(rng, n))
	checkUpdate(t, rng, o, tiny(rng, n), tiny(rng, n), tiny(rng, n), magnitudes(tiny(rng, n))) // the decay of normal weights would hide what is tiny
}

func checkUpdate(t *testing.T, rng *rand.Rand, o op, w0, g, m0, v0 []float32) {
	t.Helper()
	n := len(g)
	w, m, v := guard(rng, n), guard(rng, n), guard(rng, n)
	copy(w.mid, w0)
	copy(m.mid, m0)
	copy(v.mid, v0)
	clone := func(g guarded) []float32 { return append([]float32(nil), g.mid...) }
	w2, m2, v2 := clone(w), clone(m), clone(v)
	switch o {
	case opAdam:
		p := AdamParams{LR: 1e-2, Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .1, Decoupled: n%2 == 0, Step: 1 + n, Scale: float32(n % 3)}
		c := p.consts()
		Adam(w.mid, g, m.mid, v.mid, p)
		adamGo(w2, g, m2, v2, &c)
		noSubnormals(t, "m of adam", m.mid)
		noSubnormals(t, "v of adam", v.mid)
	case opSGD:
		p := SGDParams{LR: .1, Momentum: .9, Nesterov: n%2 == 0, Decay: .01}
		c := sgdConsts{1, .01, .9, -.1, uint64(1 - n%2)}
		vel, vel2 := m.mid, m2
		if n%3 == 0 {
			vel, vel2 = nil, nil
		}
		SGD(w.mid, g, vel, p)
		sgdGo(w2, g, vel2, &c)
		noSubnormals(t, "vel of sgd", vel)
	case opRMSProp:
		p := RMSPropParams{LR: .1, Rho: .9, Eps: 1e-6, Decay: .01}
		c := rmsConsts{1, .01, .9, float32(1 - float64(p.Rho)), 1e-6, -.1}
		RMSProp(w.mid, g, v.mid, p)
		rmsPropGo(w2, g, v2, &c)
		noSubnormals(t, "v of rmsprop", v.mid)
	}
	for _, s := range []struct {
		got  guarded
		want []float32
	}{{w, w2}, {m, m2}, {v, v2}} {
		sameBits(t, o.String(), s.got.mid, s.want)
		s.got.check(t, o.String())
	}
}
