package randmodel

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// formulas passes a code through formulas that keep its width. They are gentle: none is
// steep near what a code may be, where rounding would decide everything.
func (m *maker) formulas(z *spec.Value, code int) *spec.Value {
	for i := range 1 + m.below(2) {
		if m.one(3) {
			z = z.Then(spec.Func(fmt.Sprintf("formula%d", i+1), func(x *spec.Value) *spec.Value { return m.formula(x, code) }))
			continue
		}
		z = m.formula(z, code)
	}
	return z
}

func (m *maker) formula(z *spec.Value, code int) *spec.Value {
	above := z.Then(spec.Abs(), spec.Shift(0.5))
	switch m.below(14) {
	case 0:
		return z.Then(spec.Scale(0.5), spec.Tanh(), spec.Exp())
	case 1:
		return z.Then(spec.Square(), spec.Shift(0.5), spec.Log())
	case 2:
		return z.Then(spec.Square(), spec.Shift(0.25), spec.Sqrt())
	case 3:
		return spec.Div(z, above)
	case 4:
		return spec.Div(z, above.Then(spec.Sum(0)))
	case 5:
		return spec.Sub(z, z.Then(spec.Mean(-1).Keep()))
	case 6:
		return spec.Sub(z, z.Then(spec.Max(0).Keep()))
	case 7:
		return spec.Where(spec.Greater(z, spec.Const(0.1)), z.Then(spec.Shift(-0.1)), z.Then(spec.Scale(0.5), spec.Shift(-0.05)))
	case 8:
		return spec.Minimum(spec.Maximum(z, z.Then(spec.Scale(-0.5))), spec.Const(1.5))
	case 9:
		return spec.Pow(above, spec.Const(1.5)).Then(spec.Scale(0.5))
	case 10: // turned by one place
		return spec.Concat(0, z.Then(spec.Slice(0, 1, spec.End)), z.Then(spec.Slice(-1, 0, 1)))
	case 11:
		return spec.Mul(z, spec.Data([]int{code}, m.numbers(code))).Then(spec.Tanh())
	case 12: // distances from points
		return spec.Sub(z, spec.Data([]int{code, code}, m.numbers(code*code))).Then(spec.Square(), spec.Mean(1))
	}
	outer := spec.Mul(z.Then(spec.Reshape(code, 1), spec.Tanh()), z).Then(spec.Permute(1, 0)) // f32[N code code]
	return spec.Op(ops.ReduceMean{Axes: ir.MakeAxes(2)}, outer)
}

// numbers draws numbers from -1 to 1.
func (m *maker) numbers(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(m.below(33))/16 - 1
	}
	return out
}

// size is a loss of a number: the mean square of a code over everything.
func size(z *spec.Value) *spec.Loss {
	return spec.NewLoss("size", z.Then(spec.Square(), spec.Mean(0), spec.BatchMean()))
}

// brier is the squared distance of probabilities from the labels (Brier 1950).
func brier(logits, labels *spec.Value, classes int) *spec.Loss {
	p := logits.Then(spec.Softmax(-1))
	return spec.NewLoss("brier", spec.Sub(p, labels.Then(spec.OneHot(classes))).Then(spec.Square(), spec.Sum(0)))
}
