package ops

import "github.com/lamina-ml/lamina/compiler/ir"

// MaxPoolLast is MaxPool of x [N … C].
type MaxPoolLast struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
}

// MaxPoolGradLast is MaxPoolGrad along x [N … C], of dy with the channels last too. With Relu
// set, x is what a rectifier made, and the result is the gradient along the rectifier's
// operand: 0 where x is not positive.
type MaxPoolGradLast struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Relu      bool    `attr:"relu"`
}

// AveragePoolLast is AveragePool of x [N … C].
type AveragePoolLast struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Pads      ir.Axes `attr:"pads"`
	CountPads bool    `attr:"count_include_pad"`
}

// AveragePoolGradLast is AveragePoolGrad of dy [N … C].
type AveragePoolGradLast struct {
	lastOp
	Lengths   ir.Axes `attr:"lengths"`
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Pads      ir.Axes `attr:"pads"`
	CountPads bool    `attr:"count_include_pad"`
}

// Name returns MaxPoolLast.
func (MaxPoolLast) Name() string { return "MaxPoolLast" }

// Name returns MaxPoolGradLast.
func (MaxPoolGradLast) Name() string { return "MaxPoolGradLast" }

// Name returns AveragePoolLast.
func (AveragePoolLast) Name() string { return "AveragePoolLast" }

// Name returns AveragePoolGradLast.
func (AveragePoolGradLast) Name() string { return "AveragePoolGradLast" }

func (op MaxPoolLast) first() MaxPool {
	return MaxPool{op.Kernel, op.Strides, op.Dilations, op.Pads}
}

func (op MaxPoolGradLast) first() MaxPoolGrad {
	return MaxPoolGrad{op.Kernel, op.Strides, op.Dilations, op.Pads}
}

func (op AveragePoolLast) first() AveragePool {
	return AveragePool{op.Kernel, op.Strides, op.Pads, op.CountPads}
}

func (op AveragePoolGradLast) first() AveragePoolGrad {
	return AveragePoolGrad{op.Lengths, op.Kernel, op.Strides, op.Pads, op.CountPads}
}

var poolForms = []form{ChannelsFirst, ChannelsFirst}

// Infer returns the places of the window for each channel.
func (op MaxPoolLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(op.first(), in, poolForms, ChannelsLast)
}

// Infer returns x's type.
func (op MaxPoolGradLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(op.first(), in, poolForms, ChannelsLast)
}

// Infer returns the places of the window for each channel.
func (op AveragePoolLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(op.first(), in, poolForms, ChannelsLast)
}

// Infer returns [N Lengths… C].
func (op AveragePoolGradLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(op.first(), in, poolForms, ChannelsLast)
}

// Eval is the reference meaning.
func (op MaxPoolLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lastEval(op.first(), env, in, poolForms, ChannelsLast)
}

// Eval is the reference meaning.
func (op MaxPoolGradLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	dx, err := lastEval(op.first(), env, in, poolForms, ChannelsLast)
	if err == nil && op.Relu {
		for i, x := range in[0].F64 {
			if x <= 0 {
				dx[0].F64[i] = 0
			}
		}
	}
	return dx, err
}

// Eval is the reference meaning.
func (op AveragePoolLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lastEval(op.first(), env, in, poolForms, ChannelsLast)
}

// Eval is the reference meaning.
func (op AveragePoolGradLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lastEval(op.first(), env, in, poolForms, ChannelsLast)
}

// Split states that rows of the result need those of the operands.
func (MaxPoolLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, len(in)) }

// Split states that rows of the result need those of the operands.
func (MaxPoolGradLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitLast(in, len(in))
}

// Split states that rows of the result need those of the operand.
func (AveragePoolLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitLast(in, len(in))
}

// Split states that rows of the result need those of the operand.
func (AveragePoolGradLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitLast(in, len(in))
}

// MixesRows states that rows stay apart.
func (MaxPoolLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (MaxPoolGradLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (AveragePoolLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (AveragePoolGradLast) MixesRows([]ir.Type) bool { return false }

// Cost counts an operation for each element of each window.
func (op MaxPoolLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}

// Cost counts an operation for each element of each window.
func (op MaxPoolGradLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in[1:], at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}

// Cost counts an operation for each element of each window.
func (op AveragePoolLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}

// Cost counts an operation for each element of each window.
func (op AveragePoolGradLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}

// PoolLastOf returns the places of a pool with its channels last, or of the gradient of
// one, as [PoolShapeOf] does of the op with its channels first.
func PoolLastOf(op ir.Op, in []ir.Type) (PoolShape, bool) {
	first := make([]ir.Type, len(in))
	for i, t := range in {
		first[i] = turnedType(t, ChannelsFirst)
	}
	switch op := op.(type) {
	case MaxPoolLast:
		return PoolShapeOf(op.first(), first)
	case MaxPoolGradLast:
		return PoolShapeOf(op.first(), first)
	case MaxPoolWinnersLast:
		return PoolShapeOf(op.first(), first)
	case MaxPoolWinnersGradLast:
		return PoolShapeOf(op.first(), []ir.Type{op.operand(first[1])})
	case AveragePoolLast:
		return PoolShapeOf(op.first(), first)
	case AveragePoolGradLast:
		return PoolShapeOf(op.first(), first)
	}
	return PoolShape{}, false
}
