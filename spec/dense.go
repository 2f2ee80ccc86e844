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

	of *DenseLayer // whose image it is, so that it starts with its weights, transposed
}

// Dense is a fully connected layer, y = x·w + b.
//
// Shapes: x f32[N … in], y f32[N … units]. Parameters: w f32[in units], Glorot
// uniform unless Init is given, and b f32[units], zero unless BiasInit is given.
// Mistakes: units is not positive, x is not f32 or has no axis besides the batch.
func Dense(units int) *DenseLayer {
	return &DenseLayer{Base: newBase("Dense"), units: units, init: Glorot(), biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *DenseLayer) Named(name string) *DenseLayer { return Named(l, name) }

// NoBias leaves b out.
func (l *DenseLayer) NoBias() *DenseLayer {
	return Option(l, "NoBias", func(l *DenseLayer) { l.noBias = true })
}

// Init sets the initializer of w.
func (l *DenseLayer) Init(i Init) *DenseLayer {
	return Option(l, "Init", func(l *DenseLayer) { l.init = i })
}

// BiasInit sets the initializer of b.
func (l *DenseLayer) BiasInit(i Init) *DenseLayer {
	return Option(l, "BiasInit", func(l *DenseLayer) { l.biasInit = i })
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
	if l.of != nil && x[0].Type.Last() == l.of.units {
		b.StartTransposed(w, l.of, "w")
	}
	return addBias(b, b.Op(ops.MatMul{}, x[0], w), !l.noBias, l.biasInit, l.units)
}

// Image is Tied, or a Dense layer that starts with the transposed weights.
func (l *DenseLayer) Image(in ir.Type, tied bool) Image {
	if tied {
		return UndoneBy(&TiedLayer{Base: newBase("Tied"), of: l, noBias: l.noBias, biasInit: l.biasInit})
	}
	return UndoneBy(&DenseLayer{Base: newBase("Dense"), units: in.Last(), noBias: l.noBias, init: l.init, biasInit: l.biasInit, of: l})
}

// features returns the rule that the operand of a dense layer breaks, or "".
func features(x *ir.Value) string {
	if n := x.Type.Rank(); n > 1 && x.Type.Shape[n-1].Symbolic() {
		return fmt.Sprintf("the last axis of x must have a known length, that of the weights, but x is %s: its last length is free", x.Type)
	}
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
	image    Layer  // of another layer than Dense, made at the first place
	set      string // the option given last
}

// Tied is a dense layer with the transposed weights of another, y = x·wᵀ + b:
// one tensor with two uses. The other layer must have been placed before.
//
// Shapes: for w f32[in units] of the other, x f32[N … units], y f32[N … in].
// Parameters: b f32[in], zero unless BiasInit is given. For a layer of your own, Tied
// is its tied image (see [Mirrored]), which has no options. Mistakes: the other was not
// placed yet or has no tied image, x has another width than its output.
func Tied(layer Layer) *TiedLayer {
	return &TiedLayer{Base: newBase("Tied"), of: layer, biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *TiedLayer) Named(name string) *TiedLayer { return Named(l, name) }

// NoBias leaves b out.
func (l *TiedLayer) NoBias() *TiedLayer {
	return Option(l, "NoBias", func(l *TiedLayer) { l.noBias, l.set = true, "NoBias" })
}

// BiasInit sets the initializer of b.
func (l *TiedLayer) BiasInit(i Init) *TiedLayer {
	return Option(l, "BiasInit", func(l *TiedLayer) { l.biasInit, l.set = i, "BiasInit" })
}

func (l *TiedLayer) args() string {
	if isNil(l.of) {
		return "the layer to be tied to is nil"
	}
	if stateOf(l.of) == nil {
		return fmt.Sprintf("the layer to be tied to is a zero %s: make it with its constructor", typeName(l.of))
	}
	if _, ok := l.of.(Mirrored); !ok {
		return fmt.Sprintf("only a layer with a mirror image can be tied to, got %T", l.of)
	}
	return ""
}

// Build returns x·wᵀ + b.
func (l *TiedLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	of, ok := l.of.(*DenseLayer)
	if !ok {
		return l.other(b, x[0])
	}
	w := b.Borrow(of, "w")
	if isBad(w) {
		return bad()
	}
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	in, out := w.Type.Shape[0].Length(), w.Type.Last()
	if x[0].Type.Last() != out {
		xt := x[0].Type
		return b.mistake(&mistake{
			op: func() string { b.sp.find().resolve(); return fmt.Sprintf("Tied to %q", of.st.path) },
			rule: text("its output is %d wide but the input here is %d (w is %s, x is %s)",
				out, xt.Last(), w.Type, xt)})
	}
	wt := b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w)
	return addBias(b, b.Op(ops.MatMul{}, x[0], wt), !l.noBias, l.biasInit, in)
}

// other returns x passed through the tied image of a layer that says itself what
// that is.
func (l *TiedLayer) other(b *Builder, x *ir.Value) *ir.Value {
	if l.set != "" {
		return b.Errorf("%s is for a Dense layer, but this is tied to one of kind %s", l.set, stateOf(l.of).kind)
	}
	if l.image == nil {
		if !b.placed(l.of) {
			return bad()
		}
		r := &reflector{tied: true, made: l.st.made, used: map[*state]bool{}}
		switch {
		case !r.visit(l.of) && r.rule == "":
			return bad()
		case r.rule != "":
			return b.Errorf("%s", r.rule)
		case len(r.out) != 1 || r.out[0].role != undone:
			return b.Errorf("a layer of kind %s cannot be tied to: mirror it with spec.Mirror", stateOf(l.of).kind)
		}
		l.image = r.out[0].image
	}
	return b.Layer(l.image, x)
}
