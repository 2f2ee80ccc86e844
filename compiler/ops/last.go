package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Ops on images whose channels are their last axis, which only plans have: there a kernel
// finds the channels of a pixel side by side. Each is defined by the op that has the channels
// first, as ONNX has them. Filters are [kernel… C O], so that what a window sees together
// and what is summed over lies in one run.

// lastOp is embedded by ops of images with their channels last.
type lastOp struct{}

// ONNX says why there is no counterpart.
func (lastOp) ONNX() ir.ONNX { return lowered }

// WhyNoGradient gives the reason.
func (lastOp) WhyNoGradient() string { return "it is made when the gradients are there" }

// ChannelsFirst is the order of axes that gives an image of so many axes, channels last, as
// one with its channels on axis 1.
func ChannelsFirst(rank int) ir.Axes {
	p := ir.MakeAxes(0, rank-1)
	for i := 1; i < rank-1; i++ {
		p.At[p.Len], p.Len = i, p.Len+1
	}
	return p
}

// ChannelsLast is the order of axes that undoes ChannelsFirst.
func ChannelsLast(rank int) ir.Axes {
	p := ir.MakeAxes(0)
	for i := 2; i < rank; i++ {
		p.At[p.Len], p.Len = i, p.Len+1
	}
	p.At[p.Len], p.Len = 1, p.Len+1
	return p
}

// FiltersLast is the order of axes that gives filters [O C kernel…] as [kernel… C O].
func FiltersLast(rank int) ir.Axes {
	var p ir.Axes
	for i := 2; i < rank; i++ {
		p.At[p.Len], p.Len = i, p.Len+1
	}
	p.At[p.Len], p.At[p.Len+1], p.Len = 1, 0, p.Len+2
	return p
}

// FiltersTurned is the order of axes that gives filters [C O kernel…], of a transposed
// convolution, as [kernel… C O].
func FiltersTurned(rank int) ir.Axes {
	p := FiltersLast(rank)
	p.At[rank-2], p.At[rank-1] = 0, 1
	return p
}

// FiltersFirst is the order of axes that undoes FiltersLast.
func FiltersFirst(rank int) ir.Axes {
	p := ir.MakeAxes(rank-1, rank-2)
	for i := range rank - 2 {
		p.At[p.Len], p.Len = i, p.Len+1
	}
	return p
}

// form says how an operand or a result is to be turned.
type form func(rank int) ir.Axes

func turnedType(t ir.Type, f form) ir.Type {
	if f == nil {
		return t
	}
	s := make(ir.Shape, t.Rank())
	for i, a := range f(t.Rank()).Slice() {
		s[i] = t.Shape[a]
	}
	return ir.Type{DType: t.DType, Shape: s}
}

// lastInfer is the types of op with operands and result turned.
func lastInfer(op ir.Op, in []ir.Type, forms []form, out form) ([]ir.Type, error) {
	if len(in) > len(forms) {
		return nil, fmt.Errorf("takes at most %d operands, got %d", len(forms), len(in))
	}
	first := make([]ir.Type, len(in))
	for i, t := range in {
		if forms[i] != nil && (t.Rank() < 3 || t.Rank() > 5) {
			return nil, fmt.Errorf("operand %d must have from 3 to 5 axes, got %v", i, t)
		}
		first[i] = turnedType(t, forms[i])
	}
	types, err := op.Infer(first)
	if err != nil {
		return nil, fmt.Errorf("with its channels first: %w", err)
	}
	return []ir.Type{turnedType(types[0], out)}, nil
}

func turnedTensor(t *ir.Tensor, f form) (*ir.Tensor, error) {
	if f == nil {
		return t, nil
	}
	out, err := Transpose{Perm: f(len(t.Shape))}.Eval(nil, []*ir.Tensor{t})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// lastEval is the meaning of op with operands and result turned.
func lastEval(op ir.Evaluator, env *ir.Env, in []*ir.Tensor, forms []form, out form) ([]*ir.Tensor, error) {
	first := make([]*ir.Tensor, len(in))
	for i, t := range in {
		var err error
		if first[i], err = turnedTensor(t, forms[i]); err != nil {
			return nil, err
		}
	}
	y, err := op.Eval(env, first)
	if err != nil {
		return nil, err
	}
	turned, err := turnedTensor(y[0], out)
	return []*ir.Tensor{turned}, err
}

// splitLast states that rows of the result need those of the operands that are images.
func splitLast(in []ir.Type, images int) ([]ir.Access, bool) {
	access := make([]ir.Access, len(in))
	for i := range images {
		access[i] = ir.Axis0
	}
	return access, true
}
