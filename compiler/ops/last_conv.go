package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ConvLast is Conv in one group, of x [N … C] by filters f [kernel… C O], plus bias [O] if
// given, plus an operand of y's type if given: y [N … O]. With Relu set, negative results
// become 0. With Mask set, there is a last operand of y's type, and results become what
// ReluGrad makes of them with it.
type ConvLast struct {
	lastOp
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Relu      bool    `attr:"relu"`
	Mask      bool    `attr:"mask"`
}

// ConvTransposeLast is ConvTranspose in one group, of x [N … C] by filters f [kernel… C O],
// plus bias [O] if given, plus an operand of y's type if given: y [N … O]. Relu and Mask are
// those of ConvLast, but the mask leaves pixels alone that no element of the filters has the
// right remainder for ([ConvTransposeLast.Bare]): they stay as they were added.
type ConvTransposeLast struct {
	lastOp
	Strides       ir.Axes `attr:"strides"`
	Dilations     ir.Axes `attr:"dilations"`
	Pads          ir.Axes `attr:"pads"`
	OutputPadding ir.Axes `attr:"output_padding"`
	Relu          bool    `attr:"relu"`
	Mask          bool    `attr:"mask"`
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

// Infer returns [N … O].
func (op ConvLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastEndsInfer(op.first(), in, op.Mask, convForms)
}

// Infer returns [N … O].
func (op ConvTransposeLast) Infer(in []ir.Type) ([]ir.Type, error) {
	return lastEndsInfer(op.first(), in, op.Mask, convTransposeForms)
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
	at := op.Operands(typesOf(in))
	y, err := lastEval(op.first(), env, in[:at.product(len(in))], convForms, ChannelsLast)
	if err != nil {
		return nil, err
	}
	return one(at.ends(y[0], in, op.Relu, nil))
}

// Eval is the reference meaning.
func (op ConvTransposeLast) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	types := typesOf(in)
	at := op.Operands(types)
	y, err := lastEval(op.first(), env, in[:at.product(len(in))], convTransposeForms, ChannelsLast)
	if err != nil {
		return nil, err
	}
	return one(at.ends(y[0], in, op.Relu, op.Bare(types)))
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

// InPlace states that the result may overwrite what is added: a pixel that no element of the
// filters reaches is there already.
func (op ConvTransposeLast) InPlace(in []ir.Type) (operand int, elementwise bool) {
	return op.Operands(in).Plus, false
}

// Split states that rows of the result need those of x, of what is added and of the mask.
func (op ConvLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitEnds(in, op.Operands(in))
}

// Split states that rows of the result need those of x, of what is added and of the mask.
func (op ConvTransposeLast) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitEnds(in, op.Operands(in))
}

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
// or of one of them in bf16, of operands that Infer takes, as [ConvShapeOf] does of the op with
// its channels first.
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
		in = in[:op.Operands(in).product(len(in))]
		return ConvShapeOf(op.first(), turn(convForms))
	case ConvTransposeLast:
		in = in[:op.Operands(in).product(len(in))]
		return ConvShapeOf(op.first(), turn(convTransposeForms))
	case ConvFilterGradLast:
		return ConvShapeOf(op.first(), turn(filterGradForms))
	}
	return ConvShape{}, false
}
