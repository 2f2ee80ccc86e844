package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

var lowered = ir.ONNX{Why: "it is made when a graph becomes a plan, after the point where export takes the graph"}

// Panels is a matrix w [k n] as panels of Width columns [p k Width], each of which a
// product reads from end to end; the columns after the last one are 0. With Turned set w is
// [n k] and is transposed.
type Panels struct {
	Width  int  `attr:"width"`
	Turned bool `attr:"turned"`
}

// Name returns Panels.
func (Panels) Name() string { return "Panels" }

// ONNX says why there is no counterpart.
func (Panels) ONNX() ir.ONNX { return lowered }

// Infer returns [⌈n/Width⌉ k Width]; n must be known.
func (op Panels) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "w"); err != nil {
		return nil, err
	}
	if in[0].Rank() != 2 {
		return nil, fmt.Errorf("w must be a matrix (w is %v)", in[0])
	}
	if op.Width < 1 || op.Width > maxElems {
		return nil, fmt.Errorf("width is %d, it must be from 1 to %d (w is %v)", op.Width, maxElems, in[0])
	}
	k, cols := op.sides(in[0].Shape)
	n, known := cols.Known()
	if !known {
		return nil, fmt.Errorf("the columns that become panels must be known (w is %v)", in[0])
	}
	return result(in[0].DType, ir.Shape{ir.Fixed((n + op.Width - 1) / op.Width), k, ir.Fixed(op.Width)})
}

// sides returns the rows and the columns of the matrix that is cut.
func (op Panels) sides(s ir.Shape) (k, n ir.Dim) {
	if op.Turned {
		return s[1], s[0]
	}
	return s[0], s[1]
}

// Decompose is the meaning: w with columns of zeros behind it, its panels in order.
func (op Panels) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	w := in[0]
	if op.Turned {
		w = b.Op(Transpose{Perm: ir.MakeAxes(1, 0)}, w)
	}
	if w.Type.Rank() != 2 {
		return []*ir.Value{w} // Infer has said so
	}
	k, n := w.Type.Shape[0], w.Type.Shape[1].Length()
	count := (n + op.Width - 1) / op.Width
	w = b.Op(Pad{Axis: 1, After: ir.Fixed(count*op.Width - n)}, w)
	w = b.Op(Reshape{Shape: ir.MakeDims(ir.Shape{k, ir.Fixed(count), ir.Fixed(op.Width)})}, w)
	return []*ir.Value{b.Op(Transpose{Perm: ir.MakeAxes(1, 0, 2)}, w)}
}

// Split states that a panel needs columns, which no slice of w is.
func (Panels) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Whole}, true }

// Follow states that a row of the matrix is one of each panel, and a column is in one
// of them.
func (op Panels) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	if rows := axis == 0; rows != op.Turned {
		return ir.Track{Axis: 1}, true
	}
	return ir.Track{Axis: 0, Block: op.Width}, true
}

// Cost counts no arithmetic.
func (Panels) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}

// GemmPanels is the product of x [m k] and the Panels p [p k Width] of a matrix of
// Columns columns, plus c if given, a row or a matrix. With Relu set, negative results
// become 0; with Masked set, those where y, the operand after p, is not positive.
type GemmPanels struct {
	Columns int  `attr:"columns"`
	Relu    bool `attr:"relu"`
	Masked  bool `attr:"masked"`
}

// Name returns GemmPanels.
func (GemmPanels) Name() string { return "GemmPanels" }

// ONNX says why there is no counterpart.
func (GemmPanels) ONNX() ir.ONNX { return lowered }

// Parts returns the positions of y and c among the operands, -1 for none, and whether
// c is a matrix, where the chains start.
func (op GemmPanels) Parts(in []ir.Type) (y, c int, matrix bool) {
	y, c = -1, -1
	next := 2
	if op.Masked {
		y, next = 2, 3
	}
	if len(in) > next {
		c = next
		matrix = in[c].Rank() == 2
	}
	return y, c, matrix
}

// Infer returns [m Columns]; Columns must fill all panels but the last.
func (op GemmPanels) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "p"}
	if op.Masked {
		names = append(names, "y")
	}
	if len(in) > len(names) {
		names = append(names, "c")
	}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x, p := in[0].Shape, in[1].Shape
	if len(x) != 2 || len(p) != 3 || x[1] != p[1] {
		return nil, fmt.Errorf("x must be [m k] and p [p k width] %s", describe(in, names))
	}
	count, known := p[0].Known()
	width, fixed := p[2].Known()
	if !known || !fixed || width < 1 || op.Columns < 0 || (op.Columns+width-1)/width != count {
		return nil, fmt.Errorf("%d columns do not fill the panels %s", op.Columns, describe(in, names))
	}
	if op.Relu && op.Masked {
		return nil, fmt.Errorf("a product has a Relu or is masked, not both %s", describe(in, names))
	}
	out := ir.Shape{x[0], ir.Fixed(op.Columns)}
	y, c, _ := op.Parts(in)
	if y >= 0 && !in[y].Shape.Equal(out) {
		return nil, fmt.Errorf("y must be of shape %v %s", out, describe(in, names))
	}
	if c >= 0 && !in[c].Shape.Equal(out) && !in[c].Shape.Equal(out[1:]) {
		return nil, fmt.Errorf("c must be of shape %v or %v %s", out[1:], out, describe(in, names))
	}
	return result(in[0].DType, out)
}

// Decompose is the meaning: the panels side by side, without the columns behind the
// last one, as the right operand.
func (op GemmPanels) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	s := in[1].Type.Shape
	if len(s) != 3 {
		return in[:1] // Infer has said so
	}
	w := b.Op(Transpose{Perm: ir.MakeAxes(1, 0, 2)}, in[1])
	w = b.Op(Reshape{Shape: ir.MakeDims(ir.Shape{s[1], ir.Fixed(s[0].Length() * s[2].Length())})}, w)
	args := []*ir.Value{in[0], b.Op(Slice{Axis: 1, End: ir.Fixed(op.Columns)}, w)}
	y, c, _ := op.Parts(ir.TypesOf(in))
	if c >= 0 {
		args = append(args, in[c])
	}
	out := b.Op(Gemm{}, args...)
	switch {
	case op.Relu:
		out = b.Op(Relu{}, out)
	case y >= 0:
		out = b.Op(ReluGrad{}, out, in[y])
	}
	return []*ir.Value{out}
}

// Split states that rows of the result need those of x, y and a matrix c.
func (op GemmPanels) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access := make([]ir.Access, len(in))
	access[0] = ir.Axis0
	y, c, matrix := op.Parts(in)
	if y >= 0 {
		access[y] = ir.Axis0
	}
	if matrix {
		access[c] = ir.Axis0
	}
	return access, true
}

// MakesColumns states that columns of the result need those of the matrix, and of y and c,
// alone.
func (GemmPanels) MakesColumns([]ir.Type) bool { return true }

// InPlace states that the result may overwrite a matrix c, where its chains start.
func (op GemmPanels) InPlace(in []ir.Type) (operand int, elementwise bool) {
	if _, c, matrix := op.Parts(in); matrix {
		return c, false
	}
	return -1, false
}

// Cost is that of the product.
func (op GemmPanels) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops = 2 * count(out, at) * int64(in[0].Shape[1].At(at))
	return flops + int64(len(in)-2)*count(out, at), traffic(in, out, at)
}

// InPanels is the product with the right operand in panels, if it takes x as it is.
func (op Gemm) InPanels(columns int) (ir.Op, bool) {
	return GemmPanels{Columns: columns}, !op.TransA
}

// InPanels is the product with the right operand in panels, if it takes x as it is.
func (op GemmRelu) InPanels(columns int) (ir.Op, bool) {
	return GemmPanels{Columns: columns, Relu: true}, !op.TransA
}

// InPanels is the product with the right operand in panels, if it takes x as it is.
func (op GemmReluGrad) InPanels(columns int) (ir.Op, bool) {
	return GemmPanels{Columns: columns, Masked: true}, !op.TransA
}

// InPanels is the product of two matrices with the right one in panels.
func (MatMul) InPanels(columns int) (ir.Op, bool) { return GemmPanels{Columns: columns}, true }
