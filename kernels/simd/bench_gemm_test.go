package simd

import (
	"fmt"
	"testing"
	"time"
)

// gemmShape is a product of a benchmark. NT transposes B before each product, as a caller must.
type gemmShape struct {
	name    string
	m, n, k int
	layout  string
}

// gemmShapes are the products of a step of 784-100-30-100-784 and 784-1000-500-250-30, squares, convolutions as products,
// and a transformer's. fwd, dx and dw are products of one layer: X·W, dY·Wᵀ and Xᵀ·dY; dwt is dYᵀ·X.
func gemmShapes() (all []gemmShape) {
	add := func(name string, m, n, k int, layout string) { all = append(all, gemmShape{name, m, n, k, layout}) }
	net := func(name string, batch int, widths ...int) {
		for i := range len(widths) - 1 {
			in, out := widths[i], widths[i+1]
			add(fmt.Sprintf("%s/fwd%d", name, i+1), batch, out, in, "NN")
			add(fmt.Sprintf("%s/dx%d", name, i+1), batch, in, out, "NT")
			add(fmt.Sprintf("%s/dw%d", name, i+1), in, out, batch, "TN")
			add(fmt.Sprintf("%s/dwt%d", name, i+1), out, in, batch, "TN")
		}
	}
	for _, batch := range []int{32, 256, 1024} {
		net(fmt.Sprintf("ae%d", batch), batch, 784, 100, 30, 100, 784)
	}
	net("deep256", 256, 784, 1000, 500, 250, 30)
	net("tiny32", 32, 32, 16, 4, 16, 32)
	for _, rows := range []int{1, 2, 4, 16} {
		add(fmt.Sprintf("rows%d/1", rows), rows, 100, 784, "NN")
		add(fmt.Sprintf("rows%d/2", rows), rows, 30, 100, "NN")
		add(fmt.Sprintf("rows%d/4", rows), rows, 784, 100, "NN")
	}
	for _, n := range []int{64, 128, 256, 512, 1000, 1024, 2048} {
		add(fmt.Sprintf("square/%d", n), n, n, n, "NN")
	}
	add("conv/c1nchw", 16, 200704, 9, "NN")
	add("conv/c1nhwc", 200704, 16, 9, "NN")
	add("conv/c2nchw", 32, 50176, 144, "NN")
	add("conv/c2nhwc", 50176, 32, 144, "NN")
	add("conv/c2dw", 144, 32, 50176, "TN")
	add("tf/qkv", 256, 576, 192, "NN")
	add("tf/ff1", 256, 768, 192, "NN")
	add("tf/ff2", 256, 192, 768, "NN")
	add("tf/ff1dx", 256, 192, 768, "NT")
	add("tf/ff1dw", 192, 768, 256, "TN")
	return all
}

// BenchmarkGemm prints GFLOP/s and the share of the FMA peak measured beside each shape, in the set LAMINA_KERNEL names.
// The rate is that of the fastest 20 microseconds or call, which other processes disturb least.
func BenchmarkGemm(b *testing.B) {
	for _, s := range gemmShapes() {
		b.Run(fmt.Sprintf("%s/%dx%dx%d%s/%s", s.name, s.m, s.n, s.k, s.layout, Active()), func(b *testing.B) {
			x, y, z, t := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n), make([]float32, s.k*s.n)
			rsa, csa := s.k, 1
			if s.layout == "TN" {
				rsa, csa = 1, s.m
			}
			flops := 2 * float64(s.m*s.n*s.k)
			calls := 1 + int(20e3*40/flops)
			peak := PeakFMA(5 * time.Millisecond)
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				for range calls {
					if s.layout == "NT" {
						Transpose(s.n, s.k, t, s.k, y, s.n)
					}
					Gemm(s.m, s.n, s.k, x, rsa, csa, y, s.n, z, s.n, false, Epilogue{})
				}
				best = min(best, time.Since(start))
			}
			rate := flops * float64(calls) / float64(best.Nanoseconds())
			peak = max(peak, PeakFMA(5*time.Millisecond))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rate, "GFLOP/s")
			b.ReportMetric(100*rate/peak, "%peak")
			b.ReportMetric(flops/rate/1e3, "us")
		})
	}
}
