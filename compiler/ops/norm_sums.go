package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// NormSums is, for each column, the sum over the rows of dy times the standardized x, which
// is the gradient with respect to a normalisation's scale; with Bias also the sum of dy, that
// with respect to its bias. For dy and x [L m] stats is [L 2g]: for each of g runs of m/g
// columns of a row the number added to x, then the number it is multiplied by. Sums may
// start from given ones, with one more operand for each result.
type NormSums struct {
	Bias bool `attr:"bias"`
}

// Name returns NormSums.
func (NormSums) Name() string { return "NormSums" }

// ONNX says why there is no counterpart.
func (NormSums) ONNX() ir.ONNX { return gradONNX }

func (op NormSums) results() int {
	if op.Bias {
		return 2
	}
	return 1
}

// Infer returns the type of a number for each column, once or twice.
func (op NormSums) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"dy", "x", "stats", "scaled", "plain"}[:3+op.results()]
	if len(in) == 3 {
		names = names[:3]
	}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x, stats := in[1], in[2]
	if x.Rank() != 2 || !in[0].Equal(x) || stats.Rank() != 2 || stats.Shape[0] != x.Shape[0] {
		return nil, fmt.Errorf("dy and x must be matrices of one type and stats one of as many rows %s", describe(in, names))
	}
	m, known := x.Shape[1].Known()
	two, ok := stats.Shape[1].Known()
	if !known || !ok || two < 2 || two%2 != 0 || m%(two/2) != 0 || m == 0 {
		return nil, fmt.Errorf("stats must have two columns for each of the runs that x's columns divide into %s", describe(in, names))
	}
	sum := ir.T(x.DType, x.Shape[1])
	for i, t := range in[3:] {
		if !t.Equal(sum) {
			return nil, fmt.Errorf("%s must be %v %s", names[3+i], sum, describe(in, names))
		}
	}
	return []ir.Type{sum, sum}[:op.results()], nil
}

// Eval is the reference meaning.
func (op NormSums) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	m, pairs := in[1].Shape[1], in[2].Shape[1]
	out := make([]*ir.Tensor, op.results())
	for i := range out {
		if out[i] = ir.NewTensor(ir.F64, m); len(in) > 3 {
			copy(out[i].F64, in[3+i].F64)
		}
	}
	for at, x := range in[1].F64 {
		row, col := at/m, at%m
		s := in[2].F64[row*pairs+col/(2*m/pairs)*2:]
		out[0].F64[col] += in[0].F64[at] * ((x + s[0]) * s[1])
		if op.Bias {
			out[1].F64[col] += in[0].F64[at]
		}
	}
	return out, nil
}

// Decompose is the meaning in ops that have gradients.
func (op NormSums) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	dy, x, stats := in[0], in[1], in[2]
	rows, sum := x.Type.Shape[0], ReduceSum{Axes: ir.MakeAxes(0)}
	m, _ := x.Type.Shape[1].Known()
	two, _ := stats.Type.Shape[1].Known()
	runs := reshapeTo(b, x, ir.Shape{rows, ir.Fixed(two / 2), ir.Fixed(2 * m / two)})
	pairs := reshapeTo(b, stats, ir.Shape{rows, ir.Fixed(two / 2), ir.Fixed(2)})
	part := func(i int) *ir.Value {
		return b.Op(Slice{Axis: 2, Start: ir.Fixed(i), End: ir.Fixed(i + 1)}, pairs)
	}
	y := reshapeTo(b, b.Op(Mul{}, b.Op(Add{}, runs, part(0)), part(1)), x.Type.Shape)
	out := []*ir.Value{b.Op(sum, b.Op(Mul{}, dy, y))}
	if op.Bias {
		out = append(out, b.Op(sum, dy))
	}
	if len(in) > 3 {
		for i, start := range in[3:] {
			out[i] = b.Op(Add{}, out[i], start)
		}
	}
	return out
}

// SumsRows states that each row gives its terms by itself.
func (NormSums) SumsRows([]ir.Type) bool { return true }

// MixesRows states that the sums are over rows.
func (NormSums) MixesRows([]ir.Type) bool { return true }

// Chain states that each sum is one chain over the rows.
func (NormSums) Chain([]ir.Type) (start int, open bool) { return -1, true }

// Split makes slices of the sums from the same columns.
func (NormSums) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access := []ir.Access{ir.Axis1, ir.Axis1, ir.Whole}
	for range in[3:] {
		access = append(access, ir.Axis0)
	}
	return access, true
}

// Cost counts five operations for each element, or four.
func (op NormSums) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return int64(3+op.results()) * count(in[1:2], at), traffic(in, out, at)
}

// normSums returns the gradients along scale, and along bias if wanted, in the shape of
// a line; lines of x begin at axis, and stats are those of NormGrad.
func normSums(b *ir.Builder, dy, x, stats *ir.Value, axis int, epsilon float64, center, bias bool) []*ir.Value {
	line := ir.T(x.Type.DType, x.Type.Shape[axis:]...)
	lines, ok := x.Type.Shape[:axis].Elems()
	n, known := line.Shape.Fixed()
	if !ok || !known { // no matrix shows them
		y, _ := normParts(b, x, axesFrom(axis, x.Type), epsilon, center)
		sums := []*ir.Value{sumTo(b, b.Op(Mul{}, dy, y), line)}
		if bias {
			sums = append(sums, sumTo(b, dy, line))
		}
		return sums
	}
	m := ir.Shape{lines, ir.Fixed(ir.Elems(n))}
	sums := b.Ops(NormSums{bias}, reshapeTo(b, dy, m), reshapeTo(b, x, m), reshapeTo(b, stats, ir.Shape{lines, ir.Fixed(2)}))
	var out []*ir.Value
	for _, s := range sums[:NormSums{bias}.results()] {
		out = append(out, reshapeTo(b, s, line.Shape))
	}
	return out
}
