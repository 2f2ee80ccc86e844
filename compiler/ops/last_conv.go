package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ConvLast is Conv in one group, of x [N … C] by filters f [kernel… C O], plus bias [O] if
// given, plus a last operand of y's type if given: y [N … O]. With Relu set, negative results
// become 0.
type ConvLast struct {
	lastOp
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Relu      bool    `attr:"relu"`
}

// ConvTransposeLast is ConvTranspose in one group, of x [N … C] by filters f [kernel… C O],
// plus bias [O] if given: y [N … O]. With Relu set, negative results become 0.
type ConvTransposeLast struct {
	lastOp
	Strides       ir.Axes `attr:"strides"`
	Dilations     ir.Axes `attr:"dilations"`
	Pads          ir.Axes `attr:"pads"`
	OutputPadding ir.Axes `attr:"output_padding"`
	Relu          bool    `attr:"relu"`
}

// ConvFilterGradLast is ConvFilterGrad in one group, from x [N … C] and dy [N … O], in Parts
// parts: [Parts kernel… C O]. Part s is of the rows from ⌊s·N/Parts⌋ to ⌊(s+1)·N/Parts⌋ of
// the run, so the parts do not depend on who makes them.
type ConvFilterGradLast struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Parts     int     `attr:"parts"`
}

// SumParts is the sum of x [S …] along its first axis by a balanced tree: the sum of the
// first ⌈S/2⌉ plus that of the others.
type SumParts struct{}

// Name returns ConvLast.
func (ConvLast) Name() string { return "ConvLast" }

// Name returns ConvTransposeLast.
func (ConvTransposeLast) Name() string { return "ConvTransposeLast" }

// Name returns ConvFilterGradLast.
func (ConvFilterGradLast) Name() string { return "ConvFilterGradLast" }

// Name returns SumParts.
func (SumParts) Name() string { return "SumParts" }

// ONNX says why there is no counterpart.
func (SumParts) ONNX() ir.ONNX { return lowered }

// WhyNoGradient gives the reason.
func (SumParts) WhyNoGradient() string { return lastOp{}.WhyNoGradient() }

var (
	convForms          = []form{ChannelsFirst, FiltersFirst, nil}
	convTransposeForms = []form{ChannelsFirst, turnedFilters, nil}
	filterGradForms    = []form{ChannelsFirst, ChannelsFirst}
)

// turnedFilters gives [kernel… C O] as [C O kernel…].
func turnedFilters(rank int) ir.Axes {
	p := FiltersFirst(rank)
	p.At[0], p.At[1] = p.At[1], p.At[0]
	return p
}

func (op ConvLast) first() Conv { return Conv{op.Strides, op.Dilations, op.Pads, 1} }

func (op ConvTransposeLast) first() ConvTranspose {
	return ConvTranspose{op.Strides, op.Dilations, op.Pads, op.OutputPadding, 1}
}

func (op ConvFilterGradLast) first() ConvFilterGrad {
	return ConvFilterGrad{op.Kernel, op.Strides, op.Dilations, op.Pads, 1}
}

// Operands returns where the bias and what is added stand among operands of these types, -1
// for what is not given. They differ in their axes: a bias has one.
func (ConvLast) Operands(in []ir.Type) (bias, plus int) {
	bias, plus = -1, -1
	for i := 2; i < len(in); i++ {
		if in[i].Rank() > 1 {
			plus = i
			break
		}
		bias = i
	}
	return bias, plus
}

// product returns the operands without what is added.
func (op ConvLast) product(in []ir.Type) []ir.Type {
	if _, plus := op.Operands(in); plus >= 0 && plus == len(in)-1 {
		return in[:plus]
	}
	return in
}

// Infer returns [N … O].
func (op ConvLast) Infer(in []ir.Type) ([]ir.Type, error) {
	product := op.product(in)
	out, err := lastInfer(op.first(), product, convForms, ChannelsLast)
	if err == nil && len(in) > len(product) && !in[len(product)].Equal(out[0]) {
		return nil, fmt.Errorf("what is added must have the result's type, %v, got %v", out[0], in[len(product)])
	}
	return out, err
}

// Infer returns [N … O].
func (op ConvTransposeLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastInfer(op.first(), in, convTransposeForms, ChannelsLast)
}

// Infer returns [Parts kernel… C O].
func (op ConvFilterGradLast) Infer(in []ir.Type) ([]ir.Type, error) {
	if op.Parts < 1 || op.Parts > maxParts {
		return nil, fmt.Errorf("parts is %d, it must be from 1 to %d", op.Parts, maxParts)
	}
	out, err := lastInfer(op.first(), in, filterGradForms, FiltersLast)
	if err == nil {
		out[0].Shape = append(ir.ShapeOf(op.Parts), out[0].Shape...)
	}
	return out, err
}

// maxParts bounds the parts of a sum over rows.
const maxParts = 1 << 10

// Infer returns x's type without its first axis.
func (SumParts) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if n, known := firstLength(in[0]); !known || n < 1 || in[0].Rank() < 2 {
		return nil, fmt.Errorf("x must have a known number of parts on its first axis and others behind (x is %v)", in[0])
	}
	return result(in[0].DType, in[0].Shape[1:].Clone())
}

func firstLength(t ir.Type) (int, bool) {
	if t.Rank() == 0 {
		return 0, false
	}
	return t.Shape[0].Known()
}

// Eval is the reference meaning.
func (op ConvLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	types := make([]ir.Type, len(in))
	for i, t := range in {
		types[i] = t.Type()
	}
	n := len(op.product(types))
	y, err := lastEval(op.first(), env, in[:n], convForms, ChannelsLast)
	if err == nil && n < len(in) {
		for i, v := range in[n].F64 {
			y[0].F64[i] += v
		}
	}
	return rectified(y, op.Relu), err
}

// Eval is the reference meaning.
func (op ConvTransposeLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y, err := lastEval(op.first(), env, in, convTransposeForms, ChannelsLast)
	return rectified(y, op.Relu), err
}

func rectified(y []*ir.Tensor, relu bool) []*ir.Tensor {
	if relu && len(y) == 1 && y[0] != nil {
		for i, v := range y[0].F64 {
			if v < 0 {
				y[0].F64[i] = 0
			}
		}
	}
	return y
}

// Eval is the reference meaning.
func (op ConvFilterGradLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	rows := in[0].Shape[0]
	var all *ir.Tensor
	for s := range op.Parts {
		lo, hi := s*rows/op.Parts, (s+1)*rows/op.Parts
		var part []*ir.Tensor
		for _, t := range in {
			each := ir.Elems(t.Shape[1:])
			part = append(part, &ir.Tensor{DType: t.DType, Shape: append([]int{hi - lo}, t.Shape[1:]...), F64: t.F64[lo*each : hi*each]})
		}
		y, err := lastEval(op.first(), env, part, filterGradForms, FiltersLast)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = ir.NewTensor(ir.F64, append([]int{op.Parts}, y[0].Shape...)...)
		}
		copy(all.F64[s*len(y[0].F64):], y[0].F64)
	}
	return one(all)
}

// Eval is the reference meaning.
func (SumParts) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[0]
	out := ir.NewTensor(ir.F64, x.Shape[1:]...)
	n := len(out.F64)
	for s := range x.Shape[0] {
		for i, v := range x.F64[s*n : (s+1)*n] {
			out.F64[i] += v
		}
	}
	return one(out)
}

// Split states that rows of the result need those of x and of what is added.
func (op ConvLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access, ok := splitLast(in, 1)
	if _, plus := op.Operands(in); plus >= 0 {
		access[plus] = ir.Axis0
	}
	return access, ok
}

// Split states that rows of the result need those of x.
func (ConvTransposeLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 1) }

// Split states that a part is made of rows that no slice of the operands is.
func (ConvFilterGradLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 0) }

// Split states that a slice needs that of every part.
func (SumParts) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis1}, true }

// MixesRows states that rows stay apart.
func (ConvLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (ConvTransposeLast) MixesRows([]ir.Type) bool { return false }

// MixesRows states that it is a sum over rows.
func (ConvFilterGradLast) MixesRows([]ir.Type) bool { return true }

// SumsRows states that each row gives its terms by itself.
func (ConvFilterGradLast) SumsRows([]ir.Type) bool { return true }

// MixesRows states that rows are not its first axis.
func (SumParts) MixesRows(in []ir.Type) bool { return in[0].Shape[0].Symbolic() }

// Cost counts a multiplication and an addition for each element of the window.
func (ConvLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return lastCost(in[1], out[0], in, out, at)
}

// Cost counts a multiplication and an addition for each element of the window.
func (ConvTransposeLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return lastCost(in[1], in[0], in, out, at)
}

// lastCost is that of filters [kernel… C O] at each place of y.
func lastCost(f, y ir.Type, in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	places := int64(y.Shape[:y.Rank()-1].ElemsAt(at))
	return 2*places*int64(f.Shape.ElemsAt(at)) + int64(len(in)-2)*count(out, at), traffic(in, out, at)
}

// Cost counts a multiplication and an addition for each element of the window.
func (ConvFilterGradLast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	places := int64(in[1].Shape[:in[1].Rank()-1].ElemsAt(at))
	return 2 * places * int64(out[0].Shape[1:].ElemsAt(at)), traffic(in, out, at)
}

// Cost counts an addition for each element.
func (SumParts) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}

// LastShapeOf returns the lengths of a ConvLast, a ConvTransposeLast or a ConvFilterGradLast,
// or of one of them in bf16, of operands that Infer takes, as [ConvShapeOf] does of the op with its channels first.
func LastShapeOf(op ir.Op, in []ir.Type) (ConvShape, bool) {
	turn := func(forms []form) []ir.Type {
		out := make([]ir.Type, len(in))
		for i, t := range in {
			out[i] = turnedType(t, forms[i])
		}
		return out
	}
	if f32, types := inF32(op, in); f32 != nil {
		op, in = f32, types
	}
	switch op := op.(type) {
	case ConvLast:
		in = op.product(in)
		return ConvShapeOf(op.first(), turn(convForms))
	case ConvTransposeLast:
		return ConvShapeOf(op.first(), turn(convTransposeForms))
	case ConvFilterGradLast:
		return ConvShapeOf(op.first(), turn(filterGradForms))
	}
	return ConvShape{}, false
}
