package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestKinds puts the parts of the autoencoder kinds through what every layer and
// every loss must do: gradients, bits for any number of workers and across an
// interruption, and onnxruntime for what ships.
func TestKinds(t *testing.T) {
	for name, layer := range map[string]func() spec.Layer{
		"ksparse": func() spec.Layer { return spec.Layers(spec.Dense(7), spec.KSparse(3)) },
		"ksparse of ties": func() spec.Layer {
			return spec.Layers(spec.Dense(9), spec.ReLU(), spec.KSparse(6))
		},
		"ksparse of matrices": func() spec.Layer { return spec.Layers(spec.Reshape(2, 3), spec.KSparse(1)) },
		"variational": func() spec.Layer {
			mean, logvar := spec.Dense(3).Named("mean"), spec.Dense(3).Named("logvar")
			return spec.Func("draw", func(x *spec.Value) *spec.Value { return spec.Reparameterize(x.Then(mean), x.Then(logvar)) })
		},
	} {
		t.Run(name, func(t *testing.T) { spectest.Layer(t, layer, 6) })
	}
	hidden := func(p *spec.Value, l spec.Layer) *spec.Value { return p.Then(spec.Dense(4), l) }
	emphasis := func(noise func() spec.Layer) func(p, q *spec.Value) *spec.Loss {
		return func(p, q *spec.Value) *spec.Loss {
			noisy := p.Then(noise())
			return spec.MSE(noisy.Then(spec.Dense(6)), q).Emphasis(noisy, 2, 0.5)
		}
	}
	for name, loss := range map[string]func(p, q *spec.Value) *spec.Loss{
		"l1":      func(p, _ *spec.Value) *spec.Loss { return spec.L1(hidden(p, spec.Tanh())) },
		"kl":      func(p, _ *spec.Value) *spec.Loss { return spec.KLSparsity(hidden(p, spec.Sigmoid()), 0.1) },
		"sigmoid": func(p, _ *spec.Value) *spec.Loss { return spec.Contractive(hidden(p, spec.Sigmoid())) },
		"tanh":    func(p, _ *spec.Value) *spec.Loss { return spec.Contractive(hidden(p, spec.Tanh())) },
		"unbiased": func(p, _ *spec.Value) *spec.Loss {
			return spec.Contractive(p.Then(spec.Dense(4).NoBias(), spec.Sigmoid()))
		},
		"one class": func(_, q *spec.Value) *spec.Loss { // the prediction has a bias
			return spec.OneClass(q.Then(spec.Dense(4).NoBias(), spec.LeakyReLU()), []float64{0.5, -0.5, 1, 0.1})
		},
		"normal":  func(p, _ *spec.Value) *spec.Loss { return spec.KLNormal(p.Then(spec.Dense(3)), p.Then(spec.Dense(3))) },
		"masking": emphasis(func() spec.Layer { return spec.MaskingNoise(0.4) }),
		"pepper":  emphasis(func() spec.Layer { return spec.SaltAndPepper(0.4) }),
		"dropout": emphasis(func() spec.Layer { return spec.Dropout(0.4) }),
		"cross-entropy": func(p, q *spec.Value) *spec.Loss {
			noisy := p.Then(spec.MaskingNoise(0.4))
			return spec.BinaryCrossEntropy(noisy.Then(spec.Dense(6)), q).Emphasis(noisy, 1, 0)
		},
	} {
		t.Run("loss "+name, func(t *testing.T) { spectest.Loss(t, loss, 6) })
	}
}
