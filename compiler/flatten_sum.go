package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// flatSum makes a sum or mean over axis 0, of which slices cannot be made, one that
// many workers share, or returns nil:
//
//   - over all axes a number, which is lowered as a sum of row sums;
//   - over axis 0 and those behind it one of the rows of a matrix, whose columns are
//     made apart;
//   - over others too, as the channels' of [N C H W], first within each row.
//
// op makes the sum or mean along the axes it is given.
func flatSum(b *ir.Builder, n *ir.Node, axes ir.Axes, op func(ir.Axes) ir.Op) *ir.Value {
	x, out := n.In[0], n.Out[0].Type
	rank := x.Type.Rank()
	if x.Type.DType != ir.F32 || rank == 0 {
		return nil
	}
	list := axes.Slice()
	if len(list) == 0 {
		list = firstAxes(rank).Slice()
	}
	slices.Sort(list)
	switch unit, times := x.Type.Shape[0].Unit(); {
	case list[0] != 0:
		return nil
	case len(list) == rank && rank > 1 && out.Rank() > 0:
		return viewed(b, b.Op(op(ir.Axes{}), x), out.Shape)
	case len(list) == rank && rank > 1:
		return nil
	case rank == 1 && times == ir.Fixed(1) && out.Rank() == 0:
		return nil
	case rank == 1 && times == ir.Fixed(1):
		return viewed(b, b.Op(op(ir.Axes{}), x), out.Shape)
	case rank == 1:
		return viewed(b, b.Op(op(ir.Axes{}), viewed(b, x, ir.Shape{unit, times})), out.Shape)
	case rank == 2 && out.Rank() == 1:
		return nil
	}
	first := 1 // axes at the front
	for first < len(list) && list[first] == first {
		first++
	}
	if first < len(list) {
		x = b.Op(op(ir.MakeAxes(list[first:]...)), x)
	}
	rows, ok := x.Type.Shape[:first].Elems()
	cols, fits := x.Type.Shape[first:].Elems()
	if !ok || !fits {
		return nil
	}
	return viewed(b, b.Op(op(ir.MakeAxes(0)), viewed(b, x, ir.Shape{rows, cols})), out.Shape)
}
