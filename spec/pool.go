package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// PoolLayer is made by [MaxPool] and [AveragePool].
type PoolLayer struct {
	Base
	sliding
	average   bool
	countPads bool
}

// MaxPool is the greatest element under each place of a window that moves over the axes
// behind the channels. One length stands for all axes; the window moves by its own length
// unless Stride is given.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels; y f32[N C …], each
// axis as [Conv] has it. Mistakes: those of Conv; pads as long as the window. In a mirror it
// becomes an [Upsample] if its places fill the axes.
func MaxPool(kernel ...int) *PoolLayer {
	return &PoolLayer{Base: newBase("MaxPool"), sliding: sliding{kernel: kernel}}
}

// AveragePool is the mean under each place of a window that moves over the axes behind the
// channels; see [MaxPool]. Pads do not count unless CountPads is given.
func AveragePool(kernel ...int) *PoolLayer {
	return &PoolLayer{Base: newBase("AveragePool"), sliding: sliding{kernel: kernel}, average: true}
}

// Named gives the layer a name.
func (l *PoolLayer) Named(name string) *PoolLayer { return Named(l, name) }

// Stride sets how far the window moves at a time, for each axis or for all.
func (l *PoolLayer) Stride(stride ...int) *PoolLayer {
	return Option(l, "Stride", func(l *PoolLayer) { l.strides = slices.Clone(stride) })
}

// Same pads so that an axis of length n becomes n/stride, rounded up; an odd number of pads
// has the last behind.
func (l *PoolLayer) Same() *PoolLayer {
	return Option(l, "Same", func(l *PoolLayer) { l.same = true })
}

// Pad sets the pads on both sides of all axes, or of each axis, or those before each axis
// and then those behind each.
func (l *PoolLayer) Pad(pads ...int) *PoolLayer {
	return Option(l, "Pad", func(l *PoolLayer) { l.pads = slices.Clone(pads) })
}

// CountPads makes the pads of an AveragePool zeros that count.
func (l *PoolLayer) CountPads() *PoolLayer {
	return Option(l, "CountPads", func(l *PoolLayer) { l.countPads = true })
}

func (l *PoolLayer) args() string {
	if l.countPads && !l.average {
		return "CountPads is for an AveragePool: the pads of a MaxPool hold nothing"
	}
	return l.rule()
}

// places returns the attributes for x, or the rule that is broken.
func (l *PoolLayer) places(x ir.Type) (kernel, strides, pads []int, rule string) {
	s := l.sliding
	if len(s.strides) == 0 {
		s.strides = s.kernel
	}
	kernel, strides, _, pads, rule = s.over(x)
	if rule != "" {
		return nil, nil, nil, rule
	}
	for a, k := range kernel {
		n := x.Shape[2+a].Length()
		if l.same {
			halves(pads, a, max(((n+strides[a]-1)/strides[a]-1)*strides[a]+k-n, 0))
		}
		before, after := pads[a], pads[len(kernel)+a]
		switch {
		case before >= k || after >= k:
			return nil, nil, nil, fmt.Sprintf("the pads of axis %d are %d and %d, but the window is %d long: a place of it would lie outside of x", 1+a, before, after, k)
		case n+before+after < k:
			return nil, nil, nil, fmt.Sprintf("the window is %d long on axis %d, which has %d with its pads (x is %s)", k, 1+a, n+before+after, x)
		}
	}
	return kernel, strides, pads, ""
}

// Build returns x pooled.
func (l *PoolLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	kernel, strides, pads, rule := l.places(x[0].Type)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	k, s, p := ir.MakeAxes(kernel...), ir.MakeAxes(strides...), ir.MakeAxes(pads...)
	if l.average {
		return b.Op(ops.AveragePool{Kernel: k, Strides: s, Pads: p, CountPads: l.countPads}, x[0])
	}
	return b.Op(ops.MaxPool{Kernel: k, Strides: s, Pads: p}, x[0])
}

// Image is an Upsample if the places of the window lie side by side and fill the axes.
func (l *PoolLayer) Image(in ir.Type, _ bool) Image {
	kernel, strides, pads, rule := l.places(in)
	if rule != "" {
		return NoImage(rule)
	}
	for a := range kernel {
		if pads[a]+pads[len(kernel)+a] > 0 || in.Shape[2+a].Length()%strides[a] != 0 {
			return NoImage("its places do not fill the axes")
		}
	}
	return UndoneBy(Upsample(strides...))
}

// UpsampleLayer is made by [Upsample].
type UpsampleLayer struct {
	Base
	factors []int
	linear  bool
}

// Upsample makes the axes behind the channels longer by whole factors, one for each axis or
// one for all: each element is repeated, or with Linear taken from the nearest two.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels; y the same with
// each of these axes times its factor. Mistakes: a factor below 1.
func Upsample(factors ...int) *UpsampleLayer {
	return &UpsampleLayer{Base: newBase("Upsample"), factors: factors}
}

// Named gives the layer a name.
func (l *UpsampleLayer) Named(name string) *UpsampleLayer { return Named(l, name) }

// Linear interpolates, bilinearly on two axes, between the centres of the elements; beyond
// the outermost centres it repeats them (half_pixel of ONNX's Resize).
func (l *UpsampleLayer) Linear() *UpsampleLayer {
	return Option(l, "Linear", func(l *UpsampleLayer) { l.linear = true })
}

func (l *UpsampleLayer) args() string {
	if len(l.factors) == 0 {
		return "the factor is missing: 2 for twice as long on all axes"
	}
	for _, f := range l.factors {
		if f < 1 {
			return fmt.Sprintf("a factor must be at least 1, got %d", f)
		}
		if f > maxLength {
			return fmt.Sprintf("a factor must be at most %d, got %d", maxLength, f)
		}
	}
	return ""
}

// Build returns x made larger.
func (l *UpsampleLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if n := len(l.factors); n > 1 && t.Rank() >= 3 && n != t.Rank()-2 {
		return b.Errorf("there are %d factors, but x has %d axes behind its channels (x is %s)", n, t.Rank()-2, t)
	}
	s := sliding{kernel: l.factors}
	factors, _, _, _, rule := s.over(t)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	for a, f := range factors {
		n := t.Shape[2+a].Length()
		if n > maxLength/f {
			return b.Errorf("axis %d would have %d times %d elements, at most %d are possible (x is %s)", 1+a, f, n, maxLength, t)
		}
		if l.linear && f > 1 && n*f > maxLength/n {
			return b.Errorf("Linear makes %d elements of %d on axis %d by a table of their product, at most %d are possible: leave Linear out or use a smaller factor (x is %s)", n*f, n, 1+a, maxLength, t)
		}
	}
	y := x[0]
	for a, f := range factors {
		if f > 1 && l.linear {
			y = b.interpolated(y, 2+a, f)
		}
	}
	if l.linear {
		return y
	}
	first := y.Type.Shape
	apart, wide, out := first[:2:2], first[:2:2], first[:2:2]
	for a, f := range factors {
		n := first[2+a]
		apart = append(apart, n, ir.Fixed(1))
		wide = append(wide, n, ir.Fixed(f))
		out = append(out, ir.Fixed(n.Length()*f))
	}
	y = b.Op(ops.Reshape{Shape: ir.MakeDims(apart)}, y)
	y = b.Op(ops.Expand{Shape: ir.MakeDims(wide)}, y)
	return b.Op(ops.Reshape{Shape: ir.MakeDims(out)}, y)
}

// interpolated is x with an axis f times as long, each element of it a mean of two.
func (b *Builder) interpolated(x *ir.Value, axis, f int) *ir.Value {
	n := x.Type.Shape[axis].Length()
	m := make([]float64, n*n*f)
	for j := range n * f {
		at := min(max((float64(j)+0.5)/float64(f)-0.5, 0), float64(n-1))
		i := min(int(at), max(n-2, 0))
		m[i*n*f+j] += 1 - (at - float64(i))
		if i+1 < n {
			m[(i+1)*n*f+j] += at - float64(i)
		}
	}
	last := x.Type.Rank() - 1
	perm := make([]int, last+1)
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[last] = last, axis
	turn := ops.Transpose{Perm: ir.MakeAxes(perm...)}
	w := b.numbers(m, n, n*f)
	if axis == last {
		return b.Op(ops.MatMul{}, x, w)
	}
	return b.Op(turn, b.Op(ops.MatMul{}, b.Op(turn, x), w))
}

// GlobalPoolLayer is made by [GlobalAveragePool] and [GlobalMaxPool].
type GlobalPoolLayer struct {
	Base
	average bool
}

// GlobalAveragePool is the mean of each channel over all axes behind it.
//
// Shapes: x f32[N C …], y f32[N C]. Mistakes: x has no axis behind its channels.
func GlobalAveragePool() *GlobalPoolLayer {
	return &GlobalPoolLayer{newBase("GlobalAveragePool"), true}
}

// GlobalMaxPool is the greatest element of each channel over all axes behind it.
//
// Shapes: x f32[N C …], y f32[N C]. Mistakes: x has no axis behind its channels.
func GlobalMaxPool() *GlobalPoolLayer { return &GlobalPoolLayer{newBase("GlobalMaxPool"), false} }

// Named gives the layer a name.
func (l *GlobalPoolLayer) Named(name string) *GlobalPoolLayer { return Named(l, name) }

// Build returns x pooled.
func (l *GlobalPoolLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if t.DType != ir.F32 || t.Rank() < 3 || !rowsFirst(t.Shape) {
		return b.Errorf("x must be f32[N C …] with axes behind its channels, got %s", t)
	}
	var axes []int
	for a := 2; a < t.Rank(); a++ {
		axes = append(axes, a)
	}
	if l.average {
		return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(axes...)}, x[0])
	}
	return b.Op(ops.ReduceMax{Axes: ir.MakeAxes(axes...)}, x[0])
}
