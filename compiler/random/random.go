// Package random gives counter-based random streams: draw i of a key is a pure function of key and i.
//
// A [Key] names a stream and holds no position, so draws need no order, no lock and no memory, and may be made
// by any number of goroutines. Everything random in a run comes from one seed, by way of [Key.Derive]:
//
//	masks := random.New(seed).DeriveString("dropout").Derive(update, use, row)
//	keep := masks.Float32(i) < p
//
// Your own initializer (spec.Init) is given the key of its parameter. An op that draws derives its key from the seed,
// the update and a number that is unique to it in the graph (ir.Drawer). It numbers its draws by the row's place in
// the whole update, so no mask depends on how rows are divided.
//
// The generator is Philox4x32 with ten rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). Integers and uniform floats have the same bits on every platform; [Key.Normal] and
// [Key.Normal32] use package math, which may differ in the last bit of a float64 between architectures.
//
// Different kinds of draws from one key come from the same blocks: Uint64, Float64 and Normal at one index are not
// independent of each other. Derive a key for each purpose.
package random

import (
	"math"
	"math/bits"
)

// Key names a random stream. Keys are comparable; equal keys give equal draws. The zero Key is a valid stream.
type Key struct {
	key   uint64 // Philox's key
	tweak uint64 // the upper half of Philox's counter; the lower half is the block's number
}

// New returns the root key of a seed.
func New(seed uint64) Key { return Key{key: seed}.Derive(rootDomain) }

const (
	rootDomain   = 0x6c616d696e61 // so that a root is not a bare counter
	deriveDomain = 0x9e3779b97f4a7c15
	stringDomain = 0xd1b54a32d192ed03
)

// Derive returns the key of a child stream for each sequence of parts. Derive(a, b) equals Derive(a).Derive(b),
// and Derive() is the key itself.
func (k Key) Derive(parts ...uint64) Key {
	for _, p := range parts {
		// The other domain keeps children apart from the draws of k.
		a, b := philox(p, k.tweak, k.key^deriveDomain)
		k = Key{key: a, tweak: b}
	}
	return k
}

// DeriveString returns the key of a child stream named by s. Names of any length are told apart.
func (k Key) DeriveString(s string) Key {
	k = k.Derive(stringDomain, uint64(len(s)))
	for len(s) > 0 {
		var part uint64
		n := min(len(s), 8)
		for i := range n {
			part |= uint64(s[i]) << (8 * i)
		}
		k, s = k.Derive(part), s[n:]
	}
	return k
}

// Uint32 returns draw i as 32 uniform bits.
func (k Key) Uint32(i uint64) uint32 {
	a, b := philox(i>>2, k.tweak, k.key)
	if i&2 != 0 {
		a = b
	}
	return uint32(a >> (32 * (i & 1)))
}

// Uint64 returns draw i as 64 uniform bits.
func (k Key) Uint64(i uint64) uint64 {
	a, b := philox(i>>1, k.tweak, k.key)
	if i&1 != 0 {
		return b
	}
	return a
}

// Float64 returns draw i, uniform in [0, 1) with 53 bits.
func (k Key) Float64(i uint64) float64 { return float64(k.Uint64(i)>>11) * 0x1p-53 }

// Float32 returns draw i, uniform in [0, 1) with 24 bits.
func (k Key) Float32(i uint64) float32 { return float32(k.Uint32(i)>>8) * 0x1p-24 }

// Uint64N returns draw i, uniform in [0, n). The bias is below n/2^64. It returns 0 if n is 0.
func (k Key) Uint64N(i, n uint64) uint64 {
	hi, _ := bits.Mul64(k.Uint64(i), n)
	return hi
}

// Normal returns draw i of the normal distribution with mean 0 and variance 1 (Box and Muller 1958).
func (k Key) Normal(i uint64) float64 {
	a, b := philox(i>>1, k.tweak, k.key)
	u := 1 - float64(a>>11)*0x1p-53 // in (0, 1], so the logarithm is finite
	r := math.Sqrt(-2 * math.Log(u))
	sin, cos := math.Sincos(2 * math.Pi * (float64(b>>11) * 0x1p-53))
	if i&1 != 0 {
		return r * sin
	}
	return r * cos
}

// Block returns block i of the stream as two halves: draws 4i to 4i+3 of Uint32, low word first.
func (k Key) Block(i uint64) (lo, hi uint64) { return philox(i, k.tweak, k.key) }

// Words returns what the stream depends on: Philox's key and the upper half of its counter, whose lower half is the
// number of the block.
func (k Key) Words() (key, tweak uint64) { return k.key, k.tweak }

// Normal32 returns draw i of the normal distribution with mean 0 and variance 1 made of single-precision uniforms (Box
// and Muller 1958), two from each half of a block: with words w, t of the half,
//
//	u = float32((w>>1)·2^-31 + 2^-32), w>>1 first rounded to float32;  r = √(-2·ln u), at most 6.67
//	draws r·cos(2π·t/2^32) and r·sin(2π·t/2^32), the angle within a quadrant of the 32 first rounded to float32
//
// The value is that of exact arithmetic after these roundings, to the precision of float64.
func (k Key) Normal32(i uint64) float64 {
	half, b := philox(i>>2, k.tweak, k.key)
	if i&2 != 0 {
		half = b
	}
	r, angle := polar32(half)
	sin, cos := math.Sincos(angle)
	if i&1 != 0 {
		return r * sin
	}
	return r * cos
}

// polar32 returns radius and angle of the two normal draws of half a block.
func polar32(half uint64) (r, angle float64) {
	w, t := uint32(half), uint32(half>>32)+1<<29
	u := float32(float64(float32(int32(w>>1)))*0x1p-31 + 0x1p-32)
	z := float64(float32(int32(t&(1<<30-1)) - 1<<29))
	return math.Sqrt(-2 * math.Log(float64(u))), (math.Pi / 2) * (float64(t>>30) + z*0x1p-30)
}

// FillFloat32 sets dst[j] to Float32(i+j).
func (k Key) FillFloat32(dst []float32, i uint64) {
	for len(dst) > 0 && i&3 != 0 {
		dst[0] = k.Float32(i)
		dst, i = dst[1:], i+1
	}
	for ; len(dst) >= 4; dst, i = dst[4:], i+4 {
		a, b := philox(i>>2, k.tweak, k.key)
		dst[0] = float32(uint32(a)>>8) * 0x1p-24
		dst[1] = float32(uint32(a>>32)>>8) * 0x1p-24
		dst[2] = float32(uint32(b)>>8) * 0x1p-24
		dst[3] = float32(uint32(b>>32)>>8) * 0x1p-24
	}
	for j := range dst {
		dst[j] = k.Float32(i + uint64(j))
	}
}

// FillNormal32 sets dst[j] to float32(Normal32(i+j)).
func (k Key) FillNormal32(dst []float32, i uint64) {
	for j := range dst {
		dst[j] = float32(k.Normal32(i + uint64(j)))
	}
}

// Perm returns a random permutation of 0 … n-1; it is empty if n is not positive.
func (k Key) Perm(n int) []int {
	p := make([]int, max(n, 0))
	k.PermInto(p)
	return p
}

// PermInto fills dst with the permutation that Perm(len(dst)) returns (Fisher and Yates).
func (k Key) PermInto(dst []int) {
	for i := range dst {
		dst[i] = i
	}
	i := len(dst) - 1
	if i > 0 && i&1 == 0 {
		j := k.Uint64N(uint64(i), uint64(i)+1)
		dst[i], dst[j] = dst[j], dst[i]
		i--
	}
	swap := func(i int, lo, hi uint64) { // one block has the draws of i and i-1
		j, _ := bits.Mul64(hi, uint64(i)+1)
		dst[i], dst[j] = dst[j], dst[i]
		j, _ = bits.Mul64(lo, uint64(i))
		dst[i-1], dst[j] = dst[j], dst[i-1]
	}
	for ; i > 2; i -= 4 {
		lo, hi, lo2, hi2 := philoxPair(uint64(i)>>1, k.tweak, k.key)
		swap(i, lo, hi)
		swap(i-2, lo2, hi2)
	}
	if i > 0 {
		lo, hi := philox(uint64(i)>>1, k.tweak, k.key)
		swap(i, lo, hi)
	}
}

// philoxPair is philox of c0 and of c0-1: two chains that run beside each other.
func philoxPair(c0, c1, key uint64) (a, b, c, d uint64) {
	const m0, m1 = 0xD2511F53, 0xCD9E8D57
	x0, x1, x2, x3 := uint32(c0), uint32(c0>>32), uint32(c1), uint32(c1>>32)
	y0, y1, y2, y3 := uint32(c0-1), uint32((c0-1)>>32), x2, x3
	k0, k1 := uint32(key), uint32(key>>32)
	for range 10 {
		p0, p1 := uint64(x0)*m0, uint64(x2)*m1
		q0, q1 := uint64(y0)*m0, uint64(y2)*m1
		x0, x1, x2, x3 = uint32(p1>>32)^x1^k0, uint32(p1), uint32(p0>>32)^x3^k1, uint32(p0)
		y0, y1, y2, y3 = uint32(q1>>32)^y1^k0, uint32(q1), uint32(q0>>32)^y3^k1, uint32(q0)
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return uint64(x0) | uint64(x1)<<32, uint64(x2) | uint64(x3)<<32, uint64(y0) | uint64(y1)<<32, uint64(y2) | uint64(y3)<<32
}

// philox is Philox4x32-10 on the counter (c0, c1) as two 64-bit halves, low word first.
func philox(c0, c1, key uint64) (uint64, uint64) {
	const m0, m1 = 0xD2511F53, 0xCD9E8D57
	x0, x1, x2, x3 := uint32(c0), uint32(c0>>32), uint32(c1), uint32(c1>>32)
	k0, k1 := uint32(key), uint32(key>>32)
	for range 10 {
		p0, p1 := uint64(x0)*m0, uint64(x2)*m1
		x0, x1, x2, x3 = uint32(p1>>32)^x1^k0, uint32(p1), uint32(p0>>32)^x3^k1, uint32(p0)
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return uint64(x0) | uint64(x1)<<32, uint64(x2) | uint64(x3)<<32
}
