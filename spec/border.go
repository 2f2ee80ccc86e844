package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// border is what is put around, or taken from, the axes behind the channels.
type border struct {
	widths        []int
	before, after int // of the channels
}

func (w *border) args() string {
	for _, n := range append([]int{w.before, w.after}, w.widths...) {
		if n < 0 {
			return fmt.Sprintf("a width must be at least 0, got %d", n)
		}
	}
	return ""
}

// axes returns the widths before and behind each axis of x [N C …], the batch being axis 0,
// or the rule that is broken.
func (w *border) axes(x ir.Type) (before, after []int, rule string) {
	n := x.Rank() - 2
	if n < 1 || !rowsFirst(x.Shape) {
		return nil, nil, fmt.Sprintf("x must be [N C …] with axes behind its channels, got %s", x)
	}
	pads := w.widths
	switch len(pads) {
	case 0:
		pads = make([]int, 2*n)
	case 1:
		pads = slices.Repeat(pads, 2*n)
	case n:
		pads = slices.Repeat(pads, 2)
	case 2 * n:
	default:
		return nil, nil, fmt.Sprintf("%d widths are given, but x has %d axes behind its channels (x is %s)", len(pads), n, x)
	}
	for i, d := range x.Shape[1:] {
		if _, known := d.Known(); !known {
			return nil, nil, fmt.Sprintf("axis %d of x must have a known length, x is %s", i, x)
		}
	}
	return append([]int{0, w.before}, pads[:n]...), append([]int{0, w.after}, pads[n:]...), ""
}

// PadLayer is made by [Pad].
type PadLayer struct {
	Base
	border
	reflect bool
}

// Pad puts zeros around the axes behind the channels: so many on both sides of all axes,
// or of each axis, or before each axis and then behind each. Convolutions and pools pad by
// themselves; this is for what they do not offer.
//
// Shapes: x [N C …] of any dtype, or f32 with Reflect; y the same, longer. Pad of ONNX. A
// [Mirror] takes away what was added. Mistakes: a width is below 0; x has other axes.
func Pad(widths ...int) *PadLayer {
	return &PadLayer{Base: newBase("Pad"), border: border{widths: slices.Clone(widths)}}
}

// Named gives the layer a name.
func (l *PadLayer) Named(name string) *PadLayer { return Named(l, name) }

// Channels adds channels of zeros before and after those of x, as a shortcut without
// parameters does (He et al. 2016, option A).
func (l *PadLayer) Channels(before, after int) *PadLayer {
	return Option(l, "Channels", func(l *PadLayer) { l.before, l.after = before, after })
}

// Reflect puts what lies inside the border there instead of zeros, mirrored at the first
// and the last element, which are not repeated. Mistakes: a width is not below the length
// of its axis; channels are added.
func (l *PadLayer) Reflect() *PadLayer {
	return Option(l, "Reflect", func(l *PadLayer) { l.reflect = true })
}

func (l *PadLayer) args() string {
	if l.reflect && l.before+l.after > 0 {
		return "channels are added as zeros: Reflect and Channels are both given"
	}
	return l.border.args()
}

// Build returns x with a border.
func (l *PadLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	before, after, rule := l.axes(x[0].Type)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	y := x[0]
	for a := range before {
		if before[a]+after[a] == 0 {
			continue
		}
		if !l.reflect {
			y = b.Op(ops.Pad{Axis: a, Before: ir.Fixed(before[a]), After: ir.Fixed(after[a])}, y)
			continue
		}
		n := x[0].Type.Shape[a].Length()
		if max(before[a], after[a]) >= n {
			return b.Errorf("axis %d has %d elements, of which at most %d can be reflected, not %d (x is %s)", a-1, n, n-1, max(before[a], after[a]), x[0].Type)
		}
		y = b.reflected(y, a, before[a], after[a])
	}
	return y
}

// reflected puts mirrored elements around an axis of x.
func (b *Builder) reflected(x *ir.Value, axis, before, after int) *ir.Value {
	n := x.Type.Shape[axis].Length()
	turned := func(from, to int) *ir.Value {
		part := b.Op(ops.Slice{Axis: axis, Start: ir.Fixed(from), End: ir.Fixed(to)}, x)
		return b.Op(ops.Flip{Axes: ir.MakeAxes(axis)}, part)
	}
	list := []*ir.Value{x}
	if before > 0 {
		list = append([]*ir.Value{turned(1, 1+before)}, list...)
	}
	if after > 0 {
		list = append(list, turned(n-1-after, n-1))
	}
	return b.Op(ops.Concat{Axis: axis}, list...)
}

// Image is a Crop of the same widths.
func (l *PadLayer) Image(ir.Type, bool) Image {
	return UndoneBy(&CropLayer{newBase("Crop"), l.border})
}

// CropLayer is made by [Crop].
type CropLayer struct {
	Base
	border
}

// Crop cuts elements off the axes behind the channels: so many on both sides of all axes,
// or of each axis, or before each axis and then behind each.
//
// Shapes: x [N C …] of any dtype; y the same, shorter. Slice of ONNX. A [Mirror] puts zeros
// in their place. Mistakes: a width is below 0; nothing is left of an axis; x has other axes.
func Crop(widths ...int) *CropLayer {
	return &CropLayer{newBase("Crop"), border{widths: slices.Clone(widths)}}
}

// Named gives the layer a name.
func (l *CropLayer) Named(name string) *CropLayer { return Named(l, name) }

// Build returns x without its border.
func (l *CropLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	before, after, rule := l.axes(x[0].Type)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	y := x[0]
	for a := range before {
		if before[a]+after[a] == 0 {
			continue
		}
		n := x[0].Type.Shape[a].Length()
		if before[a]+after[a] >= n {
			return b.Errorf("%d and %d elements cannot be cut off axis %d, which has %d (x is %s)", before[a], after[a], a-1, n, x[0].Type)
		}
		y = b.Op(ops.Slice{Axis: a, Start: ir.Fixed(before[a]), End: ir.Fixed(n - after[a])}, y)
	}
	return y
}

// Image is a Pad of the same widths.
func (l *CropLayer) Image(ir.Type, bool) Image {
	return UndoneBy(&PadLayer{Base: newBase("Pad"), border: l.border})
}
