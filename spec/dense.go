package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// DenseLayer is made by [Dense].
type DenseLayer struct {
	Base
	units    int
	noBias   bool
	init     Init
	biasInit Init

	w *DenseLayer // whose weights, transposed, and
	b *TiedLayer  // whose biases it starts with; nil for those of the initializers
}

// Dense is a fully connected layer, y = x·w + b.
//
// Shapes: x f32[N … in], y f32[N … units]. Parameters: w f32[in units], Glorot
// uniform unless Init is given, and b f32[units], zero unless BiasInit is given.
// Mistakes: units is not positive, x is no f32 or has no axis besides the batch.
func Dense(units int) *DenseLayer {
	return &DenseLayer{Base: newBase("Dense"), units: units, init: Glorot(), biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *DenseLayer) Named(name string) *DenseLayer { return named(l, name) }

// NoBias leaves b out.
func (l *DenseLayer) NoBias() *DenseLayer { return option(l, "NoBias", func() { l.noBias = true }) }

// Init sets the initializer of w.
func (l *DenseLayer) Init(i Init) *DenseLayer { return option(l, "Init", func() { l.init = i }) }

// BiasInit sets the initializer of b.
func (l *DenseLayer) BiasInit(i Init) *DenseLayer {
	return option(l, "BiasInit", func() { l.biasInit = i })
}

func (l *DenseLayer) args() string {
	if l.units <= 0 {
		return fmt.Sprintf("units must be positive, got %d", l.units)
	}
	return ""
}

// Build returns x·w + b.
func (l *DenseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	w := b.Param("w", l.init, x[0].Type.Last(), l.units)
	y := addBias(b, b.Op(ops.MatMul{}, x[0], w), !l.noBias, l.biasInit, l.units)
	if l.w != nil {
		startLike(l.st.params["w"], l.w.st.params["w"])
	}
	if l.b != nil {
		startLike(l.st.params["b"], l.b.st.params["b"])
	}
	return y
}

// startLike makes p start as a copy of q, if both are there and fit.
func startLike(p, q *param) {
	if p == nil || q == nil || p.v.Type.Shape.Count() != q.v.Type.Shape.Count() || p.v.Type.Shape[0] != q.v.Type.Shape[q.v.Type.Rank()-1] {
		return
	}
	p.like = q
}

// features returns the rule that the operand of a dense layer breaks, or "".
func features(x *ir.Value) string {
	if x.Type.DType != ir.F32 || x.Type.Rank() < 2 || x.Type.Last() == 0 {
		return fmt.Sprintf("x must be f32[N … in], got %s", x.Type)
	}
	return ""
}

func addBias(b *Builder, y *ir.Value, bias bool, init Init, units int) *ir.Value {
	if !bias {
		return y
	}
	return b.Op(ops.Add{}, y, b.Param("b", init, units))
}

// TiedLayer is made by [Tied].
type TiedLayer struct {
	Base
	of       Layer
	noBias   bool
	biasInit Init
}

// Tied is a dense layer with the transposed weights of another, y = x·wᵀ + b:
// one tensor with two uses. The other layer must have been placed before.
//
// Shapes: for w f32[in units] of the other, x f32[N … units], y f32[N … in].
// Parameters: b f32[in], zero unless BiasInit is given. Mistakes: the other is no
// Dense layer or was not placed yet, x has another width than its output.
func Tied(dense Layer) *TiedLayer {
	return &TiedLayer{Base: newBase("Tied"), of: dense, biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *TiedLayer) Named(name string) *TiedLayer { return named(l, name) }

// NoBias leaves b out.
func (l *TiedLayer) NoBias() *TiedLayer { return option(l, "NoBias", func() { l.noBias = true }) }

// BiasInit sets the initializer of b.
func (l *TiedLayer) BiasInit(i Init) *TiedLayer {
	return option(l, "BiasInit", func() { l.biasInit = i })
}

func (l *TiedLayer) args() string {
	switch of := l.of.(type) {
	case *DenseLayer:
		switch {
		case of == nil:
			return "the layer to be tied to is nil"
		case of.st == nil:
			return "the layer to be tied to is a zero DenseLayer: make it with spec.Dense"
		}
		return ""
	case nil:
		return "the layer to be tied to is nil"
	}
	if isNil(l.of) {
		return "the layer to be tied to is nil"
	}
	return fmt.Sprintf("only a Dense layer can be tied to, got %T", l.of)
}

// Build returns x·wᵀ + b.
func (l *TiedLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	of := l.of.(*DenseLayer).st
	if len(of.places) == 0 {
		return b.Errorf("the layer made at %s was not placed yet, so it has no weights to tie to", of.made.pos())
	}
	b.sp = union(of.sp, b.sp) // with the mistakes that may follow here
	p := of.params["w"]
	if p == nil {
		return bad() // follows from the mistake in the other layer
	}
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	w := b.borrow(p)
	in, out := w.Type.Shape[0].Length(), w.Type.Last()
	if x[0].Type.Last() != out {
		xt := x[0].Type
		b.failed = true
		b.sp.fail(&mistake{st: b.p.st, at: b.p.at, placed: b.p.at,
			op: func() string { b.sp.resolve(); return fmt.Sprintf("Tied to %q", of.path) },
			rule: text("its output is %d wide but the input here is %d (w is %s, x is %s)",
				out, xt.Last(), w.Type, xt)})
		return bad()
	}
	wt := b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w)
	return addBias(b, b.Op(ops.MatMul{}, x[0], wt), !l.noBias, l.biasInit, in)
}
