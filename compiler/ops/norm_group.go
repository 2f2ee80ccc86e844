package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// GroupNorm is x [N C …] with mean 0 and variance 1 over each of Groups runs of
// channels of each row, times scale [C], plus bias [C] (Wu and He 2018).
type GroupNorm struct {
	Groups  int     `attr:"num_groups"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns GroupNorm.
func (GroupNorm) Name() string { return "GroupNorm" }

// ONNX says why GroupNormalization is not written.
func (GroupNorm) ONNX() ir.ONNX {
	return ir.ONNX{Why: "GroupNormalization takes the variance from mean squares, which loses digits far from 0: InstanceNormalization of the groups is written"}
}

// Infer returns x's type.
func (op GroupNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferGroups(in, []string{"x", "scale", "bias"}, 2, op.Groups, op.Epsilon)
}

// inferGroups returns the type of the first operand of a normalisation of groups of
// channels. The operands named scale and bias have one element for each channel, the
// others have one type.
func inferGroups(in []ir.Type, names []string, rank, groups int, epsilon float64) ([]ir.Type, error) {
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x := in[0]
	if x.Rank() < rank || x.Rank() >= ir.MaxRank {
		return nil, fmt.Errorf("x must have %d to %d axes, its channels on the second %s", rank, ir.MaxRank-1, describe(in, names))
	}
	if err := checkEpsilon(epsilon, x); err != nil {
		return nil, err
	}
	channels, known := x.Shape[1].Known()
	if line := x.Shape[1:]; !known || line.Has(ir.Batch) || empty(line) {
		return nil, fmt.Errorf("x must have a known number of channels, elements in each, and the batch first %s", describe(in, names))
	}
	if groups <= 0 || channels%groups != 0 {
		return nil, fmt.Errorf("%d channels do not divide into %d groups %s", channels, groups, describe(in, names))
	}
	for i, t := range in[1:] {
		want := x.Shape
		if n := names[1+i]; n == "scale" || n == "bias" {
			want = x.Shape[1:2]
		}
		if !t.Shape.Equal(want) {
			return nil, fmt.Errorf("%s must be %v %s", names[1+i], ir.Type{DType: x.DType, Shape: want}, describe(in, names))
		}
	}
	return result(x.DType, x.Shape.Clone())
}

// Eval is the reference meaning.
func (op GroupNorm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return evalGroups(in, op.Groups, op.Epsilon)
}

func evalGroups(in []*ir.Tensor, groups int, epsilon float64) ([]*ir.Tensor, error) {
	out := in[0].Clone()
	channels, inner := out.Shape[1], ir.Elems(out.Shape[2:])
	n := channels / groups * inner
	for at := 0; at < len(out.F64); at += n {
		standardize(out.F64[at:at+n], epsilon, true)
	}
	for i := range out.F64 {
		c := i / inner % channels
		out.F64[i] = out.F64[i]*in[1].F64[c] + in[2].F64[c]
	}
	return one(out)
}

// Decompose is InstanceNorm of the groups, then scale and bias. What it scales the
// groups by is expanded here: a file's tensor would be a parameter to its reader.
func (op GroupNorm) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x := in[0]
	groups := func(v float64) *ir.Value {
		return b.Op(Expand{Shape: ir.MakeDims(ir.ShapeOf(op.Groups))}, b.Const(x.Type.DType, v))
	}
	y := b.Op(InstanceNorm{op.Epsilon}, byGroups(b, x, op.Groups), groups(1), groups(0))
	y = reshapeTo(b, y, x.Type.Shape)
	y = b.Op(Mul{}, y, perChannel(b, in[1], x.Type))
	return []*ir.Value{b.Op(Add{}, y, perChannel(b, in[2], x.Type))}
}

// byGroups shows x [N C …] as [N groups n].
func byGroups(b *ir.Builder, x *ir.Value, groups int) *ir.Value {
	if x.Type.DType == ir.Invalid {
		return x
	}
	s := x.Type.Shape
	channels, _ := s[1].Known()
	n, _ := append(ir.ShapeOf(channels/groups), s[2:]...).Elems()
	return reshapeTo(b, x, ir.Shape{s[0], ir.Fixed(groups), n})
}

// perChannel gives a value [C] the axes of t [N C …] from the second on.
func perChannel(b *ir.Builder, v *ir.Value, t ir.Type) *ir.Value {
	s := ir.Shape{t.Shape[1]}
	for range t.Rank() - 2 {
		s = append(s, ir.Fixed(1))
	}
	return reshapeTo(b, v, s)
}

// VJP gives GroupNormGrad, and sums over the rows for scale and bias.
func (op GroupNorm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return groupsVJP(b, n, dout[0], GroupNormGrad(op))
}

func groupsVJP(b *ir.Builder, n *ir.Node, dy *ir.Value, grad GroupNormGrad) []*ir.Value {
	d := b.Ops(grad, dy, n.In[0], n.In[1])
	sum := ReduceSum{Axes: ir.MakeAxes(0)}
	return []*ir.Value{d[0], b.Op(sum, d[1]), b.Op(sum, d[2])}
}

// MixesRows states that rows stay apart.
func (GroupNorm) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (GroupNorm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 1, 1) }

// InPlace states that the result may overwrite x.
func (GroupNorm) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts seven operations for each element.
func (GroupNorm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 7 * count(out, at), traffic(in, out, at)
}

// InstanceNorm is x [N C …] with mean 0 and variance 1 over each channel of each
// row, times scale [C], plus bias [C] (Ulyanov, Vedaldi and Lempitsky 2016): GroupNorm
// with one group per channel.
type InstanceNorm struct {
	Epsilon float64 `attr:"epsilon"`
}

// Name returns InstanceNorm.
func (InstanceNorm) Name() string { return "InstanceNorm" }

// ONNX returns InstanceNormalization.
func (InstanceNorm) ONNX() ir.ONNX { return ir.ONNX{Type: "InstanceNormalization", Since: 6} }

// Infer returns x's type.
func (op InstanceNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	groups := 1
	if len(in) > 0 && in[0].Rank() > 1 {
		groups, _ = in[0].Shape[1].Known()
	}
	return inferGroups(in, []string{"x", "scale", "bias"}, 3, max(groups, 1), op.Epsilon)
}

// Eval is the reference meaning.
func (op InstanceNorm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return evalGroups(in, in[0].Shape[1], op.Epsilon)
}

// Decompose is the meaning in ops without statistics of their own.
func (op InstanceNorm) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	y, _ := normParts(b, in[0], axesFrom(2, in[0].Type), op.Epsilon, true)
	y = b.Op(Mul{}, y, perChannel(b, in[1], in[0].Type))
	return []*ir.Value{b.Op(Add{}, y, perChannel(b, in[2], in[0].Type))}
}

// VJP gives GroupNormGrad, and sums over the rows for scale and bias.
func (op InstanceNorm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	channels, _ := n.In[0].Type.Shape[1].Known()
	return groupsVJP(b, n, dout[0], GroupNormGrad{channels, op.Epsilon})
}

// MixesRows states that rows stay apart.
func (InstanceNorm) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (InstanceNorm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 1, 1) }

// InPlace states that the result may overwrite x.
func (InstanceNorm) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts seven operations for each element.
func (InstanceNorm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 7 * count(out, at), traffic(in, out, at)
}

// GroupNormGrad is the gradient of GroupNorm with respect to x and, for each channel of
// each row, [N C], the sums of dy times the standardized x and of dy, whose sums over the
// rows are the gradients with respect to scale and bias.
type GroupNormGrad struct {
	Groups  int     `attr:"num_groups"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns GroupNormGrad.
func (GroupNormGrad) Name() string { return "GroupNormGrad" }

// ONNX says why there is no counterpart.
func (GroupNormGrad) ONNX() ir.ONNX { return gradONNX }

// Infer returns x's type, which dy must have, and twice that of a number for each
// channel of a row.
func (op GroupNormGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	t, err := inferGroups(in, []string{"dy", "x", "scale"}, 2, op.Groups, op.Epsilon)
	if err != nil {
		return nil, err
	}
	sums := ir.T(t[0].DType, t[0].Shape[0], t[0].Shape[1])
	return append(t, sums, sums), nil
}

// Eval is the reference meaning.
func (op GroupNormGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	dx, y := in[0].Clone(), in[1].Clone()
	rows, channels, inner := y.Shape[0], y.Shape[1], ir.Elems(y.Shape[2:])
	scaled, plain := ir.NewTensor(ir.F64, rows, channels), ir.NewTensor(ir.F64, rows, channels)
	n := channels / op.Groups * inner
	for at := 0; at < len(y.F64); at += n {
		g, y := dx.F64[at:at+n], y.F64[at:at+n]
		_, inverse := standardize(y, op.Epsilon, true)
		for i := range g {
			c := (at + i) / inner
			scaled.F64[c] += g[i] * y[i]
			plain.F64[c] += g[i]
			g[i] *= in[2].F64[c%channels]
		}
		standardizeGrad(g, y, inverse, true)
	}
	return []*ir.Tensor{dx, scaled, plain}, nil
}

// Decompose is the meaning in ops that have gradients.
func (op GroupNormGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	t, dy := in[1].Type, in[0]
	axes := ir.MakeAxes(2)
	y, inverse := normParts(b, byGroups(b, in[1], op.Groups), axes, op.Epsilon, true)
	g := byGroups(b, b.Op(Mul{}, dy, perChannel(b, in[2], t)), op.Groups)
	dx := reshapeTo(b, standardizeGradParts(b, g, y, inverse, axes, true), t.Shape)
	scaled := b.Op(Mul{}, dy, reshapeTo(b, y, t.Shape))
	if t.Rank() == 2 {
		return []*ir.Value{dx, scaled, b.Op(Identity{}, dy)}
	}
	sum := ReduceSum{Axes: axesFrom(2, t)}
	return []*ir.Value{dx, b.Op(sum, scaled), b.Op(sum, dy)}
}

// MixesRows states that rows stay apart.
func (GroupNormGrad) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (GroupNormGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 2, 1) }

// InPlace states that the gradient may overwrite dy.
func (GroupNormGrad) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts seventeen operations for each element.
func (GroupNormGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 17 * count(out[:1], at), traffic(in, out, at)
}
