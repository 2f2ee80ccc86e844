//go:build amd64 && !noasm

package simd

import "unsafe"

func bf16Tile(set isa, mr, nr int, p *bf16Args) {
	if set == isaAVX512 {
		bf16Tile_avx512(mr, nr, p)
	} else {
		bf16Tile_avx2(mr, nr, p)
	}
}

// bf16PackRows packs strips whose steps are rows ks apart, and returns how many columns it has packed.
func bf16PackRows(set isa, dst []float32, strip int, src []uint16, ks int, st bf16Steps, count int) int {
	if set == isaAVX512 {
		bf16rows_avx512(&dst[0], 4*strip, &src[0], 2*ks, st.n, st.packed-st.n, (count+15)/16, 1<<((count-1)%16+1)-1)
		return count
	}
	if count < 8 {
		return 0
	}
	bf16rows_avx2(&dst[0], 4*strip, &src[0], 2*ks, st.n, st.packed-st.n, (count+7)/8, uint64((count-1)%8+1))
	return count
}

// bf16Copy copies rows of an edge.
func bf16Copy(set isa, dst []float32, ldd int, src []float32, lds, rows, width int) {
	if set == isaAVX2 && width >= 8 && width <= 24 {
		needStrides("the edge", rows, width, ldd, 1, len(dst))
		needStrides("the edge", rows, width, lds, 1, len(src))
		bf16edge_avx2(&dst[0], 4*ldd, &src[0], 4*lds, rows, width)
		return
	}
	copyRows(dst, ldd, src, lds, rows, width)
}

// bf16PackCols packs one strip of live rows, whose steps are neighbours: groups of eight, and the rest, if it returns true.
func bf16PackCols(set isa, dst *float32, src *uint16, rs, groups, live, rest int) bool {
	if set == isaAVX512 {
		bf16cols_avx512(dst, src, 2*rs, groups, live, rest)
	} else {
		bf16cols_avx2(dst, src, 2*rs, groups, live, rest)
	}
	return true
}

func bf16PackPairs(set isa, dst *float32, src *uint16, pairs int) {
	if set == isaAVX512 {
		bf16pairs_avx512(dst, src, pairs)
	} else {
		bf16pairs_avx2(dst, src, pairs)
	}
}

// bf16RoundVectors and bf16WidenVectors take whole vectors of 16, at least one.
func bf16RoundVectors(set isa, dst *uint16, src *float32, n int) {
	if set == isaAVX512 {
		bf16round_avx512(dst, src, n)
	} else {
		bf16round_avx2(dst, src, n)
	}
}

func bf16WidenVectors(set isa, dst *float32, src *uint16, n int) {
	if set == isaAVX512 {
		bf16widen_avx512(dst, src, n)
	} else {
		bf16widen_avx2(dst, src, n)
	}
}

// bf16TileRows rounds pairs of rows, ld apart, of 16 columns, of which AVX-512 reads only the live ones.
func bf16TileRows(set isa, dst *uint16, src *float32, ld, pairs, live int) {
	if set == isaAVX512 {
		bf16tilerows_avx512(dst, src, 4*ld, pairs, 1<<live-1)
	} else {
		bf16tilerows_avx2(dst, src, 4*ld, pairs, 0)
	}
}

// bf16TurnTile makes pairs of steps of 16 rows, ld apart, in groups of eight steps.
func bf16TurnTile(set isa, dst, src *uint16, ld, groups int) {
	if set == isaAVX512 {
		bf16turn_avx512(dst, src, 2*ld, groups)
		return
	}
	bf16turn_avx2(dst, src, 2*ld, groups)
	right, lower := unsafe.Add(unsafe.Pointer(dst), 32), unsafe.Add(unsafe.Pointer(src), 8*2*ld)
	bf16turn_avx2((*uint16)(right), (*uint16)(lower), 2*ld, groups)
}
