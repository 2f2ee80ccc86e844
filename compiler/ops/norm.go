package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// LayerNorm is x with mean 0 and variance 1 over the axes from Axis on, times
// scale, plus bias if given (Ba, Kiros and Hinton 2016): (x - mean)/sqrt(variance
// + Epsilon)*scale + bias. Scale and bias have the lengths of those axes, none of
// which is the batch.
type LayerNorm struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns LayerNorm.
func (LayerNorm) Name() string { return "LayerNorm" }

// ONNX returns LayerNormalization.
func (LayerNorm) ONNX() ir.ONNX { return ir.ONNX{Type: "LayerNormalization", Since: 17, First: 17} }

// Infer returns x's type.
func (op LayerNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "scale", "bias"}
	if len(in) == 2 {
		names = names[:2]
	}
	return inferNorm(in, names, op.Axis, op.Epsilon)
}

// inferNorm returns the type of the first operand of a normalisation from axis on.
// The operands named scale and bias have the lengths of what is normalised, the
// others have one type.
func inferNorm(in []ir.Type, names []string, axis int, epsilon float64) ([]ir.Type, error) {
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x := in[0]
	if err := axisIn(axis, x, names[0]); err != nil {
		return nil, err
	}
	if err := checkEpsilon(epsilon, x); err != nil {
		return nil, err
	}
	line := x.Shape[axis:]
	if line.Has(ir.Batch) || empty(line) {
		return nil, fmt.Errorf("axes from %d on must have elements and no batch %s", axis, describe(in, names))
	}
	for i, t := range in[1:] {
		want := x.Shape
		if n := names[1+i]; n == "scale" || n == "bias" {
			want = line
		}
		if !t.Shape.Equal(want) {
			return nil, fmt.Errorf("%s must be %v %s", names[1+i], ir.Type{DType: x.DType, Shape: want}, describe(in, names))
		}
	}
	return result(x.DType, x.Shape.Clone())
}

func checkEpsilon(epsilon float64, x ir.Type) error {
	if !(epsilon >= 0) || math.IsInf(epsilon, 0) {
		return fmt.Errorf("epsilon is %v, it must be finite and at least 0 (x is %v)", epsilon, x)
	}
	return nil
}

// Eval is the reference meaning.
func (op LayerNorm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return evalNorm(in, op.Axis, op.Epsilon, true)
}

// evalNorm normalises x and applies the scale, and the bias if given.
func evalNorm(in []*ir.Tensor, axis int, epsilon float64, center bool) ([]*ir.Tensor, error) {
	out := in[0].Clone()
	n := ir.Elems(out.Shape[axis:])
	for at := 0; at < len(out.F64); at += n {
		y := out.F64[at : at+n]
		standardize(y, epsilon, center)
		for i := range y {
			y[i] *= in[1].F64[i]
			if len(in) > 2 {
				y[i] += in[2].F64[i]
			}
		}
	}
	return one(out)
}

// standardize divides x, less its mean if center is set, by the root of its mean
// square plus epsilon, and returns what it added and one over that root.
func standardize(x []float64, epsilon float64, center bool) (shift, inverse float64) {
	n := float64(len(x))
	if center {
		for _, v := range x {
			shift -= v
		}
		shift /= n
		for i := range x {
			x[i] += shift
		}
	}
	squares := 0.0
	for _, v := range x {
		squares += v * v
	}
	inverse = 1 / math.Sqrt(squares/n+epsilon)
	for i := range x {
		x[i] *= inverse
	}
	return shift, inverse
}

// normParts returns x standardized over the axes and one over the root.
func normParts(b *ir.Builder, x *ir.Value, axes ir.Axes, epsilon float64, center bool) (y, inverse *ir.Value) {
	if center {
		x = b.Op(Sub{}, x, b.Op(ReduceMean{Axes: axes, Keep: true}, x))
	}
	squares := b.Op(ReduceMean{Axes: axes, Keep: true}, b.Op(Mul{}, x, x))
	inverse = b.Op(Reciprocal{}, b.Op(Sqrt{}, b.Op(Add{}, squares, b.Const(x.Type.DType, epsilon))))
	return b.Op(Mul{}, x, inverse), inverse
}

// axesFrom is the axes of t from one on.
func axesFrom(axis int, t ir.Type) ir.Axes {
	var a ir.Axes
	for i := axis; i < t.Rank(); i++ {
		a.At[a.Len] = i
		a.Len++
	}
	return a
}

// Decompose is the meaning in ops that every opset has.
func (op LayerNorm) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return decomposeNorm(b, in, op.Axis, op.Epsilon, true)
}

func decomposeNorm(b *ir.Builder, in []*ir.Value, axis int, epsilon float64, center bool) []*ir.Value {
	y, _ := normParts(b, in[0], axesFrom(axis, in[0].Type), epsilon, center)
	y = b.Op(Mul{}, y, in[1])
	if len(in) > 2 {
		y = b.Op(Add{}, y, in[2])
	}
	return []*ir.Value{y}
}

// VJP gives NormGrad, and sums over the lines for scale and bias.
func (op LayerNorm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return normVJP(b, n, dout[0], NormGrad{op.Axis, op.Epsilon, true})
}

func normVJP(b *ir.Builder, n *ir.Node, dy *ir.Value, grad NormGrad) []*ir.Value {
	x, scale := n.In[0], n.In[1]
	d := b.Ops(grad, dy, x, scale)
	return append([]*ir.Value{d[0]}, normSums(b, dy, x, d[1], grad.Axis, grad.Epsilon, grad.Center, len(n.In) > 2)...)
}

// MixesRows states that rows stay apart: the batch is no axis of a line.
func (LayerNorm) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart unless they are normalised.
func (op LayerNorm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitNorm(in, 1, op.Axis)
}

// splitNorm slices the first operands and takes the others whole.
func splitNorm(in []ir.Type, sliced, axis int) ([]ir.Access, bool) {
	access := make([]ir.Access, len(in))
	for i := range min(sliced, len(in)) {
		access[i] = ir.Axis0
	}
	return access, axis > 0
}

// InPlace states that the result may overwrite x.
func (LayerNorm) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts seven operations for each element.
func (LayerNorm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 7 * count(out, at), traffic(in, out, at)
}

// RMSNorm is x divided by the root of its mean square over the axes from Axis on,
// times scale (Zhang and Sennrich 2019): x/sqrt(mean(x²) + Epsilon)*scale. Scale has
// the lengths of those axes, none of which is the batch.
type RMSNorm struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns RMSNorm.
func (RMSNorm) Name() string { return "RMSNorm" }

// ONNX returns RMSNormalization.
func (RMSNorm) ONNX() ir.ONNX { return ir.ONNX{Type: "RMSNormalization", Since: 23} }

// Infer returns x's type.
func (op RMSNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferNorm(in, []string{"x", "scale"}, op.Axis, op.Epsilon)
}

// Eval is the reference meaning.
func (op RMSNorm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return evalNorm(in, op.Axis, op.Epsilon, false)
}

// Decompose is the meaning in ops that every opset has.
func (op RMSNorm) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return decomposeNorm(b, in, op.Axis, op.Epsilon, false)
}

// VJP gives NormGrad, and a sum over the lines for scale.
func (op RMSNorm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return normVJP(b, n, dout[0], NormGrad{op.Axis, op.Epsilon, false})
}

// MixesRows states that rows stay apart: the batch is no axis of a line.
func (RMSNorm) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart unless they are normalised.
func (op RMSNorm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitNorm(in, 1, op.Axis)
}

// InPlace states that the result may overwrite x.
func (RMSNorm) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts four operations for each element.
func (RMSNorm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 4 * count(out, at), traffic(in, out, at)
}

// NormGrad is the gradient of LayerNorm if Center is set, else of RMSNorm, with respect to
// x, and the statistics that standardize x, from which NormSums makes the other gradients:
// for each line the number added to it and the number it is then multiplied by.
type NormGrad struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
	Center  bool    `attr:"center"`
}

// Name returns NormGrad.
func (NormGrad) Name() string { return "NormGrad" }

// ONNX says why there is no counterpart.
func (NormGrad) ONNX() ir.ONNX { return gradONNX }

// Infer returns x's type, which dy must have, and that of two numbers for each line.
func (op NormGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	t, err := inferNorm(in, []string{"dy", "x", "scale"}, op.Axis, op.Epsilon)
	if err != nil {
		return nil, err
	}
	return append(t, ir.T(t[0].DType, append(t[0].Shape[:op.Axis:op.Axis], ir.Fixed(2))...)), nil
}

// Eval is the reference meaning.
func (op NormGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	dx, y := in[0].Clone(), in[1].Clone()
	stats := ir.NewTensor(ir.F64, append(append([]int{}, y.Shape[:op.Axis]...), 2)...)
	n := ir.Elems(y.Shape[op.Axis:])
	for at := 0; at < len(y.F64); at += n {
		g, y := dx.F64[at:at+n], y.F64[at:at+n]
		shift, inverse := standardize(y, op.Epsilon, op.Center)
		stats.F64[2*at/n], stats.F64[2*at/n+1] = shift, inverse
		for i := range g {
			g[i] *= in[2].F64[i]
		}
		standardizeGrad(g, y, inverse, op.Center)
	}
	return []*ir.Tensor{dx, stats}, nil
}

// standardizeGrad turns the gradient along the result y of standardize into that
// along its operand.
func standardizeGrad(g, y []float64, inverse float64, center bool) {
	n, mean, along := float64(len(g)), 0.0, 0.0
	for i, v := range g {
		mean += v
		along += v * y[i]
	}
	if !center {
		mean = 0
	}
	for i := range g {
		g[i] = (g[i] - mean/n - y[i]*(along/n)) * inverse
	}
}

// standardizeGradParts is standardizeGrad in ops.
func standardizeGradParts(b *ir.Builder, g, y, inverse *ir.Value, axes ir.Axes, center bool) *ir.Value {
	along := b.Op(ReduceMean{Axes: axes, Keep: true}, b.Op(Mul{}, g, y))
	if center {
		g = b.Op(Sub{}, g, b.Op(ReduceMean{Axes: axes, Keep: true}, g))
	}
	return b.Op(Mul{}, b.Op(Sub{}, g, b.Op(Mul{}, y, along)), inverse)
}

// Decompose is the meaning in ops that have gradients.
func (op NormGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x := in[1]
	axes := axesFrom(op.Axis, x.Type)
	y, inverse := normParts(b, x, axes, op.Epsilon, op.Center)
	dx := standardizeGradParts(b, b.Op(Mul{}, in[0], in[2]), y, inverse, axes, op.Center)
	if x.Type.DType == ir.Invalid {
		return []*ir.Value{dx, inverse}
	}
	each := append(x.Type.Shape[:op.Axis:op.Axis], ir.Fixed(1))
	shift := b.Op(Expand{Shape: ir.MakeDims(each)}, b.Const(x.Type.DType, 0))
	if op.Center {
		shift = reshapeTo(b, b.Op(Neg{}, b.Op(ReduceMean{Axes: axes, Keep: true}, x)), each)
	}
	return []*ir.Value{dx, b.Op(Concat{Axis: op.Axis}, shift, reshapeTo(b, inverse, each))}
}

// MixesRows states that rows stay apart: the batch is no axis of a line.
func (NormGrad) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart unless they are normalised.
func (op NormGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitNorm(in, 2, op.Axis)
}

// InPlace states that the gradient may overwrite dy.
func (NormGrad) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts fourteen operations for each element.
func (NormGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 14 * count(out[:1], at), traffic(in, out, at)
}
