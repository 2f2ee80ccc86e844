package simd

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/internal/float16"
)

// bf16Values draws bf16 numbers of a kind: ordinary ones, products about the least normal number and below, sums whose exact
// value is a tie, every bit pattern with NaN and infinities, and a mix.
func bf16Values(rng *rand.Rand, kind, n int) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		k := kind
		if k == 5 {
			k = rng.IntN(5)
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
		}
	}
	return x
}

// bf16Starts draws float32 values of C of the same kinds.
func bf16Starts(rng *rand.Rand, kind, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		k := kind
		if k == 5 {
			k = rng.IntN(5)
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
		}
	}
	return x
}

// bf16Exact computes one element of a product of two by the words of the definition, with numbers of any precision.
func bf16Exact(k int, a, b func(p int) uint16, start float32, accumulate bool) float32 {
	daz := func(x float32) float32 {
		if math.Abs(float64(x)) < 0x1p-126 {
			return float32(math.Copysign(0, float64(x)))
		}
		return x
	}
	fused := func(x, y, z float32) float32 { // rounds once
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
			chain[p&1] = fused(x, y, chain[p&1])
		}
		start = fused(1, start, fused(1, chain[0], chain[1]))
	}
	return start
}

// TestBF16Exact holds the portable product to the words of its definition.
func TestBF16Exact(t *testing.T) {
	rng := rand.New(rand.NewPCG(30, 1))
	for trial := range 3000 {
		kind := trial % 6
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
	kind := rng.IntN(6)
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
	for _, set := range []isa{isaGo, isaAVX2, isaAVX512, isaNEON} {
		t.Run(set.String(), func(t *testing.T) {
			if set == isaNEON && !available(set) {
				t.Skip("another architecture")
			}
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
