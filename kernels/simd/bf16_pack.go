//go:build (amd64 || arm64) && !noasm

package simd

// callPackBF16 packs panels of which all columns, or all that there are, belong to the part, by pairs of steps; a pair or a
// panel of which other parts have a share is left to Go.
func callPackBF16(set isa, dst []uint16, k, n int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	first := k0 + k0&1
	pairs := (k1 - first) / 2
	if set == isaGo || rsb != 1 && csb != 1 || pairs <= 0 {
		packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, j1)
		return
	}
	for j := j0; j < j1; {
		end := min(j1, (j+bf16TileCols)&^(bf16TileCols-1))
		if j%bf16TileCols != 0 || end%bf16TileCols != 0 && end != n {
			packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j, end)
			j = end
			continue
		}
		if first > k0 {
			packBF16TilesGo(dst, k, b, rsb, csb, k0, first, j, end)
		}
		to, from := dst[bf16TileAt(k, first, j):], b[first*rsb+j*csb:]
		if csb == 1 {
			packBF16Rows(set, to, from, rsb, pairs, end-j)
		} else {
			packBF16Cols(set, to, from, csb, pairs, end-j)
		}
		if last := first + 2*pairs; last < k1 {
			packBF16TilesGo(dst, k, b, rsb, csb, last, k1, j, end)
		}
		j = end
	}
}

// packBF16Rows packs a panel of live columns, whose steps are rows ld apart; the other columns become 0.
func packBF16Rows(set isa, dst []uint16, b []float32, ld, pairs, live int) {
	if live == bf16TileCols || set == isaAVX512 {
		bf16TileRows(set, &dst[0], &b[0], ld, pairs, live)
		return
	}
	var rows [BF16Block * bf16TileCols]float32
	for p := 0; p < pairs; p += BF16Block / 2 {
		count := min(BF16Block/2, pairs-p)
		for r := range 2 * count {
			copy(rows[r*bf16TileCols:][:live], b[(2*p+r)*ld:])
		}
		bf16TileRows(set, &dst[p*2*bf16TileCols], &rows[0], bf16TileCols, count, bf16TileCols)
	}
}

// packBF16Cols packs a panel of live columns, ld apart, whose steps are neighbours; the other columns become 0.
func packBF16Cols(set isa, dst []uint16, b []float32, ld, pairs, live int) {
	var cols, turned [bf16TileLen]uint16
	for p := 0; p < pairs; p += BF16Block / 2 {
		count := min(BF16Block/2, pairs-p)
		for j := range live {
			callToBF16(set, cols[j*BF16Block:][:2*count], b[j*ld+2*p:][:2*count])
		}
		d := dst[p*2*bf16TileCols:][:count*2*bf16TileCols]
		to := &turned[0]
		if count == BF16Block/2 {
			to = &d[0]
		}
		bf16TurnTile(set, to, &cols[0], (2*count+7)/8)
		if count < BF16Block/2 {
			copy(d, turned[:])
		}
	}
}
