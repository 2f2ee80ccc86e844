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
		for nr := 16; nr <= wideRow; nr += 16 {
			rows(1, nr)
		}
		for _, nr := range []int{8, 16, 24, 32, 40, 48, 56, 64} {
			for mr := 2; mr <= tallest(i, nr); mr++ {
				rows(mr, nr)
			}
		}
	case isaAVX2:
		rows(1, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104)
		rows(2, 24, 32, 40, 48)
		rows(3, 24, 32)
		for mr := 7; mr <= 12; mr++ {
			rows(mr, 4, 8)
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

// tapsTiles lists the tiles of products by taps, the one to prefer last. The sets without kernels of their own have those of
// the products that they loop over.
func tapsTiles(i isa) (t [][2]int) {
	rows := func(most int, widths ...int) {
		for _, nr := range widths {
			for mr := 1; mr <= most; mr++ {
				t = append(t, [2]int{mr, nr})
			}
		}
	}
	switch i {
	case isaAVX512:
		rows(12, 8, 16, 32)
	case isaAVX2:
		rows(12, 4, 8)
		rows(6, 7, 12, 16)
	case isaNEON:
		t = [][2]int{{8, 12}}
	default:
		rows(1, 4)
	}
	return t
}

// wideRow is how many columns a single row of AVX-512 has at most.
const wideRow = 128

// tallest is the height of the highest tile of nr columns. AVX-512 has 24 accumulators, but for one vector, whose chains
// twelve fill; AVX2 has twelve.
func tallest(set isa, nr int) int {
	switch {
	case set == isaAVX512 && nr <= 64:
		return [...]int{12, 12, 8, 6}[(nr-1)/16]
	case set == isaAVX2 && (nr == 4 || nr == 8):
		return 12
	case set == isaAVX2 && nr <= 16:
		return 6
	case set == isaAVX2 && nr <= 48:
		return [...]int{3, 2}[(nr-17)/16]
	case set == isaNEON && nr <= 12:
		return 8
	}
	return 1
}

// columns is a panel of columns: its width, the columns of the tile that holds it, and gemmArgs.live and last.
type columns struct {
	width, nr int
	live      uint64
	last      uintptr
}

// panel says how to begin on n columns with panels of at most limit. With half, the last vector of AVX-512 may be half of
// one; CPUs that shut a port while 512-bit work is in flight gain nothing by it.
//
// AVX-512 masks the last vector. AVX2's masks are slow and NEON has none: there the last vector begins so early that it ends
// at the last column; what two vectors compute has the same bits. Fewer than four columns are masked in AVX2, and left to
// Go, with no tile, in NEON.
func panel(set isa, half bool, n, limit int) columns {
	if set == isaAVX512 {
		t := evenVectors(n, limit, 16)
		if !half || limit > 64 {
			t.nr = (t.nr + 15) &^ 15
		}
		first := (t.nr - 1) &^ 15
		t.live, t.last = 1<<(t.width-first)-1, uintptr(4*first)
		return t
	}
	if set == isaNEON {
		if n < 4 {
			return columns{width: n}
		}
		width := evenPanel(n, limit)
		return columns{width, (width + 3) &^ 3, 0, uintptr(4 * (width - 4))}
	}
	width := limit
	switch {
	case limit > 16:
		width = evenVectors(n, limit, 8).width
	case n >= limit+4 || n <= limit:
		width = min(n, limit)
	case limit > 4:
		width = limit - 4 // which leaves at least five
	}
	switch {
	case width <= 4:
		return columns{width, 4, uint64(width), 0}
	case width < 8:
		return columns{width, 7, 0, uintptr(4 * (width - 4))}
	case width > 8 && width <= 12:
		return columns{width, 12, 0, uintptr(4 * (width - 4))}
	}
	return columns{width, (width + 7) &^ 7, 0, uintptr(4 * (width - 8))}
}

// evenVectors cuts n columns into panels of nearly equal width, in whole vectors but for the last.
func evenVectors(n, limit, vector int) columns {
	if n <= limit { // no need of divisions
		return columns{width: n, nr: (n + 7) &^ 7}
	}
	if limit%vector != 0 {
		vector = 8
	}
	vectors := (n + vector - 1) / vector
	panels := (vectors*vector + limit - 1) / limit
	width := min((vectors+panels-1)/panels*vector, n)
	return columns{width: width, nr: (width + 7) &^ 7}
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

// evenPanel cuts n columns, at least four, into panels of nearly equal width. A wide one leaves none or at least four.
func evenPanel(n, limit int) int {
	panels := (n + limit - 1) / limit
	width := min(((n+panels-1)/panels+3)&^3, n)
	if left := n - width; left > 0 && left < 4 && limit > 4 {
		width -= 4 - left
	}
	return width
}
