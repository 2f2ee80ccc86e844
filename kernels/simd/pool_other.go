//go:build !amd64 || noasm

package simd

func callMaxPool(_ isa, w *Windows, y, x []float32) { maxPoolGo(w, y, x) }

func callMaxPoolGrad(_ isa, w *Windows, dx, x, dy []float32, relu bool) {
	maxPoolGradGo(w, dx, x, dy, relu)
}
