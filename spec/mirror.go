package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MirrorLayer is made by [Mirror].
type MirrorLayer struct {
	Base
	of     Layer
	tied   bool
	from   *MirrorLayer // whose biases an untied one starts with; nil for none
	layers []Layer      // made at the first place
	stages []stage      // of layers, from the input on
}

// Mirror is the decoder to an encoder: its dense layers and activations in
// reverse. A stage is a dense layer and the activations that follow it; the
// image of a stage undoes the layer and is followed by the activations of the
// stage before it, so the last image is linear: 784-100-30 with ReLU after each
// becomes 30-100 ReLU, 100-784. Flatten and Reshape are undone, Dropout, noise and
// KSparse are left out. The encoder must have been placed before.
//
// Weights are new ones that start as the encoder's, transposed, and then go their
// own way, unless Tied is given. Mistakes: the encoder was not placed yet, or
// holds a layer without an image.
func Mirror(name string, encoder Layer) *MirrorLayer {
	return &MirrorLayer{Base: container("Mirror", name), of: encoder}
}

// Untie is a tied mirror with weights of its own: the decoder to go on with after
// pretraining, when encoder and decoder shall part (Hinton and Salakhutdinov 2006,
// who unroll a stack into an autoencoder and fine-tune both halves). In a program of
// package pretrain it starts with what the phases before left of the encoder's
// weights, transposed, and of the tied mirror's biases; without one, as both do.
// Mistakes: the mirror is not tied, or was not placed yet.
func Untie(name string, tied *MirrorLayer) *MirrorLayer {
	l := &MirrorLayer{Base: container("Untie", name), from: tied}
	if tied != nil {
		l.of = tied.of
	}
	return l
}

// Named gives the container another name.
func (l *MirrorLayer) Named(name string) *MirrorLayer { return named(l, name) }

// Tied makes the dense layers use the encoder's weights, transposed. Biases are
// their own.
func (l *MirrorLayer) Tied() *MirrorLayer { return option(l, "Tied", func() { l.tied = true }) }

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

// Build returns x passed through the images.
func (l *MirrorLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if l.layers == nil {
		of := stateOf(l.of)
		if len(of.places) == 0 {
			return b.Errorf("the layer made at %s was not placed yet, so it has no shapes to mirror", of.made.pos())
		}
		b.sp = union(of.sp, b.sp) // with the mistakes that may follow here
		layers, rule := l.images()
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		if len(layers) == 0 {
			return bad()
		}
		l.layers = layers
	}
	return chain(b, l.layers, x[0])
}

// stage is a layer that has an image, copies of the activations behind it, and of
// those behind the stage before.
type stage struct {
	of     Layer
	image  Layer
	acts   []Layer
	before []Layer
}

// images returns the layers of the mirror, or why there are none. It is empty
// without a reason if that follows from another mistake.
func (l *MirrorLayer) images() (out []Layer, rule string) {
	stages := []stage{{}} // what comes before the first has no image
	var visit func(Layer) bool
	visit = func(x Layer) bool {
		if isNil(x) || stateOf(x) == nil {
			return false
		}
		if n, ok := x.(nested); ok {
			if _, residual := x.(*ResidualLayer); !residual {
				for _, p := range n.parts() {
					if !visit(p) {
						return false
					}
				}
				return true
			}
		}
		var image Layer
		switch x := x.(type) {
		case *DenseLayer:
			w := x.st.params["w"]
			if w == nil {
				return false
			}
			image = l.dense(x, w.v.Type.Shape[0].Length())
		case *TiedLayer:
			rule = "a Tied layer has no mirror image"
			return false
		case *FlattenLayer:
			image = Reshape(lengths(x.from)...)
		case *ReshapeLayer:
			image = Reshape(lengths(x.from)...)
		case *DropoutLayer, *MaskingNoiseLayer, *GaussianNoiseLayer, *SaltAndPepperLayer, *KSparseLayer:
			return true
		case interface{ copy() Layer }:
			last := &stages[len(stages)-1]
			last.acts = append(last.acts, x.copy())
			return true
		default:
			rule = fmt.Sprintf("a layer of kind %s has no mirror image", x.base().st.kind)
			return false
		}
		stages = append(stages, stage{of: x, image: image})
		return true
	}
	if !visit(l.of) {
		return nil, rule
	}
	if len(stages) == 1 {
		return nil, "the layer to be mirrored holds no layer that has a mirror image"
	}
	for i := len(stages) - 1; i > 0; i-- {
		out = append(out, stages[i].image)
		if i > 1 {
			stages[i].before = stages[i-1].acts
			out = append(out, stages[i].before...)
		}
	}
	l.stages = stages[1:]
	for _, x := range out {
		x.base().st.made = l.st.made
	}
	return out, ""
}

func (l *MirrorLayer) dense(of *DenseLayer, units int) Layer {
	if l.tied {
		return &TiedLayer{Base: newBase("Tied"), of: of, noBias: of.noBias, biasInit: of.biasInit}
	}
	d := &DenseLayer{Base: newBase("Dense"), units: units, noBias: of.noBias, init: of.init, biasInit: of.biasInit, w: of}
	if l.from != nil {
		for _, s := range l.from.stages {
			if t, ok := s.image.(*TiedLayer); ok && s.of == Layer(of) {
				d.b = t
			}
		}
	}
	return d
}
