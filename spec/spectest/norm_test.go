package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestNorms puts normalisations, and the activations that go with them, through what
// every layer must do.
func TestNorms(t *testing.T) {
	for name, layer := range map[string]func() spec.Layer{
		"layernorm":          func() spec.Layer { return spec.LayerNorm() },
		"layernorm, options": func() spec.Layer { return spec.LayerNorm().Epsilon(0.1).NoBias().ScaleInit(spec.Constant(0.5)) },
		"layernorm of matrices": func() spec.Layer {
			return spec.Layers(spec.Reshape(2, 6), spec.LayerNorm().BiasInit(spec.Constant(1)))
		},
		"layernorm over two axes": func() spec.Layer { return spec.Layers(spec.Reshape(2, 6), spec.LayerNorm().Axis(0)) },
		"rmsnorm":                 func() spec.Layer { return spec.RMSNorm() },
		"rmsnorm of matrices":     func() spec.Layer { return spec.Layers(spec.Reshape(3, 4), spec.RMSNorm().Epsilon(1e-3)) },
		"groupnorm":               func() spec.Layer { return spec.Layers(spec.Reshape(6, 2), spec.GroupNorm(2)) },
		"groupnorm of features":   func() spec.Layer { return spec.GroupNorm(3) },
		"groupnorm of pictures": func() spec.Layer {
			return spec.Layers(spec.Reshape(2, 3, 2), spec.GroupNorm(1).Epsilon(1e-3).BiasInit(spec.Constant(0.5)))
		},
		"instancenorm":       func() spec.Layer { return spec.Layers(spec.Reshape(2, 2, 3), spec.InstanceNorm()) },
		"batchnorm":          func() spec.Layer { return spec.BatchNorm().Epsilon(0.05) },
		"batchnorm, options": func() spec.Layer { return spec.BatchNorm().Epsilon(0.1).NoScale().NoBias().Momentum(0.5) },
		"batchnorm of images": func() spec.Layer {
			return spec.Layers(spec.Reshape(3, 2, 2), spec.BatchNorm().Axis(0).Epsilon(0.05).BiasInit(spec.Constant(0.5)))
		},
		"silu":      func() spec.Layer { return spec.SiLU() },
		"hardswish": func() spec.Layer { return spec.HardSwish() },
		"dropout by channel": func() spec.Layer {
			return spec.Layers(spec.Reshape(3, 2, 2), spec.Dropout(0.4).ByChannel())
		},
		"a block": func() spec.Layer {
			return spec.Residual("res", spec.LayerNorm(), spec.Dense(20), spec.SiLU(), spec.Dense(12))
		},
	} {
		t.Run(name, func(t *testing.T) { spectest.Layer(t, layer, 12) })
	}
}
