package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MaxPool is the greatest element of x [N C …] under each place of a window that moves over
// the axes behind the channels, NaN if one is there. Pads before each axis, then behind
// each, hold nothing; every place must see an element of x.
type MaxPool struct {
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
}

// MaxPoolOf is v where MaxPool of the same attributes finds the greatest element of x, the
// first one if several are equal; NaN counts as the greatest. x and v are [N C …].
type MaxPoolOf struct {
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
}

// MaxPoolGrad is the gradient of MaxPool along x [N C …]: each element of dy, one for each
// place, goes to where MaxPoolOf takes v.
type MaxPoolGrad struct {
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
}

// Name returns MaxPool.
func (MaxPool) Name() string { return "MaxPool" }

// Name returns MaxPoolOf.
func (MaxPoolOf) Name() string { return "MaxPoolOf" }

// Name returns MaxPoolGrad.
func (MaxPoolGrad) Name() string { return "MaxPoolGrad" }

// ONNX returns MaxPool.
func (MaxPool) ONNX() ir.ONNX { return ir.ONNX{Type: "MaxPool", Since: 12} }

// ONNX says what is written.
func (MaxPoolOf) ONNX() ir.ONNX { return gradONNX }

// ONNX says what is written.
func (MaxPoolGrad) ONNX() ir.ONNX { return gradONNX }

// pool is a window over x [n c in…] with places out.
type pool struct {
	window
	in, out []int
}

// poolOf returns the pool for x, the first operand.
func poolOf(in []ir.Type, names []string, kernel, strides, dilations, pads ir.Axes) (pool, error) {
	if err := floats(in, names...); err != nil {
		return pool{}, err
	}
	_, lengths, err := spatial(in, names, 0)
	if err != nil {
		return pool{}, err
	}
	p := pool{in: lengths}
	if kernel.Len != len(lengths) {
		return p, fmt.Errorf("the window has %d axes, x has %d behind its channels %s", kernel.Len, len(lengths), describe(in, names))
	}
	if p.window, err = windowOf(kernel.Slice(), strides, dilations, pads); err == nil {
		p.out, err = p.across(lengths)
	}
	for i := range p.out {
		if err == nil && (p.before[i] >= p.reach(i) || p.after[i] >= p.reach(i)) {
			err = fmt.Errorf("pads of spatial axis %d are %d and %d: a place of the window, which reaches over %d, would lie outside of x", i, p.before[i], p.after[i], p.reach(i))
		}
		if err == nil && p.dilation[i] > 1 && !p.sees(i) {
			err = fmt.Errorf("a place of the window on spatial axis %d sees no element of x", i)
		}
	}
	if err == nil && p.seenAtMost() > maxSeen {
		err = fmt.Errorf("the window, %v long, has %v places: more than %d elements of a channel are seen by all of them together", p.kernel, p.out, maxSeen)
	}
	if err != nil {
		return p, fmt.Errorf("%w %s", err, describe(in, names))
	}
	return p, nil
}

// sees reports whether the window sees an element at each of its places on an axis. Those
// that begin on it do.
func (p *pool) sees(i int) bool {
	if (p.out[i]-1)*p.stride[i]-p.before[i] >= p.in[i] {
		return false
	}
	for at := 0; at < p.out[i] && at*p.stride[i] < p.before[i]; at++ {
		if first, end := p.span(i, at, p.in[i]); first == end {
			return false
		}
	}
	return true
}

// maxSeen bounds what a pool sees of a channel at all its places together, which is listed.
const maxSeen = 1 << 26

// seenAtMost is that much or more.
func (p *pool) seenAtMost() int {
	n := 1
	for i := range p.in {
		each := min(p.kernel[i], (p.in[i]-1)/p.dilation[i]+1)
		if n > maxSeen/each || n*each > maxSeen/p.out[i] {
			return maxSeen + 1
		}
		n *= each * p.out[i]
	}
	return n
}

func (op MaxPool) pool(in []ir.Type) (pool, error) {
	return poolOf(in, []string{"x"}, op.Kernel, op.Strides, op.Dilations, op.Pads)
}

func (op MaxPoolOf) pool(in []ir.Type) (pool, error) {
	names := []string{"x", "v"}
	p, err := poolOf(in, names, op.Kernel, op.Strides, op.Dilations, op.Pads)
	if err == nil && !in[0].Equal(in[1]) {
		err = fmt.Errorf("x and v must have one type %s", describe(in, names))
	}
	return p, err
}

func (op MaxPoolGrad) pool(in []ir.Type) (pool, error) {
	names := []string{"x", "dy"}
	p, err := poolOf(in, names, op.Kernel, op.Strides, op.Dilations, op.Pads)
	if err == nil && !in[1].Shape.Equal(p.places(in[0])) {
		err = fmt.Errorf("dy must be %v %s", ir.Type{DType: in[0].DType, Shape: p.places(in[0])}, describe(in, names))
	}
	return p, err
}

// places is the shape of what is made of x.
func (p *pool) places(x ir.Type) ir.Shape {
	return append(ir.Shape{x.Shape[0], x.Shape[1]}, ir.ShapeOf(p.out...)...)
}

// Infer returns the places of the window for each channel.
func (op MaxPool) Infer(in []ir.Type) ([]ir.Type, error) {
	p, err := op.pool(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, p.places(in[0]))
}

// Infer returns the places of the window for each channel.
func (op MaxPoolOf) Infer(in []ir.Type) ([]ir.Type, error) {
	p, err := op.pool(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, p.places(in[0]))
}

// Infer returns x's type.
func (op MaxPoolGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	if _, err := op.pool(in); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// winners calls f with each place, the element of x that wins there, and its number among those
// that the window sees.
func (p *pool) winners(x *ir.Tensor, f func(at, from, number int)) {
	taps := p.taps(p.in, p.out)
	size := ir.Elems(p.in)
	for i := range x.Shape[0] * x.Shape[1] {
		for at, list := range taps {
			best, number := -1, 0
			for n, t := range list {
				if from := i*size + t.x; best < 0 || compareElems(x, from, best) > 0 {
					best, number = from, n
				}
			}
			f(i*len(taps)+at, best, number)
		}
	}
}

// made is an empty result for x.
func (p *pool) made(x *ir.Tensor) *ir.Tensor {
	return ir.NewTensor(ir.F64, append([]int{x.Shape[0], x.Shape[1]}, p.out...)...)
}

// Eval is the reference meaning.
func (op MaxPool) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return MaxPoolOf(op).Eval(env, []*ir.Tensor{in[0], in[0]})
}

// Eval is the reference meaning.
func (op MaxPoolOf) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	p, err := op.pool(typesOf(in))
	if err != nil {
		return nil, err
	}
	y := p.made(in[0])
	p.winners(in[0], func(at, from, _ int) { y.F64[at] = in[1].F64[from] })
	return one(y)
}

// Eval is the reference meaning.
func (op MaxPoolGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	p, err := op.pool(typesOf(in))
	if err != nil {
		return nil, err
	}
	dx := ir.NewTensor(ir.F64, in[0].Shape...)
	p.winners(in[0], func(at, from, _ int) { dx.F64[from] += in[1].F64[at] })
	return one(dx)
}

// Bound leaves the maximum over a NaN open, on which runtimes disagree, and -Inf, since
// onnxruntime begins with the least number that is finite.
func (MaxPool) Bound(c *ir.Call) ([]ir.Estimate, error) {
	out, err := ReduceMax{}.Bound(c)
	if err != nil {
		return nil, err
	}
	for i, y := range out[0].Value.F64 {
		if math.IsInf(y, -1) {
			out[0].Open(i)
		}
	}
	return out, nil
}

// Decompose is the meaning as a choice among what each element of the window sees.
func (op MaxPoolOf) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	p, err := op.pool(ir.TypesOf(in))
	if err != nil {
		return in[:1] // Infer has said so
	}
	v, y := p.padded(b, in[1]), b.Const(in[1].Type.DType, 0)
	p.choose(b, in[0], func(t int, chosen *ir.Value) {
		y = b.Op(Where{}, chosen, p.seen(b, v, t), y)
	})
	return []*ir.Value{y}
}

// Decompose is the meaning as the sum of what goes back to each element of the window.
func (op MaxPoolGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	p, err := op.pool(ir.TypesOf(in))
	if err != nil {
		return in[:1]
	}
	none := b.Const(in[1].Type.DType, 0)
	dx := none
	p.choose(b, in[0], func(t int, chosen *ir.Value) {
		dx = b.Op(Add{}, dx, p.back(b, b.Op(Where{}, chosen, in[1], none), t))
	})
	return []*ir.Value{p.cropped(b, dx)}
}

// maxChosen is how many elements a window may have whose choices are written as ops.
const maxChosen = 1 << 12

// choose calls f for each element of the window with the places, as a bool of each, where it
// is the greatest. It compares with 0 and 1 as floats, which runtimes choose among, and makes
// the maximum itself, since runtimes disagree on NaN.
func (p *pool) choose(b *ir.Builder, x *ir.Value, f func(t int, chosen *ir.Value)) {
	d := x.Type.DType
	n := ir.Elems(p.kernel)
	if n > maxChosen {
		b.Fail(fmt.Errorf("the gradient of a maximum over a window of %d elements is too long to be written in ONNX's ops: at most %d are possible", n, maxChosen))
		return
	}
	zero, one, half := b.Const(d, 0), b.Const(d, 1), b.Const(d, 0.5)
	x = p.padded(b, x)
	best, which := zero, b.Const(d, -1)
	fresh := ir.NewTensor(ir.F64, p.out...) // 1 where no element before was inside
	for i := range fresh.F64 {
		fresh.F64[i] = 1
	}
	for t := range n {
		v, inside := p.seen(b, x, t), p.inside(t)
		first := fresh.Clone()
		for i, in := range inside.F64 {
			fresh.F64[i] *= 1 - in
		}
		nan := b.Op(Mul{}, b.Op(Where{}, b.Op(Equal{}, v, v), zero, one), b.Op(Where{}, b.Op(Equal{}, best, best), one, zero))
		more := b.Op(Max{}, b.Op(Where{}, b.Op(Greater{}, v, best), one, zero), nan)
		more = b.Op(Mul{}, b.Op(Max{}, more, b.Data("", d, first)), b.Data("", d, inside))
		better := b.Op(Greater{}, more, half)
		best, which = b.Op(Where{}, better, v, best), b.Op(Where{}, better, b.Const(d, float64(t)), which)
	}
	for t := range n {
		f(t, b.Op(Equal{}, which, b.Const(d, float64(t))))
	}
}

// inside is 1 for each place where element t of the window sees an element of x, else 0.
func (p *pool) inside(t int) *ir.Tensor {
	in := ir.NewTensor(ir.F64, p.out...)
	for at, list := range p.taps(p.in, p.out) {
		for _, s := range list {
			if s.at == t {
				in.F64[at] = 1
			}
		}
	}
	return in
}

// width returns the length of an axis with pads, so long that each element of the window
// has a whole stride behind its last place.
func (p *pool) width(i int) int { return p.reach(i) - 1 + p.out[i]*p.stride[i] }

// padded gives each axis of x its pads and its width.
func (p *pool) padded(b *ir.Builder, x *ir.Value) *ir.Value {
	for i, n := range p.in {
		if seen := p.width(i) - p.before[i]; seen < n {
			x = b.Op(Slice{Axis: 2 + i, End: ir.Fixed(seen)}, x)
		}
		x = b.Op(Pad{Axis: 2 + i, Before: ir.Fixed(p.before[i]), After: ir.Fixed(max(p.width(i)-p.before[i]-n, 0))}, x)
	}
	return x
}

// cropped undoes padded; what no place sees is 0.
func (p *pool) cropped(b *ir.Builder, x *ir.Value) *ir.Value {
	for i, n := range p.in {
		end := min(p.width(i), p.before[i]+n)
		x = b.Op(Slice{Axis: 2 + i, Start: ir.Fixed(p.before[i]), End: ir.Fixed(end)}, x)
		x = b.Op(Pad{Axis: 2 + i, After: ir.Fixed(p.before[i] + n - end)}, x)
	}
	return x
}

// first returns where element t of the window sees a padded axis from its first place.
func (p *pool) first(t int) []int {
	at := make([]int, len(p.in))
	unravel(at, t, p.kernel)
	for i := range at {
		at[i] *= p.dilation[i]
	}
	return at
}

// seen returns what element t of the window sees of a padded value, at all places.
func (p *pool) seen(b *ir.Builder, x *ir.Value, t int) *ir.Value {
	for i, first := range p.first(t) {
		places, stride := p.out[i], p.stride[i]
		x = b.Op(Slice{Axis: 2 + i, Start: ir.Fixed(first), End: ir.Fixed(first + places*stride)}, x)
		x = joined(b, b.Op(Slice{Axis: 3 + i, End: ir.Fixed(1)}, divided(b, x, 2+i, stride)), 2+i)
	}
	return x
}

// back undoes seen: a padded value with 0 where element t of the window sees nothing.
func (p *pool) back(b *ir.Builder, v *ir.Value, t int) *ir.Value {
	for i, first := range p.first(t) {
		v = b.Op(Pad{Axis: 3 + i, After: ir.Fixed(p.stride[i] - 1)}, divided(b, v, 2+i, 1))
		v = b.Op(Pad{Axis: 2 + i, Before: ir.Fixed(first), After: ir.Fixed(p.width(i) - first - p.out[i]*p.stride[i])}, joined(b, v, 2+i))
	}
	return v
}

// divided shows an axis of v as runs of n elements: the runs, then what is in each.
func divided(b *ir.Builder, v *ir.Value, axis, n int) *ir.Value {
	s := v.Type.Shape
	if len(s) <= axis {
		return v // after a mistake
	}
	return reshapeTo(b, v, append(append(s[:axis:axis], ir.Fixed(s[axis].Length()/n), ir.Fixed(n)), s[axis+1:]...))
}

// joined shows an axis of v and the one behind it as one.
func joined(b *ir.Builder, v *ir.Value, axis int) *ir.Value {
	s := v.Type.Shape
	if len(s) <= axis+1 {
		return v
	}
	return reshapeTo(b, v, append(append(s[:axis:axis], ir.Fixed(s[axis].Length()*s[axis+1].Length())), s[axis+2:]...))
}

// VJP gives MaxPoolGrad.
func (op MaxPool) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(MaxPoolGrad(op), n.In[0], dout[0])}
}

// VJP gives MaxPoolGrad to v; x only chooses.
func (op MaxPoolOf) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{nil, b.Op(MaxPoolGrad(op), n.In[0], dout[0])}
}

// VJP gives MaxPoolOf to dy; x only chooses.
func (op MaxPoolGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{nil, b.Op(MaxPoolOf(op), n.In[0], dout[0])}
}

// Vanishes states that the greatest of zeros is 0.
func (MaxPool) Vanishes(zero []bool) bool { return zero[0] }

// MixesRows states that rows stay apart.
func (MaxPool) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (MaxPoolOf) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (MaxPoolGrad) MixesRows([]ir.Type) bool { return false }

// Linear states that it is in v.
func (MaxPoolOf) Linear(vary []bool) bool { return !vary[0] }

// Linear states that it is in dy.
func (MaxPoolGrad) Linear(vary []bool) bool { return !vary[0] }

// Split states that rows stay apart.
func (MaxPool) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, true) }

// Split states that rows stay apart.
func (MaxPoolOf) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, true) }

// Split states that rows stay apart.
func (MaxPoolGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, true) }

// Cost counts one operation for each element of the window.
func (op MaxPool) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return int64(ir.Elems(op.Kernel.Slice())) * count(out, at), traffic(in, out, at)
}

// Cost counts one operation for each element of the window.
func (op MaxPoolOf) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return MaxPool(op).Cost(in, out, at)
}

// Cost counts one operation for each element of the window.
func (op MaxPoolGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return MaxPool(op).Cost(in, in[1:], at)
}
