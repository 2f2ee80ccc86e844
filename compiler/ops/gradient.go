package ops

import "github.com/lamina-ml/lamina/compiler/ir"

// sumTo reduces the gradient of a broadcast operand to the operand's shape.
func sumTo(b *ir.Builder, dy *ir.Value, t ir.Type) *ir.Value {
	s := dy.Type.Shape
	lead := len(s) - t.Rank()
	var axes []int
	for i := range s {
		if i < lead || t.Shape[i-lead] == ir.Fixed(1) && s[i] != ir.Fixed(1) {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		dy = b.Op(ReduceSum{Axes: ir.MakeAxes(axes...)}, dy)
	}
	return reshapeTo(b, dy, t.Shape)
}

// reshapeTo reshapes if the shape differs.
func reshapeTo(b *ir.Builder, v *ir.Value, s ir.Shape) *ir.Value {
	if v.Type.DType == ir.Invalid || v.Type.Shape.Equal(s) {
		return v
	}
	return b.Op(Reshape{Shape: ir.MakeDims(s)}, v)
}

// scale multiplies by a constant.
func scale(b *ir.Builder, v *ir.Value, x float64) *ir.Value {
	return b.Op(Mul{}, v, b.Const(v.Type.DType, x))
}

// swapLast transposes the last two axes.
func swapLast(b *ir.Builder, v *ir.Value) *ir.Value {
	if v.Type.DType == ir.Invalid {
		return v
	}
	r := v.Type.Rank()
	perm := allAxes(ir.Axes{}, r)
	perm[r-1], perm[r-2] = r-2, r-1
	return b.Op(Transpose{Perm: ir.MakeAxes(perm...)}, v)
}
