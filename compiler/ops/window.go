package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// maxWindow bounds strides, dilations, pads and lengths of windows, so that no sum of
// products of them overflows.
const maxWindow = 1 << 24

// window is how a window moves over the axes of x [N C …] behind the channels: the
// attributes of Conv and its relatives in ONNX, one entry for each axis.
type window struct {
	kernel, stride, dilation, before, after []int
}

// windowOf reads the attributes for as many axes as kernel has. Empty strides and
// dilations are 1, empty pads 0; pads are those before each axis, then those behind each.
func windowOf(kernel []int, strides, dilations, pads ir.Axes) (w window, err error) {
	n := len(kernel)
	list := func(what string, a ir.Axes, n, least, none int) []int {
		if a.Len < 0 || a.Len > ir.MaxRank {
			if err == nil {
				err = fmt.Errorf("%s has %d entries, it must have %d", what, a.Len, n)
			}
			return nil
		}
		out := a.Slice()
		if a.Len == 0 {
			out = make([]int, n)
			for i := range out {
				out[i] = none
			}
		}
		if len(out) != n && err == nil {
			err = fmt.Errorf("%s has %d entries, it must have %d", what, len(out), n)
		}
		for _, v := range out {
			if (v < least || v > maxWindow) && err == nil {
				err = fmt.Errorf("%s is %v, entries must be from %d to %d", what, out, least, maxWindow)
			}
		}
		return out
	}
	w = window{kernel: kernel, stride: list("strides", strides, n, 1, 1), dilation: list("dilations", dilations, n, 1, 1)}
	p := list("pads", pads, 2*n, 0, 0)
	for i, k := range kernel {
		if (k < 1 || k > maxWindow) && err == nil {
			err = fmt.Errorf("the window has lengths %v, they must be from 1 to %d", kernel, maxWindow)
		}
		if err == nil && w.dilation[i]*(k-1) >= maxWindow {
			err = fmt.Errorf("the window reaches over %d elements of axis %d, at most %d are possible", w.reach(i), i, maxWindow)
		}
	}
	if err != nil {
		return w, err
	}
	w.before, w.after = p[:n], p[n:]
	return w, nil
}

// reach returns how many elements of an axis lie between the first and the last that the
// window sees, both included.
func (w window) reach(i int) int { return w.dilation[i]*(w.kernel[i]-1) + 1 }

// across returns how many places the window has on axes of these lengths.
func (w window) across(in []int) ([]int, error) {
	out := make([]int, len(in))
	for i, n := range in {
		padded := n + w.before[i] + w.after[i]
		if padded < w.reach(i) {
			return nil, fmt.Errorf("the window reaches over %d elements of spatial axis %d, which has %d with its padding", w.reach(i), i, padded)
		}
		out[i] = (padded-w.reach(i))/w.stride[i] + 1
	}
	return out, nil
}

// under returns the lengths of the axes over which the window has these places, extra
// being elements behind the last that it sees.
func (w window) under(places, extra []int) ([]int, error) {
	out := make([]int, len(places))
	for i, n := range places {
		if extra[i] < 0 || extra[i] >= w.stride[i] {
			return nil, fmt.Errorf("output padding is %v, entries must be from 0 and below the strides, %v", extra, w.stride)
		}
		out[i] = (n-1)*w.stride[i] + w.reach(i) - w.before[i] - w.after[i] + extra[i]
		if n < 1 || out[i] < 1 {
			return nil, fmt.Errorf("spatial axis %d would have %d elements: its %d places reach over %d, of which the pads are cut off", i, out[i], n, out[i]+w.before[i]+w.after[i])
		}
	}
	return out, nil
}

// rest returns what under takes as extra to give lengths in.
func (w window) rest(in []int) ir.Axes {
	extra := ir.Axes{Len: len(in)}
	for i, n := range in {
		extra.At[i] = (n + w.before[i] + w.after[i] - w.reach(i)) % w.stride[i]
	}
	return extra
}

// tap is an element of the window and one of x under it, both numbered in row-major order.
type tap struct{ at, x int }

// span returns which elements of the window, from first on and below end, see an axis of
// length n at a place.
func (w window) span(axis, place, n int) (first, end int) {
	start, d := place*w.stride[axis]-w.before[axis], w.dilation[axis]
	if start < 0 {
		first = (-start + d - 1) / d
	}
	if start < n {
		end = min(w.kernel[axis], (n-1-start)/d+1)
	}
	return first, max(first, end)
}

// taps lists for each place of the window, in row-major order, what it sees of axes of
// lengths in, in the order of the window.
func (w window) taps(in, places []int) [][]tap {
	out := make([][]tap, ir.Elems(places))
	n := len(in)
	at, k, first, end := make([]int, n), make([]int, n), make([]int, n), make([]int, n)
	for p := range out {
		unravel(at, p, places)
		count := 1
		for i := range in {
			first[i], end[i] = w.span(i, at[i], in[i])
			count *= end[i] - first[i]
		}
		if count == 0 {
			continue
		}
		list := make([]tap, 0, count)
		copy(k, first)
		for axis := 0; axis >= 0; {
			t := tap{}
			for i := range in {
				t.at = t.at*w.kernel[i] + k[i]
				t.x = t.x*in[i] + at[i]*w.stride[i] + k[i]*w.dilation[i] - w.before[i]
			}
			list = append(list, t)
			for axis = n - 1; axis >= 0; axis-- { // the next element of the window
				if k[axis]++; k[axis] < end[axis] {
					break
				}
				k[axis] = first[axis]
			}
		}
		out[p] = list
	}
	return out
}

// unravel sets at to the position of element i of a shape.
func unravel(at []int, i int, shape []int) {
	for a := len(shape) - 1; a >= 0; a-- {
		at[a] = i % shape[a]
		i /= shape[a]
	}
}

// spatial returns the lengths of the axes of x [N C …] behind the channels, which must be
// known, and of the channels, -1 if they are the batch.
func spatial(in []ir.Type, names []string, x int) (channels int, lengths []int, err error) {
	t := in[x]
	if t.Rank() < 3 || t.Rank() > 5 {
		return 0, nil, fmt.Errorf("%s must have 3 to 5 axes, the batch, channels and 1 to 3 more %s", names[x], describe(in, names))
	}
	for i, d := range t.Shape[1:] {
		n, known := d.Known()
		if i == 0 && !known && d.Least() > 0 {
			n, known = -1, true
		} else if !known || n < 1 || n > maxWindow {
			return 0, nil, fmt.Errorf("%s must have a known length from 1 to %d on axis %d %s", names[x], maxWindow, i+1, describe(in, names))
		}
		lengths = append(lengths, n)
	}
	return lengths[0], lengths[1:], nil
}

// images is the shape [N C …] of t's rows with these lengths.
func images(t ir.Type, channels int, lengths []int) ir.Shape {
	return append(ir.Shape{t.Shape[0], ir.Fixed(channels)}, ir.ShapeOf(lengths...)...)
}

// ConvShape is a convolution with all its lengths, for kernels: x [N C In…],
// y [N O Out…] and w [O C/Group Kernel…]; of a ConvTranspose x and y change places.
type ConvShape struct {
	Group, C, O                               int
	In, Out, Kernel, Stride, Dilation, Before []int
}

// ConvShapeOf returns the lengths of a Conv, a ConvTranspose or a ConvFilterGrad of operands
// that Infer takes, false for another op or one of the batch as channels.
func ConvShapeOf(op ir.Op, in []ir.Type) (ConvShape, bool) {
	var g conv
	err := fmt.Errorf("no convolution")
	switch op := op.(type) {
	case Conv:
		g, err = op.geometry(in)
	case ConvTranspose:
		g, err = op.geometry(in)
	case ConvFilterGrad:
		g, err = op.geometry(in)
	}
	if err != nil || g.c < 0 {
		return ConvShape{}, false
	}
	return ConvShape{g.group, g.c, g.o, g.in, g.out, g.kernel, g.stride, g.dilation, g.before}, true
}

// PoolShape is what a pool sees of one channel: for each place of its window the elements of
// x in order, and what each of them counts in a mean.
type PoolShape struct {
	Seen  [][]int32
	Share []float32
}

// PoolShapeOf returns the places of a pool, or of the gradient of one, for operands that
// Infer takes, false for another op.
func PoolShapeOf(op ir.Op, in []ir.Type) (PoolShape, bool) {
	var p pool
	var count bool
	err := fmt.Errorf("no pool")
	switch op := op.(type) {
	case MaxPool:
		p, err = op.pool(in)
	case MaxPoolOf:
		p, err = op.pool(in)
	case MaxPoolGrad:
		p, err = op.pool(in)
	case AveragePool:
		p, err = op.pool(in)
		count = op.CountPads
	case AveragePoolGrad:
		p, err = op.pool(in)
		count = op.CountPads
	}
	if err != nil {
		return PoolShape{}, false
	}
	taps, share := p.shares(count)
	s := PoolShape{Seen: make([][]int32, len(taps)), Share: make([]float32, len(taps))}
	for i, list := range taps {
		for _, t := range list {
			s.Seen[i] = append(s.Seen[i], int32(t.x))
		}
		s.Share[i] = float32(share[i])
	}
	return s, true
}
