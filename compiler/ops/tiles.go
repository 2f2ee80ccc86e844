package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// Tiles is a matrix w [k n] in bf16 as tiles of 16 columns and 32 rows, [⌈n/16⌉ ⌈k/32⌉ 16 16 2]: pairs of rows, columns, and
// the two of a pair. It is the form in which CPUs with tiles read a right operand. Rows and columns after the last one are
// 0. With Turned set w is [n k] and is transposed.
type Tiles struct {
	Turned bool `attr:"turned"`
}

// Name returns Tiles.
func (Tiles) Name() string { return "Tiles" }

// ONNX says why there is no counterpart.
func (Tiles) ONNX() ir.ONNX { return lowered }

// tilesOf is the shape of the tiles of a matrix [k n].
func tilesOf(k, n int) ir.Shape {
	return ir.ShapeOf((n+simd.BF16TileColumns-1)/simd.BF16TileColumns, (k+simd.BF16Block-1)/simd.BF16Block, simd.BF16Block/2, simd.BF16TileColumns, 2)
}

// tileAt is where element (p, j) of a matrix of k rows is among the elements of its tiles.
func tileAt(k, p, j int) int {
	tile := j/simd.BF16TileColumns*((k+simd.BF16Block-1)/simd.BF16Block) + p/simd.BF16Block
	return tile*simd.BF16Block*simd.BF16TileColumns + p%simd.BF16Block/2*2*simd.BF16TileColumns + j%simd.BF16TileColumns*2 + p%2
}

// Infer returns bf16 of the shape of the tiles; both lengths must be known.
func (op Tiles) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "w"); err != nil {
		return nil, err
	}
	if in[0].DType != ir.F32 || in[0].Rank() != 2 || in[0].Shape.Symbolic() {
		return nil, fmt.Errorf("w must be an f32 matrix of known lengths (w is %v)", in[0])
	}
	k, n := op.sides(in[0].Shape)
	return result(ir.BF16, tilesOf(k, n))
}

// sides returns the rows and the columns of the matrix that is cut.
func (op Tiles) sides(s ir.Shape) (k, n int) {
	if op.Turned {
		return s[1].Length(), s[0].Length()
	}
	return s[0].Length(), s[1].Length()
}

// Eval is the reference meaning, which rounds.
func (op Tiles) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	w := in[0].To(ir.BF16).To(ir.F64)
	k, n, rs, cs := w.Shape[0], w.Shape[1], w.Shape[1], 1
	if op.Turned {
		k, n, rs, cs = n, k, 1, rs
	}
	out := ir.NewTensor(ir.F64, tilesOf(k, n).Lengths()...)
	for p := range k {
		for j := range n {
			out.F64[tileAt(k, p, j)] = w.F64[p*rs+j*cs]
		}
	}
	return one(out)
}

// WhyNoGradient gives the reason.
func (Tiles) WhyNoGradient() string { return "it is made when the gradients are there" }

// Split states that a tile needs columns, which no slice of w is.
func (Tiles) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Whole}, true }

// Follow states which of a tile's axes a row or a column is in.
func (op Tiles) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	if rows := axis == 0; rows != op.Turned {
		return ir.Track{Axis: 1, Block: simd.BF16Block, Rest: ir.MakeAxes(2, 4)}, true
	}
	return ir.Track{Axis: 0, Block: simd.BF16TileColumns, Rest: ir.MakeAxes(3)}, true
}

// Cost counts one conversion for each element.
func (Tiles) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}
