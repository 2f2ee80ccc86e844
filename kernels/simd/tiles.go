package simd

// tiles lists the GEMM tiles of a set, rows by columns, the one to prefer last. Few rows go wider, few columns higher.
func tiles(i isa) (t [][2]int) {
	rows := func(mr int, widths ...int) {
		for _, nr := range widths {
			t = append(t, [2]int{mr, nr})
		}
	}
	switch i {
	case isaGo:
		rows(1, 4)
	case isaAVX512:
		for nr := 56; nr <= 128; nr += 8 {
			rows(1, nr)
		}
		for mr := 1; mr <= 8; mr++ {
			rows(mr, 8, 16, 24, 32, 40, 48)
		}
	case isaAVX2:
		rows(1, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104)
		rows(2, 24, 32, 40, 48)
		rows(3, 24, 32)
		for mr := 7; mr <= 12; mr++ {
			rows(mr, 4)
		}
		for mr := 1; mr <= 6; mr++ {
			rows(mr, 4, 7, 8, 12, 16)
		}
	case isaNEON:
		rows(1, 16, 20, 24, 28, 32)
		for mr := 1; mr <= 8; mr++ {
			rows(mr, 4, 8, 12)
		}
	}
	return t
}

// panel says how to begin on n columns with panels of at most limit: the columns of the first panel, the tile that holds
// them, and gemmArgs.live for it.
//
// AVX-512 masks the last vector, and live is the mask. AVX2's masks are slow: there the last vector begins so early that it
// ends at the last column, and live is its offset in bytes; what two vectors compute has the same bits. Fewer than four
// columns are masked, and live is their number.
func panel(set isa, n, limit int) (width, nr int, live uint64) {
	if set == isaAVX512 {
		width, nr = evenVectors(n, limit, 16)
		return width, nr, 1<<(width-(nr-1)&^15) - 1
	}
	switch {
	case limit > 16:
		width, _ = evenVectors(n, limit, 8)
	case n >= limit+4 || n <= limit:
		width = min(n, limit)
	case limit > 4:
		width = limit - 4 // which leaves at least five
	default:
		width = limit
	}
	switch {
	case width <= 4:
		return width, 4, uint64(width)
	case width < 8:
		return width, 7, uint64(4 * (width - 4))
	case width > 8 && width <= 12:
		return width, 12, uint64(4 * (width - 4))
	}
	return width, (width + 7) &^ 7, uint64(4 * (width - 8))
}

// evenVectors cuts n columns into panels of nearly equal width, in whole vectors but for the last.
func evenVectors(n, limit, vector int) (width, nr int) {
	if limit%vector != 0 {
		vector = 8
	}
	vectors := (n + vector - 1) / vector
	panels := (vectors*vector + limit - 1) / limit
	width = min((vectors+panels-1)/panels*vector, n)
	return width, (width + 7) &^ 7
}

// rowTiles says how to begin on m rows with tiles of at most mr: so many rows, so many tiles. Tiles of one or two rows
// are bound by loads of B, so a small remainder is evened out with the last whole tile: 9 is 5 and 4, not 8 and 1.
func rowTiles(m, mr int) (rows, tiles int) {
	if m <= mr {
		return m, 1
	}
	switch whole, rest := m/mr, m%mr; {
	case rest == 0 || 2*rest > mr:
		return mr, whole
	case whole > 1:
		return mr, whole - 1
	}
	return (m + 1) / 2, 1
}

// even is the size of the pieces, nearly equal, that n is cut into: a multiple of unit, at most most or one unit.
func even(n, most, unit int) int {
	most = max(unit, most/unit*unit)
	pieces := (n + most - 1) / most
	return min(n, ((n+pieces-1)/pieces+unit-1)/unit*unit)
}
