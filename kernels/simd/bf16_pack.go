//go:build (amd64 || arm64) && !noasm

package simd

// callPackBF16 packs panels of which all columns, or all that there are, belong to the part, by pairs of steps; a pair or a
// panel of which other parts have a share is left to Go. Rows of B are passed a tile's at a time, which L1 holds.
func callPackBF16(set isa, dst []uint16, k, n int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	first := k0 + k0&1
	last := k1 - (k1-first)&1
	if set == isaGo || rsb != 1 && csb != 1 || first >= last {
		packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, j1)
		return
	}
	from := (j0 + BF16TileColumns - 1) &^ (BF16TileColumns - 1)
	to := j1 &^ (BF16TileColumns - 1)
	if j1 == n {
		to = n
	}
	if from >= to {
		packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, j1)
		return
	}
	packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, from)
	packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, to, j1)
	packBF16TilesGo(dst, k, b, rsb, csb, k0, first, from, to)
	packBF16TilesGo(dst, k, b, rsb, csb, last, k1, from, to)
	steps := BF16Block
	if csb != 1 {
		steps = last - first
	}
	for p := first; p < last; p += steps {
		pairs := min(steps, last-p) / 2
		for j := from; j < to; j += BF16TileColumns {
			live := min(BF16TileColumns, to-j)
			if d, src := dst[bf16TileAt(k, p, j):], b[p*rsb+j*csb:]; csb == 1 {
				packBF16Rows(set, d, src, rsb, pairs, live)
			} else {
				packBF16Cols(set, d, src, csb, pairs, live)
			}
		}
	}
}

// packBF16Rows packs a panel of live columns, whose steps are rows ld apart; the other columns become 0.
func packBF16Rows(set isa, dst []uint16, b []float32, ld, pairs, live int) {
	if live == BF16TileColumns || set == isaAVX512 {
		bf16TileRows(set, &dst[0], &b[0], ld, pairs, live)
		return
	}
	var rows [BF16Block * BF16TileColumns]float32
	for p := 0; p < pairs; p += BF16Block / 2 {
		count := min(BF16Block/2, pairs-p)
		for r := range 2 * count {
			copy(rows[r*BF16TileColumns:][:live], b[(2*p+r)*ld:])
		}
		bf16TileRows(set, &dst[p*2*BF16TileColumns], &rows[0], BF16TileColumns, count, BF16TileColumns)
	}
}

// packBF16Cols packs a panel of live columns, ld apart, whose steps are neighbours; the other columns become 0.
func packBF16Cols(set isa, dst []uint16, b []float32, ld, pairs, live int) {
	const steps = 4 * BF16Block // rounded at once
	var cols [BF16TileColumns * steps]uint16
	for p := 0; p < 2*pairs; p += steps {
		count := min(steps, 2*pairs-p)
		for j := range live {
			callToBF16(set, cols[j*steps:][:count], b[j*ld+p:][:count])
		}
		d := dst[p*BF16TileColumns:][:count*BF16TileColumns]
		groups := count / 8
		if groups > 0 {
			bf16TurnTile(set, &d[0], &cols[0], steps, groups)
		}
		if rest := count % 8; rest > 0 {
			var last [8 * BF16TileColumns]uint16
			bf16TurnTile(set, &last[0], &cols[8*groups], steps, 1)
			copy(d[8*groups*BF16TileColumns:], last[:])
		}
	}
}
