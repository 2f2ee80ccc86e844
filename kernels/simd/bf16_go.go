package simd

import "math"

// tinyBF16 is the least sum that rounding to 24 bits makes 2^-126: a tie, which goes to the even number.
const tinyBF16 = 0x1p-126 - 0x1p-151

// gemmBF16Go is the definition, 32 rows, eight columns and a block of k at a time.
//
// It computes in float64, which holds each product, of 16 bits, exactly. There the sum of a product and a chain is inexact only
// if one of them is less than 2^-28 of the other. Such a sum is no tie of float32, since the larger one has 24 bits at most;
// nor is it tiny, since a chain other than 0 is 2^-126 at least. So rounding it again, to float32, does no harm. Sums of two
// float32 may always be rounded in two steps.
func gemmBF16Go(m, n, k int, a []uint16, rsa, csa int, b bf16Right, c []float32, ldc int, accumulate bool) {
	const rows, cols = 32, 8
	var left [rows]bf16Half
	var leftLeast [rows]int
	var right [cols / 4][2][BF16Block / 2][4]float64
	for i0 := 0; i0 < m; i0 += rows {
		height := min(rows, m-i0)
		for p := 0; p < k; p += BF16Block {
			steps := min(BF16Block, k-p)
			for i := range height {
				leftLeast[i] = 255
				for q := range steps {
					x := a[(i0+i)*rsa+(p+q)*csa]
					left[i][q&1][q/2] = wideBF16(x)
					leftLeast[i] = min(leftLeast[i], exponentBF16(x))
				}
			}
			for j := 0; j < n; j += cols {
				width, least := min(cols, n-j), 255
				for q := range steps {
					for t := range width {
						x := b.at(p+q, j+t)
						right[t/4][q&1][q/2][t&3] = wideBF16(x)
						least = min(least, exponentBF16(x))
					}
				}
				for i := range height {
					row := c[(i0+i)*ldc+j:][:width]
					// Chains are multiples of the last bits of products, so that above this none is tiny but 0.
					normal := leftLeast[i]+least >= 2*(127-1)-126+2*7
					for t := 0; t < width; t += 4 {
						e := bf16Chain4(left[i][0][:(steps+1)/2], &right[t/4][0], normal)
						o := bf16Chain4(left[i][1][:steps/2], &right[t/4][1], normal)
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
}

// bf16Half holds the even and the odd steps of a block, widened.
type bf16Half [2][BF16Block / 2]float64

// bf16Chain4 computes four neighbouring chains of a block, which are faster where none becomes tiny.
func bf16Chain4(x []float64, right *[BF16Block / 2][4]float64, normal bool) (c [4]float32) {
	if !normal {
		for p, v := range x {
			for t, y := range right[p] {
				s := v*y + float64(c[t])
				if math.Abs(s) < tinyBF16 {
					s *= 0
				}
				c[t] = float32(s)
			}
		}
		return c
	}
	var c0, c1, c2, c3 float32
	for p, v := range x {
		y := &right[p&(BF16Block/2-1)]
		c0, c1 = float32(v*y[0]+float64(c0)), float32(v*y[1]+float64(c1))
		c2, c3 = float32(v*y[2]+float64(c2)), float32(v*y[3]+float64(c3))
	}
	return [4]float32{c0, c1, c2, c3}
}

// exponentBF16 is the stored exponent less one, or 255 for what counts as 0.
func exponentBF16(x uint16) int { return int(uint8(x>>7 - 1)) }

// wideBF16 is a bf16 number, subnormal ones being 0.
func wideBF16(x uint16) float64 { return float64(zeroed(math.Float32frombits(uint32(x) << 16))) }

// zeroed makes subnormal numbers 0 of their sign.
func zeroed(x float32) float32 {
	if b := math.Float32bits(x); b&0x7f800000 == 0 {
		return math.Float32frombits(b & (1 << 31))
	}
	return x
}
