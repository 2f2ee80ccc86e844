//go:build amd64 && !noasm

package simd

func callPackBF16(set isa, dst []uint16, k int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, j1)
}
