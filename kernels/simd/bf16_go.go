package simd

import "math"

// tinyBF16 is what a sum must reach to be 2^-126 at least after rounding to 24 bits: a tie, which goes up to the even number.
const tinyBF16 = 0x1p-126 - 0x1p-151

// gemmBF16Go is the definition, eight columns and a block of k at a time.
//
// All is done in float64, which holds each product, of 16 bits, exactly. The sum of a product and a chain is inexact there
// only if one is less than 2^-28 of the other. Then it is no tie of float32, since 24 bits and a tie take no more than 25,
// and it does not lie about the least normal number, where a chain other than 0 is normal and so the product is small.
// Therefore the second rounding, to float32, errs nowhere. Sums of two float32 are rounded rightly in two steps anyway.
func gemmBF16Go(m, n, k int, a []uint16, rsa, csa int, b bf16Right, c []float32, ldc int, accumulate bool) {
	const cols, half = 8, BF16Block / 2
	var right [cols / 4][2][half][4]float64
	var left [2][half]float64
	for j := 0; j < n; j += cols {
		width := min(cols, n-j)
		for p := 0; p < k; p += BF16Block {
			steps := min(BF16Block, k-p)
			for q := range steps {
				for t := range width {
					right[t/4][q&1][q/2][t&3] = wideBF16(b.at(p+q, j+t))
				}
			}
			for i := range m {
				for q := range steps {
					left[q&1][q/2] = wideBF16(a[i*rsa+(p+q)*csa])
				}
				row := c[i*ldc+j:][:width]
				for t := 0; t < width; t += 4 {
					e := bf16Chain4(left[0][:(steps+1)/2], &right[t/4][0])
					o := bf16Chain4(left[1][:steps/2], &right[t/4][1])
					for u := range min(4, width-t) {
						if steps < BF16Block { // the zeros that fill the block, which tell only where a chain is -0
							if steps < BF16Block-1 {
								e[u] += 0
							}
							o[u] += 0
						}
						var v float32
						if accumulate || p > 0 {
							v = zeroed(row[t+u])
						}
						row[t+u] = zeroed(v + zeroed(e[u]+o[u])) // below 2^-126 a sum of two float32 is exact
					}
				}
			}
		}
	}
}

// bf16Chain4 computes four neighbouring chains of a block.
func bf16Chain4(x []float64, right *[BF16Block / 2][4]float64) [4]float32 {
	var c0, c1, c2, c3 float32
	for p, v := range x {
		y := &right[p&(BF16Block/2-1)]
		s0 := v*y[0] + float64(c0)
		s1 := v*y[1] + float64(c1)
		s2 := v*y[2] + float64(c2)
		s3 := v*y[3] + float64(c3)
		if isTiny(s0) || isTiny(s1) || isTiny(s2) || isTiny(s3) {
			s0, s1, s2, s3 = flushTiny(s0), flushTiny(s1), flushTiny(s2), flushTiny(s3)
		}
		c0, c1, c2, c3 = float32(s0), float32(s1), float32(s2), float32(s3)
	}
	return [4]float32{c0, c1, c2, c3}
}

func isTiny(s float64) bool { return math.Abs(s) < tinyBF16 }

func flushTiny(s float64) float64 {
	if isTiny(s) {
		return s * 0
	}
	return s
}

// wideBF16 is a bf16 number, subnormal ones being 0.
func wideBF16(x uint16) float64 { return float64(zeroed(math.Float32frombits(uint32(x) << 16))) }

// zeroed makes subnormal numbers 0 of their sign.
func zeroed(x float32) float32 {
	if b := math.Float32bits(x); b&0x7f800000 == 0 {
		return math.Float32frombits(b & (1 << 31))
	}
	return x
}
