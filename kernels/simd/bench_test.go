package simd

import (
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/random"
)

// BenchmarkVector prints nanoseconds per element for 16384 elements, of the fastest call.
func BenchmarkVector(b *testing.B) {
	const n = 16384
	w, x, y, z := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	key := random.New(1)
	for i := range x {
		x[i] = float32(i%37)/10 - 1.8
	}
	pairs := NewWindows(16, n/16, window(32, 2, 2, 0))
	threes := NewWindows(16, n/16, window(32, 3, 2, 1))
	won := make([]uint8, n)
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
		{"maxpool2x2", func() { pairs.MaxPool(y, x) }},
		{"maxpool2x2grad", func() { pairs.MaxPoolGrad(z, x, y, true) }},
		{"maxpool2x2winners", func() { pairs.MaxPoolWinners(y, won, x, true) }},
		{"maxpool2x2winnersgrad", func() { pairs.MaxPoolWinnersGrad(z, won, y) }},
		{"maxpool3x3", func() { threes.MaxPool(y, x) }},
		{"maxpool3x3grad", func() { threes.MaxPoolGrad(z, x, y, true) }},
		{"maxpool3x3winners", func() { threes.MaxPoolWinners(y, won, x, true) }},
		{"maxpool3x3winnersgrad", func() { threes.MaxPoolWinnersGrad(z, won, y) }},
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
