package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Lerp is a + t·(b - a) for a number t: a moved towards b by the share t, as a
// moving average is moved towards what it is the average of. What comes out below
// 2^-126, the least normal float32, is 0: an average of zeros, such as a statistic of
// a unit that is dead, would otherwise decay into subnormal numbers and be slow from then
// on, as an optimizer's moment would (package optim).
type Lerp struct{ pointwise }

// Name returns Lerp.
func (Lerp) Name() string { return "Lerp" }

// ONNX says why there is no counterpart.
func (Lerp) ONNX() ir.ONNX {
	return ir.ONNX{Why: "it computes the next value of a state, which does not ship"}
}

// WhyNoGradient gives the reason.
func (Lerp) WhyNoGradient() string {
	return "it computes the next value of a state, on which no loss depends"
}

// Infer returns the one type of a and b; t is a scalar of their dtype.
func (Lerp) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"a", "b", "t"}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	if !in[0].Equal(in[1]) {
		return nil, fmt.Errorf("a and b must have one type %s", describe(in, names))
	}
	if in[2].Rank() != 0 {
		return nil, fmt.Errorf("t must be a scalar %s", describe(in, names))
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// Eval is the reference meaning.
func (Lerp) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := in[0].Clone()
	for i, a := range out.F64 {
		out.F64[i] = a + in[2].F64[0]*(in[1].F64[i]-a)
		if math.Abs(out.F64[i]) < 0x1p-126 {
			out.F64[i] = 0
		}
	}
	return one(out)
}

// Cost counts three operations for each element.
func (Lerp) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 3 * count(out, at), traffic(in, out, at)
}

// Push is queue with as many rows removed from its beginning as x has, and the rows of x
// appended; if x has more rows than the queue, only the last ones are kept.
type Push struct{}

// Name returns Push.
func (Push) Name() string { return "Push" }

// ONNX says why there is no counterpart.
func (Push) ONNX() ir.ONNX {
	return ir.ONNX{Why: "it computes the next value of a state, which does not ship"}
}

// WhyNoGradient gives the reason.
func (Push) WhyNoGradient() string {
	return "it computes the next value of a state, on which no loss depends"
}

// Infer returns the queue's type. Its lengths are known, and x has rows of its kind.
func (Push) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"queue", "x"}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	q, x := in[0], in[1]
	if q.Rank() < 1 || q.Shape.Symbolic() {
		return nil, fmt.Errorf("queue must have rows and known lengths %s", describe(in, names))
	}
	if x.Rank() != q.Rank() || !x.Shape[1:].Equal(q.Shape[1:]) {
		return nil, fmt.Errorf("x must have rows as long as the queue's %s", describe(in, names))
	}
	return result(q.DType, q.Shape.Clone())
}

// SumsRows states that the result of an update is the sum of those of its parts.
func (Push) SumsRows([]ir.Type) bool { return true }

// MixesRows states nothing more.
func (Push) MixesRows([]ir.Type) bool { return false }

// ByParts states that a part makes the elements that it has the rows of.
func (Push) ByParts() bool { return true }

// Split makes each slice of the rows that move there.
func (Push) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Whole, ir.Whole}, true
}

// Eval is the reference meaning. A part of an update makes the places of its own
// rows, the first one also those of the rows that stay; elsewhere is 0.
func (Push) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	q, x := in[0], in[1]
	w := ir.Elems(q.Shape[1:])
	out := ir.NewTensor(ir.F64, q.Shape...)
	rows := ir.Fixed(x.Shape[0])
	if len(env.Types) > 1 {
		rows = env.Types[1].Shape[0]
	}
	PushOf(env, q.Shape[0], rows).Each(0, q.Shape[0], func(at, from, n int, stays bool) {
		src := x.F64
		if stays {
			src = q.F64
		}
		copy(out.F64[at*w:(at+n)*w], src[from*w:])
	})
	return one(out)
}

// Cost counts no arithmetic.
func (Push) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}

// Pushed says which rows a part of an update puts where in a queue.
type Pushed struct{ rows, all, first, n int }

// PushOf returns where the rows of x, which are all of an update or a part of it, go in
// a queue of so many rows.
func PushOf(env *ir.Env, rows int, x ir.Dim) Pushed {
	n := x.At(env.Binding)
	p := Pushed{rows: rows, all: n, n: n}
	if b := env.Binding.Rows(); x.Has(ir.Batch) && env.UpdateRows != 0 && b > 0 {
		p.all, p.first = n/b*env.UpdateRows, n/b*env.FirstRow
	}
	return p
}

// Whole reports whether the rows are all of the update.
func (p Pushed) Whole() bool { return p.n == p.all }

// Each calls f for the parts of the rows [lo,hi) of the queue that are made here: n
// rows at at are those at from, of the queue as it was if they stay, else of x.
func (p Pushed) Each(lo, hi int, f func(at, from, n int, stays bool)) {
	if end := min(hi, p.rows-p.all); p.first == 0 && lo < end {
		f(lo, lo+p.all, end-lo, true)
	}
	shift := p.rows - p.all + p.first // place of x's first row
	from, to := max(lo, shift), min(hi, shift+p.n)
	if from < to {
		f(from, from-shift, to-from, false)
	}
}
