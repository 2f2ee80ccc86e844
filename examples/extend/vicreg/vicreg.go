// Package vicreg is a loss of two views of the same rows, written as a formula over the
// batch.
package vicreg

import "github.com/lamina-ml/lamina/spec"

// Loss is 25·invariance + 25·variance + covariance of embeddings a and b, f32[N d], of two
// views (Bardes, Ponce and LeCun 2022, VICReg, with its weights): the two shall agree, each
// of the d numbers shall spread by 1 over the batch, and no two say the same. Variances are
// over N, where the paper has N-1.
func Loss(a, b *spec.Value) *spec.Loss {
	invariance := spec.Sub(a, b).Then(spec.Square(), spec.Mean(0), spec.BatchMean())
	va, ca := spread(a)
	vb, cb := spread(b)
	weighted := spec.Add(invariance, spec.Add(va, vb)).Then(spec.Scale(25))
	return spec.NewLoss("vicreg", spec.Add(weighted, spec.Add(ca, cb)))
}

// spread returns the terms of variance and covariance of z f32[N d], a number each.
func spread(z *spec.Value) (variance, covariance *spec.Value) {
	d := z.Dim(0)
	z = spec.Sub(z, z.Then(spec.BatchMean()))
	v := z.Then(spec.Square(), spec.BatchMean())                                                    // f32[d]
	c := spec.MatMul(z.Then(spec.Reshape(d, 1)), z.Then(spec.Reshape(1, d))).Then(spec.BatchMean()) // f32[d d]

	variance = v.Then(spec.Shift(1e-4), spec.Sqrt(), spec.Scale(-1), spec.Shift(1), spec.ReLU(), spec.Mean(0))
	off := spec.Sub(c.Then(spec.Square(), spec.Sum(0, 1)), v.Then(spec.Square(), spec.Sum(0)))
	return variance, off.Then(spec.Scale(1 / float64(d)))
}
