package simd

import (
	"fmt"
	"math"
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
		t.Skipf("this CPU or build lacks %s; TestEmulated runs its text", set)
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
			for n := range 68 {
				checkVector(t, rng, v.op, n)
			}
			checkVector(t, rng, v.op, 1000+rng.IntN(100))
		})
	}
}

// TestGemmSets runs larger shapes, where panels and tiles combine, in every set.
func TestGemmSets(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(6, uint64(set)))
			for range 30 {
				checkGemmShape(t, rng, rng.IntN(68), rng.IntN(200), rng.IntN(150))
			}
		})
	}
}

func checkGemm(t *testing.T, rng *rand.Rand) {
	t.Helper()
	checkGemmShape(t, rng, rng.IntN(24), rng.IntN(68), rng.IntN(24))
}

func checkGemmShape(t *testing.T, rng *rand.Rand, m, n, k int) {
	t.Helper()
	rsa, csa := k+rng.IntN(3), 1
	switch rng.IntN(3) {
	case 1:
		rsa, csa = 1, m+rng.IntN(3)
	case 2:
		rsa, csa = 2*k+1, 2
	}
	ldb, ldc := n+rng.IntN(4), n+rng.IntN(4)
	fill := normals
	if rng.IntN(4) == 0 {
		fill = testValues
	}
	size := func(rows, cols, rs, cs int) int {
		if rows == 0 || cols == 0 {
			return 0
		}
		return (rows-1)*rs + (cols-1)*cs + 1
	}
	a := fill(rng, size(m, k, rsa, csa))
	b := fill(rng, size(k, n, ldb, 1))
	c := guard(rng, size(m, n, ldc, 1))
	for i := range m { // gaps between rows stay canaries
		copy(c.mid[i*ldc:][:n], fill(rng, n))
		if n == 0 {
			break
		}
	}
	want := append([]float32(nil), c.mid...)
	e := Epilogue{Relu: rng.IntN(2) == 0}
	if rng.IntN(2) == 0 {
		e.Bias = normals(rng, n)
	}
	accumulate := rng.IntN(2) == 0
	what := fmt.Sprintf("m=%d n=%d k=%d rsa=%d csa=%d ldb=%d ldc=%d accumulate=%v bias=%v relu=%v", m, n, k, rsa, csa, ldb, ldc, accumulate, e.Bias != nil, e.Relu)
	Gemm(m, n, k, a, rsa, csa, b, ldb, c.mid, ldc, accumulate, e)
	if m > 0 && n > 0 {
		gemmGo(m, n, k, a, rsa, csa, b, ldb, want, ldc, accumulate, e)
	}
	sameBits(t, what, c.mid, want)
	c.check(t, what)
}

func checkVector(t *testing.T, rng *rand.Rand, o op, n int) {
	t.Helper()
	what := fmt.Sprintf("%v of %d", o, n)
	x, y := testValues(rng, n), testValues(rng, n)
	dst := guard(rng, n)
	copy(dst.mid, testValues(rng, n))
	want := append([]float32(nil), dst.mid...)
	switch {
	case o <= opTanh:
		map1(o, dst.mid, x)
		unaryGo(o, want, x)
	case o <= opTanhGrad:
		map2(o, dst.mid, x, y)
		binaryGo(o, want, x, y)
	case o <= opAxpy:
		mapScalar(o, dst.mid, x, 0.3)
		scalarGo(o, want, x, 0.3)
	case o <= opSquaredDiff:
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
	default:
		checkOptimizer(t, rng, o, n)
		return
	}
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

func checkOptimizer(t *testing.T, rng *rand.Rand, o op, n int) {
	t.Helper()
	w, m, v := guard(rng, n), guard(rng, n), guard(rng, n)
	g := normals(rng, n)
	copy(w.mid, normals(rng, n))
	copy(m.mid, normals(rng, n))
	copy(v.mid, squares(rng, n))
	clone := func(g guarded) []float32 { return append([]float32(nil), g.mid...) }
	w2, m2, v2 := clone(w), clone(m), clone(v)
	switch o {
	case opAdam:
		p := AdamParams{LR: 1e-2, Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .1, Decoupled: n%2 == 0, Step: 1 + n, Scale: float32(n % 3)}
		c := p.consts()
		Adam(w.mid, g, m.mid, v.mid, p)
		adamGo(w2, g, m2, v2, &c)
	case opSGD:
		p := SGDParams{LR: .1, Momentum: .9, Nesterov: n%2 == 0, Decay: .01}
		c := sgdConsts{1, .01, .9, -.1, uint64(1 - n%2)}
		vel, vel2 := m.mid, m2
		if n%3 == 0 {
			vel, vel2 = nil, nil
		}
		SGD(w.mid, g, vel, p)
		sgdGo(w2, g, vel2, &c)
	case opRMSProp:
		p := RMSPropParams{LR: .1, Rho: .9, Eps: 1e-6, Decay: .01}
		c := rmsConsts{1, .01, .9, float32(1 - float64(p.Rho)), 1e-6, -.1}
		RMSProp(w.mid, g, v.mid, p)
		rmsPropGo(w2, g, v2, &c)
	}
	for _, s := range []struct {
		got  guarded
		want []float32
	}{{w, w2}, {m, m2}, {v, v2}} {
		sameBits(t, o.String(), s.got.mid, s.want)
		s.got.check(t, o.String())
	}
}

// TestGemmReference holds the product to float64: k roundings of at most half a unit of the running magnitude.
func TestGemmReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 40 {
		m, n, k := 1+rng.IntN(20), 1+rng.IntN(68), rng.IntN(300)
		a, b, c := normals(rng, m*k), normals(rng, k*n), normals(rng, m*n)
		start := append([]float32(nil), c...)
		bias := normals(rng, n)
		Gemm(m, n, k, a, 1, m, b, n, c, n, true, Epilogue{Bias: bias, Relu: true})
		for i := range m {
			for j := range n {
				v := float64(start[i*n+j])
				size := math.Abs(v)
				for p := range k {
					x := float64(a[i+p*m]) * float64(b[p*n+j])
					v += x
					size += math.Abs(x)
				}
				v = max(0, v+float64(bias[j]))
				size += math.Abs(float64(bias[j]))
				if d := math.Abs(float64(c[i*n+j]) - v); d > float64(k+2)*0x1p-24*size {
					t.Fatalf("m=%d n=%d k=%d: [%d %d] is %g, want %g", m, n, k, i, j, c[i*n+j], v)
				}
			}
		}
	}
}

// TestGemmIndependence: a row's bits do not depend on the rows and columns beside it, nor on where its chain is interrupted.
func TestGemmIndependence(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	const m, n, k = 23, 61, 131
	a, b := normals(rng, m*k), normals(rng, k*n)
	c := make([]float32, m*n)
	Gemm(m, n, k, a, k, 1, b, n, c, n, false, Epilogue{})
	row := make([]float32, n)
	for i := range m {
		Gemm(1, n, k, a[i*k:], k, 1, b, n, row, n, false, Epilogue{})
		sameBits(t, "one row", row, c[i*n:][:n])
	}
	d := make([]float32, m*n)
	for p := 0; p < k; p += 50 {
		Gemm(m, n, min(50, k-p), a[p:], k, 1, b[p*n:], n, d, n, p > 0, Epilogue{})
	}
	sameBits(t, "three stretches of k", d, c)
	at, bt, ct := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	Transpose(m, k, a, k, at, m)
	Transpose(k, n, b, n, bt, k)
	Gemm(n, m, k, bt, k, 1, at, m, ct, m, false, Epilogue{})
	Transpose(n, m, ct, m, d, n)
	sameBits(t, "transposed product", d, c)
}
