package simd

import (
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/internal/random"
)

// BenchmarkGemm prints GFLOP/s and the share of the FMA peak measured beside each shape, in the set LAMINA_KERNEL names.
// The rate is that of the fastest call, which other processes disturb least.
// fwd and dw are products of one layer: X·W and Xᵀ·dY.
func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		name    string
		m, n, k int
		tn      bool
	}{
		{"fwd_256x100x784", 256, 100, 784, false},
		{"fwd_256x784x100", 256, 784, 100, false},
		{"fwd_256x30x100", 256, 30, 100, false},
		{"fwd_32x100x784", 32, 100, 784, false},
		{"fwd_1x784x100", 1, 784, 100, false},
		{"dw_784x100x256", 784, 100, 256, true},
		{"dw_100x784x256", 100, 784, 256, true},
		{"square_512x512x512", 512, 512, 512, false},
	} {
		b.Run(s.name+"/"+Active(), func(b *testing.B) {
			x, y, z := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n)
			rsa, csa := s.k, 1
			if s.tn {
				rsa, csa = 1, s.m
			}
			peak := PeakFMA(40 * time.Millisecond)
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				Gemm(s.m, s.n, s.k, x, rsa, csa, y, s.n, z, s.n, false, Epilogue{})
				best = min(best, time.Since(start))
			}
			rate := 2 * float64(s.m*s.n*s.k) / float64(best.Nanoseconds())
			peak = max(peak, PeakFMA(5*time.Millisecond))
			b.ReportMetric(rate, "GFLOP/s")
			b.ReportMetric(100*rate/peak, "%peak")
		})
	}
}

// BenchmarkVector prints nanoseconds per element for 16384 elements, of the fastest call.
func BenchmarkVector(b *testing.B) {
	const n = 16384
	w, x, y, z := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	key := random.New(1)
	for i := range x {
		x[i] = float32(i%37)/10 - 1.8
	}
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"relu", func() { Relu(y, x) }},
		{"exp", func() { Exp(y, x) }},
		{"sigmoid", func() { Sigmoid(y, x) }},
		{"tanh", func() { Tanh(y, x) }},
		{"log", func() { Log(y, x) }},
		{"erf", func() { Erf(y, x) }},
		{"softplus", func() { Softplus(y, x) }},
		{"elu", func() { Elu(y, x, 1) }},
		{"max", func() { Max(y, x, z) }},
		{"add", func() { Add(y, x, z) }},
		{"addrow100", func() { AddRow(y[:16300], x[:16300], z[:100]) }},
		{"dot", func() { z[0] = Dot(x, y) }},
		{"squarederror784", func() {
			for i := 0; i+784 <= n; i += 784 {
				z[0] = float32(SquaredError(y[i:i+784], x[i:i+784], w[i:i+784], 0.1))
			}
		}},
		{"sigmoidsoftplus500", func() {
			for i := 0; i+500 <= n; i += 500 {
				z[0] = float32(SigmoidSoftplus(y[i:i+500], x[i:i+500]))
			}
		}},
		{"uniform", func() { Uniform(y, key, 0) }},
		{"keep", func() { Keep(y, x, key, 0, 0.5) }},
		{"saltandpepper", func() { SaltAndPepper(y, x, key, key.Derive(1), 0, 0.5, 0, 1) }},
		{"sample", func() { Sample(y, x, key, 0) }},
		{"addnormal", func() { AddNormal(y, x, key, 0, 0.5) }},
		{"colsums100", func() { ColumnSums(163, 100, x, 100, z, false) }},
		{"transpose128", func() { Transpose(128, 128, x, 128, y, 128) }},
		{"adam", func() { Adam(w, x, y, z, AdamParams{LR: 1e-3, Beta1: .9, Beta2: .999, Eps: 1e-8, Step: 10}) }},
		{"rmsprop", func() { RMSProp(w, x, y, RMSPropParams{LR: 1e-3, Rho: .9, Eps: 1e-6}) }},
		{"sgd", func() { SGD(w, x, y, SGDParams{LR: 1e-3, Momentum: .9}) }},
	} {
		b.Run(fmt.Sprintf("%s/%s", c.name, Active()), func(b *testing.B) {
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				c.f()
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(best.Nanoseconds())/n, "ns/element")
		})
	}
}
