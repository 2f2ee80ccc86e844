//go:build (amd64 || arm64) && !noasm

package simd

// The last vector begins so early that it ends with the last element: what is rounded twice has the same bits.

func callToBF16(set isa, dst []uint16, src []float32) {
	n := len(src)
	if set == isaGo || n < 16 {
		toBF16Go(dst, src)
		return
	}
	bf16RoundVectors(set, &dst[0], &src[0], n&^15)
	if n%16 != 0 {
		bf16RoundVectors(set, &dst[n-16], &src[n-16], 16)
	}
}

func callFromBF16(set isa, dst []float32, src []uint16) {
	n := len(src)
	if set == isaGo || n < 16 {
		fromBF16Go(dst, src)
		return
	}
	bf16WidenVectors(set, &dst[0], &src[0], n&^15)
	if n%16 != 0 {
		bf16WidenVectors(set, &dst[n-16], &src[n-16], 16)
	}
}
