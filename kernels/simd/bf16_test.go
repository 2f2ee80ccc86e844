package simd

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/float16"
)

// bf16Sets are those of this architecture, whether the CPU has them or not.
var bf16Sets = map[string][]isa{"amd64": {isaGo, isaAVX2, isaAVX512}, "arm64": {isaGo, isaNEON}}[runtime.GOARCH]

// bf16Kinds is the number of kinds of values.
const bf16Kinds = 7

// bf16Values draws bf16 numbers of a kind: ordinary ones; products about the least normal number; sums whose exact value is a
// tie; every bit pattern, with NaN and infinities; 0, subnormal and least normal ones; products of which one is the least
// normal number and another, of the other sign, about what it may lose before rounding no longer restores it; and a mix.
func bf16Values(rng *rand.Rand, kind, n int) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		k := kind
		if k == bf16Kinds-1 {
			k = rng.IntN(bf16Kinds - 1)
		}
		sign := uint16(rng.IntN(2)) << 15
		mantissa := uint16(rng.IntN(128))
		if rng.IntN(2) == 0 {
			mantissa &= 0x61 // few bits, which cancel and tie
		}
		switch k {
		case 0:
			x[i] = float16.BrainOf(float32(rng.NormFloat64()))
		case 1: // exponents of a product from -134 to -118
			x[i] = sign | uint16(127-63-4+rng.IntN(8))<<7 | mantissa
		case 2: // ties: exponents of products that are 24 apart
			x[i] = sign | uint16(127+6*rng.IntN(3)-6)<<7 | mantissa
		case 3:
			x[i] = uint16(rng.Uint32())
		case 4: // 0, subnormal, least normal
			x[i] = sign | uint16(rng.IntN(3))<<7 | mantissa*uint16(rng.IntN(2))
		case 5: // exponents of a product -126, and -150 to -154
			x[i] = sign | uint16(127-63-[]int{0, 0, 12, 13, 14}[rng.IntN(5)])<<7 | mantissa&1*uint16(rng.IntN(2))
		}
	}
	return x
}

// bf16Starts draws float32 values of C of the same kinds.
func bf16Starts(rng *rand.Rand, kind, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		k := kind
		if k == bf16Kinds-1 {
			k = rng.IntN(bf16Kinds - 1)
		}
		bits := rng.Uint32()
		switch k {
		case 0:
			x[i] = float32(rng.NormFloat64())
		case 1:
			x[i] = math.Float32frombits(bits&0x807fffff | uint32(rng.IntN(8))<<23)
		case 2:
			x[i] = math.Float32frombits(bits&0x80000003 | uint32(127-12+6*rng.IntN(5))<<23)
		case 3:
			x[i] = math.Float32frombits(bits)
		case 4:
			x[i] = math.Float32frombits(bits&0x80000001 | uint32(rng.IntN(3))<<23)
		case 5:
			x[i] = math.Float32frombits(bits&0x80000003 | 1<<23)
		}
	}
	return x
}

// fusedFlush is x·y + z by the words of the definition, with numbers of any precision: subnormal operands count as 0, the
// result is rounded once to 24 bits, and one that is tiny then is 0.
func fusedFlush(x, y, z float32) float32 {
	daz := func(x float32) float32 {
		if math.Abs(float64(x)) < 0x1p-126 {
			return float32(math.Copysign(0, float64(x)))
		}
		return x
	}
	x, y, z = daz(x), daz(y), daz(z)
	special := float64(x)*float64(y) + float64(z)
	if math.IsNaN(special) || math.IsInf(special, 0) || special == 0 { // a sum of 0 is exact
		return float32(special)
	}
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(float64(v)) }
	sum := exact(x)
	sum.Mul(sum, exact(y)).Add(sum, exact(z))
	sum.SetMode(big.ToNearestEven).SetPrec(24) // exponents have no lower limit
	if new(big.Float).Abs(sum).Cmp(big.NewFloat(0x1p-126)) < 0 {
		return float32(math.Copysign(0, special))
	}
	v, _ := sum.Float32()
	return v
}

// bf16Exact computes one element of a product by the words of the definition.
func bf16Exact(k int, a, b func(p int) uint16, start float32, accumulate bool) float32 {
	if !accumulate {
		start = 0
	}
	for p0 := 0; p0 < k; p0 += 32 {
		var chain [2]float32
		for p := p0; p < p0+32; p++ {
			var x, y float32
			if p < k {
				x, y = float16.Brain(a(p)), float16.Brain(b(p))
			}
			chain[p&1] = fusedFlush(x, y, chain[p&1])
		}
		start = fusedFlush(1, start, fusedFlush(1, chain[0], chain[1]))
	}
	return start
}

// TestBF16Exact holds the portable product to the words of its definition.
func TestBF16Exact(t *testing.T) {
	rng := rand.New(rand.NewPCG(30, 1))
	for trial := range 3000 {
		kind := trial % bf16Kinds
		m, n, k := 1+rng.IntN(3), 1+rng.IntN(9), []int{1, 2, 3, 30, 31, 32, 33, 40, 64, 70}[rng.IntN(10)]
		if trial%3 > 0 {
			k = 1 + rng.IntN(6)
		}
		a, b, c := bf16Values(rng, kind, m*k), bf16Values(rng, kind, k*n), bf16Starts(rng, kind, m*n)
		accumulate := rng.IntN(2) == 0
		want := make([]float32, m*n)
		for i := range m {
			for j := range n {
				want[i*n+j] = bf16Exact(k, func(p int) uint16 { return a[i*k+p] }, func(p int) uint16 { return b[p*n+j] }, c[i*n+j], accumulate)
			}
		}
		gemmBF16Go(m, n, k, a, k, 1, bf16Right{b: b, rs: n, cs: 1}, c, n, accumulate)
		sameBits(t, fmt.Sprintf("kind %d, %d by %d by %d, accumulate %v", kind, m, n, k, accumulate), c, want)
	}
}

// checkBF16 holds a product in the set in use, of either kind of right operand, to the portable one.
func checkBF16(t *testing.T, rng *rand.Rand, m, n, k int) {
	t.Helper()
	kind := rng.IntN(bf16Kinds)
	rsa, csa := k+rng.IntN(3), 1
	switch rng.IntN(5) {
	case 0, 1:
		rsa, csa = 1, m+rng.IntN(3)
	case 2:
		rsa, csa = 2*k+1, 2
	}
	rsb, csb := n+rng.IntN(3), 1
	switch rng.IntN(5) {
	case 0, 1:
		rsb, csb = 1, k+rng.IntN(3)
	case 2:
		rsb, csb = 2*n+1, 2
	}
	size := func(rows, cols, rs, cs int) int {
		if rows == 0 || cols == 0 {
			return 0
		}
		return (rows-1)*rs + (cols-1)*cs + 1
	}
	a, b := bf16Values(rng, kind, size(m, k, rsa, csa)), bf16Values(rng, kind, size(k, n, rsb, csb))
	ldc := n + rng.IntN(4)
	c := guard(rng, size(m, n, ldc, 1))
	for i := range m {
		if n > 0 {
			copy(c.mid[i*ldc:][:n], bf16Starts(rng, kind, n))
		}
	}
	e := Epilogue{Relu: rng.IntN(3) == 0}
	if rng.IntN(3) == 0 {
		e.Bias = testValues(rng, n)
	}
	if rng.IntN(3) == 0 {
		e.LDMask = n + rng.IntN(4)
		e.Mask = testValues(rng, size(m, n, e.LDMask, 1))
	}
	accumulate := rng.IntN(2) == 0
	what := fmt.Sprintf("kind %d m=%d n=%d k=%d rsa=%d csa=%d rsb=%d csb=%d ldc=%d accumulate=%v bias=%v relu=%v mask=%v", kind, m, n, k, rsa, csa, rsb, csb, ldc, accumulate, e.Bias != nil, e.Relu, e.Mask != nil)
	want := append([]float32(nil), c.mid...)
	if m > 0 && n > 0 {
		if k > 0 {
			gemmBF16Go(m, n, k, a, rsa, csa, bf16Right{b: b, rs: rsb, cs: csb}, want, ldc, accumulate)
		}
		gemmGo(m, n, 0, nil, 0, 0, nil, 0, want, ldc, accumulate || k > 0, e)
	}
	before := append([]float32(nil), c.mid...)
	tmp := guard(rng, BF16Scratch(m, n, k))
	copy(tmp.mid, testValues(rng, len(tmp.mid)))
	GemmBF16(m, n, k, a, rsa, csa, b, rsb, csb, c.mid, ldc, accumulate, e, tmp.mid)
	sameBits(t, what, c.mid, want)
	c.check(t, what)
	tmp.check(t, what)
	if rng.IntN(2) == 0 {
		return
	}
	tiles := make([]uint16, BF16Tiles(k, n))
	for p := range k {
		for j := range n {
			tiles[bf16TileAt(k, p, j)] = b[p*rsb+j*csb]
		}
	}
	copy(c.mid, before)
	GemmBF16Tiles(m, n, k, a, rsa, csa, tiles, c.mid, ldc, accumulate, e, tmp.mid)
	sameBits(t, what+", packed", c.mid, want)
	c.check(t, what)
	tmp.check(t, what)
}

// checkBF16Row holds one operation to the portable one.
func checkBF16Row(t *testing.T, rng *rand.Rand, o op) {
	t.Helper()
	if o == opBF16Gemm {
		for range 60 {
			checkBF16(t, rng, rng.IntN(24), rng.IntN(60), rng.IntN(80))
		}
		return
	}
	for n := range 70 {
		x, y := testValues(rng, n), bf16Values(rng, 3, n)
		switch o {
		case opBF16Round:
			got, want := make([]uint16, n+2), make([]uint16, n)
			got[0], got[n+1] = 0xbeef, 0xbeef
			ToBF16(got[1:n+1], x)
			toBF16Go(want, x)
			if !slices.Equal(got[1:n+1], want) || got[0] != 0xbeef || got[n+1] != 0xbeef {
				t.Fatalf("%d elements: %x becomes %x, want %x", n, x, got, want)
			}
		case opBF16Widen:
			dst, want := guard(rng, n), make([]float32, n)
			FromBF16(dst.mid, y)
			fromBF16Go(want, y)
			sameBits(t, fmt.Sprintf("%d elements", n), dst.mid, want)
			dst.check(t, fmt.Sprintf("%d elements", n))
		case opBF16Pack:
			checkBF16Pack(t, rng, 1+rng.IntN(100), 1+n)
		}
	}
}

// checkBF16Pack packs a matrix in parts, and holds each part to the portable rounding: nothing but the part is written.
func checkBF16Pack(t *testing.T, rng *rand.Rand, k, n int) {
	t.Helper()
	rsb, csb := n+rng.IntN(3), 1
	switch rng.IntN(3) {
	case 0:
		rsb, csb = 1, k+rng.IntN(3)
	case 1:
		rsb, csb = 2*n+1, 2
	}
	b := testValues(rng, (k-1)*rsb+(n-1)*csb+1)
	const before = 0x7fc1 // a NaN that rounding does not make
	got := make([]uint16, BF16Tiles(k, n)+2)
	for i := range got {
		got[i] = before
	}
	tiles := got[1 : len(got)-1]
	want := slices.Clone(tiles)
	cut := func(n int) []int { // begin and end of parts
		at := []int{0}
		for at[len(at)-1] < n {
			at = append(at, min(n, at[len(at)-1]+1+rng.IntN(1+rng.IntN(n))))
		}
		return at
	}
	ks, js := cut(k), cut(n)
	type part struct{ k0, k1, j0, j1 int }
	var parts []part
	for i := range len(ks) - 1 {
		for j := range len(js) - 1 {
			parts = append(parts, part{ks[i], ks[i+1], js[j], js[j+1]})
		}
	}
	rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, q := range parts {
		what := fmt.Sprintf("k=%d n=%d rsb=%d csb=%d part %v", k, n, rsb, csb, q)
		PackBF16Tiles(tiles, k, n, b, rsb, csb, q.k0, q.k1, q.j0, q.j1)
		for p := q.k0; p < (k+31)/32*32 && (p < q.k1 || q.k1 == k); p++ {
			for j := q.j0; j < (n+15)/16*16 && (j < q.j1 || q.j1 == n); j++ {
				at := &want[bf16TileAt(k, p, j)]
				if *at = 0; p < k && j < n {
					*at = float16.BrainOf(b[p*rsb+j*csb])
				}
			}
		}
		if !slices.Equal(tiles, want) {
			for p := range (k + 31) / 32 * 32 {
				for j := range (n + 15) / 16 * 16 {
					if at := bf16TileAt(k, p, j); tiles[at] != want[at] {
						t.Fatalf("%s: (%d, %d) is %04x, want %04x", what, p, j, tiles[at], want[at])
					}
				}
			}
		}
	}
	if slices.Contains(want, before) || got[0] != before || got[len(got)-1] != before {
		t.Fatalf("k=%d n=%d: the parts are not the whole", k, n)
	}
}

// TestBF16Sets runs shapes of several blocks, panels and strips in every set.
func TestBF16Sets(t *testing.T) {
	for _, set := range bf16Sets {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(31, uint64(set)))
			for range 150 {
				checkBF16(t, rng, rng.IntN(40), rng.IntN(120), rng.IntN(300))
			}
			for range 300 {
				checkBF16(t, rng, rng.IntN(20), rng.IntN(60), rng.IntN(70))
			}
			for range 3 {
				checkBF16(t, rng, bf16BlockRows+rng.IntN(40), rng.IntN(60), rng.IntN(80))
				checkBF16(t, rng, rng.IntN(20), rng.IntN(60), 1000+rng.IntN(80))
			}
		})
	}
}

// TestBF16Edges computes millions of short chains about the edges of the definition, those that flush and those that tie
// among them, in every set.
func TestBF16Edges(t *testing.T) {
	const m, n = 64, 48
	for _, set := range bf16Sets[1:] {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(34, uint64(set)))
			flushed, rounded := 0, 0
			for trial := range 600 {
				kind, k := trial%bf16Kinds, 1+rng.IntN(5)
				if trial%10 == 0 {
					k = 30 + rng.IntN(5)
				}
				a, b, c := bf16Values(rng, kind, m*k), bf16Values(rng, kind, k*n), bf16Starts(rng, kind, m*n)
				want := slices.Clone(c)
				accumulate := rng.IntN(4) > 0
				gemmBF16Go(m, n, k, a, k, 1, bf16Right{b: b, rs: n, cs: 1}, want, n, accumulate)
				GemmBF16(m, n, k, a, k, 1, b, n, 1, c, n, accumulate, Epilogue{}, make([]float32, BF16Scratch(m, n, k)))
				sameBits(t, fmt.Sprintf("kind %d, %d steps", kind, k), c, want)
				for _, v := range c {
					if v == 0 {
						flushed++
					}
					if math.Abs(float64(v)) == 0x1p-126 {
						rounded++
					}
				}
			}
			if flushed < 1000 || rounded < 100 {
				t.Errorf("%d results of 0 and %d of the least normal number: too few of the edges are met", flushed, rounded)
			}
		})
	}
}

// TestBF16RoundsUp: 2^-126 - 2^-152 lies below the least normal number and rounds to it, so that it is not flushed; with
// 2^-150 subtracted it is tiny.
func TestBF16RoundsUp(t *testing.T) {
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			for _, c := range []struct {
				less int
				want float32
			}{{-152, 0x1p-126}, {-151, 0x1p-126}, {-150, 0}} {
				bf := func(e int) uint16 { return float16.BrainOf(float32(math.Ldexp(1, e))) }
				a := []uint16{bf(-63), 0, bf(-75)}
				b := []uint16{bf(-63), 0, bf(c.less+75) | 1<<15}
				got := make([]float32, 1)
				GemmBF16(1, 1, 3, a, 3, 1, b, 1, 1, got, 1, false, Epilogue{}, make([]float32, BF16Scratch(1, 1, 3)))
				sameBits(t, fmt.Sprintf("2^-126 - 2^%d", c.less), got, []float32{c.want})
			}
		})
	}
}

// TestBF16Splits: the bits of a product are those of its parts, cut anywhere in m and n and at multiples of 32 in k.
func TestBF16Splits(t *testing.T) {
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			rng := rand.New(rand.NewPCG(35, 35))
			for trial := range 2 * bf16Kinds {
				m, n, k := 1+rng.IntN(50), 1+rng.IntN(70), 1+rng.IntN(300)
				a, b := bf16Values(rng, trial%bf16Kinds, m*k), bf16Values(rng, trial%bf16Kinds, k*n)
				whole, parts := make([]float32, m*n), make([]float32, m*n)
				tmp := make([]float32, BF16Scratch(m, n, k))
				GemmBF16(m, n, k, a, k, 1, b, n, 1, whole, n, false, Epilogue{}, tmp)
				for i := 0; i < m; {
					rows := 1 + rng.IntN(m-i)
					for j := 0; j < n; {
						cols := 1 + rng.IntN(n-j)
						for p := 0; p < k; {
							steps := min(k-p, BF16Block*(1+rng.IntN(5)))
							GemmBF16(rows, cols, steps, a[i*k+p:], k, 1, b[p*n+j:], n, 1, parts[i*n+j:], n, p > 0, Epilogue{}, tmp)
							p += steps
						}
						j += cols
					}
					i += rows
				}
				sameBits(t, fmt.Sprintf("%d by %d by %d in parts", m, n, k), parts, whole)
			}
		})
	}
}

// TestBF16Rounding holds roundings to the conversion that Cast makes, over numbers of every exponent, ties and NaN.
func TestBF16Rounding(t *testing.T) {
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			x, y := make([]float32, 1<<16), make([]uint16, 1<<16)
			for _, low := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
				for i := range x {
					x[i] = math.Float32frombits(uint32(i)<<16 | low)
				}
				ToBF16(y, x)
				for i, v := range x {
					if want := float16.BrainOf(v); y[i] != want {
						t.Fatalf("%v (%#08x) is %04x, want %04x", v, u32(v), y[i], want)
					}
				}
			}
		})
	}
}

// TestBF16Refuses: what does not fit panics before anything is written.
func TestBF16Refuses(t *testing.T) {
	a, b, c, tmp := make([]uint16, 12), make([]uint16, 12), make([]float32, 9), make([]float32, BF16Scratch(3, 3, 4))
	tiles := make([]uint16, BF16Tiles(4, 3))
	for name, f := range map[string]func(){
		"A":          func() { GemmBF16(3, 3, 4, a[:11], 4, 1, b, 3, 1, c, 3, false, Epilogue{}, tmp) },
		"B":          func() { GemmBF16(3, 3, 4, a, 4, 1, b[:11], 3, 1, c, 3, false, Epilogue{}, tmp) },
		"C":          func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c[:8], 3, false, Epilogue{}, tmp) },
		"rows of C":  func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c, 2, false, Epilogue{}, tmp) },
		"bias":       func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c, 3, false, Epilogue{Bias: c[:2]}, tmp) },
		"the mask":   func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c, 3, false, Epilogue{Mask: c[:8], LDMask: 3}, tmp) },
		"adds":       func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c, 3, false, Epilogue{Plus: c, LDPlus: 3}, tmp) },
		"scratch":    func() { GemmBF16(3, 3, 4, a, 4, 1, b, 3, 1, c, 3, false, Epilogue{}, tmp[1:]) },
		"tiles":      func() { GemmBF16Tiles(3, 3, 4, a, 4, 1, tiles[1:], c, 3, false, Epilogue{}, tmp) },
		"columns 2":  func() { PackBF16Tiles(tiles, 4, 3, make([]float32, 12), 3, 1, 0, 4, 2, 4) },
		"with strid": func() { PackBF16Tiles(tiles, 4, 3, make([]float32, 11), 3, 1, 0, 4, 0, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), name) {
					t.Errorf("panics with %v, want words about %s", r, name)
				}
				if slices.ContainsFunc(c, func(v float32) bool { return v != 0 }) {
					t.Error("C was written")
				}
			}()
			f()
		})
	}
}

// TestBF16Allocates: products and packings allocate nothing, in every set.
func TestBF16Allocates(t *testing.T) {
	const m, n, k = 30, 50, 70
	a, x, c, tmp, tiles := make([]uint16, m*k), make([]float32, k*n), make([]float32, m*n), make([]float32, BF16Scratch(m, n, k)), make([]uint16, BF16Tiles(k, n))
	b := make([]uint16, k*n)
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			if got := testing.AllocsPerRun(10, func() {
				ToBF16(b, x)
				FromBF16(x, b)
				PackBF16Tiles(tiles, k, n, x, n, 1, 0, k, 0, n)
				PackBF16Tiles(tiles, k, n, x, 1, k, 0, k, 0, n)
				GemmBF16(m, n, k, a, k, 1, b, n, 1, c, n, false, Epilogue{Relu: true}, tmp)
				GemmBF16Tiles(m, n, k, a, 1, m, tiles, c, n, true, Epilogue{}, tmp)
			}); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}
