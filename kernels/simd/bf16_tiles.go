package simd

import (
	"fmt"

	"github.com/lamina-ml/lamina/internal/float16"
)

// Packed right operands: panels of 16 columns, of blocks of 32 steps, of 16 pairs of steps, of 16 columns, of the pair,
//
//	[⌈n/16⌉][⌈k/32⌉][16][16][2]
//
// so that each block is a tile of 1 KiB as TDPBF16PS reads it. Columns from n on and steps from k on are 0. The layout is the
// same on every CPU.

// BF16TileColumns is the number of columns of a tile, which has BF16Block steps.
const BF16TileColumns = 16

const bf16TileLen = BF16Block * BF16TileColumns

// BF16Tiles returns how many elements a packed right operand of k steps and n columns has.
func BF16Tiles(k, n int) int {
	return (n + BF16TileColumns - 1) / BF16TileColumns * ((k + BF16Block - 1) / BF16Block) * bf16TileLen
}

// bf16TileAt is where element (p, j) of an operand of k steps lies.
func bf16TileAt(k, p, j int) int {
	return j/BF16TileColumns*((k+BF16Block-1)/BF16Block*bf16TileLen) + p/2*(2*BF16TileColumns) + j%BF16TileColumns*2 + p&1
}

// PackBF16Tiles rounds steps k0 to k1 and columns j0 to j1 of B [k n], whose element (p, j) is b[p·rsb + j·csb], into the
// tiles of a packed right operand. It writes these elements and, with the last step or column, the zeros after them: parts
// that cover B, in any order, make the whole, and parts that do not overlap may be packed at the same time. It panics when a
// slice is too short or the part is not within B.
func PackBF16Tiles(dst []uint16, k, n int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	if k0 < 0 || k1 > k || j0 < 0 || j1 > n {
		panic(fmt.Sprintf("simd: steps %d to %d and columns %d to %d of a matrix of %d by %d", k0, k1, j0, j1, k, n))
	}
	if k0 >= k1 || j0 >= j1 {
		return
	}
	needStrides("B", k1, j1, rsb, csb, len(b))
	dst = dst[:BF16Tiles(k, n)]
	endK, endJ := k1, j1
	if k1 == k {
		endK = (k + BF16Block - 1) / BF16Block * BF16Block
	}
	if j1 == n {
		endJ = (n + BF16TileColumns - 1) / BF16TileColumns * BF16TileColumns
	}
	dead := j1
	if last := j1 &^ (BF16TileColumns - 1); j1 < endJ && last >= j0 {
		dead = last // its columns follow, so that all of the panel may be cleared
	}
	clearBF16Tiles(dst, k, k0, k1, dead, endJ)
	clearBF16Tiles(dst, k, k1, endK, j0, endJ)
	callPackBF16(selected.Load().isa[opBF16Pack], dst, k, n, b, rsb, csb, k0, k1, j0, j1)
}

// clearBF16Tiles makes steps k0 to k1 of columns j0 to j1 zeros: of whole panels all pairs at once.
func clearBF16Tiles(dst []uint16, k, k0, k1, j0, j1 int) {
	for j := j0; j < j1; {
		end := min(j1, (j+BF16TileColumns)&^(BF16TileColumns-1))
		first, last := k0, k0
		if j%BF16TileColumns == 0 && end%BF16TileColumns == 0 && k0+k0&1 < k1 {
			first, last = k0+k0&1, k1&^1
			at := bf16TileAt(k, first, j)
			clear(dst[at : at+(last-first)*BF16TileColumns])
		}
		for _, p := range [][2]int{{k0, first}, {last, k1}} {
			for p, to := p[0], p[1]; p < to; p++ {
				for c := j; c < end; c++ {
					dst[bf16TileAt(k, p, c)] = 0
				}
			}
		}
		j = end
	}
}

func packBF16TilesGo(dst []uint16, k int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	for j := j0; j < j1; j++ {
		for p := k0; p < k1; p++ {
			dst[bf16TileAt(k, p, j)] = float16.BrainOf(b[p*rsb+j*csb])
		}
	}
}

// GemmBF16Tiles is GemmBF16 with a right operand packed by PackBF16Tiles; the bits are the same.
func GemmBF16Tiles(m, n, k int, a []uint16, rsa, csa int, tiles []uint16, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if m <= 0 || n <= 0 {
		return
	}
	k = max(k, 0)
	if want := BF16Tiles(k, n); len(tiles) < want {
		panic(fmt.Sprintf("simd: %d elements of tiles, want %d for %d by %d", len(tiles), want, k, n))
	}
	gemmBF16(m, n, k, a, rsa, csa, bf16Right{tiles: tiles, k: k}, c, ldc, accumulate, e, tmp)
}
