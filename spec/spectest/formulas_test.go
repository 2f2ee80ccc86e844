package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestFormulas puts the language for formulas through what every layer must do. Each
// function stands behind a Dense layer, so that weights are on both sides of it.
func TestFormulas(t *testing.T) {
	for name, f := range map[string]func(x *spec.Value) *spec.Value{
		"powers": func(x *spec.Value) *spec.Value {
			p := x.Then(spec.Square(), spec.Shift(0.5)) // above 0
			return spec.Add(spec.Pow(p, spec.Const(1.5)), spec.Div(p.Then(spec.Log()), p.Then(spec.Sqrt())))
		},
		"exponential": func(x *spec.Value) *spec.Value {
			e := x.Then(spec.Scale(0.5), spec.Exp())
			return spec.Div(e, e.Then(spec.Sum(-1).Keep()))
		},
		"base and exponent": func(x *spec.Value) *spec.Value {
			return spec.Pow(x.Then(spec.Abs(), spec.Shift(0.25)), x.Then(spec.Tanh()))
		},
		"choices": func(x *spec.Value) *spec.Value {
			y := x.Then(spec.Scale(-0.5), spec.Shift(0.1))
			near := spec.Where(spec.Less(x.Then(spec.Abs()), spec.Const(0.7)), x, y)
			far := spec.Where(spec.Greater(x, y), x.Then(spec.Square()), spec.Const(0.25))
			return spec.Sub(spec.Maximum(near, far), spec.Minimum(near, y))
		},
		"standardized": func(x *spec.Value) *spec.Value {
			c := spec.Sub(x, x.Then(spec.Mean(0)))
			return spec.Div(c, c.Then(spec.Square(), spec.Mean(0), spec.Shift(0.05), spec.Sqrt()))
		},
		"greatest": func(x *spec.Value) *spec.Value {
			m := x.Then(spec.Reshape(2, 3))
			return spec.Sub(m, m.Then(spec.Max(0))).Then(spec.Max(1))
		},
		"shapes": func(x *spec.Value) *spec.Value {
			m := x.Then(spec.Reshape(2, 3), spec.Permute(1, 0)) // f32[N 3 2]
			return spec.Concat(0, m.Then(spec.Slice(0, 1, spec.End)), m.Then(spec.Slice(0, 0, -2))).Then(spec.Flatten())
		},
		"distances": func(x *spec.Value) *spec.Value {
			centres := spec.Data([]int{2, 6}, []float64{1, 0, -1, 0.5, 0, 2, -1, 1, 1, 0, 0, -2})
			return spec.Sub(x, centres).Then(spec.Square(), spec.Mean(1), spec.Scale(-1), spec.Exp())
		},
		"constants": func(x *spec.Value) *spec.Value {
			chosen := spec.Data([]int{6}, []bool{true, false, true, true, false, false})
			bytes := spec.Data([]int{2, 3}, []uint8{0, 1, 2, 3, 4, 255}).Then(spec.Floats().Times(1.0/128), spec.Reshape(6))
			near := spec.Less(spec.Data([]int{6}, []int64{0, 1, 2, 3, 4, 5}), spec.Data(nil, []int{3}))
			return spec.Where(near, spec.Where(chosen, x, spec.Const(0.5)), spec.Add(x, bytes))
		},
		"stopped": func(x *spec.Value) *spec.Value {
			return spec.Mul(x, x.Then(spec.Sigmoid(), spec.StopGradient()))
		},
		"nearest": func(x *spec.Value) *spec.Value { // which element is the greatest, as a code that is looked up
			hot := spec.Op(ops.ArgMax{Axis: 1}, x).Then(spec.OneHot(6))
			same := spec.Equal(spec.Op(ops.ArgMax{Axis: 1}, x), spec.Data(nil, []int{2})).Then(spec.Floats())
			return spec.Add(spec.Mul(x, hot), same)
		},
		"any op": func(x *spec.Value) *spec.Value {
			order := spec.Op(ops.TopK{K: 2, Axis: 1, Largest: true}, x).Then(spec.Floats())
			return spec.Mul(spec.Op(ops.ReduceMax{Axes: ir.MakeAxes(1), Keep: true}, x), order)
		},
	} {
		t.Run(name, func(t *testing.T) {
			spectest.Layer(t, func() spec.Layer {
				return spec.Layers(spec.Dense(6), spec.Func("formula", f))
			}, 6)
		})
	}
	// In a mirror some are undone, others repeated or passed over.
	t.Run("mirrored", func(t *testing.T) {
		spectest.Layer(t, func() spec.Layer {
			return spec.Layers(spec.Reshape(2, 3), spec.Permute(-1, 0), spec.Flatten(), spec.Scale(0.5), spec.Dense(6),
				spec.Abs(), spec.Shift(0.25))
		}, 6)
	})
	for name, f := range map[string]func(p, q *spec.Value) *spec.Value{
		"of rows":   func(p, q *spec.Value) *spec.Value { return spec.Sub(p, q).Then(spec.Square(), spec.Sum(0)) },
		"of a mean": func(p, q *spec.Value) *spec.Value { return spec.Mul(p, q).Then(spec.Mean(0), spec.BatchMean()) },
		"of a sum":  func(p, q *spec.Value) *spec.Value { return spec.Mul(p, q).Then(spec.BatchSum(), spec.Sum(0)) },
		"of variances": func(p, q *spec.Value) *spec.Value {
			variance := func(x *spec.Value) *spec.Value {
				return spec.Sub(x, x.Then(spec.BatchMean())).Then(spec.Square(), spec.BatchMean())
			}
			return spec.Sub(variance(p), variance(q)).Then(spec.Square(), spec.Mean(0))
		},
	} {
		t.Run("loss "+name, func(t *testing.T) {
			spectest.Loss(t, func(p, q *spec.Value) *spec.Loss {
				return spec.NewLoss("own", f(p.Then(spec.Dense(4)), q.Then(spec.Dense(4))))
			}, 6)
		})
	}
}
