package simd

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
)

// randomConsts is what the drawing kernels read, in this order; gen/random.go has the same offsets.
type randomConsts struct {
	block  uint64 // of the first draw
	tweak  uint64
	keys   [10][2]uint32 // of Philox's rounds
	limit  uint32        // draws of 24 bits below it are below the rate
	below  float32       // in place of a draw below the rate; the deviation of AddNormal
	above  float32
	_      uint32
	open   [4][8]uint64    // of the first two rounds: see opening
	pairs  [4][2][4]uint64 // of each two rounds that follow and each key, the first round's in the high half and the second's in the low
	stream random.Key      // for the portable kernels
}

// Philox' multipliers.
const philox0, philox1 = 0xD2511F53, 0xCD9E8D57

// of sets what depends on the stream.
func (c *randomConsts) of(k random.Key) {
	key, tweak := k.Words()
	c.stream, c.tweak = k, tweak
	k0, k1 := uint32(key), uint32(key>>32)
	for i := range c.keys {
		c.keys[i] = [2]uint32{k0, k1}
		k0, k1 = k0+0x9E3779B9, k1+0xBB67AE85
	}
	for i := range c.pairs {
		for j := range c.pairs[i] {
			v := uint64(c.keys[2*i+2][j])<<32 | uint64(c.keys[2*i+3][j])
			c.pairs[i][j] = [4]uint64{v, v, v, v}
		}
	}
}

// drawUnit is the number of draws that a drawing kernel makes at least.
const drawUnit = 64

// limit24 is the number of draws of 24 bits that are below rate.
func limit24(rate float32) uint32 {
	if !(rate > 0) {
		return 0
	}
	return uint32(math.Ceil(float64(min(rate, 1)) * (1 << 24)))
}

// opening sets what the first two rounds make of the upper half of the counter's low word and of the tweak, for all blocks
// whose number has this upper half: with p the product of the low half, word 2 after round one is its high half xor the
// first operand; with q the product of that, words 0 to 3 after round two are q's high half xor the second operand, q's
// low half, p's low half xor the third, and the fourth.
func (c *randomConsts) opening() {
	p := philox1 * uint64(uint32(c.tweak))
	q := philox0 * uint64(uint32(p>>32)^uint32(c.block>>32)^c.keys[0][0])
	for i, v := range [4]uint32{uint32(c.tweak>>32) ^ c.keys[0][1], uint32(p) ^ c.keys[1][0], uint32(q>>32) ^ c.keys[1][1], uint32(q)} {
		for j := range c.open[i] {
			c.open[i][j] = uint64(v)
		}
	}
}

// draw runs a drawing kernel for draws first to first+len(dst)-1 of k.
func draw(o op, dst, x, y []float32, k random.Key, first uint64, c randomConsts) {
	c.of(k)
	c.draw(o, dst, x, y, first)
}

// draw runs a drawing kernel for draws first to first+len(dst)-1. Kernels begin at whole blocks, make whole units and take
// the number's upper half for the same in all blocks, so what remains at either end is made in a unit of its own.
func (c *randomConsts) draw(o op, dst, x, y []float32, first uint64) {
	if x != nil {
		need("operand", x, len(dst))
		x = x[:len(dst)]
	}
	if y != nil {
		y = y[:len(dst)]
	}
	isa := selected.Load().isa[o]
	for len(dst) > 0 {
		c.block = first >> 2
		c.opening()
		off := int(first & 3)
		alike := 4*(1<<32-c.block&(1<<32-1)) - uint64(off) // draws until the upper half of the block's number changes
		n := int(min(uint64(len(dst)), alike))
		if whole := n &^ (drawUnit - 1); off == 0 && whole > 0 {
			n = whole
			callRandom(isa, o, dst[:n], upTo(x, n), upTo(y, n), c)
		} else {
			n = min(drawUnit-off, n)
			var d, p, q [drawUnit]float32
			copy(p[off:], upTo(x, n))
			copy(q[off:], upTo(y, n))
			callRandom(isa, o, d[:], p[:], q[:], c)
			copy(dst[:n], d[off:])
		}
		dst, x, y, first = dst[n:], from(x, n), from(y, n), first+uint64(n)
	}
}

func upTo(x []float32, n int) []float32 {
	if x == nil {
		return nil
	}
	return x[:n]
}

func from(x []float32, n int) []float32 {
	if x == nil {
		return nil
	}
	return x[n:]
}

// Uniform sets dst[i] to draw first+i of the stream, uniform in [0, 1) with 24 bits: the bits of random.Key.Float32.
// Like every function here that draws it works on len(dst) elements, panics when an operand is shorter, allows dst to be
// an operand exactly, and gives an element the same bits however a range is cut.
func Uniform(dst []float32, k random.Key, first uint64) {
	draw(opUniform, dst, nil, nil, k, first, randomConsts{})
}

// Choose sets dst[i] to below where the uniform draw first+i is less than rate, and to above elsewhere: a mask of
// Bernoulli draws.
func Choose(dst []float32, k random.Key, first uint64, rate, below, above float32) {
	draw(opChoose, dst, nil, nil, k, first, randomConsts{limit: limit24(rate), below: below, above: above})
}

// Keep sets dst[i] to 0 where the uniform draw first+i is less than rate, and to x[i] elsewhere.
func Keep(dst, x []float32, k random.Key, first uint64, rate float32) {
	need("x", x, len(dst))
	draw(opKeep, dst, x, nil, k, first, randomConsts{limit: limit24(rate)})
}

// SaltAndPepper sets dst[i], where the uniform draw first+i of k is less than rate, to low or high as draw first+i of
// coin is less than 1/2 or not, and to x[i] elsewhere.
func SaltAndPepper(dst, x []float32, k, coin random.Key, first uint64, rate, low, high float32) {
	need("x", x, len(dst))
	sides, places := randomConsts{limit: limit24(0.5), below: low, above: high}, randomConsts{limit: limit24(rate)}
	sides.of(coin)
	places.of(k)
	var side [16 * drawUnit]float32
	for i := 0; i < len(dst); {
		n := min(len(side)-int((first+uint64(i))&3), len(dst)-i) // the next part begins at a whole block
		sides.draw(opChoose, side[:n], nil, nil, first+uint64(i))
		places.draw(opReplace, dst[i:i+n], x[i:i+n], side[:n], first+uint64(i))
		i += n
	}
}

// Sample sets dst[i] to 1 where the uniform draw first+i is less than p[i], and to 0 elsewhere, NaN included. The
// probability of a 1 is p[i] rounded up to a multiple of 2^-24.
func Sample(dst, p []float32, k random.Key, first uint64) {
	need("p", p, len(dst))
	draw(opSample, dst, p, nil, k, first, randomConsts{})
}

// Normal sets dst[i] to draw first+i of random.Key.Normal32, within 2e-6.
func Normal(dst []float32, k random.Key, first uint64) {
	draw(opNormal, dst, nil, nil, k, first, randomConsts{})
}

// AddNormal sets dst[i] to x[i] + sd·z for draw z of Normal, rounded once.
func AddNormal(dst, x []float32, k random.Key, first uint64, sd float32) {
	need("x", x, len(dst))
	draw(opAddNormal, dst, x, nil, k, first, randomConsts{below: sd})
}

// The constants of Normal, as in gen: sine and cosine of a quarter turn times z, |z| <= 1/2, relative errors 3e-9 and
// 6e-11 before rounding (coefficients by Remez' exchange).
const (
	sin0, sin1, sin2, sin3 = 1.5707963705062866, -0.6459634900093079, 0.07968022674322128, -0.004602177068591118
	cos1, cos2, cos3, cos4 = -1.2337005138397217, 0.25366926193237305, -0.020860308781266212, 0.0009040605509653687
)

// normals turns a word for the radius and one for the angle into two normal draws.
func normalPair(w, t uint32) (float32, float32) {
	u := fma(float32(int32(w>>1)), 0x1p-31, 0x1p-32)
	r := sqrt32(logNormal(u) * -2)
	t += 1 << 29
	z := float32(int32(t&(1<<30-1))-1<<29) * 0x1p-30
	q := float32(z * z)
	s := float32(sin3)
	s = fma(s, q, sin2)
	s = fma(s, q, sin1)
	s = fma(s, q, sin0)
	s *= z
	c := float32(cos4)
	c = fma(c, q, cos3)
	c = fma(c, q, cos2)
	c = fma(c, q, cos1)
	c = fma(c, q, 1)
	if t>>30&1 != 0 {
		s, c = c, s
	}
	s = math.Float32frombits(math.Float32bits(s) ^ t&(1<<31))
	c = math.Float32frombits(math.Float32bits(c) ^ (t+1<<30)&(1<<31))
	return c * r, s * r
}

func randomGo(o op, dst, x, y []float32, c *randomConsts) {
	var w [4]uint32
	for i := range dst {
		if i&3 == 0 {
			lo, hi := c.stream.Block(c.block + uint64(i>>2))
			w = [4]uint32{uint32(lo), uint32(lo >> 32), uint32(hi), uint32(hi >> 32)}
			if o == opNormal || o == opAddNormal {
				for j := 0; j < 4; j += 2 {
					a, b := normalPair(w[j], w[j+1])
					w[j], w[j+1] = math.Float32bits(a), math.Float32bits(b)
				}
			}
		}
		b := w[i&3]
		below := b>>8 < c.limit
		switch o {
		case opUniform:
			dst[i] = float32(b>>8) * 0x1p-24
		case opChoose:
			dst[i] = c.above
			if below {
				dst[i] = c.below
			}
		case opKeep:
			v := x[i]
			if below {
				v = 0
			}
			dst[i] = v
		case opReplace:
			v := x[i]
			if below {
				v = y[i]
			}
			dst[i] = v
		case opSample:
			v := float32(0)
			if float32(b>>8)*0x1p-24 < x[i] {
				v = 1
			}
			dst[i] = v
		case opNormal:
			dst[i] = math.Float32frombits(b)
		case opAddNormal:
			dst[i] = fma(math.Float32frombits(b), c.below, x[i])
		}
	}
}
