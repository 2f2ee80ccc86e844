package onnximport

import (
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

// pooled reads x and the window of a pool.
func (c *call) pooled() (x *value, s sliding) {
	x = c.floats(0)
	if c.err != nil {
		return x, s
	}
	if rank(x) < 3 || rank(x) > 5 {
		c.failf("x must have 3 to 5 axes, but is %v", typ(x))
		return x, s
	}
	n := rank(x) - 2
	kernel := c.axesIn("kernel_shape", n, 1, 0)
	if c.err == nil && !c.given("kernel_shape") {
		c.failf("attribute \"kernel_shape\" is missing")
	}
	if s = c.sliding(kernel); c.err != nil {
		return x, s
	}
	var lengths []int
	for a := range n {
		lengths = append(lengths, c.fixed(x, 2+a))
	}
	s.same(lengths)
	if !c.flag("ceil_mode", false) || c.err != nil {
		return x, s
	}
	for i, n := range lengths { // a place that begins within x or the pads before it, and ends behind them
		over := n + s.before[i] + s.after[i] - s.reach(i)
		if rest := over % s.strides[i]; rest != 0 && over-rest+s.strides[i] < n+s.before[i] {
			s.after[i] += s.strides[i] - rest
		}
	}
	return x, s
}

func maxPool(c *call) []*value {
	if c.int("storage_order", 0) != 0 {
		return c.one(c.cannot("storage_order is set"))
	}
	if len(c.n.Output) > 1 && c.n.Output[1] != "" {
		return c.one(c.cannot("has the places of the elements as a result"))
	}
	x, s := c.pooled()
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	return c.one(c.op(ops.MaxPool{Kernel: ir.MakeAxes(s.kernel...), Strides: ir.MakeAxes(s.strides...), Dilations: ir.MakeAxes(s.dilations...), Pads: s.pads()}, x))
}

func averagePool(c *call) []*value {
	count, ceil := c.flag("count_include_pad", false), c.flag("ceil_mode", false)
	x, s := c.pooled()
	if c.err != nil {
		return c.one(c.fail(c.err))
	}
	for _, d := range s.dilations {
		if d != 1 {
			return c.one(c.cannot("has dilations"))
		}
	}
	if count && ceil {
		return c.one(c.cannot("counts pads and has a last place that ends behind them"))
	}
	return c.one(c.op(ops.AveragePool{Kernel: ir.MakeAxes(s.kernel...), Strides: ir.MakeAxes(s.strides...), Pads: s.pads(), CountPads: count}, x))
}
