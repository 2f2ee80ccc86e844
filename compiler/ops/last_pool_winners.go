package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MaxPoolWinnersLast is MaxPoolLast with a second result, u8: which of the elements that the window
// sees, counted from 0, is the greatest. By it MaxPoolWinnersGradLast makes the gradient without
// x, which has many times as many bytes. With Relu set, x is what a rectifier made, and the second
// result is [NoWinner] where the greatest element is not positive.
type MaxPoolWinnersLast struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Relu      bool    `attr:"relu"`
}

// MaxPoolWinnersGradLast is MaxPoolGradLast by the winners that MaxPoolWinnersLast found: each
// element of dy [N … C] is added to the element of the result [N Lengths… C] that has this number
// in its window, and to none where the number is [NoWinner].
type MaxPoolWinnersGradLast struct {
	lastOp
	Lengths   ir.Axes `attr:"lengths"`
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
}

// NoWinner takes the place of a number where no element gets the gradient. A window whose winners
// are remembered has at most so many elements.
const NoWinner = 255

// Name returns MaxPoolWinnersLast.
func (MaxPoolWinnersLast) Name() string { return "MaxPoolWinnersLast" }

// Name returns MaxPoolWinnersGradLast.
func (MaxPoolWinnersGradLast) Name() string { return "MaxPoolWinnersGradLast" }

func (op MaxPoolWinnersLast) first() MaxPool {
	return MaxPool{op.Kernel, op.Strides, op.Dilations, op.Pads}
}

func (op MaxPoolWinnersGradLast) first() MaxPool {
	return MaxPool{op.Kernel, op.Strides, op.Dilations, op.Pads}
}

// operand is the type of what was pooled, with its channels first, as dy has them.
func (op MaxPoolWinnersGradLast) operand(dy ir.Type) ir.Type {
	return ir.Type{DType: dy.DType, Shape: append(dy.Shape[:2:2], ir.ShapeOf(op.Lengths.Slice()...)...)}
}

// pool returns the window over an operand with its channels first.
func (op MaxPoolWinnersGradLast) pool(winners, dy ir.Type) (pool, error) {
	names := []string{"winners", "dy"}
	in := []ir.Type{winners, dy}
	if dy.Rank() != op.Lengths.Len+2 {
		return pool{}, fmt.Errorf("dy must have %d axes, the batch, channels and as many as lengths %s", op.Lengths.Len+2, describe(in, names))
	}
	x := op.operand(dy)
	p, err := op.first().pool([]ir.Type{x})
	if err == nil {
		err = few(p.kernel)
	}
	if err == nil && !dy.Shape.Equal(p.places(x)) {
		err = fmt.Errorf("dy must be %v %s", ir.Type{DType: x.DType, Shape: p.places(x)}, describe(in, names))
	}
	if want := (ir.Type{DType: ir.U8, Shape: dy.Shape}); err == nil && !winners.Equal(want) {
		err = fmt.Errorf("winners must be %v %s", want, describe(in, names))
	}
	return p, err
}

// few refuses a window with more elements than a byte counts.
func few(kernel []int) error {
	if n := ir.Elems(kernel); n > NoWinner {
		return fmt.Errorf("the window, %v long, has %d elements: a byte tells at most %d apart", kernel, n, NoWinner)
	}
	return nil
}

// Infer returns the places of the window for each channel, twice.
func (op MaxPoolWinnersLast) Infer(in []ir.Type) ([]ir.Type, error) {
	t, err := lastInfer(op.first(), in, poolForms[:1], ChannelsLast)
	if err != nil {
		return nil, err
	}
	if err := few(op.Kernel.Slice()); err != nil {
		return nil, err
	}
	return append(t, ir.Type{DType: ir.U8, Shape: t[0].Shape.Clone()}), nil
}

// Infer returns [N Lengths… C].
func (op MaxPoolWinnersGradLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(winnersGrad(op), in, poolForms, ChannelsLast)
}

// Eval is the reference meaning.
func (op MaxPoolWinnersLast) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x, err := turnedTensor(in[0], ChannelsFirst)
	if err != nil {
		return nil, err
	}
	p, err := op.first().pool(typesOf([]*ir.Tensor{x}))
	if err != nil {
		return nil, err
	}
	y := p.made(x)
	won := ir.NewTensor(ir.U8, y.Shape...)
	p.winners(x, func(at, from, number int) {
		y.F64[at], won.Raw[at] = x.F64[from], uint8(number)
		if op.Relu && x.F64[from] <= 0 {
			won.Raw[at] = NoWinner
		}
	})
	out := []*ir.Tensor{y, won}
	for i := range out {
		if out[i], err = turnedTensor(out[i], ChannelsLast); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Eval is the reference meaning.
func (op MaxPoolWinnersGradLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lastEval(winnersGrad(op), env, in, poolForms, ChannelsLast)
}

// winnersGrad is MaxPoolWinnersGradLast of images with their channels first, which no graph has.
type winnersGrad MaxPoolWinnersGradLast

// Name returns that of the op with its channels last.
func (winnersGrad) Name() string { return "MaxPoolWinnersGradLast" }

// Infer returns [N C Lengths…].
func (op winnersGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "winners", "dy"); err != nil {
		return nil, err
	}
	if _, err := MaxPoolWinnersGradLast(op).pool(in[0], in[1]); err != nil {
		return nil, err
	}
	return []ir.Type{MaxPoolWinnersGradLast(op).operand(in[1])}, nil
}

// Eval adds in the order of places.
func (op winnersGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	types := typesOf(in)
	p, err := MaxPoolWinnersGradLast(op).pool(types[0], types[1])
	if err != nil {
		return nil, err
	}
	taps, size := p.taps(p.in, p.out), ir.Elems(p.in)
	dx := ir.NewTensor(ir.F64, append(in[1].Shape[:2:2], p.in...)...)
	for at, dy := range in[1].F64 {
		if list, number := taps[at%len(taps)], int(in[0].Raw[at]); number < len(list) {
			dx.F64[at/len(taps)*size+list[number].x] += dy
		}
	}
	return one(dx)
}

// Split states that rows of the results need those of x.
func (MaxPoolWinnersLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitLast(in, len(in))
}

// Split states that rows of the result need those of the operands.
func (MaxPoolWinnersGradLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitLast(in, len(in))
}

// MixesRows states that rows stay apart.
func (MaxPoolWinnersLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (MaxPoolWinnersGradLast) MixesRows([]ir.Type) bool { return false }

// Cost counts an operation for each element of each window.
func (op MaxPoolWinnersLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out[:1], at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}

// Cost counts an operation for each element of each window.
func (op MaxPoolWinnersGradLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in[1:], at) * int64(ir.Elems(op.Kernel.Slice())), traffic(in, out, at)
}
