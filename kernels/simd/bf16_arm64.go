//go:build arm64 && !noasm

package simd

import "unsafe"

func bf16Tile(_ isa, mr, nr int, p *bf16Args) { bf16Tile_neon(mr, nr, p) }

// bf16PackRows packs whole strips whose steps are rows ks apart, and returns how many columns it has packed.
func bf16PackRows(_ isa, dst []float32, strip int, src []uint16, ks int, st bf16Steps, count int) int {
	whole := count / 4
	if whole > 0 {
		bf16rows_neon(&dst[0], 4*strip, &src[0], 2*ks, st.n, st.packed-st.n, whole)
	}
	return 4 * whole
}

// bf16PackCols packs one whole strip of rows, whose steps are neighbours, in groups of eight; the rest is left.
func bf16PackCols(_ isa, dst *float32, src *uint16, rs, groups, _, _ int) bool {
	bf16cols_neon(dst, src, 2*rs, groups)
	return false
}

func bf16PackPairs(_ isa, dst *float32, src *uint16, pairs int) { bf16pairs_neon(dst, src, pairs) }

// bf16RoundVectors and bf16WidenVectors take whole vectors of 16, at least one.
func bf16RoundVectors(_ isa, dst *uint16, src *float32, n int) { bf16round_neon(dst, src, n) }
func bf16WidenVectors(_ isa, dst *float32, src *uint16, n int) { bf16widen_neon(dst, src, n) }

// bf16TileRows rounds pairs of rows, ld apart, of 16 columns.
func bf16TileRows(_ isa, dst *uint16, src *float32, ld, pairs, _ int) {
	bf16tilerows_neon(dst, src, 4*ld, pairs)
}

// bf16TurnTile makes pairs of steps of 16 rows, ld apart, in groups of eight steps.
func bf16TurnTile(_ isa, dst, src *uint16, ld, groups int) {
	for r := 0; r < BF16TileColumns; r += 4 {
		to, from := unsafe.Add(unsafe.Pointer(dst), 4*r), unsafe.Add(unsafe.Pointer(src), 2*r*ld)
		bf16turn_neon((*uint16)(to), (*uint16)(from), 2*ld, groups)
	}
}

// bf16Copy copies rows of an edge.
func bf16Copy(_ isa, dst []float32, ldd int, src []float32, lds, rows, width int) {
	copyRows(dst, ldd, src, lds, rows, width)
}
