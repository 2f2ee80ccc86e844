//go:build !amd64 || noasm

package simd

import "runtime"

func amxFound() string {
	if runtime.GOARCH == "amd64" {
		return "this build has no kernels for AMX"
	}
	return "this CPU has no AMX"
}

func amxPermission() string { return amxFound() }

func gemmBF16AMX(int, int, int, []uint16, int, int, []uint16, int, int, []float32, int, bool, Epilogue, []float32) {
	panic("simd: no AMX in this build") // amxTakes said so
}

func gemmBF16TilesAMX(int, int, int, []uint16, int, int, []uint16, []float32, int, bool, Epilogue, []float32) {
	panic("simd: no AMX in this build")
}

func amxScratch(m, n, k int) int      { return 0 }
func amxTilesScratch(m, n, k int) int { return 0 }
