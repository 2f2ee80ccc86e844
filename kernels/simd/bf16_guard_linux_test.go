package simd

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// edge16 is edge for words.
func edge16(t *testing.T, x []uint16, atEnd bool) []uint16 {
	t.Helper()
	pairs := edge(t, make([]float32, (len(x)+1)/2), atEnd)
	words := unsafe.Slice((*uint16)(unsafe.Pointer(&pairs[0])), 2*len(pairs))
	if atEnd {
		words = words[2*len(pairs)-len(x):]
	}
	words = words[:len(x):len(x)]
	copy(words, x)
	return words
}

// TestBF16GuardPages: nothing outside the operands is touched, before or after them.
func TestBF16GuardPages(t *testing.T) {
	for _, set := range bf16Sets {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(33, 33))
			for trial := range 120 {
				end := trial%2 == 0
				m, n, k := 1+rng.IntN(40), 1+rng.IntN(68), 1+rng.IntN(80)
				a, b, c := bf16Values(rng, 0, m*k), bf16Values(rng, 0, k*n), normals(rng, m*n)
				rsa, csa, rsb, csb := k, 1, n, 1
				if trial%3 == 0 {
					rsa, csa = 1, m
				}
				if trial%4 < 2 {
					rsb, csb = 1, k
				}
				tmp := edge(t, make([]float32, BF16Scratch(m, n, k)), end)
				want := append([]float32(nil), c...)
				gemmBF16Go(m, n, k, a, rsa, csa, bf16Right{b: b, rs: rsb, cs: csb}, want, n, true)
				got := edge(t, c, end)
				GemmBF16(m, n, k, edge16(t, a, end), rsa, csa, edge16(t, b, end), rsb, csb, got, n, true, Epilogue{}, tmp)
				sameBits(t, "product", got, want)
				wide := make([]float32, k*n)
				FromBF16(wide, b)
				tiles := edge16(t, make([]uint16, BF16Tiles(k, n)), end)
				PackBF16Tiles(tiles, k, n, edge(t, wide, end), rsb, csb, 0, k, 0, n)
				copy(got, c)
				GemmBF16Tiles(m, n, k, edge16(t, a, end), rsa, csa, tiles, got, n, true, Epilogue{}, tmp)
				sameBits(t, "product of tiles", got, want)
				x := edge(t, normals(rng, n), end)
				y := edge16(t, make([]uint16, n), end)
				ToBF16(y, x)
				FromBF16(x, y)
			}
		})
	}
}
