package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Convolutions of operands in bf16. Each is the product of a matrix of patches, in whose rows
// stands what the window sees at each place, zeros outside of the image included, in the order
// of the filters [kernel… C]. The order of its sums is that of simd.GemmBF16 of that matrix,
// which every kernel set keeps.

// ConvBF16 is ConvLast of x and f in bf16, summed in f32, plus a bias in f32 if given. The
// terms of a sum are the elements of a filter, in their order. With Columns set, f is the
// Tiles of so many filters, whose window is Kernel.
type ConvBF16 struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Relu      bool    `attr:"relu"`
	Columns   int     `attr:"columns"`
}

// ConvTransposeBF16 is ConvTransposeLast of x and f in bf16, summed in f32, plus a bias in f32
// if given. The terms of a sum are those elements of a filter, in their order, that may lie
// over a place when its first one lies over this pixel or before: every stride-th of an axis.
type ConvTransposeBF16 struct {
	lastOp
	Strides       ir.Axes `attr:"strides"`
	Dilations     ir.Axes `attr:"dilations"`
	Pads          ir.Axes `attr:"pads"`
	OutputPadding ir.Axes `attr:"output_padding"`
	Relu          bool    `attr:"relu"`
}

// ConvFilterGradBF16 is ConvFilterGradLast of x and dy in bf16, summed in f32. The terms of a
// sum are the places of all rows of a part, row after row.
type ConvFilterGradBF16 struct {
	lastOp
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Parts     int     `attr:"parts"`
}

// Name returns ConvBF16.
func (ConvBF16) Name() string { return "ConvBF16" }

// Name returns ConvTransposeBF16.
func (ConvTransposeBF16) Name() string { return "ConvTransposeBF16" }

// Name returns ConvFilterGradBF16.
func (ConvFilterGradBF16) Name() string { return "ConvFilterGradBF16" }

// last is the convolution in f32.
func (op ConvTransposeBF16) last() ConvTransposeLast {
	return ConvTransposeLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: op.OutputPadding, Relu: op.Relu}
}

// inF32 returns the convolution that an op in bf16 rounds the operands of, and their types in
// f32, for operands that Infer takes; nil for another op.
func inF32(op ir.Op, in []ir.Type) (ir.Op, []ir.Type) {
	switch op := op.(type) {
	case ConvBF16:
		return op.last(), widened(op.whole(in))
	case ConvTransposeBF16:
		return op.last(), widened(in)
	case ConvFilterGradBF16:
		return ConvFilterGradLast(op), widened(in)
	}
	return nil, nil
}

// InBF16 reports whether op is a product that the pass bf16 has made.
func InBF16(op ir.Op) bool {
	switch op.(type) {
	case GemmBF16, ConvBF16, ConvTransposeBF16, ConvFilterGradBF16:
		return true
	}
	return false
}

func (op ConvBF16) last() ConvLast {
	return ConvLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Relu: op.Relu}
}

// whole returns the types of operands with the filters [kernel… C O] in the place of their tiles.
func (op ConvBF16) whole(in []ir.Type) []ir.Type {
	if op.Columns == 0 || len(in) < 2 || in[0].Rank() == 0 {
		return in
	}
	out := slices.Clone(in)
	out[1].Shape = append(ir.ShapeOf(op.Kernel.Slice()...), in[0].Shape[in[0].Rank()-1], ir.Fixed(op.Columns))
	return out
}

// InTiles is the convolution with its filters f [kernel… C O] in tiles, and what makes these
// of f in f32.
func (op ConvBF16) InTiles(f ir.Shape) (ir.Op, Tiles) {
	last := len(f) - 1
	op.Kernel, op.Columns = ir.MakeAxes(f[:last-1].Lengths()...), f[last].Length()
	return op, Tiles{}
}

// HasTiles reports whether the filters are in tiles.
func (op ConvBF16) HasTiles() bool { return op.Columns > 0 }

// widened returns the types of operands, the first two in f32.
func widened(in []ir.Type) []ir.Type {
	out := slices.Clone(in)
	for i := range out[:min(len(out), 2)] {
		out[i].DType = ir.F32
	}
	return out
}

// narrowTypes checks the types of two operands in bf16 and perhaps a bias in f32.
func narrowTypes(in []ir.Type) error {
	if len(in) > 3 {
		return fmt.Errorf("takes at most 3 operands, got %d", len(in))
	}
	for i, t := range in {
		want := ir.F32
		if i < 2 {
			want = ir.BF16
		}
		if t.DType != want {
			return fmt.Errorf("operand %d must be %v, got %v", i, want, t)
		}
	}
	return nil
}

// Infer returns f32[N … O].
func (op ConvBF16) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := narrowTypes(in); err != nil {
		return nil, err
	}
	axes := 0
	if op.Columns != 0 && len(in) > 0 {
		axes = in[0].Rank() - 2
	}
	if op.Columns < 0 || op.Kernel.Len != axes {
		return nil, fmt.Errorf("kernel_shape has %d entries and columns is %d: filters in tiles have both, one entry for each axis, and others neither", op.Kernel.Len, op.Columns)
	}
	out, err := op.last().Infer(widened(op.whole(in)))
	if err == nil && op.Columns > 0 {
		if want := tilesFor(op.whole(in)[1].Shape); !in[1].Shape.Equal(want) {
			return nil, fmt.Errorf("the tiles of %d filters must be %v, got %v", op.Columns, ir.T(ir.BF16, want...), in[1])
		}
	}
	return out, err
}

// Infer returns f32[N … O].
func (op ConvTransposeBF16) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := narrowTypes(in); err != nil {
		return nil, err
	}
	return op.last().Infer(widened(in))
}

// Infer returns f32[Parts kernel… C O].
func (op ConvFilterGradBF16) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := narrowTypes(in); err != nil {
		return nil, err
	}
	return ConvFilterGradLast(op).Infer(widened(in))
}

// Eval is the reference meaning: the sums are not rounded, and no number is too small.
func (op ConvBF16) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	if op.Columns > 0 {
		in = slices.Clone(in)
		shape := append(op.Kernel.Slice(), in[0].Shape[len(in[0].Shape)-1], op.Columns)
		f := ir.NewTensor(ir.F64, shape...)
		for i := range f.F64 {
			f.F64[i] = in[1].F64[tileAt(f.Len()/op.Columns, i/op.Columns, i%op.Columns)]
		}
		in[1] = f
	}
	return op.last().Eval(env, in)
}

// Eval is the reference meaning: the sums are not rounded, and no number is too small.
func (op ConvTransposeBF16) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return op.last().Eval(env, in)
}

// Eval is the reference meaning: the sums are not rounded, and no number is too small.
func (op ConvFilterGradBF16) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return ConvFilterGradLast(op).Eval(env, in)
}

// Split states that rows of the result need those of x.
func (ConvBF16) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 1) }

// Split states that rows of the result need those of x.
func (ConvTransposeBF16) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 1) }

// Split states that a part is made of rows that no slice of the operands is.
func (ConvFilterGradBF16) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 0) }

// MixesRows states that rows stay apart.
func (ConvBF16) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (ConvTransposeBF16) MixesRows([]ir.Type) bool { return false }

// MixesRows states that it is a sum over rows.
func (ConvFilterGradBF16) MixesRows([]ir.Type) bool { return true }

// SumsRows states that each row gives its terms by itself.
func (ConvFilterGradBF16) SumsRows([]ir.Type) bool { return true }

// Cost is that of the convolution in f32, with fewer bytes.
func (op ConvBF16) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops, _ = op.last().Cost(op.whole(in), out, at)
	return flops, traffic(in, out, at)
}

// Cost is that of the convolution in f32, with fewer bytes.
func (op ConvTransposeBF16) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return op.last().Cost(in, out, at)
}

// Cost is that of the convolution in f32, with fewer bytes.
func (op ConvFilterGradBF16) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return ConvFilterGradLast(op).Cost(in, out, at)
}

// Narrowed is the convolution of operands in bf16. Its rows are places, its columns filters.
func (op ConvLast) Narrowed(in []ir.Type) ir.Narrowing {
	if op.Mask || op.Operands(in).Plus >= 0 {
		return ir.Narrowing{Why: "something is added to its results, or they are masked"}
	}
	s, ok := LastShapeOf(op, in)
	return narrowedLast(ConvBF16{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Relu: op.Relu}, s, ok, func() ir.Narrowing {
		return ir.Narrowing{Rows: placesOf(in[0].Shape[0], s.Out), Terms: ir.Fixed(ir.Elems(s.Kernel) * s.C), Columns: ir.Fixed(s.O)}
	})
}

// Narrowed is the transposed convolution of operands in bf16. Its rows are pixels, its columns
// channels of the result, or those of a line of the window if the places lie side by side.
func (op ConvTransposeLast) Narrowed(in []ir.Type) ir.Narrowing {
	if op.Mask || op.Operands(in).Plus >= 0 {
		return ir.Narrowing{Why: "something is added to its results, or they are masked"}
	}
	s, ok := LastShapeOf(op, in)
	return narrowedLast(ConvTransposeBF16{op.lastOp, op.Strides, op.Dilations, op.Pads, op.OutputPadding, op.Relu}, s, ok, func() ir.Narrowing {
		least := 1 // elements of the window that some pixel sees
		for a, k := range s.Kernel {
			least *= max(1, k/s.Stride[a])
		}
		columns, pixels := s.C, slices.Clone(s.In)
		if last := len(pixels) - 1; s.Tiled() {
			columns *= s.Kernel[last]
			pixels[last] /= s.Kernel[last]
		}
		return ir.Narrowing{Rows: placesOf(in[0].Shape[0], pixels), Terms: ir.Fixed(least * s.O), Columns: ir.Fixed(columns)}
	})
}

// Narrowed is the gradient from operands in bf16. Its rows are elements of a filter, its
// columns filters, and its sums are over the places of all rows.
func (op ConvFilterGradLast) Narrowed(in []ir.Type) ir.Narrowing {
	s, ok := LastShapeOf(op, in)
	return narrowedLast(ConvFilterGradBF16(op), s, ok, func() ir.Narrowing {
		return ir.Narrowing{Rows: ir.Fixed(ir.Elems(s.Kernel) * s.C), Terms: placesOf(in[0].Shape[0], s.Out), Columns: ir.Fixed(s.O)}
	})
}

func narrowedLast(op ir.Op, s ConvShape, ok bool, lengths func() ir.Narrowing) ir.Narrowing {
	if !ok || len(s.In) > 2 {
		return ir.Narrowing{Why: threeAxes}
	}
	n := lengths()
	n.Op = op
	return n
}

// Tiled reports whether the places of the window lie side by side and fill the image.
func (s ConvShape) Tiled() bool {
	for a, k := range s.Kernel {
		if k != s.Stride[a] || s.Dilation[a] > 1 && k > 1 || s.Before[a] != 0 || s.In[a] != s.Out[a]*k {
			return false
		}
	}
	return true
}

// placesOf is how many places so many rows have.
func placesOf(rows ir.Dim, lengths []int) ir.Dim {
	if d, ok := ir.Mul(rows, ir.Fixed(ir.Elems(lengths))); ok {
		return d
	}
	return rows
}

const threeAxes = "its images have three axes"

// Narrowed says why it stays in f32: what the pass layout leaves as it is.
func (op Conv) Narrowed(in []ir.Type) ir.Narrowing { return staysConv(op.Group, in) }

// Narrowed says why it stays in f32.
func (op ConvTranspose) Narrowed(in []ir.Type) ir.Narrowing { return staysConv(op.Group, in) }

// Narrowed says why it stays in f32.
func (op ConvFilterGrad) Narrowed(in []ir.Type) ir.Narrowing { return staysConv(op.Group, in) }

func staysConv(group int, in []ir.Type) ir.Narrowing {
	switch {
	case group > 1:
		return ir.Narrowing{Why: fmt.Sprintf("its channels are in %d groups", group)}
	case in[0].Rank() > 4:
		return ir.Narrowing{Why: threeAxes}
	}
	return ir.Narrowing{Why: "its images have their channels first in the plan too"}
}
