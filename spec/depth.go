package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// DepthLayer is made by [DepthToSpace] and [SpaceToDepth].
type DepthLayer struct {
	Base
	block  int
	toRoom bool
	crd    bool
}

// DepthToSpace makes images larger by a whole factor out of their channels: of each run of
// block² channels, the elements of one place become a block of a picture's elements (Shi et
// al. 2016). The channels of a block lie C/block² apart, as in ONNX by default; see ByChannel.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels, n of them; y
// f32[N C/blockⁿ H·block W·block]. DepthToSpace of ONNX, which is written as Reshape and
// Transpose. A [Mirror] undoes it. Mistakes: the block is below 1; the channels do not
// divide by blockⁿ.
func DepthToSpace(block int) *DepthLayer {
	return &DepthLayer{Base: newBase("DepthToSpace"), block: block, toRoom: true}
}

// SpaceToDepth undoes [DepthToSpace]: blocks of elements become channels, so that a
// convolution behind it sees all of them at a smaller size.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels, n of them; y
// f32[N C·blockⁿ H/block W/block]. Mistakes: the block is below 1, or does not divide the
// lengths.
func SpaceToDepth(block int) *DepthLayer {
	return &DepthLayer{Base: newBase("SpaceToDepth"), block: block}
}

// Named gives the layer a name.
func (l *DepthLayer) Named(name string) *DepthLayer { return Named(l, name) }

// ByChannel keeps the channels of a block side by side: mode CRD of ONNX, and the order of
// PyTorch's PixelShuffle and PixelUnshuffle.
func (l *DepthLayer) ByChannel() *DepthLayer {
	return Option(l, "ByChannel", func(l *DepthLayer) { l.crd = true })
}

func (l *DepthLayer) args() string {
	if l.block < 1 {
		return fmt.Sprintf("the block must be at least 1, got %d", l.block)
	}
	return ""
}

// Build returns x with elements moved between channels and the axes behind them.
func (l *DepthLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	s := sliding{kernel: []int{l.block}}
	block, _, _, _, rule := s.over(t)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	n, c, all := len(block), t.Shape[1].Length(), 1
	for a, f := range block {
		if m := t.Shape[2+a].Length(); !l.toRoom && m%f != 0 {
			return b.Errorf("axis %d has %d elements, which do not divide into blocks of %d (x is %s)", 1+a, m, f, t)
		}
		if all *= f; all > maxElems {
			return b.Errorf("a block of %d on %d axes has more than 2^31 elements", l.block, n)
		}
	}
	if l.toRoom && c%all != 0 {
		return b.Errorf("%d channels do not divide into blocks of %d (x is %s)", c, all, t)
	}
	if rule := checkDims([]int{c, all}, 2); !l.toRoom && rule != "" {
		return b.Errorf("%s", rule)
	}
	// The axes are the rows, then blocks, channels and lengths in the one order, or the
	// channels and for each axis its length and block in the other.
	rows, small := t.Shape[0], c/all
	if !l.toRoom {
		small = c
	}
	deep, room := ir.Shape{rows}, ir.Shape{rows, ir.Fixed(small)}
	perm := []int{0} // from deep to room
	blocks := ir.ShapeOf(block...)
	channel, first := 1, 2 // of deep: the channels, and the first block
	if l.crd {
		deep = append(append(deep, ir.Fixed(small)), blocks...)
	} else {
		deep = append(append(deep, blocks...), ir.Fixed(small))
		channel, first = 1+n, 1
	}
	perm = append(perm, channel)
	out := ir.Shape{rows, ir.Fixed(c * all)}
	if l.toRoom {
		out[1] = ir.Fixed(small)
	}
	for a, f := range block {
		m := t.Shape[2+a].Length()
		if l.toRoom {
			out = append(out, ir.Fixed(m*f))
		} else {
			m /= f
			out = append(out, ir.Fixed(m))
		}
		deep = append(deep, ir.Fixed(m))
		room = append(room, ir.Fixed(m), ir.Fixed(f))
		perm = append(perm, 2+n+a, first+a)
	}
	from := deep
	if !l.toRoom {
		from = room
		back := make([]int, len(perm))
		for i, p := range perm {
			back[p] = i
		}
		perm = back
	}
	y := b.Op(ops.Reshape{Shape: ir.MakeDims(from)}, x[0])
	y = b.Op(ops.Transpose{Perm: ir.MakeAxes(perm...)}, y)
	return b.Op(ops.Reshape{Shape: ir.MakeDims(out)}, y)
}

// Image moves the elements back.
func (l *DepthLayer) Image(ir.Type, bool) Image {
	kind := "DepthToSpace"
	if l.toRoom {
		kind = "SpaceToDepth"
	}
	return UndoneBy(&DepthLayer{Base: newBase(kind), block: l.block, toRoom: !l.toRoom, crd: l.crd})
}
