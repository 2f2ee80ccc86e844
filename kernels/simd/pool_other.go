//go:build !amd64 || noasm

package simd

func callMaxPool(_ isa, w *Windows, y, x []float32) { maxPoolGo(w, y, x) }

func callMaxPoolGrad(_ isa, w *Windows, dx, x, dy []float32, relu bool) {
	maxPoolGradGo(w, dx, x, dy, relu)
}

func callMaxPoolWinners(_ isa, w *Windows, y []float32, won []uint8, x []float32, relu bool) {
	maxPoolWinnersGo(w, y, won, x, relu)
}

func callMaxPoolWinnersGrad(_ isa, w *Windows, dx []float32, won []uint8, dy []float32) {
	maxPoolWinnersGradGo(w, dx, won, dy)
}
