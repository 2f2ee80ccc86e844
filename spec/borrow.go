package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Borrow returns a parameter of another layer, so that both use one tensor, as a tied
// image does with the weights of the layer it mirrors. Mistakes: the other layer was not
// placed yet, or has no parameter of that name.
func (b *Builder) Borrow(of Layer, name string) *ir.Value {
	p := b.paramOf(of, name)
	if p == nil {
		return bad()
	}
	return b.lend(p)
}

func (b *Builder) lend(p *param) *ir.Value {
	if !slices.Contains(b.p.borrowed, p) {
		b.p.borrowed = append(b.p.borrowed, p)
	}
	b.weights()
	if average := b.p.average(); average != nil {
		return b.mean(average, p)
	}
	return p.v
}

// StartAs makes w, a parameter of this layer, start with the elements of another
// layer's parameter instead of its initializer's; from then on they are independent.
// Mistakes: those of [Builder.Borrow]; w is not a parameter of this layer, already starts
// as another one, or has other lengths.
func (b *Builder) StartAs(w *ir.Value, of Layer, name string) { b.start(w, of, name, false) }

// StartTransposed is StartAs for two matrices, with rows and columns exchanged.
func (b *Builder) StartTransposed(w *ir.Value, of Layer, name string) { b.start(w, of, name, true) }

func (b *Builder) start(w *ir.Value, of Layer, name string, turned bool) {
	if b.failed || isBad(w) {
		return
	}
	var p *param
	for _, x := range b.p.st.params {
		if x.v == w {
			p = x
		}
	}
	if p == nil {
		b.Errorf("a parameter that starts as another layer's must belong to this layer and come from Param")
		return
	}
	q := b.paramOf(of, name)
	if q == nil {
		return
	}
	want := q.v.Type.Shape
	if turned && len(want) == 2 {
		want = ir.Shape{want[1], want[0]}
	}
	switch {
	case p.like == q && p.turned == turned:
	case p.like != nil:
		b.Errorf("parameter %q starts as %q of another layer already", p.name, p.like.name)
	case q.startsAs(p):
		b.Errorf("parameter %q would start as itself", p.name)
	case turned && len(want) != 2:
		b.Errorf("only a matrix can be transposed, but %q of the other layer is %s", name, q.v.Type)
	case !w.Type.Shape.Equal(want):
		how := "as"
		if turned {
			how = "as the transpose of"
		}
		b.Errorf("parameter %q is %s, so it cannot start %s %q of the other layer, which is %s", p.name, w.Type, how, name, q.v.Type)
	default:
		p.like, p.turned = q, turned
	}
}

// startsAs reports whether p is q or starts, over others or not, as q.
func (p *param) startsAs(q *param) bool {
	for ; p != nil; p = p.like {
		if p == q {
			return true
		}
	}
	return false
}

// paramOf returns a parameter of another layer, or nil after a mistake.
func (b *Builder) paramOf(of Layer, name string) *param {
	if b.failed || !b.placed(of) {
		return nil
	}
	st := stateOf(of)
	p := st.params[name]
	switch {
	case p != nil:
	case st.built == nil || st.built.out == nil:
		b.failed = true // follows from the mistake in the other layer
	default:
		has := "none"
		if len(st.params) > 0 {
			has = fmt.Sprintf("%q", slices.Sorted(maps.Keys(st.params)))
		}
		b.Errorf("a layer of kind %s has no parameter %q: it has %s", st.kind, name, has)
	}
	return p
}

// placed joins the space of another layer, which must have been placed.
func (b *Builder) placed(of Layer) bool {
	switch {
	case isNil(of):
		b.Errorf("the layer whose weights are used is nil")
		return false
	case stateOf(of) == nil:
		b.Errorf("the layer whose weights are used is a zero %s: make it with its constructor", typeName(of))
		return false
	case len(stateOf(of).places) == 0:
		b.Errorf("the layer made at %s was not placed yet, so it has no weights to tie to", stateOf(of).made.pos())
		return false
	}
	b.sp = union(stateOf(of).sp, b.sp) // with the mistakes that may follow here
	return true
}
