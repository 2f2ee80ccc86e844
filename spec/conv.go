package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// sliding is how a window moves over images: what Conv and its relatives share.
type sliding struct {
	kernel   []int
	strides  []int // empty for 1
	dilation []int // empty for 1
	pads     []int // empty for none
	same     bool
}

// maxLength bounds what a layer of images is told, as the ops do, so that nothing overflows.
const maxLength = 1 << 24

// rule returns the rule that the lengths break before an operand is known, or "".
func (s *sliding) rule() string {
	for _, l := range []struct {
		what  string
		list  []int
		least int
	}{{"kernel", s.kernel, 1}, {"stride", s.strides, 1}, {"dilation", s.dilation, 1}, {"pad", s.pads, 0}} {
		for _, v := range l.list {
			if v < l.least {
				return fmt.Sprintf("the %s must be at least %d, got %d", l.what, l.least, v)
			}
			if v > maxLength {
				return fmt.Sprintf("the %s must be at most %d, got %d", l.what, maxLength, v)
			}
		}
	}
	switch {
	case len(s.kernel) == 0:
		return "the lengths of the kernel are missing: 3 for 3x3, or 3, 5 for 3x5"
	case s.same && len(s.pads) > 0:
		return "Same and Pad are both given"
	}
	return ""
}

// over returns the attributes for x [N C …], the pads still being none for Same, or the
// rule that is broken.
func (s *sliding) over(x ir.Type) (kernel, strides, dilation, pads []int, rule string) {
	n := x.Rank() - 2
	if x.DType != ir.F32 || n < 1 || n > 3 || !rowsFirst(x.Shape) {
		return nil, nil, nil, nil, fmt.Sprintf("x must be f32[N C L], f32[N C H W] or f32[N C D H W], got %s", x)
	}
	for i, d := range x.Shape[1:] {
		if _, known := d.Known(); !known {
			return nil, nil, nil, nil, fmt.Sprintf("axis %d of x must have a known length, x is %s", i, x)
		}
	}
	each := func(what string, list []int, otherwise int) []int {
		switch len(list) {
		case 0:
			return slices.Repeat([]int{otherwise}, n)
		case 1:
			return slices.Repeat(list, n)
		case n:
			return list
		}
		if rule == "" {
			rule = fmt.Sprintf("the %s has %d lengths, but x has %d axes behind its channels (x is %s)", what, len(list), n, x)
		}
		return nil
	}
	kernel, strides, dilation = each("kernel", s.kernel, 1), each("stride", s.strides, 1), each("dilation", s.dilation, 1)
	if pads = s.pads; len(pads) != 2*n || n == 1 && len(pads) == 1 {
		p := each("pad", pads, 0)
		pads = append(slices.Clone(p), p...)
	}
	return kernel, strides, dilation, pads, rule
}

// halves sets the pads of an axis, the longer one behind.
func halves(pads []int, axis, total int) {
	pads[axis], pads[len(pads)/2+axis] = total/2, total-total/2
}

// ConvLayer is made by [Conv] and [DepthwiseConv].
type ConvLayer struct {
	Base
	sliding
	channels  int
	groups    int
	depthwise bool // channels is how many filters each channel of x has
	noBias    bool
	init      Init
	biasInit  Init
}

// Conv is a convolution of images or signals: filters of the lengths kernel that move over
// all axes behind the channels, in ONNX's orientation (a cross-correlation). One length
// stands for all axes.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels; y f32[N channels …].
// An axis of length n becomes (n + pads - dilation·(kernel-1) - 1)/stride + 1, rounded down,
// or n/stride, rounded up, with Same. Parameters: w f32[channels C/groups kernel…], Glorot
// uniform unless Init is given, and b f32[channels], zero unless BiasInit is given.
// Mistakes: channels or a length is not positive, the kernel reaches over more than x has
// with its pads, groups do not divide the channels. In a mirror it becomes a
// [ConvTranspose] of the same geometry that gives back its operand's shape.
func Conv(channels int, kernel ...int) *ConvLayer {
	return &ConvLayer{Base: newBase("Conv"), sliding: sliding{kernel: kernel}, channels: channels, groups: 1, init: Glorot(), biasInit: Zeros()}
}

// DepthwiseConv is a [Conv] that gives each channel of x filters of its own, so many of
// them (Sifre 2014; Chollet 2017): the groups are the channels.
func DepthwiseConv(filters int, kernel ...int) *ConvLayer {
	return &ConvLayer{Base: newBase("DepthwiseConv"), sliding: sliding{kernel: kernel}, channels: filters, depthwise: true, init: Glorot(), biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *ConvLayer) Named(name string) *ConvLayer { return Named(l, name) }

// Stride sets how far the filters move at a time, for each axis or for all.
func (l *ConvLayer) Stride(stride ...int) *ConvLayer {
	return Option(l, "Stride", func(l *ConvLayer) { l.strides = slices.Clone(stride) })
}

// Dilation sets how far the elements under a filter lie apart, for each axis or for all.
func (l *ConvLayer) Dilation(dilation ...int) *ConvLayer {
	return Option(l, "Dilation", func(l *ConvLayer) { l.dilation = slices.Clone(dilation) })
}

// Same pads with zeros so that an axis of length n becomes n/stride, rounded up; of an odd
// number of zeros the last is behind. It is SAME_UPPER of ONNX and the padding of TensorFlow.
func (l *ConvLayer) Same() *ConvLayer {
	return Option(l, "Same", func(l *ConvLayer) { l.same = true })
}

// Valid pads nothing, the default.
func (l *ConvLayer) Valid() *ConvLayer {
	return Option(l, "Valid", func(l *ConvLayer) { l.same, l.pads = false, nil })
}

// Pad sets the zeros on both sides of all axes, or of each axis, or those before each axis
// and then those behind each.
func (l *ConvLayer) Pad(pads ...int) *ConvLayer {
	return Option(l, "Pad", func(l *ConvLayer) { l.pads = slices.Clone(pads) })
}

// Groups divides the channels of x and the filters into n runs; a filter sees the
// channels of its own run only.
func (l *ConvLayer) Groups(n int) *ConvLayer {
	return Option(l, "Groups", func(l *ConvLayer) { l.groups = n })
}

// NoBias leaves b out.
func (l *ConvLayer) NoBias() *ConvLayer {
	return Option(l, "NoBias", func(l *ConvLayer) { l.noBias = true })
}

// Init sets the initializer of w.
func (l *ConvLayer) Init(i Init) *ConvLayer {
	return Option(l, "Init", func(l *ConvLayer) { l.init = i })
}

// BiasInit sets the initializer of b.
func (l *ConvLayer) BiasInit(i Init) *ConvLayer {
	return Option(l, "BiasInit", func(l *ConvLayer) { l.biasInit = i })
}

func (l *ConvLayer) args() string {
	switch {
	case l.channels <= 0:
		return fmt.Sprintf("the number of filters must be positive, got %d", l.channels)
	case l.channels > maxLength:
		return fmt.Sprintf("the number of filters must be at most %d, got %d", maxLength, l.channels)
	case l.depthwise && l.groups != 0:
		return "the groups of a depthwise convolution are the channels of x: leave Groups out"
	case !l.depthwise && l.groups <= 0:
		return fmt.Sprintf("the number of groups must be positive, got %d", l.groups)
	}
	return l.rule()
}

// op returns the op for x, and the shape of its filters, or the rule that is broken.
func (l *ConvLayer) op(x ir.Type) (op ops.Conv, w []int, rule string) {
	kernel, strides, dilation, pads, rule := l.over(x)
	if rule != "" {
		return op, nil, rule
	}
	c := x.Shape[1].Length()
	channels, groups := l.channels, l.groups
	if l.depthwise {
		channels, groups = c*channels, c
	}
	if c%groups != 0 || channels%groups != 0 {
		return op, nil, fmt.Sprintf("%d channels and %d filters do not both divide into %d groups (x is %s)", c, channels, groups, x)
	}
	for a, k := range kernel {
		n, reach := x.Shape[2+a].Length(), dilation[a]*(k-1)+1
		if l.same {
			places := (n + strides[a] - 1) / strides[a]
			halves(pads, a, max((places-1)*strides[a]+reach-n, 0))
		}
		if padded := n + pads[a] + pads[len(kernel)+a]; padded < reach {
			return op, nil, fmt.Sprintf("the kernel reaches over %d elements of axis %d, which has %d with its pads (x is %s)", reach, 1+a, padded, x)
		}
	}
	op = ops.Conv{Strides: ir.MakeAxes(strides...), Dilations: ir.MakeAxes(dilation...), Pads: ir.MakeAxes(pads...), Group: groups}
	return op, append([]int{channels, c / groups}, kernel...), ""
}

// Build returns the convolution of x.
func (l *ConvLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	op, w, rule := l.op(x[0].Type)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	return withBias(b, op, !l.noBias, l.biasInit, w[0], x[0], b.Param("w", l.init, w...))
}

// withBias applies a convolution, with a bias of so many channels if wanted.
func withBias(b *Builder, op ir.Op, bias bool, init Init, channels int, in ...*ir.Value) *ir.Value {
	if bias {
		in = append(in, b.Param("b", init, channels))
	}
	return b.Op(op, in...)
}

// Image is a transposed convolution with the geometry of the layer, which gives back the
// shape of its operand. Tied, it uses the layer's filters as they are.
func (l *ConvLayer) Image(in ir.Type, tied bool) Image {
	op, w, rule := l.op(in)
	if rule != "" {
		return NoImage(rule)
	}
	t := &ConvTransposeLayer{Base: newBase("ConvTranspose"), channels: in.Shape[1].Length(), groups: op.Group, noBias: l.noBias, init: l.init, biasInit: l.biasInit, of: l, tied: tied}
	t.kernel, t.strides, t.dilation, t.pads = w[2:], op.Strides.Slice(), op.Dilations.Slice(), op.Pads.Slice()
	for a, k := range t.kernel {
		n := in.Shape[2+a].Length()
		padded := n + t.pads[a] + t.pads[len(t.kernel)+a]
		t.extra = append(t.extra, (padded-t.dilation[a]*(k-1)-1)%t.strides[a])
	}
	if out, err := op.Infer([]ir.Type{in, ir.T(ir.F32, ir.ShapeOf(w...)...)}); err == nil {
		t.under = out[0]
	}
	return UndoneBy(t)
}

// ConvTransposeLayer is made by [ConvTranspose].
type ConvTransposeLayer struct {
	Base
	sliding
	channels int
	groups   int
	extra    []int
	noBias   bool
	init     Init
	biasInit Init

	of     *ConvLayer // whose image it is
	tied   bool       // … with its filters
	under  ir.Type    // … and the type of its result
	chosen bool       // Tied is given
}

// ConvTranspose is a transposed convolution, also called a deconvolution: what a [Conv]
// with the same options has as its gradient along its operand. It makes images larger.
//
// Shapes: x f32[N C H W], or with one or three axes behind the channels; y f32[N channels …].
// An axis of length n becomes (n-1)·stride - pads + dilation·(kernel-1) + 1 + output pad, or
// n·stride with Same. Parameters: w f32[C channels/groups kernel…], Glorot uniform unless
// Init is given, and b f32[channels], zero unless BiasInit is given. Mistakes: those of
// Conv; an output pad that is not below the stride; pads that leave nothing. To share the
// filters of a Conv, write Tied, or [Tied] of it for one of the same geometry.
func ConvTranspose(channels int, kernel ...int) *ConvTransposeLayer {
	return &ConvTransposeLayer{Base: newBase("ConvTranspose"), sliding: sliding{kernel: kernel}, channels: channels, groups: 1, init: Glorot(), biasInit: Zeros()}
}

// Named gives the layer a name.
func (l *ConvTransposeLayer) Named(name string) *ConvTransposeLayer { return Named(l, name) }

// Stride sets how far apart the filters are put, for each axis or for all.
func (l *ConvTransposeLayer) Stride(stride ...int) *ConvTransposeLayer {
	return Option(l, "Stride", func(l *ConvTransposeLayer) { l.strides = slices.Clone(stride) })
}

// Dilation sets how far the elements of a filter lie apart, for each axis or for all.
func (l *ConvTransposeLayer) Dilation(dilation ...int) *ConvTransposeLayer {
	return Option(l, "Dilation", func(l *ConvTransposeLayer) { l.dilation = slices.Clone(dilation) })
}

// Same cuts off what makes an axis of length n longer than n·stride; of an odd number of
// elements the last is cut off behind.
func (l *ConvTransposeLayer) Same() *ConvTransposeLayer {
	return Option(l, "Same", func(l *ConvTransposeLayer) { l.same = true })
}

// Valid cuts off nothing, the default.
func (l *ConvTransposeLayer) Valid() *ConvTransposeLayer {
	return Option(l, "Valid", func(l *ConvTransposeLayer) { l.same, l.pads = false, nil })
}

// Pad sets what is cut off on both sides of all axes, or of each axis, or before each axis
// and then behind each: the pads of the Conv whose transpose it is.
func (l *ConvTransposeLayer) Pad(pads ...int) *ConvTransposeLayer {
	return Option(l, "Pad", func(l *ConvTransposeLayer) { l.pads = slices.Clone(pads) })
}

// OutputPad adds elements behind the last that a filter reaches, fewer than the stride,
// for each axis or for all: a Conv with a stride has several lengths that give the same
// result.
func (l *ConvTransposeLayer) OutputPad(pads ...int) *ConvTransposeLayer {
	return Option(l, "OutputPad", func(l *ConvTransposeLayer) { l.extra = slices.Clone(pads) })
}

// Tied uses the filters of a convolution, which must have been placed before, as they are:
// one tensor with two uses. The layer makes a result of the convolution larger again.
// Mistakes: kernel, strides, dilation, groups or channels are not those of the convolution.
func (l *ConvTransposeLayer) Tied(conv *ConvLayer) *ConvTransposeLayer {
	return Option(l, "Tied", func(l *ConvTransposeLayer) { l.of, l.tied, l.chosen = conv, true, true })
}

// Groups divides the channels of x and of the result into n runs.
func (l *ConvTransposeLayer) Groups(n int) *ConvTransposeLayer {
	return Option(l, "Groups", func(l *ConvTransposeLayer) { l.groups = n })
}

// NoBias leaves b out.
func (l *ConvTransposeLayer) NoBias() *ConvTransposeLayer {
	return Option(l, "NoBias", func(l *ConvTransposeLayer) { l.noBias = true })
}

// Init sets the initializer of w.
func (l *ConvTransposeLayer) Init(i Init) *ConvTransposeLayer {
	return Option(l, "Init", func(l *ConvTransposeLayer) { l.init = i })
}

// BiasInit sets the initializer of b.
func (l *ConvTransposeLayer) BiasInit(i Init) *ConvTransposeLayer {
	return Option(l, "BiasInit", func(l *ConvTransposeLayer) { l.biasInit = i })
}

func (l *ConvTransposeLayer) args() string {
	switch {
	case l.channels <= 0:
		return fmt.Sprintf("the number of channels must be positive, got %d", l.channels)
	case l.channels > maxLength:
		return fmt.Sprintf("the number of channels must be at most %d, got %d", maxLength, l.channels)
	case l.groups <= 0:
		return fmt.Sprintf("the number of groups must be positive, got %d", l.groups)
	case l.chosen && (l.of == nil || l.of.st == nil):
		return "the convolution to be tied to was not made by spec.Conv or spec.DepthwiseConv"
	}
	for _, e := range l.extra {
		if e < 0 {
			return fmt.Sprintf("the output pad must be at least 0, got %d", e)
		}
		if e > maxLength {
			return fmt.Sprintf("the output pad must be at most %d, got %d", maxLength, e)
		}
	}
	return l.rule()
}

// Build returns the transposed convolution of x.
func (l *ConvTransposeLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if l.of != nil && l.under.DType != ir.Invalid && !t.Shape[min(1, t.Rank()):].Equal(l.under.Shape[1:]) {
		return b.Errorf("x must be what the convolution it undoes makes, %s, got %s", l.under, t)
	}
	kernel, strides, dilation, pads, rule := l.over(t)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	extra := l.extra
	switch len(extra) {
	case 0, 1:
		extra = slices.Repeat([]int{append(slices.Clone(extra), 0)[0]}, len(kernel))
	case len(kernel):
		extra = slices.Clone(extra)
	default:
		return b.Errorf("the output pad has %d lengths, but x has %d axes behind its channels (x is %s)", len(extra), len(kernel), t)
	}
	c := t.Shape[1].Length()
	if c%l.groups != 0 || l.channels%l.groups != 0 {
		return b.Errorf("%d channels and %d of the result do not both divide into %d groups (x is %s)", c, l.channels, l.groups, t)
	}
	for a, k := range kernel {
		reach := dilation[a]*(k-1) + 1
		if l.same {
			total := reach - strides[a] + extra[a]
			if total < 0 {
				extra[a], total = extra[a]-total, 0
			}
			halves(pads, a, total)
		}
		if extra[a] >= strides[a] {
			return b.Errorf("the output pad of axis %d is %d, it must be below its stride, %d", 1+a, extra[a], strides[a])
		}
		n, cut := t.Shape[2+a].Length(), pads[a]+pads[len(kernel)+a]
		if long := (n-1)*strides[a] + reach + extra[a]; long <= cut {
			return b.Errorf("of axis %d, %d elements long, the pads cut off %d (x is %s)", 1+a, long, cut, t)
		}
	}
	op := ops.ConvTranspose{Strides: ir.MakeAxes(strides...), Dilations: ir.MakeAxes(dilation...), Pads: ir.MakeAxes(pads...), OutputPadding: ir.MakeAxes(extra...), Group: l.groups}
	var w *ir.Value
	if l.tied {
		if w = b.Borrow(l.of, "w"); isBad(w) {
			return bad()
		}
		if rule := l.differs(op, append([]int{c, l.channels / l.groups}, kernel...), w.Type); rule != "" {
			return b.Errorf("%s, made at %s", rule, l.of.st.made.pos().Made)
		}
	} else {
		w = b.Param("w", l.init, append([]int{c, l.channels / l.groups}, kernel...)...)
		if l.of != nil {
			b.StartAs(w, l.of, "w")
		}
	}
	return withBias(b, op, !l.noBias, l.biasInit, l.channels, x[0], w)
}

// differs returns the rule that the transposed convolution breaks as one that is tied, w
// being the filters it would have and have those that it shares, or "".
func (l *ConvTransposeLayer) differs(op ops.ConvTranspose, w []int, have ir.Type) string {
	of, _, rule := l.of.op(l.of.st.built.in)
	if rule != "" {
		return rule
	}
	for _, a := range []struct {
		what      string
		mine, its ir.Axes
	}{{"strides", op.Strides, of.Strides}, {"dilations", op.Dilations, of.Dilations}} {
		if a.mine != a.its {
			return fmt.Sprintf("the %s are %v, but those of the convolution it is tied to are %v", a.what, a.mine.Slice(), a.its.Slice())
		}
	}
	if op.Group != of.Group {
		return fmt.Sprintf("it has %d groups, but the convolution it is tied to has %d", op.Group, of.Group)
	}
	if want := ir.T(ir.F32, ir.ShapeOf(w...)...); !have.Equal(want) {
		return fmt.Sprintf("it needs filters %s, but those of the convolution it is tied to are %s", want, have)
	}
	return ""
}
