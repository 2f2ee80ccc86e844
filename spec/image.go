package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Mirrored is a layer that says what [Mirror], [Tied] and [Divide] make of it. The
// method is optional, in this module and in others; a layer without it has no mirror
// image.
type Mirrored interface {
	Layer

	// Image returns what the layer becomes in a mirror. The layer has been placed: in
	// is the type of its operand at its first place. A tied image uses the layer's own
	// weights (see [Builder.Borrow]); one that is not tied has new ones, which should
	// start as these (see [Builder.StartTransposed] and [Builder.StartAs]).
	//
	// Each mirror asks once. An image must be a layer made by this call.
	Image(in ir.Type, tied bool) Image
}

// Image is what a layer becomes in a mirror: the result of [UndoneBy], [Repeated],
// [PassedOver], [PartByPart] or [NoImage]. The zero Image is NoImage without a reason.
type Image struct {
	role  role
	layer Layer
	parts []Layer
	why   string
}

type role uint8

const (
	noImage role = iota
	undone
	repeated
	passedOver
	partByPart
)

// UndoneBy is the image of a layer that another layer undoes, giving back the input
// type. A layer with weights and such an image begins a stage of a stack (see
// [Divide]); one without weights belongs to the stage that follows.
func UndoneBy(image Layer) Image { return Image{role: undone, layer: image} }

// Repeated is the image of an activation. In the mirror, the activations that follow a
// layer come, in the same order, after the image of the next layer, where values have the
// same type again. An activation must keep the type of its operand. If the copy has
// weights, they are its own.
func Repeated(copy Layer) Image { return Image{role: repeated, layer: copy} }

// PassedOver is the image of a layer that a mirror leaves out, such as noise. The
// layer must keep the type of its operand.
func PassedOver() Image { return Image{role: passedOver} }

// PartByPart is the image of a container whose Build passes its operand through the
// given layers one by one: their images in reverse.
func PartByPart(l ...Layer) Image { return Image{role: partByPart, parts: l} }

// NoImage says why a layer has no image, for the given operand or when tied:
// "its stride leaves out elements".
func NoImage(why string) Image { return Image{why: why} }

// reflection is a layer with what it becomes in one mirror.
type reflection struct {
	of    Layer
	role  role  // undone, repeated or passedOver
	image Layer // nil if passed over
}

// reflector asks layers for their images.
type reflector struct {
	tied  bool
	made  site            // where the images count as made
	used  map[*state]bool // images so far
	out   []reflection    // from the input on
	rule  string          // why there is no image; "" if that follows from another mistake
	depth int
}

// visit adds what becomes of a layer and reports whether it has an image.
func (r *reflector) visit(x Layer) bool {
	if isNil(x) || stateOf(x) == nil {
		return false // reported where it was placed
	}
	st := stateOf(x)
	refuse := func(format string, a ...any) bool {
		r.rule = fmt.Sprintf(format, a...)
		return false
	}
	m, ok := x.(Mirrored)
	if !ok {
		return refuse("a layer of kind %s has no mirror image", st.kind)
	}
	var in, out ir.Type
	if p := st.built; p != nil {
		in = p.in
		if p.out != nil {
			out = p.out.Type
		}
	}
	if _, whole := x.(nested); !whole && out.DType == ir.Invalid {
		if st.sp == nil || len(st.sp.find().mistakes) == 0 {
			return refuse("PartByPart: the layer of kind %s made at %s was not placed", st.kind, st.made.pos())
		}
		return false // follows from another mistake
	}
	im := m.Image(in, r.tied)
	switch im.role {
	case partByPart:
		if r.depth++; r.depth > maxDepth {
			return refuse("PartByPart: the parts of a layer of kind %s contain it", st.kind)
		}
		for _, p := range im.parts {
			if !r.visit(p) {
				return false
			}
		}
		r.depth--
		return true
	case repeated, passedOver:
		if !in.Equal(out) {
			return refuse("a layer of kind %s makes %s of %s, but what is repeated or passed over must keep the type", st.kind, out, in)
		}
	case noImage:
		why := ""
		if im.why != "" {
			why = ": " + im.why
		}
		return refuse("a layer of kind %s has no mirror image%s", st.kind, why)
	}
	if im.role != passedOver {
		switch {
		case isNil(im.layer):
			return refuse("Image of a layer of kind %s gave a nil layer", st.kind)
		case stateOf(im.layer) == nil:
			return refuse("Image of a layer of kind %s gave a zero %s: make it with its constructor", st.kind, typeName(im.layer))
		case len(stateOf(im.layer).places) > 0 || r.used[stateOf(im.layer)]:
			return refuse("Image of a layer of kind %s gave a layer that was there before: it must make a new one at each call", st.kind)
		}
		r.used[stateOf(im.layer)] = true
		madeAt(im.layer, r.made)
	}
	r.out = append(r.out, reflection{x, im.role, im.layer})
	return true
}

// madeAt sets where a layer, and the layers inside, count as made.
func madeAt(l Layer, at site) {
	if isNil(l) || stateOf(l) == nil || len(stateOf(l).places) > 0 {
		return
	}
	stateOf(l).made = at
	if n, ok := l.(nested); ok {
		for _, p := range n.parts() {
			madeAt(p, at)
		}
	}
}

// startAlike makes the parameters of what was placed at p start as those of their
// names at q, unless they start as others already.
func startAlike(p, q *placement) {
	if p == nil || q == nil || p.st == q.st {
		return
	}
	for name, a := range p.st.params {
		if b := q.st.params[name]; b != nil && a.like == nil && a.v.Type.Equal(b.v.Type) && !b.startsAs(a) {
			a.like = b
		}
	}
	for i := range min(len(p.children), len(q.children)) {
		startAlike(p.children[i], q.children[i])
	}
}
