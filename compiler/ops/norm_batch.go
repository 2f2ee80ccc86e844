package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// BatchNorm is (x - mean)/sqrt(variance + Epsilon)*scale + bias, the other operands having
// one element for each index of Axis: BatchNormalization of ONNX as it ships, which has
// the channels on axis 1 (Ioffe and Szegedy 2015).
type BatchNorm struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchNorm.
func (BatchNorm) Name() string { return "BatchNorm" }

// ONNX returns BatchNormalization, or says what is written for other axes.
func (op BatchNorm) ONNX() ir.ONNX {
	if op.Axis > 1 {
		return ir.ONNX{Why: "the channels are not on axis 1: BatchNormalization of a view is written"}
	}
	return ir.ONNX{Type: "BatchNormalization", Since: 15}
}

// Infer returns x's type.
func (op BatchNorm) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferBatchNorm(in, []string{"x", "scale", "bias", "mean", "variance"}, 1, op.Axis, op.Epsilon)
}

// inferBatchNorm returns the type of the first operand of a normalisation of batches. So
// many operands have that type, the others a number for each channel: float64 if they
// are statistics of the batch, whose names begin with a capital.
func inferBatchNorm(in []ir.Type, names []string, whole, axis int, epsilon float64) ([]ir.Type, error) {
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	x := in[0]
	if !x.DType.Float() {
		return nil, fmt.Errorf("%s must be floating point %s", names[0], describe(in, names))
	}
	if err := axisIn(axis, x, names[0]); err != nil {
		return nil, err
	}
	if err := checkEpsilon(epsilon, x); err != nil {
		return nil, err
	}
	if _, known := x.Shape[axis].Known(); axis == 0 || !known || x.Shape[1:].Has(ir.Batch) || empty(x.Shape[1:]) {
		return nil, fmt.Errorf("%s must have the batch first, elements in each row, and known channels on axis %d, which is not the first %s", names[0], axis, describe(in, names))
	}
	for i, t := range in[1:] {
		want := ir.T(x.DType, x.Shape[axis])
		if 1+i < whole {
			want = x
		} else if n := names[1+i]; n[0] < 'a' {
			want.DType = ir.F64
		}
		if !t.Equal(want) {
			return nil, fmt.Errorf("%s must be %v %s", names[1+i], want, describe(in, names))
		}
	}
	return result(x.DType, x.Shape.Clone())
}

// byChannel is where the elements of a tensor stand: those of channel c are the inner
// runs of each of outer blocks.
type byChannel struct{ outer, channels, inner int }

func channelsOf(shape []int, axis int) byChannel {
	return byChannel{ir.Elems(shape[:axis]), shape[axis], ir.Elems(shape[axis+1:])}
}

// of returns the channel of element i.
func (c byChannel) of(i int) int { return i / c.inner % c.channels }

// Eval is the reference meaning.
func (op BatchNorm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out, ch := in[0].Clone(), channelsOf(in[0].Shape, op.Axis)
	for i, x := range out.F64 {
		c := ch.of(i)
		out.F64[i] = (x-in[3].F64[c])/math.Sqrt(in[4].F64[c]+op.Epsilon)*in[1].F64[c] + in[2].F64[c]
	}
	return one(out)
}

// Decompose is a factor and an addend for each channel, which runtimes make of the
// operands too; with channels elsewhere than on axis 1 the op on a view that has them
// there.
func (op BatchNorm) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x := in[0]
	if x.Type.DType != ir.Invalid && op.Axis > 1 {
		rows, _ := x.Type.Shape[:op.Axis].Elems()
		view := reshapeTo(b, x, append(ir.Shape{rows}, x.Type.Shape[op.Axis:]...))
		y := b.Op(BatchNorm{1, op.Epsilon}, append([]*ir.Value{view}, in[1:]...)...)
		return []*ir.Value{reshapeTo(b, y, x.Type.Shape)}
	}
	inverse := b.Op(Reciprocal{}, b.Op(Sqrt{}, b.Op(Add{}, in[4], b.Const(x.Type.DType, op.Epsilon))))
	factor := b.Op(Mul{}, in[1], inverse)
	addend := b.Op(Sub{}, in[2], b.Op(Mul{}, in[3], factor))
	y := b.Op(Mul{}, x, onAxis(b, factor, x.Type, op.Axis))
	return []*ir.Value{b.Op(Add{}, y, onAxis(b, addend, x.Type, op.Axis))}
}

// onAxis gives a value [C] the axes of t from that one on.
func onAxis(b *ir.Builder, v *ir.Value, t ir.Type, axis int) *ir.Value {
	if t.DType == ir.Invalid {
		return v
	}
	s := ir.Shape{t.Shape[axis]}
	for range t.Rank() - axis - 1 {
		s = append(s, ir.Fixed(1))
	}
	return reshapeTo(b, v, s)
}

// VJP gives what its parts do.
func (op BatchNorm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, dy, t := n.In[0], dout[0], n.In[0].Type
	inverse := b.Op(Reciprocal{}, b.Op(Sqrt{}, b.Op(Add{}, n.In[4], b.Const(t.DType, op.Epsilon))))
	factor := b.Op(Mul{}, n.In[1], inverse)
	var others []int
	for i := range t.Shape {
		if i != op.Axis {
			others = append(others, i)
		}
	}
	sum := ReduceSum{Axes: ir.MakeAxes(others...)}
	off := b.Op(Sub{}, x, onAxis(b, n.In[3], t, op.Axis))
	plain, along := b.Op(sum, dy), b.Op(sum, b.Op(Mul{}, dy, off))
	scaled := b.Op(Mul{}, along, inverse)
	cube := b.Op(Mul{}, b.Op(Mul{}, inverse, inverse), factor)
	return []*ir.Value{
		b.Op(Mul{}, dy, onAxis(b, factor, t, op.Axis)),
		scaled,
		plain,
		b.Op(Neg{}, b.Op(Mul{}, plain, factor)),
		scale(b, b.Op(Mul{}, along, cube), -0.5),
	}
}

// MixesRows states that rows stay apart.
func (BatchNorm) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (BatchNorm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 1, 1) }

// InPlace states that the result may overwrite x.
func (BatchNorm) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts three operations for each element.
func (BatchNorm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 3 * count(out, at), traffic(in, out, at)
}

// BatchNormTraining is BatchNorm by the mean and the variance of x itself, over all axes
// but Axis and all rows of the update: y, the means, and the sums of squared deviations.
// The variance that divides is their mean, without Bessel's correction. For inference it
// is BatchNorm by the operands mean and variance, which it does not look at in training.
type BatchNormTraining struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchNormTraining.
func (BatchNormTraining) Name() string { return "BatchNormTraining" }

// ONNX says why there is no counterpart.
func (BatchNormTraining) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is BatchNorm"} }

// Infer returns x's type, and twice that of a number for each channel.
func (op BatchNormTraining) Infer(in []ir.Type) ([]ir.Type, error) {
	t, err := inferBatchNorm(in, []string{"x", "scale", "bias", "mean", "variance"}, 1, op.Axis, op.Epsilon)
	if err != nil {
		return nil, err
	}
	if d := in[0].DType; d != ir.F32 && d != ir.F64 {
		return nil, fmt.Errorf("x must be f32 or f64 in training, got %v", in[0])
	}
	if !in[0].Shape[0].Has(ir.Batch) {
		return nil, fmt.Errorf("x must have the rows of the update on its first axis, got %v", in[0])
	}
	sums := ir.T(ir.F64, in[0].Shape[op.Axis])
	return append(t, sums, sums), nil
}

// Inference is BatchNorm; the statistics of the batch are not there.
func (op BatchNormTraining) Inference(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(BatchNorm(op), in...), nil, nil}
}

// JoinsRows states that the statistics are of all rows. One element has no variance.
func (op BatchNormTraining) JoinsRows(in []ir.Type) (least int) {
	for i, d := range in[0].Shape {
		if n, known := d.Known(); i != op.Axis && (i > 0 && !known || n > 1) {
			return 1
		}
	}
	return 2
}

// Decompose is the statistics, and what is made of them row by row.
func (op BatchNormTraining) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	s := b.Ops(BatchMoments{op.Axis}, in[0])
	return []*ir.Value{b.Op(BatchApply(op), in[0], in[1], in[2], s[0], s[1]), s[0], s[1]}
}

// VJP gives BatchNormGrad, and for scale and bias the sums that it takes.
func (op BatchNormTraining) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, dy, t := n.In[0], dout[0], n.In[0].Type
	din := make([]*ir.Value, len(n.In))
	if dy != nil {
		s := b.Ops(BatchNormSums(op), dy, x, n.Out[1], n.Out[2])
		din[0] = b.Op(BatchNormGrad(op), dy, x, n.In[1], n.Out[1], n.Out[2], s[0], s[1])
		din[1] = b.Op(FirstPart{}, b.Op(Cast{To: t.DType}, s[1]))
		din[2] = b.Op(FirstPart{}, b.Op(Cast{To: t.DType}, s[0]))
	}
	channel := func(v *ir.Value) *ir.Value { return onAxis(b, b.Op(Cast{To: t.DType}, v), t, op.Axis) }
	add := func(v *ir.Value) {
		if din[0] != nil {
			v = b.Op(Add{}, din[0], v)
		}
		din[0] = v
	}
	if len(dout) > 1 && dout[1] != nil {
		n := b.Op(Extent{Of: ir.MakeDims(without(t.Shape, op.Axis)), To: ir.F64})
		add(b.Op(Expand{Shape: ir.MakeDims(t.Shape)}, channel(b.Op(Div{}, dout[1], n))))
	}
	if len(dout) > 2 && dout[2] != nil {
		d := dout[2]
		add(b.Op(Mul{}, channel(scale(b, d, 2)), b.Op(Sub{}, x, channel(n.Out[1]))))
	}
	return din
}

// without returns s without an axis.
func without(s ir.Shape, axis int) ir.Shape {
	return append(append(ir.Shape{}, s[:axis]...), s[axis+1:]...)
}

// Sizes is the rows of the update, by which the parts divide.
func (BatchNormTraining) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// Vanishes states that y is 0 where x and what is added are.
func (op BatchNormTraining) Vanishes(zero []bool) bool {
	return zero[0] && zero[2] && op.Epsilon > 0
}

// MixesRows states that y depends on all rows.
func (BatchNormTraining) MixesRows([]ir.Type) bool { return true }

// Cost counts eight operations for each element.
func (BatchNormTraining) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 8 * count(out[:1], at), traffic(in, out, at)
}

// batchNormParts says why what a BatchNormTraining is made of has no gradient.
const batchNormParts = "it is made when the gradients are known, of a BatchNormTraining, which has one"

// batchNormTwice says why a gradient through the statistics of a batch has none itself.
const batchNormTwice = "it is a gradient through the statistics of a batch, which is not differentiated again: name the layer in train's Options.Freeze, or take LayerNorm or GroupNorm in its place"

// BatchMoments is the means of x over all axes but Axis, and the sums of squared deviations
// from them, of all rows of the update together.
type BatchMoments struct {
	Axis int `attr:"axis"`
}

// Name returns BatchMoments.
func (BatchMoments) Name() string { return "BatchMoments" }

// ONNX says why there is no counterpart.
func (BatchMoments) ONNX() ir.ONNX { return gradONNX }

// WhyNoGradient gives the reason.
func (BatchMoments) WhyNoGradient() string { return batchNormParts }

// Infer returns twice the type of a number for each channel.
func (op BatchMoments) Infer(in []ir.Type) ([]ir.Type, error) {
	if _, err := inferBatchNorm(in, []string{"x"}, 1, op.Axis, 0); err != nil {
		return nil, err
	}
	if !in[0].Shape.RowWise() { // of several rows for each, only the first would be counted
		return nil, fmt.Errorf("in training x must have a row for each row of the update, as its first axis, got %v", in[0])
	}
	sums := ir.T(ir.F64, in[0].Shape[op.Axis])
	return []ir.Type{sums, sums}, nil
}

// Eval is the reference meaning, of the rows that are there.
func (op BatchMoments) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x, ch := in[0], channelsOf(in[0].Shape, op.Axis)
	mean, squares := ir.NewTensor(ir.F64, ch.channels), ir.NewTensor(ir.F64, ch.channels)
	n := float64(ch.outer * ch.inner)
	if n == 0 {
		return []*ir.Tensor{mean, squares}, nil
	}
	for i, v := range x.F64 {
		mean.F64[ch.of(i)] += v
	}
	for c := range mean.F64 {
		mean.F64[c] /= n
	}
	for i, v := range x.F64 {
		d := v - mean.F64[ch.of(i)]
		squares.F64[ch.of(i)] += d * d
	}
	return []*ir.Tensor{mean, squares}, nil
}

// Split makes each channel of that channel.
func (op BatchMoments) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{channelAccess(op.Axis)}, true
}

// channelAccess is what some channels of a value need of it.
func channelAccess(axis int) ir.Access {
	if axis == 1 {
		return ir.Axis1
	}
	return ir.Whole
}

// MixesRows states that the results are of all rows.
func (BatchMoments) MixesRows([]ir.Type) bool { return true }

// JoinsRows states that they are of all rows of the update.
func (op BatchMoments) JoinsRows(in []ir.Type) (least int) {
	return BatchNormTraining{Axis: op.Axis}.JoinsRows(in)
}

// Merge joins means and squared deviations of two runs of rows (Chan, Golub and LeVeque
// 1979).
func (op BatchMoments) Merge(x, y [][]float64, nx, ny int, in []ir.Type, at ir.Binding) {
	mergeMoments(x, y, nx, ny, float64(perRow(in[0], op.Axis, at)))
}

// perRow returns the elements of a channel of t in a row.
func perRow(t ir.Type, axis int, at ir.Binding) int {
	n := 1
	at = at.WithRows(1)
	for i, d := range t.Shape {
		if i != axis {
			n *= d.At(at)
		}
	}
	return n
}

// Cost counts five operations for each element.
func (BatchMoments) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 5 * count(in, at), traffic(in, out, at)
}

// spreadOf returns for each channel the mean and one over the deviation, of moments over
// all rows of the update, and how many elements these are.
func spreadOf(env *ir.Env, x *ir.Tensor, t ir.Type, axis int, epsilon float64, squares []float64) (inverse []float64, n float64) {
	ch := channelsOf(x.Shape, axis)
	n = float64(ch.outer * ch.inner)
	if rows := env.Binding.Rows(); env.UpdateRows != 0 && rows > 0 && t.Shape.Has(ir.Batch) {
		n = n / float64(rows) * float64(env.UpdateRows)
	}
	inverse = make([]float64, ch.channels)
	for c := range inverse {
		inverse[c] = inverseDeviation(squares[c], n, epsilon)
	}
	return inverse, n
}

func inverseDeviation(squares, n, epsilon float64) float64 { return 1 / math.Sqrt(squares/n+epsilon) }

// typeOf returns the type of operand i as a value.
func typeOf(env *ir.Env, i int, in []*ir.Tensor) ir.Type {
	if i < len(env.Types) {
		return env.Types[i]
	}
	return ir.T(in[i].DType, ir.ShapeOf(in[i].Shape...)...)
}

// BatchApply is y of a BatchNormTraining, from the moments of x: row by row.
type BatchApply struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchApply.
func (BatchApply) Name() string { return "BatchApply" }

// ONNX says why there is no counterpart.
func (BatchApply) ONNX() ir.ONNX { return gradONNX }

// WhyNoGradient gives the reason.
func (BatchApply) WhyNoGradient() string { return batchNormParts }

// Infer returns x's type.
func (op BatchApply) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferBatchNorm(in, []string{"x", "scale", "bias", "Mean", "Squares"}, 1, op.Axis, op.Epsilon)
}

// Eval is the reference meaning.
func (op BatchApply) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out, ch := in[0].Clone(), channelsOf(in[0].Shape, op.Axis)
	inverse, _ := spreadOf(env, in[0], typeOf(env, 0, in), op.Axis, op.Epsilon, in[4].F64)
	for i, x := range out.F64 {
		c := ch.of(i)
		out.F64[i] = (x-in[3].F64[c])*inverse[c]*in[1].F64[c] + in[2].F64[c]
	}
	return one(out)
}

// Sizes is the rows of the update, whose moments they are.
func (BatchApply) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// MixesRows states that rows stay apart.
func (BatchApply) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (BatchApply) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 1, 1) }

// InPlace states that the result may overwrite x.
func (BatchApply) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts three operations for each element.
func (BatchApply) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 3 * count(out, at), traffic(in, out, at)
}

// BatchNormSums is for each channel the sums of dy and of dy times x as it was standardized,
// of all rows of the update together: the gradients of a BatchNormTraining along bias and
// scale.
type BatchNormSums struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchNormSums.
func (BatchNormSums) Name() string { return "BatchNormSums" }

// ONNX says why there is no counterpart.
func (BatchNormSums) ONNX() ir.ONNX { return gradONNX }

// WhyNoGradient gives the reason.
func (BatchNormSums) WhyNoGradient() string { return batchNormTwice }

// Infer returns twice the type of a number for each channel.
func (op BatchNormSums) Infer(in []ir.Type) ([]ir.Type, error) {
	if _, err := inferBatchNorm(in, []string{"dy", "x", "Mean", "Squares"}, 2, op.Axis, op.Epsilon); err != nil {
		return nil, err
	}
	sums := ir.T(ir.F64, in[0].Shape[op.Axis])
	return []ir.Type{sums, sums}, nil
}

// Eval is the reference meaning, of the rows that are there.
func (op BatchNormSums) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	ch := channelsOf(in[1].Shape, op.Axis)
	inverse, _ := spreadOf(env, in[1], typeOf(env, 1, in), op.Axis, op.Epsilon, in[3].F64)
	plain, along := ir.NewTensor(ir.F64, ch.channels), ir.NewTensor(ir.F64, ch.channels)
	for i, dy := range in[0].F64 {
		c := ch.of(i)
		plain.F64[c] += dy
		along.F64[c] += dy * (in[1].F64[i] - in[2].F64[c]) * inverse[c]
	}
	return []*ir.Tensor{plain, along}, nil
}

// Sizes is the rows of the update, whose moments they are.
func (BatchNormSums) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// Split makes each channel of that channel.
func (op BatchNormSums) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	a := channelAccess(op.Axis)
	return []ir.Access{a, a, ir.Axis0, ir.Axis0}, true
}

// MixesRows states that the results are of all rows.
func (BatchNormSums) MixesRows([]ir.Type) bool { return true }

// JoinsRows states that they are of all rows of the update.
func (op BatchNormSums) JoinsRows(in []ir.Type) (least int) {
	return BatchNormTraining{Axis: op.Axis}.JoinsRows(in)
}

// Merge adds.
func (BatchNormSums) Merge(x, y [][]float64, _, _ int, _ []ir.Type, _ ir.Binding) {
	for i := range x {
		for c, v := range y[i] {
			x[i][c] += v
		}
	}
}

// Cost counts four operations for each element.
func (BatchNormSums) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 4 * count(in[:1], at), traffic(in, out, at)
}

// BatchNormGrad is the gradient of a BatchNormTraining along x, from the moments of x and
// the BatchNormSums of dy and x: row by row.
type BatchNormGrad struct {
	Axis    int     `attr:"axis"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns BatchNormGrad.
func (BatchNormGrad) Name() string { return "BatchNormGrad" }

// ONNX says why there is no counterpart.
func (BatchNormGrad) ONNX() ir.ONNX { return gradONNX }

// WhyNoGradient gives the reason.
func (BatchNormGrad) WhyNoGradient() string { return batchNormTwice }

// Infer returns x's type, which dy must have.
func (op BatchNormGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferBatchNorm(in, []string{"dy", "x", "scale", "Mean", "Squares", "Sum", "Along"}, 2, op.Axis, op.Epsilon)
}

// Eval is the reference meaning.
func (op BatchNormGrad) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	dx, ch := in[0].Clone(), channelsOf(in[1].Shape, op.Axis)
	inverse, n := spreadOf(env, in[1], typeOf(env, 1, in), op.Axis, op.Epsilon, in[4].F64)
	for i, dy := range dx.F64 {
		c := ch.of(i)
		y := (in[1].F64[i] - in[3].F64[c]) * inverse[c]
		dx.F64[i] = in[2].F64[c] * inverse[c] * (dy - in[5].F64[c]/n - y*(in[6].F64[c]/n))
	}
	return one(dx)
}

// Sizes is the rows of the update, whose moments they are.
func (BatchNormGrad) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// MixesRows states that rows stay apart.
func (BatchNormGrad) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (BatchNormGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitNorm(in, 2, 1) }

// InPlace states that the gradient may overwrite dy.
func (BatchNormGrad) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, false }

// Cost counts five operations for each element.
func (BatchNormGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 5 * count(out, at), traffic(in, out, at)
}

// FirstPart is x in the part of an update that has its first row, and 0 in the others: what
// is of all rows together, so that the parts add up to it.
type FirstPart struct{ pointwise }

// Name returns FirstPart.
func (FirstPart) Name() string { return "FirstPart" }

// ONNX says why there is no counterpart.
func (FirstPart) ONNX() ir.ONNX { return gradONNX }

// WhyNoGradient gives the reason.
func (FirstPart) WhyNoGradient() string { return batchNormParts }

// Infer returns x's type, which has no rows.
func (FirstPart) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if in[0].Shape.Has(ir.Batch) {
		return nil, fmt.Errorf("x must not have rows %s", describe(in, []string{"x"}))
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// ByParts states that only one part has it.
func (FirstPart) ByParts() bool { return true }

// Eval is the reference meaning.
func (FirstPart) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	if env.FirstRow != 0 {
		return one(ir.NewTensor(in[0].DType, in[0].Shape...))
	}
	return one(in[0].Clone())
}
