package onnximport

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// convolutions lists what moves filters over images.
func convolutions() map[string]row {
	return map[string]row{
		"Conv":          {min: 2, max: 3, lower: conv},
		"ConvTranspose": {min: 2, max: 3, lower: convTranspose},
		"MaxPool":       {min: 1, max: 1, lower: maxPool},
		"AveragePool":   {min: 1, max: 1, lower: averagePool},
		"LpPool":        {min: 1, max: 1, lower: lpPool},
		"LRN":           {min: 1, max: 1, lower: localResponse},
	}
}

// sliding is how a window moves over the axes behind the channels.
type sliding struct {
	kernel, strides, dilations, before, after []int
	autoPad                                   string
}

// axesIn returns an attribute of one entry for each of n axes, each of them from least on,
// or otherwise for all.
func (c *call) axesIn(name string, n, least, otherwise int) []int {
	out := make([]int, n)
	list := c.list(name)
	if list != nil && len(list) != n {
		c.failf("attribute %s has %d entries, must have %d", quote(name), len(list), n)
		return out
	}
	for i := range out {
		if out[i] = otherwise; list == nil {
			continue
		}
		if list[i] < int64(least) || list[i] > 1<<24 {
			c.failf("attribute %s is %v, entries must be from %d to %d", quote(name), list, least, 1<<24)
			return out
		}
		out[i] = int(list[i])
	}
	return out
}

// sliding reads the attributes for windows of these lengths.
func (c *call) sliding(kernel []int) sliding {
	n := len(kernel)
	s := sliding{kernel: kernel, strides: c.axesIn("strides", n, 1, 1), dilations: c.axesIn("dilations", n, 1, 1), autoPad: c.str("auto_pad", "NOTSET")}
	pads := c.axesIn("pads", 2*n, 0, 0)
	s.before, s.after = pads[:n], pads[n:]
	switch s.autoPad {
	case "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER":
	default:
		c.failf("attribute \"auto_pad\" is %s, must be NOTSET, VALID, SAME_UPPER or SAME_LOWER", quote(s.autoPad))
	}
	if s.autoPad != "NOTSET" && c.given("pads") {
		for _, p := range pads {
			if p != 0 {
				c.failf("auto_pad is %s and pads are given", s.autoPad)
				break
			}
		}
	}
	return s
}

// split gives the padding of an axis its two parts.
func (s *sliding) split(axis, total int, lower bool) {
	s.before[axis], s.after[axis] = total/2, total-total/2
	if lower {
		s.before[axis], s.after[axis] = s.after[axis], s.before[axis]
	}
}

// same pads axes of these lengths so that a window has ⌈length/stride⌉ places.
func (s *sliding) same(lengths []int) {
	if s.autoPad != "SAME_UPPER" && s.autoPad != "SAME_LOWER" {
		return
	}
	for i, n := range lengths {
		places := (n + s.strides[i] - 1) / s.strides[i]
		s.split(i, max((places-1)*s.strides[i]+s.reach(i)-n, 0), s.autoPad == "SAME_LOWER")
	}
}

func (s *sliding) reach(axis int) int { return s.dilations[axis]*(s.kernel[axis]-1) + 1 }

func (s *sliding) pads() ir.Axes {
	return ir.MakeAxes(append(append([]int{}, s.before...), s.after...)...)
}

// filtered reads x, w and its window, which kernel_shape repeats, and the lengths of x
// behind the channels.
func (c *call) filtered() (in []*value, s sliding, lengths []int) {
	x, w := c.floats(0), c.floats(1)
	in = []*value{x, w}
	if c.has(2) {
		in = append(in, c.floats(2))
	}
	if c.err != nil {
		return in, s, nil
	}
	if rank(x) < 3 || rank(x) > 5 || rank(w) != rank(x) {
		c.failf("x and w must have as many axes, 3 to 5, but are %v and %v", typ(x), typ(w))
		return in, s, nil
	}
	var kernel []int
	for a := 2; a < rank(x); a++ {
		kernel = append(kernel, c.fixed(w, a))
		lengths = append(lengths, c.fixed(x, a))
	}
	if c.err != nil {
		return in, s, nil
	}
	given := c.axesIn("kernel_shape", len(kernel), 0, -1)
	for i, k := range kernel {
		if c.given("kernel_shape") && given[i] != k {
			c.failf("attribute \"kernel_shape\" is %v, but w is %v", given, typ(w))
			return in, s, nil
		}
	}
	return in, c.sliding(kernel), lengths
}

func conv(c *call) []*value {
	group := c.int("group", 1)
	in, s, lengths := c.filtered()
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	s.same(lengths)
	return c.one(c.op(ops.Conv{Strides: ir.MakeAxes(s.strides...), Dilations: ir.MakeAxes(s.dilations...), Pads: s.pads(), Group: bounded(group)}, in...))
}

// convTranspose reads pads, or what they must be for the lengths that are asked for.
func convTranspose(c *call) []*value {
	group := c.int("group", 1)
	in, s, lengths := c.filtered()
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	extra := c.axesIn("output_padding", len(lengths), 0, 0)
	wanted := c.axesIn("output_shape", len(lengths), 1, 0)
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	for i, n := range lengths {
		want, lower := wanted[i], s.autoPad != "SAME_UPPER"
		if want == 0 && (s.autoPad == "SAME_UPPER" || s.autoPad == "SAME_LOWER") {
			want = n * s.strides[i]
		}
		if want == 0 {
			continue
		}
		total := (n-1)*s.strides[i] + s.reach(i) + extra[i] - want
		if total < 0 {
			extra[i], total = extra[i]-total, 0
		}
		s.split(i, total, lower)
	}
	for i, e := range extra {
		if e >= s.strides[i] {
			return c.one(c.cannot("has %d elements behind the last that a filter reaches on axis %d, with a stride of %d", e, 2+i, s.strides[i]))
		}
	}
	return c.one(c.op(ops.ConvTranspose{Strides: ir.MakeAxes(s.strides...), Dilations: ir.MakeAxes(s.dilations...), Pads: s.pads(), OutputPadding: ir.MakeAxes(extra...), Group: bounded(group)}, in...))
}

// bounded is n as an attribute that an op checks.
func bounded(n int64) int { return int(max(min(n, 1<<30), -1)) }

// pooled reads the window of a pool over x. The pads are such that the last place ends
// within them; counted is how many of those behind each axis the node gives.
func (c *call) pooled(x *value) (_ *value, s sliding, counted []int) {
	if c.err != nil {
		return x, s, nil
	}
	if rank(x) < 3 || rank(x) > 5 {
		c.failf("x must have 3 to 5 axes, but is %v", typ(x))
		return x, s, nil
	}
	n := rank(x) - 2
	kernel := c.axesIn("kernel_shape", n, 1, 0)
	if c.err == nil && !c.given("kernel_shape") {
		c.failf("attribute \"kernel_shape\" is missing")
	}
	if s = c.sliding(kernel); c.err != nil {
		return x, s, nil
	}
	var lengths []int
	for a := range n {
		lengths = append(lengths, c.fixed(x, 2+a))
	}
	s.same(lengths)
	counted = slices.Clone(s.after)
	if (c.n.OpType != "LpPool" || c.im.opset >= 18) && !c.flag("ceil_mode", false) || c.err != nil {
		return x, s, counted
	}
	for i, n := range lengths { // a place that begins within x or the pads before it, and ends behind them
		over := n + s.before[i] + s.after[i] - s.reach(i)
		if rest := over % s.strides[i]; rest != 0 && over-rest+s.strides[i] < n+s.before[i] {
			s.after[i] += s.strides[i] - rest
		}
	}
	return x, s, counted
}

func maxPool(c *call) []*value {
	if c.int("storage_order", 0) != 0 {
		return c.one(c.cannot("storage_order is set"))
	}
	if len(c.n.Output) > 1 && c.n.Output[1] != "" {
		return c.one(c.cannot("has the places of the elements as a result"))
	}
	x := c.x(0)
	d := typ(x).DType
	if c.err == nil && (d == ir.U8 || d == ir.I8) { // whose numbers f32 holds
		x = c.op(ops.Cast{To: ir.F32}, x)
	} else {
		x = c.floats(0)
	}
	x, s, _ := c.pooled(x)
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	y := c.op(ops.MaxPool{Kernel: ir.MakeAxes(s.kernel...), Strides: ir.MakeAxes(s.strides...), Dilations: ir.MakeAxes(s.dilations...), Pads: s.pads()}, x)
	if c.err == nil && typ(y).DType != d {
		y = c.op(ops.Cast{To: d}, y)
	}
	return c.one(y)
}

// averagePool is the op where it has the form, else sums and how much each of them counts.
func averagePool(c *call) []*value {
	count, ceil := c.flag("count_include_pad", false), c.flag("ceil_mode", false)
	if c.given("dilations") && c.im.opset < 19 {
		return c.one(c.failf("attribute \"dilations\" is not one of AveragePool at opset %d", c.im.opset))
	}
	x, s, counted := c.pooled(c.floats(0))
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	if !slices.ContainsFunc(s.dilations, func(d int) bool { return d != 1 }) && !(count && ceil) {
		return c.one(c.op(ops.AveragePool{Kernel: ir.MakeAxes(s.kernel...), Strides: ir.MakeAxes(s.strides...), Pads: s.pads(), CountPads: count}, x))
	}
	y := c.sums(x, s)
	if c.err != nil {
		return c.one(y)
	}
	var shape []int
	for a := range s.kernel {
		shape = append(shape, c.fixed(y, 2+a))
	}
	share := ir.NewTensor(typ(x).DType, append([]int{1, 1}, shape...)...)
	if !c.spend(int64(share.Len())) {
		return c.one(c.fail(c.err))
	}
	each := make([][]float64, len(s.kernel)) // what counts along an axis
	for a, places := range shape {
		lo, hi := 0, c.fixed(x, 2+a)
		if count {
			lo, hi = -s.before[a], hi+counted[a]
		}
		for at := range places {
			n := 0.0
			for k := range s.kernel[a] {
				if q := at*s.strides[a] - s.before[a] + k*s.dilations[a]; q >= lo && q < hi {
					n++
				}
			}
			if n == 0 {
				return c.one(c.cannot("a place of the window sees nothing that counts"))
			}
			each[a] = append(each[a], n)
		}
	}
	for i := range share.Len() {
		n, rest := 1.0, i
		for a := len(shape) - 1; a >= 0; a-- {
			n *= each[a][rest%shape[a]]
			rest /= shape[a]
		}
		share.Set(i, 1/n)
	}
	return c.one(c.op(ops.Mul{}, y, &value{t: share}))
}

// sums is the sum under each place of a window, pads being 0.
func (c *call) sums(x *value, s sliding) *value {
	channels := c.fixed(x, 1)
	n := int64(channels)
	for a, k := range s.kernel {
		if n *= int64(k); n > maxFold {
			return c.cannot("sums over windows of %v of %d channels: more than %d weights", s.kernel, channels, maxFold)
		}
		// The places are counted below, so there must not be many for little.
		if c.err == nil && s.before[a]+s.after[a]+c.fixed(x, 2+a) > maxFold {
			return c.cannot("sums over an axis of %d elements with its pads", s.before[a]+s.after[a]+c.fixed(x, 2+a))
		}
	}
	if c.err != nil || !c.spend(n) {
		return c.fail(c.err)
	}
	ones := ir.NewTensor(typ(x).DType, append([]int{channels, 1}, s.kernel...)...)
	for i := range ones.Len() {
		ones.Set(i, 1)
	}
	return c.op(ops.Conv{Strides: ir.MakeAxes(s.strides...), Dilations: ir.MakeAxes(s.dilations...), Pads: s.pads(), Group: channels}, x, &value{t: ones})
}

// norm reads p, which is at least 1.
func (c *call) norm() float64 {
	p := c.int("p", 2)
	if c.err == nil && (p < 1 || p > 1<<10) {
		c.failf("attribute \"p\" is %d, must be from 1 to %d", p, 1<<10)
	}
	return float64(p)
}

// powers is |x| to the power p, and root undoes it.
func (c *call) powers(x *value, p float64) *value {
	switch x = c.op(ops.Abs{}, x); p {
	case 1:
		return x
	case 2:
		return c.op(ops.Mul{}, x, x)
	}
	return c.op(ops.Pow{}, x, c.like(x, p))
}

func (c *call) root(x *value, p float64) *value {
	switch p {
	case 1:
		return x
	case 2:
		return c.op(ops.Sqrt{}, x)
	}
	return c.op(ops.Pow{}, x, c.like(x, 1/p))
}

// lpPool is the p-norm under each place of a window.
func lpPool(c *call) []*value {
	p := c.norm()
	if c.given("dilations") && c.im.opset < 18 {
		return c.one(c.failf("attribute \"dilations\" is not one of LpPool at opset %d", c.im.opset))
	}
	x, s, _ := c.pooled(c.floats(0))
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	return c.one(c.root(c.sums(c.powers(x, p), s), p))
}

// localResponse divides by a power of the mean square of neighbouring channels: that of a
// window over the channels, pads included, of an image whose channels are one axis of two.
func localResponse(c *call) []*value {
	alpha, beta, bias, size := c.float("alpha", 1e-4), c.float("beta", 0.75), c.float("bias", 1), c.int("size", 0)
	x := c.floats(0)
	if c.err == nil && (size < 1 || size > 1<<20) {
		c.failf("attribute \"size\" is %d, must be from 1 to %d", size, 1<<20)
	}
	if c.err == nil && rank(x) < 3 {
		c.failf("x must be [N C …] with 3 axes or more, but is %v", typ(x))
	}
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	s, places := typ(x).Shape, 1
	for a := 2; a < len(s); a++ {
		places *= max(c.fixed(x, a), 1)
		if places > 1<<24 {
			return c.one(c.cannot("x is %v", typ(x)))
		}
	}
	before := int(size-1) / 2
	flat := c.view(c.op(ops.Mul{}, x, x), ir.Shape{s[0], ir.Fixed(1), s[1], ir.Fixed(places)})
	mean := c.op(ops.AveragePool{Kernel: ir.MakeAxes(int(size), 1), Pads: ir.MakeAxes(before, 0, int(size)-1-before, 0), CountPads: true}, flat)
	y := c.op(ops.Add{}, c.op(ops.Mul{}, mean, c.like(x, alpha)), c.like(x, bias))
	return c.one(c.op(ops.Div{}, x, c.view(c.op(ops.Pow{}, y, c.like(x, beta)), s)))
}
