package simd

// Sizes of blocks of a bf16 product, in elements. The widened copies of a block of A stay in L2 while panels of B pass, each
// of which stays in L1 while the rows of A pass.
const (
	bf16BlockK    = 128 // a multiple of BF16Block
	bf16BlockRows = 256 // a multiple of every strip
	bf16PanelCols = 48
)

// BF16Scratch returns how many elements of scratch GemmBF16 and GemmBF16Tiles take for these lengths, at most: no more than
// some 50,000 without AMX and a few blocks with it, whatever the lengths.
func BF16Scratch(m, n, k int) int {
	if m <= 0 || n <= 0 || k <= 0 {
		return 0
	}
	rows := min((m+15)&^15, bf16BlockRows)
	steps := min((k+BF16Block-1)/BF16Block*BF16Block, bf16BlockK)
	scratch := rows*steps + bf16PanelCols*steps + rows*bf16PanelCols/2 + 16
	if amxMissing() == "" {
		scratch = max(scratch, amxScratch(m, n, k))
	}
	return scratch
}

// bf16Lanes is how many rows of A and columns of B a strip has.
func bf16Lanes(i isa) int { return [...]int{1, 8, 16, 4}[i] }

// bf16Tiles lists the tiles of bf16 products, rows by columns of whole vectors, the one to prefer last. AVX-512 has each with
// half a last vector, too.
func bf16Tiles(i isa) (t [][2]int) {
	if i == isaGo {
		return [][2]int{{1, 4}}
	}
	lanes, rows := bf16Lanes(i), 4
	if i == isaAVX2 {
		rows = 2
	}
	for mr := 1; mr <= rows; mr++ {
		for v := 1; v <= 3; v++ {
			t = append(t, [2]int{mr, v * lanes})
		}
	}
	return t
}
