// Package attention is self-attention, spelled out as a formula.
package attention

import (
	"math"

	"github.com/lamina-ml/lamina/spec"
)

// New returns multi-head self-attention (Vaswani et al. 2017) of x f32[N T d], T known or
// free: softmax(q·kᵀ/√(d/heads))·v for each head, side by side, through a last Dense layer.
// Mistakes: heads do not divide d.
func New(d, heads int) *spec.FuncLayer {
	q, k, v, out := spec.Dense(d).Named("q"), spec.Dense(d).Named("k"), spec.Dense(d).Named("v"), spec.Dense(d).Named("out")
	return spec.Func("attention", func(x *spec.Value) *spec.Value {
		split := func(l spec.Layer) *spec.Value { // f32[N heads T d/heads]
			return x.Then(l, spec.Reshape(0, heads, d/heads), spec.Permute(1, 0, 2))
		}
		scores := spec.MatMul(split(q), split(k).Then(spec.Permute(0, 2, 1))) // f32[N heads T T]
		weights := scores.Then(spec.Scale(1/math.Sqrt(float64(d/heads))), spec.Softmax(-1))
		return spec.MatMul(weights, split(v)).Then(spec.Permute(1, 0, 2), spec.Reshape(0, d), out)
	})
}
