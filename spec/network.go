package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// NetworkLayer is a published architecture, made by [LeNet], [ResNet18], [ResNet20] or
// [ResNet32]: an encoder, with a head if Head is given.
type NetworkLayer struct {
	Base
	layers []Layer
	head   bool
	rule   string
}

// Named gives the container another name.
func (l *NetworkLayer) Named(name string) *NetworkLayer { return Named(l, name) }

// Head adds the layer that makes a classifier of the encoder: a [Dense] named head, whose
// results are logits f32[N classes]. Without it the network gives codes, to pretrain it or
// to put another head on. Mistakes: the number of classes is not positive.
func (l *NetworkLayer) Head(classes int) *NetworkLayer {
	head := Dense(classes).Named("head")
	return Option(l, "Head", func(l *NetworkLayer) {
		if l.head {
			l.layers = l.layers[:len(l.layers)-1]
		}
		l.layers, l.head = append(slices.Clip(slices.Clone(l.layers)), head), true
	})
}

func (l *NetworkLayer) args() string { return l.rule }

func (l *NetworkLayer) parts() []Layer { return l.layers }

// Image is the mirror image of the layers inside.
func (l *NetworkLayer) Image(ir.Type, bool) Image { return PartByPart(l.layers...) }

// Build returns x passed through the layers.
func (l *NetworkLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return chain(b, l.layers, x[0]) }

// LeNet is LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) as it is written today, with
// ReLU and MaxPool: two convolutions of 6 and 16 filters 5x5, each with a pool, and layers
// of 120 and 84 units. The first convolution pads by 2, as the paper's pictures of 28x28 lie
// in 32x32.
//
// Shapes: x f32[N 1 28 28], or any C H W of 12x12 or more, y f32[N 84]. With Head(10) it has
// the 61,706 parameters by which it is known.
func LeNet(name string) *NetworkLayer {
	return &NetworkLayer{Base: container("LeNet", name), layers: []Layer{
		Conv(6, 5).Pad(2), ReLU(), MaxPool(2),
		Conv(16, 5), ReLU(), MaxPool(2),
		Flatten(), Dense(120), ReLU(), Dense(84), ReLU(),
	}}
}

// Shortcut says how the blocks of a ResNet that change the shape pass their input on.
type Shortcut uint8

// The kinds of shortcuts, which He et al. 2016 call A and B.
const (
	// PaddedShortcuts leave out every second element and add channels of zeros: they have
	// no parameters.
	PaddedShortcuts Shortcut = iota + 1
	// ProjectedShortcuts are convolutions with kernel 1 and a BatchNorm.
	ProjectedShortcuts
)

// String returns the kind.
func (s Shortcut) String() string {
	switch s {
	case PaddedShortcuts:
		return "PaddedShortcuts"
	case ProjectedShortcuts:
		return "ProjectedShortcuts"
	}
	return fmt.Sprintf("Shortcut(%d)", uint8(s))
}

// ResNet20 is the residual network of 20 layers for pictures of 32x32 (He, Zhang, Ren and
// Sun 2016, "Deep Residual Learning for Image Recognition", section 4.2): a convolution of
// 16 filters and three stages of three blocks, of 16, 32 and 64 filters 3x3, then the mean of
// each channel. Convolutions start as [He] and have no bias, as a [BatchNorm] follows.
//
// Shapes: x f32[N C H W], y f32[N 64]. With Head(10) and three channels it has 269,722
// parameters with padded shortcuts, and 272,474 with projected ones. Mistakes: no such kind
// of shortcut.
func ResNet20(name string, shortcut Shortcut) *NetworkLayer {
	return resNet("ResNet20", name, smallStem(), []int{16, 32, 64}, 3, shortcut)
}

// ResNet32 is [ResNet20] with five blocks in each stage. With Head(10) and three channels it
// has 464,154 parameters with padded shortcuts, and 466,906 with projected ones.
func ResNet32(name string, shortcut Shortcut) *NetworkLayer {
	return resNet("ResNet32", name, smallStem(), []int{16, 32, 64}, 5, shortcut)
}

// ResNet18 is the residual network of 18 layers for pictures of 224x224 (He et al. 2016,
// table 1): a convolution of 64 filters 7x7 with stride 2, a pool, and four stages of two
// blocks, of 64 to 512 filters.
//
// Shapes: x f32[N C H W], y f32[N 512]. With Head(1000), three channels and projected
// shortcuts, which are the usual ones, it has 11,689,512 parameters.
func ResNet18(name string, shortcut Shortcut) *NetworkLayer {
	stem := []Layer{Conv(64, 7).Stride(2).Pad(3).NoBias().Init(He()), BatchNorm().Axis(0), ReLU(), MaxPool(3).Stride(2).Pad(1)}
	return resNet("ResNet18", name, stem, []int{64, 128, 256, 512}, 2, shortcut)
}

func smallStem() []Layer {
	return []Layer{Conv(16, 3).Pad(1).NoBias().Init(He()), BatchNorm().Axis(0), ReLU()}
}

// resNet returns stages of so many blocks of these widths.
func resNet(kind, name string, stem []Layer, widths []int, blocks int, shortcut Shortcut) *NetworkLayer {
	l := &NetworkLayer{Base: container(kind, name), layers: []Layer{Sequential("stem", stem...)}}
	if shortcut != PaddedShortcuts && shortcut != ProjectedShortcuts {
		l.rule = fmt.Sprintf("the shortcut must be PaddedShortcuts or ProjectedShortcuts, got %d", uint8(shortcut))
	}
	for i, width := range widths {
		l.layers = append(l.layers, Sequential(fmt.Sprintf("stage%d", i+1), Repeat("block", blocks, func(j int) Layer {
			return resBlock(width, i > 0 && j == 0, shortcut)
		})))
	}
	l.layers = append(l.layers, GlobalAveragePool())
	return l
}

// resBlock is a block of two convolutions, which halves the picture and doubles the
// channels if it is the first of a later stage.
func resBlock(width int, first bool, shortcut Shortcut) Layer {
	stride := 1
	if first {
		stride = 2
	}
	block := Residual("residual",
		Conv(width, 3).Pad(1).Stride(stride).NoBias().Init(He()), BatchNorm().Axis(0), ReLU(),
		Conv(width, 3).Pad(1).NoBias().Init(He()), BatchNorm().Axis(0))
	switch {
	case first && shortcut == ProjectedShortcuts:
		block = block.Shortcut(Sequential("shortcut", Conv(width, 1).Stride(2).NoBias().Init(He()), BatchNorm().Axis(0)))
	case first:
		block = block.Shortcut(Sequential("shortcut", AveragePool(1).Stride(2), Pad().Channels(0, width-width/2)))
	}
	return Layers(block, ReLU())
}

// ConvEncoder is an encoder of pictures from a list of widths: a convolution 3x3 with stride
// 2 and ReLU for each width but the last, then a Dense layer with as many units as the last
// says, the code.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels; y f32[N last].
// Mistakes: fewer than two widths; one is not positive.
func ConvEncoder(name string, widths ...int) *SequentialLayer {
	l := &SequentialLayer{Base: container("ConvEncoder", name)}
	if len(widths) < 2 {
		l.st.fail(&mistake{st: l.st, at: l.st.made, op: text("ConvEncoder"),
			rule: text("at least two widths are needed, of a convolution and of the code, got %v", widths)})
		return l
	}
	for _, w := range widths[:len(widths)-1] {
		l.layers = append(l.layers, Conv(w, 3).Same().Stride(2), ReLU())
	}
	l.layers = append(l.layers, Flatten(), Dense(widths[len(widths)-1]))
	return l
}

// ConvAutoencoder is the [Autoencoder] of a [ConvEncoder] named encoder, and its mirror
// image, named decoder, whose weights are its own: transposed convolutions that give back
// the shape of the input, the last without an activation. For a denoising one, or one with
// tied weights, write these out.
//
// Its taps are "code" and "reconstruction". Mistakes: those of ConvEncoder.
func ConvAutoencoder(name string, input *Value, widths ...int) *Model {
	at := callers(0)
	input = whole(input, at, "ConvAutoencoder")
	encoder := ConvEncoder("encoder", widths...)
	return autoencoder(at, name, input, encoder, Mirror("decoder", encoder))
}
