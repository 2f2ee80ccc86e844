package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// SequentialLayer is made by [Sequential].
type SequentialLayer struct {
	Base
	layers []Layer

	tied, untied *MirrorLayer // of MirrorOf
}

// Sequential puts layers in a row under one name.
func Sequential(name string, l ...Layer) *SequentialLayer {
	return &SequentialLayer{Base: container("Sequential", name), layers: append([]Layer{}, l...)}
}

// Named gives the container another name.
func (l *SequentialLayer) Named(name string) *SequentialLayer {
	return Option(l, "Named", func(l *SequentialLayer) {
		l.st.rename(name)
		l.tied, l.untied = nil, nil // mirrors of what it is a copy of
	})
}

func (l *SequentialLayer) parts() []Layer { return l.layers }

// Image is the mirror image of the layers inside.
func (l *SequentialLayer) Image(ir.Type, bool) Image { return PartByPart(l.layers...) }

// Build returns x passed through the layers.
func (l *SequentialLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return chain(b, l.layers, x[0])
}

func chain(b *Builder, layers []Layer, x *ir.Value) *ir.Value {
	for i, l := range layers {
		x = b.layer(l, i+1, len(layers), []*ir.Value{x})
	}
	return x
}

// layersLayer is made by [Layers].
type layersLayer struct {
	Base
	layers []Layer
}

// Layers puts layers in a row that count as one layer. It has no name, so the layers
// inside are named as if they stood in its place.
func Layers(l ...Layer) Layer {
	b := newBase("Layers")
	b.st.transparent = true
	return &layersLayer{b, append([]Layer{}, l...)}
}

func (l *layersLayer) parts() []Layer { return l.layers }

// Image is the mirror image of the layers inside.
func (l *layersLayer) Image(ir.Type, bool) Image { return PartByPart(l.layers...) }

// Build returns x passed through the layers.
func (l *layersLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return chain(b, l.layers, x[0]) }

// sharedLayer is made by [Shared].
type sharedLayer struct {
	Base
	layer Layer
}

// Shared marks the second use of a layer in one chain as intended: both uses share the
// same weights.
func Shared(l Layer) Layer {
	b := newBase("Shared")
	b.st.transparent, b.st.shares = true, true
	return &sharedLayer{b, l}
}

func (l *sharedLayer) parts() []Layer { return []Layer{l.layer} }

// Image is the mirror image of the layer inside.
func (l *sharedLayer) Image(ir.Type, bool) Image { return PartByPart(l.layer) }

// Build returns x passed through the layer.
func (l *sharedLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return chain(b, l.parts(), x[0]) }

// ResidualLayer is made by [Residual].
type ResidualLayer struct {
	Base
	layers   []Layer
	shortcut []Layer // x itself if there are none
}

// Residual is x plus what the layers compute from x (He et al. 2016). Mistakes: the
// layers change the type, and no Shortcut does so too.
func Residual(name string, l ...Layer) *ResidualLayer {
	return &ResidualLayer{Base: container("Residual", name), layers: append([]Layer{}, l...)}
}

// Named gives the container another name.
func (l *ResidualLayer) Named(name string) *ResidualLayer { return Named(l, name) }

// Shortcut passes x through layers before it is added, such as a convolution with kernel 1
// and a stride where the layers of the block have one (He et al. 2016, section 3.3).
// Mistakes: the result is not of the type that the layers of the block make.
func (l *ResidualLayer) Shortcut(layers ...Layer) *ResidualLayer {
	return Option(l, "Shortcut", func(l *ResidualLayer) { l.shortcut = append([]Layer{}, layers...) })
}

func (l *ResidualLayer) parts() []Layer { return append(append([]Layer{}, l.layers...), l.shortcut...) }

// Build returns x + f(x).
func (l *ResidualLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	y := chain(b, l.layers, x[0])
	short := chain(b, l.shortcut, x[0])
	switch {
	case isBad(short) || isBad(y):
		return bad()
	case short.Type.Equal(y.Type):
		return b.Op(ops.Add{}, short, y)
	case len(l.shortcut) > 0:
		return b.Errorf("layers and shortcut must make values of one type, but the layers make %s and the shortcut %s of %s", y.Type, short.Type, x[0].Type)
	}
	return b.mistake(&mistake{op: text("%s", b.p.st.title()),
		rule: text("the layers must keep the type of their input, %s, but make %s of it", x[0].Type, y.Type),
		hint: "give the block a Shortcut that makes the same of its input"})
}

// repeatLayer is made by [Repeat].
type repeatLayer struct {
	Base
	blocks []Layer
	count  int
	noFunc bool
}

// maxRepeat bounds the layers that one Repeat makes.
const maxRepeat = 10000

// Repeat puts n layers in a row, made by calling f with 0 to n-1 and named name1 to
// name<n>. Mistakes: n is not positive or is above 10,000, f is nil.
func Repeat(name string, n int, f func(i int) Layer) Layer {
	b := newBase("Repeat")
	b.st.transparent = true
	l := &repeatLayer{Base: b, count: n, noFunc: f == nil}
	if rule := checkName(name); rule != "" {
		b.st.fail(&mistake{st: b.st, at: b.st.made, op: text("Repeat"), rule: text("%s", rule)})
	} else if l.args() == "" {
		for i := range n {
			l.blocks = append(l.blocks, Sequential(fmt.Sprintf("%s%d", name, i+1), f(i)))
		}
	}
	return l
}

func (l *repeatLayer) args() string {
	switch {
	case l.noFunc:
		return "the function is nil"
	case l.count <= 0 || l.count > maxRepeat:
		return fmt.Sprintf("the number of layers must be in [1, %d], got %d", maxRepeat, l.count)
	}
	return ""
}

func (l *repeatLayer) parts() []Layer { return l.blocks }

// Image is the mirror image of the layers inside.
func (l *repeatLayer) Image(ir.Type, bool) Image { return PartByPart(l.blocks...) }

// Build returns x passed through the layers.
func (l *repeatLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return chain(b, l.blocks, x[0]) }

// FuncLayer is made by [Func].
type FuncLayer struct {
	Base
	f func(x *Value) *Value
}

// Func makes a layer from a formula, which is the usual way to write one. f computes the
// layer's result from x and runs once at each place of the layer. Make layers with
// weights outside f; one made inside is a mistake at the second place.
func Func(name string, f func(x *Value) *Value) *FuncLayer {
	return &FuncLayer{container("Func", name), f}
}

// Named gives the layer another name.
func (l *FuncLayer) Named(name string) *FuncLayer { return Named(l, name) }

func (l *FuncLayer) args() string {
	if l.f == nil {
		return "the function is nil"
	}
	return ""
}

// Build returns f(x).
func (l *FuncLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	y := l.f(&Value{sp: b.sp, v: x[0], scope: b.p})
	if y == nil {
		return b.Errorf("the function returned nil")
	}
	if y.sp == nil {
		return b.Errorf("the function returned a zero Value")
	}
	b.sp = union(b.sp, y.sp)
	return y.v
}
