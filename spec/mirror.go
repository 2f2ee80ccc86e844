package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MirrorLayer is made by [Mirror].
type MirrorLayer struct {
	Base
	of     Layer
	tied   bool
	from   *MirrorLayer // whose biases an untied one starts with; nil for none
	layers []Layer      // made at the first place
	line   []reflection // what they are images of, from the encoder's input on
}

// Mirror is the decoder of an encoder: it undoes the encoder's layers in reverse and
// repeats its activations. A stage is a layer that is undone plus the activations that
// follow it. The image of a stage undoes the layer and is followed by the activations of
// the stage before, so the last image is linear: 784-100-30 with ReLU after each becomes
// 30-100 ReLU, 100-784. Dense, Conv, pools, Flatten, Reshape, Pad, Crop and what moves
// elements are undone; Dropout, noise and KSparse are left out; your own layer decides what
// becomes of it (see [Mirrored]). The encoder must already have been placed.
//
// Unless Tied is given, the weights are new ones that start as the transpose of the
// encoder's and are then trained independently. Keep Glorot's weights in the encoder of
// such a decoder: those of [He] are scaled by the fan-in alone, so the image of a layer that
// widens, such as a convolution from one channel to sixteen, starts with results four times
// too large, which can switch off all units of a rectifier for good. Mistakes: the encoder
// was not placed yet, or holds a layer without an image.
func Mirror(name string, encoder Layer) *MirrorLayer {
	return &MirrorLayer{Base: container("Mirror", name), of: encoder}
}

// Untie is a copy of a tied mirror with weights of its own: the decoder to continue with
// after pretraining, when encoder and decoder are to be trained apart (Hinton and
// Salakhutdinov 2006, who unroll a stack into an autoencoder and fine-tune both halves).
// In a program of package pretrain it starts from what earlier phases left: the
// transpose of the encoder's weights, and the tied mirror's biases. Otherwise it starts
// from the initial values of both.
// Mistakes: the mirror is not tied, or was not placed yet.
func Untie(name string, tied *MirrorLayer) *MirrorLayer {
	l := &MirrorLayer{Base: container("Untie", name), from: tied}
	if tied != nil {
		l.of = tied.of
	}
	return l
}

// Named gives the container another name.
func (l *MirrorLayer) Named(name string) *MirrorLayer { return Named(l, name) }

// Tied makes the images use the encoder's weights, transposed for Dense layers. They
// have biases of their own.
func (l *MirrorLayer) Tied() *MirrorLayer {
	return Option(l, "Tied", func(l *MirrorLayer) { l.tied = true })
}

func (l *MirrorLayer) args() string {
	if l.st.kind == "Untie" {
		switch {
		case l.from == nil || l.from.st == nil:
			return "needs a mirror made by spec.Mirror"
		case l.tied:
			return "Tied after Untie: place the mirror itself"
		case !l.from.tied:
			return "the mirror has weights of its own already"
		case len(l.from.layers) == 0:
			return fmt.Sprintf("the mirror made at %s was not placed yet, so it has nothing to start from", l.from.st.made.pos())
		}
	}
	if isNil(l.of) {
		return "the layer to be mirrored is nil"
	}
	if stateOf(l.of) == nil {
		return "the layer to be mirrored was not made by its constructor"
	}
	return ""
}

func (l *MirrorLayer) parts() []Layer { return l.layers }

// Image is the mirror image of the layers inside.
func (l *MirrorLayer) Image(ir.Type, bool) Image { return PartByPart(l.layers...) }

// Build returns x passed through the images.
func (l *MirrorLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if l.layers == nil {
		of := stateOf(l.of)
		if len(of.places) == 0 {
			return b.Errorf("the layer made at %s was not placed yet, so it has no shapes to mirror", of.made.pos())
		}
		b.sp = union(of.sp, b.sp) // with the mistakes that may follow here
		if rule, ok := l.reflect(); rule != "" {
			return b.Errorf("%s", rule)
		} else if !ok {
			return bad()
		}
	}
	y := chain(b, l.layers, x[0])
	for _, r := range l.line {
		if of := l.partner(r.of); of != nil && r.role == undone {
			startAlike(stateOf(r.image).built, stateOf(of).built)
		}
	}
	return y
}

// reflect asks the encoder's layers for their images and puts them in order. It
// returns why there are none; false without a reason follows from another mistake.
func (l *MirrorLayer) reflect() (rule string, ok bool) {
	r := &reflector{tied: l.tied, made: l.st.made, used: map[*state]bool{}}
	if !r.visit(l.of) {
		return r.rule, false
	}
	end := toLastUndone(r.out) // the activations behind it are not repeated
	if end == 0 {
		return "the layer to be mirrored holds no layer that has a mirror image", false
	}
	l.line = r.out
	l.layers, _ = reversed(r.out[:end])
	return "", true
}

// toLastUndone returns the length of a line up to the last layer that is undone.
func toLastUndone(line []reflection) int {
	n := len(line)
	for n > 0 && line[n-1].role != undone {
		n--
	}
	return n
}

// reversed returns the images of a line, from its last layer to the first that is undone,
// and those of the activations before that one.
func reversed(line []reflection) (images, rest []Layer) {
	for i := len(line) - 1; i >= 0; i-- {
		switch x := line[i]; x.role {
		case repeated:
			rest = append(rest, x.image)
		case undone:
			slices.Reverse(rest)
			images = append(append(images, rest...), x.image)
			rest = nil
		}
	}
	slices.Reverse(rest)
	return images, rest
}

// partner returns the image of a layer in the mirror that this one unties, nil if
// there is none.
func (l *MirrorLayer) partner(of Layer) Layer {
	var image Layer
	if l.from != nil {
		for _, r := range l.from.line {
			if r.role == undone && r.of == of {
				image = r.image
			}
		}
	}
	return image
}
