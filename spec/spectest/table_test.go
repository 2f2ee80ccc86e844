package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestTables puts the layers of tables and signals through what every layer must do; those
// of ids read the place of the greatest of a row.
func TestTables(t *testing.T) {
	channels := func(l func() spec.Layer) func() spec.Layer {
		return func() spec.Layer { return spec.Layers(spec.Reshape(3, 4), l()) }
	}
	ids := func(l func() spec.Layer) func() spec.Layer {
		return func() spec.Layer {
			e := l()
			return spec.Func("ids", func(x *spec.Value) *spec.Value {
				return spec.Op(ops.ArgMax{Axis: 1}, x).Then(e)
			})
		}
	}
	for name, layer := range map[string]func() spec.Layer{
		"standardise":                func() spec.Layer { return spec.Standardise() },
		"standardise, channels":      channels(func() spec.Layer { return spec.Standardise().Axis(0) }),
		"minmax":                     func() spec.Layer { return spec.MinMax() },
		"minmax, channels":           channels(func() spec.Layer { return spec.MinMax().Axis(-2) }),
		"clip":                       func() spec.Layer { return spec.Clip(-1.25, 0.75) },
		"clip by quantiles":          func() spec.Layer { return spec.ClipQuantiles(0.1, 0.8) },
		"clip by quantiles, columns": channels(func() spec.Layer { return spec.ClipQuantiles(0, 0.9).Axis(0) }),
		"log":                        func() spec.Layer { return spec.LogScale() },
		"exp":                        func() spec.Layer { return spec.LogScaleUndone() },
		"fill":                       func() spec.Layer { return spec.FillMissing() },
		"fill, mean":                 channels(func() spec.Layer { return spec.FillMissing().Mean().Axis(0).Indicator() }),
		"fill, with":                 func() spec.Layer { return spec.FillMissing().With(-2).Indicator() },
		"present":                    func() spec.Layer { return spec.Present() },
		"embedding":                  ids(func() spec.Layer { return spec.Embedding(12, 3) }),
		"embedding of rows": func() spec.Layer {
			return spec.Layers(spec.Reshape(3, 4), ids(func() spec.Layer { return spec.Embedding(3, 9) })())
		},
		"one-hot":            ids(func() spec.Layer { return spec.Layers(spec.Reshape(1), spec.OneHotIDs(12)) }),
		"ordinal":            ids(func() spec.Layer { return spec.Layers(spec.Reshape(1), spec.Ordinal(12)) }),
		"embeddings":         ids(func() spec.Layer { return spec.Layers(spec.Reshape(1), spec.Embeddings([]int{12}, 2).Init(spec.He())) }),
		"a fit of one's own": func() spec.Layer { return newCentred() },
	} {
		t.Run(name, func(t *testing.T) { spectest.Layer(t, layer, 12) })
	}
	t.Run("logmel", func(t *testing.T) {
		spectest.Layer(t, func() spec.Layer { return spec.LogMel(16, 8, 3, 2) }, 20)
		spectest.Layer(t, func() spec.Layer { return spec.LogMel(16, 6, 6, 1) }, 2, 13)
	})
}

// centred is a layer of another module that fits a constant.
type centred struct{ spec.Base }

func newCentred() *centred { return &centred{spec.Here("centred")} }

// Build subtracts the mean.
func (*centred) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Sub{}, x[0], b.Fit("mean", x[0], spec.FitMean(), 1))
}
