package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestImages puts the layers of images through what every layer must do.
func TestImages(t *testing.T) {
	for name, layer := range map[string]func() spec.Layer{
		"conv":          func() spec.Layer { return spec.Conv(3, 3).Same().Stride(2) },
		"conv, options": func() spec.Layer { return spec.Conv(4, 2, 3).Dilation(2, 1).Pad(1, 0, 0, 2).Groups(2).NoBias() },
		"depthwise":     func() spec.Layer { return spec.DepthwiseConv(2, 3).Pad(1) },
		"convtranspose": func() spec.Layer { return spec.ConvTranspose(2, 3).Stride(2).OutputPad(1).Groups(2) },
		"maxpool":       func() spec.Layer { return spec.MaxPool(2) },
		"averagepool":   func() spec.Layer { return spec.AveragePool(3).Stride(2).Pad(1) },
		"upsample":      func() spec.Layer { return spec.Layers(spec.Upsample(2), spec.Upsample(1, 2).Linear()) },
		"global pools":  func() spec.Layer { return spec.Layers(spec.Tanh(), spec.GlobalAveragePool()) },
		"pad":           func() spec.Layer { return spec.Pad(1, 0, 2, 1).Channels(1, 2) },
		"pad, mirrored": func() spec.Layer { return spec.Pad(2, 1, 1, 0).Reflect() },
		"crop":          func() spec.Layer { return spec.Crop(1, 0, 2, 1) },
		"depthtospace":  func() spec.Layer { return spec.DepthToSpace(2) },
		"spacetodepth":  func() spec.Layer { return spec.SpaceToDepth(2).ByChannel() },
		"dropout2d":     func() spec.Layer { return spec.Dropout2D(0.4) },
		"a block": func() spec.Layer {
			return spec.Residual("res", spec.Conv(6, 3).Pad(1).Stride(2), spec.SiLU(), spec.Conv(6, 3).Same()).
				Shortcut(spec.Conv(6, 1).Stride(2).NoBias())
		},
		"a block without parameters in its shortcut": func() spec.Layer {
			return spec.Residual("res", spec.Conv(6, 3).Pad(1).Stride(2)).Shortcut(spec.AveragePool(1).Stride(2), spec.Pad().Channels(0, 2))
		},
	} {
		t.Run(name, func(t *testing.T) { spectest.Layer(t, layer, 4, 6, 4) })
	}
}
