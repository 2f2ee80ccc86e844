// Package glu lives in the user's module.
package glu

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// Layer is a gated linear unit, y = (x·W + b) ⊙ sigmoid(x·V + c) (Dauphin et al. 2017).
//
// Shapes: x f32[N … in], y f32[N … units]. Parameters: w, v [in units], b, c [units].
// Errors: units is not positive.
type Layer struct {
	spec.Base
	units int
	init  spec.Init
}

// New returns a gated linear unit of the given width.
func New(units int) *Layer {
	return &Layer{Base: spec.Here("glu"), units: units, init: spec.Glorot()}
}

// Named gives the layer a name.
func (l *Layer) Named(name string) *Layer { return spec.Named(l, name) }

// Init sets the initializer of w and v; it is Glorot if not set.
func (l *Layer) Init(i spec.Init) *Layer {
	return spec.Option(l, "Init", func(l *Layer) { l.init = i })
}

// Build says what the layer means. After a mistake ops do nothing: no error to pass on.
func (l *Layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if l.units <= 0 {
		return b.Errorf("units must be positive, got %d", l.units)
	}
	half := func(w, bias string) *ir.Value {
		wv := b.Param(w, l.init, x[0].Type.Last(), l.units)
		return b.Op(ops.Add{}, b.Op(ops.MatMul{}, x[0], wv), b.Param(bias, spec.Zeros(), l.units))
	}
	return b.Op(ops.Mul{}, half("w", "b"), b.Op(ops.Sigmoid{}, half("v", "c")))
}
