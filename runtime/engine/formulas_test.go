package engine_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestFormulasHaveKernels trains through each formula: no step of one is run by its
// reference meaning, and all compute what it says.
func TestFormulasHaveKernels(t *testing.T) {
	const rows, width = 37, 5
	cube := func(x *spec.Value) *spec.Value { return x.Then(spec.Reshape(2, 3, 2)) }
	then := func(l ...spec.Layer) func(x *spec.Value) *spec.Value {
		return func(x *spec.Value) *spec.Value { return x.Then(l...) }
	}
	along := func(l spec.Layer) func(x *spec.Value) *spec.Value {
		return func(x *spec.Value) *spec.Value { return cube(x).Then(l) }
	}
	kept := func(l spec.Layer) func(x *spec.Value) *spec.Value {
		return func(x *spec.Value) *spec.Value { return spec.Mul(cube(x), cube(x).Then(l)) }
	}
	greatest := func(x *spec.Value) *spec.Value { return spec.Op(ops.ArgMax{Axis: 1}, x) }
	numbers := func(n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(i*7%11)/8 - 0.5
		}
		return out
	}
	for name, f := range map[string]func(x *spec.Value) *spec.Value{
		"exp":  then(spec.Scale(0.5), spec.Exp()),
		"log":  then(spec.Square(), spec.Shift(1), spec.Log()),
		"sqrt": then(spec.Square(), spec.Shift(1), spec.Sqrt()),
		"abs":  then(spec.Abs()),
		"stop": func(x *spec.Value) *spec.Value { return spec.Mul(x, x.Then(spec.StopGradient())) },
		"pow":  func(x *spec.Value) *spec.Value { return spec.Pow(x.Then(spec.Abs(), spec.Shift(1)), x) },
		"div":  func(x *spec.Value) *spec.Value { return spec.Div(x, x.Then(spec.Square(), spec.Shift(1))) },
		"share": func(x *spec.Value) *spec.Value {
			return spec.Div(x, x.Then(spec.Square(), spec.Shift(1), spec.Sum(0)))
		},
		"sum 0": along(spec.Sum(0)), "sum 1": along(spec.Sum(1)), "sum 2": along(spec.Sum(2)), "sum 0 1": along(spec.Sum(0, 1)),
		"sum 1 2": along(spec.Sum(1, 2)), "sum 0 2": along(spec.Sum(0, 2)), "sum 0 2 kept": kept(spec.Sum(0, 2).Keep()),
		"mean 0 2": along(spec.Mean(0, 2)), "mean 1 kept": kept(spec.Mean(1).Keep()),
		"max 0": along(spec.Max(0)), "max 1": along(spec.Max(1)), "max 2": along(spec.Max(2)), "max 0 1": along(spec.Max(0, 1)),
		"max 1 2": along(spec.Max(1, 2)), "max 0 2": along(spec.Max(0, 2)), "max 0 1 2": along(spec.Max(0, 1, 2)), "max 1 kept": kept(spec.Max(1).Keep()),
		"slice": along(spec.Slice(1, 1, 3)), "permute": along(spec.Permute(2, 0, 1)),
		"where": func(x *spec.Value) *spec.Value {
			return spec.Where(spec.Greater(x, spec.Const(0)), x, x.Then(spec.Square()))
		},
		"where of rows": func(x *spec.Value) *spec.Value {
			m := x.Then(spec.Mean(0).Keep())
			return spec.Where(spec.Less(m, spec.Const(0.1)), x, x.Then(spec.Square()))
		},
		"where of a plane": func(x *spec.Value) *spec.Value {
			m := cube(x).Then(spec.Mean(1).Keep())
			return spec.Where(spec.Greater(m, spec.Const(0)), cube(x), spec.Const(0.25))
		},
		"where of a constant": func(x *spec.Value) *spec.Value {
			return spec.Where(spec.Data([]int{12}, []bool{true, false, false, true, true, true, false, true, false, false, true, false}), x, x.Then(spec.Exp()))
		},
		"equal": func(x *spec.Value) *spec.Value {
			return spec.Mul(x, spec.Equal(x, x.Then(spec.Max(0))).Then(spec.Floats()))
		},
		"equal integers": func(x *spec.Value) *spec.Value {
			places := spec.Data([]int{12}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
			hit := spec.Equal(greatest(x), places).Then(spec.Floats())
			below := spec.Less(greatest(x), places).Then(spec.Floats(), spec.Scale(0.5))
			above := spec.Greater(spec.Data(nil, []int{2}), greatest(x)).Then(spec.Floats())
			return spec.Add(spec.Mul(x, hit), spec.Mul(x, spec.Sub(below, above)))
		},
		"one hot": func(x *spec.Value) *spec.Value { return spec.Mul(x, greatest(x).Then(spec.OneHot(12))) },
		"extremes": func(x *spec.Value) *spec.Value {
			return spec.Minimum(spec.Maximum(x, spec.Const(0)), x.Then(spec.Mean(0)))
		},
		"centred":       func(x *spec.Value) *spec.Value { return spec.Sub(x, x.Then(spec.BatchMean())) },
		"centred cubes": func(x *spec.Value) *spec.Value { return spec.Sub(cube(x), cube(x).Then(spec.BatchMean())) },
		"greatest sums": func(x *spec.Value) *spec.Value {
			s := cube(x).Then(spec.Scale(0.05), spec.BatchSum())
			return spec.Mul(spec.Mul(cube(x), s.Then(spec.Max(0))), s.Then(spec.Max(0, 1, 2)))
		},
		"greatest of all rows": func(x *spec.Value) *spec.Value {
			return spec.Mul(x, spec.Op(ops.ReduceMax{Axes: ir.MakeAxes(0)}, x))
		},
		"distances": func(x *spec.Value) *spec.Value {
			return spec.Sub(x, spec.Data([]int{3, 12}, numbers(36))).Then(spec.Square(), spec.Mean(-1))
		},
		"k-sparse": then(spec.KSparse(5)),
	} {
		h := spec.Input("x", width)
		code := h.Then(spec.Dense(12).Named("code"))
		m := spec.NewModel("m", spec.NewLoss("own", f(code).Then(spec.Square())), spec.MSE(code.Then(spec.Dense(width)), h))
		againstReference(t, name, m, rows, width)
	}
}
