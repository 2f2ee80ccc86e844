package onnximport

import (
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// resizes lists what makes images larger or smaller.
func resizes() map[string]row {
	return map[string]row{
		"Resize": {min: 1, max: 4, lower: resize},
	}
}

// maxMaps is how many weights the maps of all Resize nodes of a file may have together,
// maxResized how many elements an axis may have before and after one.
const (
	maxMaps    = 1 << 22
	maxResized = 1 << 20
)

// resizing is what the attributes of a Resize say, for all axes.
type resizing struct {
	mode, coordinates, nearest string
	cubic                      float64
	outside, antialias         bool // leave out what lies outside; smooth before it shrinks
	beyond                     float64
}

// resized is an axis of a Resize. The scale is that of the node, not always to/from.
type resized struct {
	from, to   int
	scale      float64
	start, end float64 // the region of tf_crop_and_resize
}

// mapKey names a map, so that equal axes share one.
type mapKey struct {
	r resizing
	a resized
	d ir.DType
}

// resize moves along one axis after the other: each is a map of its elements to others.
func resize(c *call) []*value {
	r := resizing{mode: c.str("mode", "nearest"), coordinates: c.str("coordinate_transformation_mode", "half_pixel"), nearest: c.str("nearest_mode", "round_prefer_floor"),
		cubic: c.float("cubic_coeff_a", -0.75), outside: c.flag("exclude_outside", false), beyond: c.float("extrapolation_value", 0)}
	policy := "stretch"
	x := c.x(0)
	axes := make([]int64, rank(x))
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.im.opset >= 18 {
		r.antialias, policy = c.flag("antialias", false), c.str("keep_aspect_ratio_policy", policy)
		if c.given("axes") {
			axes = c.list("axes")
		}
	}
	modes := []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"}
	if c.im.opset >= 19 {
		modes = append(modes, "half_pixel_symmetric")
	}
	for _, s := range []struct {
		name, is string
		of       []string
	}{
		{"mode", r.mode, []string{"nearest", "linear", "cubic"}},
		{"coordinate_transformation_mode", r.coordinates, modes},
		{"nearest_mode", r.nearest, []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
		{"keep_aspect_ratio_policy", policy, []string{"stretch", "not_larger", "not_smaller"}},
	} {
		if !slices.Contains(s.of, s.is) {
			c.failf("attribute %s is %s, must be one of %v", quote(s.name), quote(s.is), s.of)
		}
	}
	if c.axes(axes, rank(x)); c.err != nil {
		return c.one(c.fail(c.err))
	}
	list := c.resized(x, axes, r.coordinates == "tf_crop_and_resize", policy)
	for i, a := range axes {
		if c.err != nil {
			return c.one(c.fail(c.err))
		}
		axis := c.axis(a, rank(x))
		switch l := list[i]; {
		case l.from == l.to && l.scale == 1 && r.coordinates != "tf_crop_and_resize":
		case r.mode == "nearest" && r.coordinates != "tf_crop_and_resize":
			x = c.take(x, axis, r.places(l))
		default:
			x = c.mapped(x, axis, r, l)
		}
	}
	return c.one(x)
}

// resized reads scales or sizes, and the region if there is one, for axes of x.
func (c *call) resized(x *value, axes []int64, region bool, policy string) []resized {
	list := make([]resized, len(axes))
	var roi, scales []float64
	if region {
		if roi = c.numbersOf(1, "the vector of the region"); c.err == nil && len(roi) != 2*len(axes) {
			c.failf("the region has %d numbers, must have %d", len(roi), 2*len(axes))
		}
		for _, v := range roi {
			if !(math.Abs(v) <= maxResized) {
				c.failf("the region is %v, must be within %d", roi, maxResized)
			}
		}
	}
	if c.has(2) {
		scales = c.numbersOf(2, "the vector of scales")
	}
	sizes := c.has(3)
	if c.err == nil && (len(scales) > 0) == sizes {
		c.failf("scales or sizes must be given, and not both")
	}
	var want []ir.Dim
	if sizes {
		want = c.lengthsOf(3, "the vector of sizes")
	}
	if n := max(len(scales), len(want)); c.err == nil && n != len(axes) {
		c.failf("%d scales or sizes for %d axes", n, len(axes))
	}
	if c.err != nil {
		return list
	}
	ratio := math.NaN() // of all axes, unless they are stretched
	for i, a := range axes {
		l, length := &list[i], typ(x).Shape[c.axis(a, rank(x))]
		l.scale, l.end = 1, 1
		if region {
			l.start, l.end = roi[i], roi[len(axes)+i]
		}
		if sizes && want[i] == length && policy == "stretch" || !sizes && scales[i] == 1 {
			if n, known := length.Known(); known {
				l.from, l.to = n, n
			} else if region {
				c.cannot("a region along an axis of %v, whose length is open", typ(x))
			}
			continue
		}
		if l.from = c.fixed(x, int(c.axis(a, rank(x)))); c.err != nil {
			return list
		}
		if sizes {
			n, known := want[i].Known()
			if !known || n < 1 || l.from < 1 {
				c.cannot("the size %v of an axis of %d elements", want[i], l.from)
				return list
			}
			l.to, l.scale = n, float64(n)/float64(l.from)
			if r := l.scale; math.IsNaN(ratio) || policy == "not_larger" && r < ratio || policy == "not_smaller" && r > ratio {
				ratio = r
			}
			continue
		}
		if l.scale = scales[i]; !(l.scale > 0 && l.scale <= maxResized) {
			c.failf("the scale of an axis is %v, must be above 0 and at most %d", l.scale, maxResized)
			return list
		}
		n := float64(float32(l.scale) * float32(l.from)) // as runtimes multiply
		if l.to = int(n); !(n >= 1 && n <= maxResized) {
			c.failf("an axis of %d elements with the scale %v would have %v, must have from 1 to %d", l.from, l.scale, math.Floor(n), maxResized)
			return list
		}
	}
	if policy != "stretch" && sizes {
		for i := range list {
			list[i].scale, list[i].to = ratio, int(ratio*float64(list[i].from)+0.5)
		}
	}
	for _, l := range list {
		if l.from > maxResized || l.to > maxResized || l.to < 1 && l.from > 0 {
			c.failf("an axis of %d elements would have %d, must have from 1 to %d", l.from, l.to, maxResized)
		}
	}
	return list
}

// numbersOf returns the elements of operand i, which must be a known vector of a few floats.
func (c *call) numbersOf(i int, what string) []float64 {
	v := c.x(i)
	switch {
	case c.err != nil:
	case v.t == nil:
		c.cannot("%s is not a constant", what)
	case !v.t.DType.Float() || len(v.t.Shape) != 1 || v.t.Len() > 2*ir.MaxRank:
		c.failf("%s is %v, must be a vector of at most %d floats", what, v.t.Type(), 2*ir.MaxRank)
	default:
		out := make([]float64, v.t.Len())
		for k := range out {
			out[k] = v.t.At(k)
		}
		return out
	}
	return nil
}

// source is where element j of the result lies on the axis, and whether that is outside the
// region.
func (r resizing) source(a resized, j int) (at float64, beyond bool) {
	n, x := float64(a.from), float64(j)
	wide := a.scale * n // as long as the result would be if lengths were no integers
	switch r.coordinates {
	case "align_corners":
		if wide == 1 {
			return 0, false
		}
		return x * (n - 1) / (wide - 1), false
	case "asymmetric":
		return x / a.scale, false
	case "tf_crop_and_resize":
		at = a.start * (n - 1)
		if wide == 1 {
			at += (a.end - a.start) * (n - 1) / 2
		} else {
			at += x * (a.end - a.start) * (n - 1) / (wide - 1)
		}
		return at, at < 0 || at > n-1
	case "pytorch_half_pixel":
		if a.to == 1 {
			return 0, false
		}
	case "half_pixel_symmetric":
		return n/2*(1-float64(a.to)/wide) + (x+0.5)/a.scale - 0.5, false
	}
	return (x+0.5)/a.scale - 0.5, false
}

// places returns the element that each of the result is nearest to.
func (r resizing) places(a resized) []int {
	out := make([]int, a.to)
	for j := range out {
		out[j] = r.place(a, j)
	}
	return out
}

func (r resizing) place(a resized, j int) int {
	at, _ := r.source(a, j)
	low := math.Floor(at)
	up := false
	switch part := at - low; r.nearest {
	case "round_prefer_floor":
		up = part > 0.5
	case "round_prefer_ceil":
		up = part >= 0.5
	case "ceil":
		up = part > 0
	}
	if up {
		low++
	}
	return int(max(0, min(low, float64(a.from-1))))
}

// weights calls f with each element that counts in element j of the result, and its weight.
// Elements before the first are like the first, and those behind the last like that.
func (r resizing) weights(a resized, j int, f func(i int, w float64)) {
	if r.mode == "nearest" {
		f(r.place(a, j), 1)
		return
	}
	at, _ := r.source(a, j)
	base := math.Ceil(at) - 1 // an element that is hit counts as the second
	part, scale, half := at-base, 1.0, 1.0
	if r.mode == "cubic" {
		half = 2
	}
	if r.antialias {
		scale = min(a.scale, 1)
	}
	first := int(math.Floor(-half/scale)) + 1
	sum := 0.0
	each := func(f func(i int, w float64)) {
		for k := first; k <= 1-first; k++ {
			i, w := base+float64(k), r.weight(scale*(float64(k)-part))
			if (i < 0 || i >= float64(a.from)) && r.outside {
				continue
			}
			f(int(max(0, min(i, float64(a.from-1)))), w)
		}
	}
	each(func(_ int, w float64) { sum += w })
	each(func(i int, w float64) { f(i, w/sum) })
}

// weight is that of an element at a distance: a triangle, or the cubic of Keys (1981).
func (r resizing) weight(d float64) float64 {
	d = math.Abs(d)
	switch a := r.cubic; {
	case r.mode == "linear":
		return max(1-d, 0)
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d < 2:
		return ((a*d-5*a)*d+8*a)*d - 4*a
	}
	return 0
}

// mapped is x with an axis multiplied by the weights.
func (c *call) mapped(x *value, axis int, r resizing, a resized) *value {
	if d := typ(x).DType; !d.Float() {
		return c.cannot("mode %s of elements that are %v", quote(r.mode), d)
	}
	key := mapKey{r, a, typ(x).DType}
	w := c.im.maps[key]
	if w == nil {
		if int64(a.from)*int64(a.to) > int64(maxMaps-c.im.mapped) {
			return c.cannot("maps an axis of %d elements to %d: more than %d weights", a.from, a.to, maxMaps)
		}
		if reach := 4 / min(a.scale, 1); r.antialias && reach*float64(a.to) > maxMaps {
			return c.cannot("smooths over %.0f elements", reach)
		}
		c.im.mapped += a.from * a.to
		t := ir.NewTensor(typ(x).DType, a.from, a.to)
		for j := range a.to {
			if _, beyond := r.source(a, j); !beyond {
				r.weights(a, j, func(i int, w float64) { t.Set(i*a.to+j, t.At(i*a.to+j)+w) })
			}
		}
		w = &value{t: t}
		c.im.maps[key] = w
	}
	last := rank(x) - 1
	perm := make([]int, last+1)
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[last] = last, axis
	turn := ops.Transpose{Perm: ir.MakeAxes(perm...)}
	y := x
	if axis != last {
		y = c.op(turn, y)
	}
	y = c.op(ops.MatMul{}, y, w)
	if axis != last {
		y = c.op(turn, y)
	}
	return c.extrapolated(y, axis, r, a)
}

// extrapolated adds what stands outside the region.
func (c *call) extrapolated(y *value, axis int, r resizing, a resized) *value {
	if c.err != nil || r.coordinates != "tf_crop_and_resize" || r.beyond == 0 {
		return y
	}
	shape := make([]int, rank(y))
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = a.to
	t := ir.NewTensor(typ(y).DType, shape...)
	for j := range a.to {
		if _, beyond := r.source(a, j); beyond {
			t.Set(j, r.beyond)
		}
	}
	return c.op(ops.Add{}, y, &value{t: t})
}

// take is x with the elements of an axis that a list names.
func (c *call) take(x *value, axis int, list []int) *value {
	n, s := c.fixed(x, axis), typ(x).Shape
	if c.err != nil || len(list) == 0 || n < 1 {
		return c.cannot("takes %d of %d elements", len(list), n)
	}
	as := func(d ...int) ir.Shape { // the axis as others
		return append(append(s[:axis:axis], ir.ShapeOf(d...)...), s[axis+1:]...)
	}
	matches := func(f func(j int) int) bool {
		for j, i := range list {
			if i != f(j) {
				return false
			}
		}
		return true
	}
	k := len(list)
	switch {
	case len(s) == ir.MaxRank:
	case k == n && matches(func(j int) int { return j }):
		return x
	case k%n == 0 && matches(func(j int) int { return j / (k / n) }):
		y := c.op(ops.Expand{Shape: ir.MakeDims(as(n, k/n))}, c.view(x, as(n, 1)))
		return c.view(y, as(k))
	case n%k == 0 && matches(func(j int) int { return list[0] + j*(n/k) }):
		y := c.cut(c.view(x, as(k, n/k)), axis+1, list[0], list[0]+1)
		return c.view(y, as(k))
	}
	var runs []*value
	for i := 0; i < k; {
		to := i + 1
		for to < k && list[to] == list[to-1]+1 {
			to++
		}
		if len(runs) == maxGathered {
			return c.cannot("takes %d of %d elements in more than %d runs", k, n, maxGathered)
		}
		runs = append(runs, c.cut(x, axis, list[i], list[i]+to-i))
		i = to
	}
	return c.join(runs, axis)
}
