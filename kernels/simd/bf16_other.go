//go:build !(amd64 || arm64) || noasm

package simd

func gemmBF16Panels(s *selection, m, n, k int, a []uint16, rsa, csa int, b bf16Right, c []float32, ldc int, accumulate bool, e Epilogue, _ []float32) {
	gemmBF16Go(m, n, k, a, rsa, csa, b, c, ldc, accumulate)
	bf16Epilogue(s, m, n, c, ldc, e)
}

func callToBF16(_ isa, dst []uint16, src []float32)   { toBF16Go(dst, src) }
func callFromBF16(_ isa, dst []float32, src []uint16) { fromBF16Go(dst, src) }

func callPackBF16(_ isa, dst []uint16, k, _ int, b []float32, rsb, csb int, k0, k1, j0, j1 int) {
	packBF16TilesGo(dst, k, b, rsb, csb, k0, k1, j0, j1)
}
