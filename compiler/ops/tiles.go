package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// Tiles is a matrix w [k n] in bf16 as tiles of 16 columns and 32 rows, [⌈n/16⌉ ⌈k/32⌉ 16 16 2]: pairs of rows, columns, and
// the two of a pair. It is the form in which CPUs with tiles read a right operand. Rows and columns after the last one are
// 0. With Turned set w is [n k] and is transposed. Filters [… c n] are the matrix of all axes but the last as its rows; if c is
// a multiple of 32, their tiles are [⌈n/16⌉ … c/32 16 16 2], the same numbers in the same order.
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

// tilesFor is the shape of the tiles of w, a matrix or filters.
func tilesFor(w ir.Shape) ir.Shape {
	last := len(w) - 1
	c, n := w[last-1].Length(), w[last].Length()
	if last == 1 || c%simd.BF16Block != 0 {
		return tilesOf(w[:last].Count(), n)
	}
	t := tilesOf(c, n)
	return slices.Concat(t[:1], ir.ShapeOf(w[:last-1].Count()), t[1:])
}

// tileAt is where element (p, j) of a matrix of k rows is among the elements of its tiles.
func tileAt(k, p, j int) int {
	tile := j/simd.BF16TileColumns*((k+simd.BF16Block-1)/simd.BF16Block) + p/simd.BF16Block
	return tile*simd.BF16Block*simd.BF16TileColumns + p%simd.BF16Block/2*2*simd.BF16TileColumns + j%simd.BF16TileColumns*2 + p%2
}

// Infer returns bf16 of the shape of the tiles; all lengths must be known.
func (op Tiles) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "w"); err != nil {
		return nil, err
	}
	switch r := in[0].Rank(); {
	case in[0].DType != ir.F32 || r < 2 || r > 4 || in[0].Shape.Symbolic():
		return nil, fmt.Errorf("w must be an f32 matrix or filters, of known lengths (w is %v)", in[0])
	case op.Turned && r > 2:
		return nil, fmt.Errorf("w must be a matrix to be transposed (w is %v)", in[0])
	case op.Turned:
		return result(ir.BF16, tilesFor(ir.Shape{in[0].Shape[1], in[0].Shape[0]}))
	}
	return result(ir.BF16, tilesFor(in[0].Shape))
}

// Eval is the reference meaning, which rounds.
func (op Tiles) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	w := in[0].To(ir.BF16).To(ir.F64)
	last := len(w.Shape) - 1
	k, n := ir.Elems(w.Shape[:last]), w.Shape[last]
	rs, cs, shape := n, 1, tilesFor(ir.ShapeOf(w.Shape...))
	if op.Turned {
		k, n, rs, cs, shape = n, k, 1, n, tilesOf(n, k)
	}
	out := ir.NewTensor(ir.F64, shape.Lengths()...)
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

// Follow states which of a tile's axes a row or a column is in. Of filters it is one of c, if whole tiles hold it.
func (op Tiles) Follow(in []ir.Type, axis int) (ir.Track, bool) {
	last := in[0].Rank() - 1
	first, deep := 1, 0 // the axis of a tile's rows, and those that filters have before it
	if last > 1 && in[0].Shape[last-1].Length()%simd.BF16Block == 0 {
		first, deep = 2, 1
	}
	switch column := axis == last; {
	case last == 1 && column == op.Turned, deep == 1 && axis == last-1:
		return ir.Track{Axis: first, Block: simd.BF16Block, Rest: ir.MakeAxes(2+deep, 4+deep)}, true
	case column || last == 1:
		return ir.Track{Axis: 0, Block: simd.BF16TileColumns, Rest: ir.MakeAxes(3 + deep)}, true
	}
	return ir.Track{}, false
}

// Cost counts one conversion for each element.
func (Tiles) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}
