package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// probabilities are numbers in and a little outside [0, 1], and NaN.
func probabilities(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch x[i] = rng.Float32()*1.2 - 0.1; rng.IntN(16) {
		case 0:
			x[i] = []float32{0, 1, float32(math.NaN()), 0x1p-25, 1 - 0x1p-24}[rng.IntN(5)]
		}
	}
	return x
}

// drawConsts are those of some stream and rate, for a number of draws that a kernel makes in one call: the upper half of
// a block's number is the same in all of them, which randomConsts.draw sees to.
func drawConsts(rng *rand.Rand, draws int) randomConsts {
	c := randomConsts{block: rng.Uint64(), limit: limit24(rng.Float32()), below: -3, above: 0.5}
	if rng.IntN(2) == 0 {
		c.block = c.block&^0xc0 | 0xffffff00 // high bits in every product, and a call's blocks have one upper half
	}
	if over := int64(uint32(c.block)) + int64(draws/4) - 1<<32; over > 0 {
		c.block -= uint64(over) // the last block is the last of its upper half
	}
	c.of(random.New(rng.Uint64()))
	c.opening()
	return c
}

func constBytes(c *randomConsts) []byte {
	b := binary.LittleEndian.AppendUint64(nil, c.block)
	b = binary.LittleEndian.AppendUint64(b, c.tweak)
	for _, k := range c.keys {
		b = binary.LittleEndian.AppendUint32(b, k[0])
		b = binary.LittleEndian.AppendUint32(b, k[1])
	}
	b = binary.LittleEndian.AppendUint32(b, c.limit)
	b = binary.LittleEndian.AppendUint32(b, u32(c.below))
	b = binary.LittleEndian.AppendUint32(b, u32(c.above))
	b = append(b, make([]byte, 4)...)
	for _, lanes := range c.open {
		for _, v := range lanes {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	for _, rounds := range c.pairs {
		for _, lanes := range rounds {
			for _, v := range lanes {
				b = binary.LittleEndian.AppendUint64(b, v)
			}
		}
	}
	return b
}

// checkDraws holds what a row draws, from any draw on, to the portable kernels drawing one element at a time.
func checkDraws(t *testing.T, rng *rand.Rand, o op, dst guarded) {
	t.Helper()
	n := len(dst.mid)
	k, coin := random.New(rng.Uint64()), random.New(rng.Uint64())
	first := rng.Uint64N(1 << 40)
	if rng.IntN(2) == 0 {
		first &^= 3
	}
	x, rate := testValues(rng, n), rng.Float32()
	if o == opSample {
		x = probabilities(rng, n)
	}
	run := func(dst, x []float32, first uint64) {
		switch o {
		case opUniform:
			Uniform(dst, k, first)
		case opChoose:
			Choose(dst, k, first, rate, -3, 0.5)
		case opKeep:
			Keep(dst, x, k, first, rate)
		case opReplace:
			SaltAndPepper(dst, x, k, coin, first, rate, -1, 2)
		case opSample:
			Sample(dst, x, k, first)
		case opNormal:
			Normal(dst, k, first)
		case opAddNormal:
			AddNormal(dst, x, k, first, 0.25)
		}
	}
	what := fmt.Sprintf("%d draws of %v from %d", n, o, first)
	src := x
	if rng.IntN(2) == 0 {
		copy(dst.mid, x)
		src = dst.mid
	}
	run(dst.mid, src, first)
	dst.check(t, what)
	old := selected.Load()
	defer selected.Store(old)
	selected.Store(whole(isaGo))
	want := make([]float32, n)
	for i := range want {
		run(want[i:i+1], x[i:i+1], first+uint64(i))
	}
	sameBits(t, what, dst.mid, want)
}

// TestDraws holds every set to package random and to the formulas.
func TestDraws(t *testing.T) {
	const n, first = 2500, 1<<34 - 10
	k, coin := random.New(1), random.New(2)
	p := probabilities(rand.New(rand.NewPCG(1, 2)), n)
	x := normals(rand.New(rand.NewPCG(1, 3)), n)
	for _, set := range Available() {
		use(t, set, set, true)
		u, mask, kept, salted, bits, z, noisy := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		Uniform(u, k, first)
		Choose(mask, k, first, 0.3, -1, 2)
		Keep(kept, x, k, first, 0.3)
		SaltAndPepper(salted, x, k, coin, first, 0.3, -7, 7)
		Sample(bits, p, k, first)
		Normal(z, k, first)
		AddNormal(noisy, x, k, first, 0.25)
		for i := range u {
			d := k.Float32(first + uint64(i))
			want := [5]float32{d, 2, x[i], x[i], 0}
			if d < float32(0.3) {
				want[1], want[2], want[3] = -1, 0, -7
				if coin.Float32(first+uint64(i)) >= 0.5 {
					want[3] = 7
				}
			}
			if d < p[i] {
				want[4] = 1
			}
			if got := [5]float32{u[i], mask[i], kept[i], salted[i], bits[i]}; got != want {
				t.Fatalf("%s: draw %d: %v, want %v", set, i, got, want)
			}
			if w := k.Normal32(first + uint64(i)); math.Abs(float64(z[i])-w) > 2e-6 {
				t.Fatalf("%s: normal draw %d is %v, want %v", set, i, z[i], w)
			} else if w = float64(x[i]) + 0.25*w; math.Abs(float64(noisy[i])-w) > 1e-6 {
				t.Fatalf("%s: noisy element %d is %v, want %v", set, i, noisy[i], w)
			}
		}
	}
}

// TestLimit24 compares the integer threshold with the comparison of floats that it stands for.
func TestLimit24(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	for _, rate := range append(probabilities(rng, 1000), -1, 2, float32(math.Inf(1)), math.SmallestNonzeroFloat32) {
		n := limit24(rate)
		for _, d := range []uint32{0, 1, n - 1, n, n + 1, 1<<24 - 1, rng.Uint32N(1 << 24)} {
			if d >= 1<<24 {
				continue
			}
			if got, want := d < n, float32(d)*0x1p-24 < rate; got != want {
				t.Fatalf("rate %v, draw %d: below is %v, want %v", rate, d, got, want)
			}
		}
	}
}

// TestNormalWords runs the words where radius and angle are extreme against exact arithmetic.
func TestNormalWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	edges := []uint32{0, 1, 2, 3, 1 << 29, 1<<29 - 1, 1 << 30, 1 << 31, 3 << 29, 3 << 30, 1<<31 - 1, math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 - 300}
	worst := 0.0
	for i := range 200000 {
		w, a := rng.Uint32(), rng.Uint32()
		if i < 20000 {
			w, a = edges[i%len(edges)]+uint32(i/400), edges[i/len(edges)%len(edges)]+uint32(i%7)
		}
		u := float32(float64(float32(int32(w>>1)))*0x1p-31 + 0x1p-32)
		r := math.Sqrt(-2 * math.Log(float64(u)))
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(a))
		c, s := normalPair(w, a)
		worst = max(worst, math.Abs(float64(c)-r*cos), math.Abs(float64(s)-r*sin))
	}
	if worst > 1.5e-6 {
		t.Errorf("normal draws are off by up to %v", worst)
	}
	t.Logf("normal draws are off by up to %.3g", worst)
}
