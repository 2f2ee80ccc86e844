// Package lowrank is a layer of one's own that has a mirror image: it is tied, untied and
// pretrained in stacks like spec.Dense.
package lowrank

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// Layer is a dense layer whose matrix is a product of two, y = x·u·v + b.
//
// Shapes: x f32[N … in], y f32[N … units]. Parameters: u f32[in rank],
// v f32[rank units], b f32[units].
type Layer struct {
	spec.Base
	rank, units int
	of          *Layer // whose image it is; nil for none
	tied        bool   // to it
}

// New returns a layer of that rank and width. Mistakes: one is not positive.
func New(rank, units int) *Layer {
	return &Layer{Base: spec.Here("lowrank"), rank: rank, units: units}
}

// Named gives the layer a name.
func (l *Layer) Named(name string) *Layer { return spec.Named(l, name) }

// Build multiplies by both matrices. A tied image has those of the layer it mirrors, in
// reverse and transposed; another starts with them and then goes its own way.
func (l *Layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if l.rank <= 0 || l.units <= 0 {
		return b.Errorf("rank and units must be positive, got %d and %d", l.rank, l.units)
	}
	var u, v *ir.Value
	if l.tied {
		u, v = transpose(b, b.Borrow(l.of, "v")), transpose(b, b.Borrow(l.of, "u"))
	} else {
		u, v = b.Param("u", spec.Glorot(), x[0].Type.Last(), l.rank), b.Param("v", spec.Glorot(), l.rank, l.units)
		if l.of != nil {
			b.StartTransposed(u, l.of, "v")
			b.StartTransposed(v, l.of, "u")
		}
	}
	y := b.Op(ops.MatMul{}, b.Op(ops.MatMul{}, x[0], u), v)
	return b.Op(ops.Add{}, y, b.Param("b", spec.Zeros(), l.units))
}

func transpose(b *spec.Builder, w *ir.Value) *ir.Value {
	return b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w)
}

// Image undoes the layer: it is as wide as what came in.
func (l *Layer) Image(in ir.Type, tied bool) spec.Image {
	image := New(l.rank, in.Last())
	image.of, image.tied = l, tied
	return spec.UndoneBy(image)
}
