package faults

import (
	"math/bits"
	"slices"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// imageKinds are faults of what moves windows over images.
func imageKinds() []kind {
	return []kind{
		{"stride changed", (*file).changeStride},
		{"dilation changed", (*file).changeDilation},
		{"pad changed", (*file).changePad},
		{"pads in another order", (*file).turnPads},
		{"axes exchanged", (*file).turnAxes},
		{"pads by SAME", (*file).padSame},
		{"window changed", (*file).changeWindow},
		{"output padding off by one", (*file).changeOutputPadding},
		{"last place cut or kept", (*file).turnCeil},
		{"pads counted or not", (*file).countPads},
		{"pool exchanged", (*file).exchangePool},
		{"filter flipped", (*file).flipFilter},
		{"filter transposed", (*file).transposeFilter},
		{"channels exchanged", (*file).exchangeChannels},
		{"groups in another order", (*file).turnGroups},
		{"number of groups changed", (*file).changeGroups},
		{"channels behind the image", (*file).channelsLast},
	}
}

// ImageKinds returns the names of the kinds that belong to images.
func ImageKinds() []string { return names(imageKinds()) }

// typed returns the nodes of some types.
func (f *file) typed(types ...string) []*onnxpb.NodeProto {
	return f.nodes(func(n *onnxpb.NodeProto) bool { return slices.Contains(types, n.OpType) })
}

// axesOf is how many axes behind the channels a window of n moves over, by its lists.
func axesOf(n *onnxpb.NodeProto) int {
	for _, name := range []string{"strides", "kernel_shape", "dilations"} {
		if a := attribute(n, name); a != nil {
			return len(a.Ints)
		}
	}
	if a := attribute(n, "pads"); a != nil {
		return len(a.Ints) / 2
	}
	return 0
}

// list returns an attribute of n integers, which it adds with their default.
func list(n *onnxpb.NodeProto, name string, length int, otherwise int64) *onnxpb.AttributeProto {
	a := attribute(n, name)
	if a == nil {
		a = &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: slices.Repeat([]int64{otherwise}, length)}
		n.Attribute = append(n.Attribute, a)
	}
	return a
}

// change makes one entry of a list one more or less, but not below least. Half of the time
// the pads take up what that would add to the result.
func (f *file) change(name string, least int64, perAxis int, types ...string) (Fault, bool) {
	nodes := slices.DeleteFunc(f.typed(types...), func(n *onnxpb.NodeProto) bool { return axesOf(n) == 0 })
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	a := list(n, name, perAxis*axesOf(n), least)
	i := f.below(len(a.Ints))
	was := a.Ints[i]
	if more := f.taken(n, name, i); more > 0 && f.below(2) == 0 {
		a.Ints[i]++
		pads := list(n, "pads", 2*axesOf(n), 0)
		pads.Ints[i+f.below(2)*axesOf(n)] += more
		return in(n, "%s %v, entry %d was %d, pads %v", name, a.Ints, i, was, pads.Ints)
	}
	if a.Ints[i] > least && f.below(2) == 0 {
		a.Ints[i]--
	} else {
		a.Ints[i]++
	}
	return in(n, "%s %v, entry %d was %d", name, a.Ints, i, was)
}

// taken is how much longer an axis is padded, or cut, so that one more in a list does not
// change the length of the result; 0 if it cannot be.
func (f *file) taken(n *onnxpb.NodeProto, name string, axis int) int64 {
	switch name {
	case "dilations":
		if w := f.initializer(n.Input[min(1, len(n.Input)-1)]); w != nil && len(w.Dims) > 2+axis {
			return w.Dims[2+axis] - 1
		}
	case "kernel_shape", "output_padding":
		return 1
	}
	return 0
}

func (f *file) changeStride() (Fault, bool) {
	return f.change("strides", 1, 1, "Conv", "ConvTranspose", "MaxPool", "AveragePool")
}

func (f *file) changeDilation() (Fault, bool) {
	return f.change("dilations", 1, 1, "Conv", "ConvTranspose", "MaxPool")
}

// changePad moves an element of padding to the other side of an axis, or adds or takes one.
func (f *file) changePad() (Fault, bool) {
	nodes := slices.DeleteFunc(f.typed("Conv", "ConvTranspose", "MaxPool", "AveragePool"), func(n *onnxpb.NodeProto) bool {
		a := attribute(n, "pads")
		return a == nil || !slices.ContainsFunc(a.Ints, func(p int64) bool { return p > 0 })
	})
	if len(nodes) > 0 && f.below(2) == 0 {
		n := one(f, nodes)
		a := attribute(n, "pads")
		i, half := f.below(len(a.Ints)), len(a.Ints)/2
		for a.Ints[i] == 0 {
			i = (i + 1) % len(a.Ints)
		}
		a.Ints[i]--
		a.Ints[(i+half)%len(a.Ints)]++
		return in(n, "pads %v, entry %d was one more", a.Ints, i)
	}
	return f.change("pads", 0, 2, "Conv", "ConvTranspose", "MaxPool", "AveragePool")
}

func (f *file) changeWindow() (Fault, bool) {
	return f.change("kernel_shape", 1, 1, "MaxPool", "AveragePool")
}

func (f *file) changeOutputPadding() (Fault, bool) {
	return f.change("output_padding", 0, 1, "ConvTranspose")
}

// turnPads exchanges those before with those behind, or gives each axis both of its own.
func (f *file) turnPads() (Fault, bool) {
	behind := func(p []int64) []int64 { return slices.Concat(p[len(p)/2:], p[:len(p)/2]) }
	pairs := func(p []int64) []int64 {
		out, half := slices.Clone(p), len(p)/2
		for i := range half {
			out[2*i], out[2*i+1] = p[i], p[half+i]
		}
		return out
	}
	turn := one(f, []func([]int64) []int64{behind, pairs})
	nodes := slices.DeleteFunc(f.typed("Conv", "ConvTranspose", "MaxPool", "AveragePool"), func(n *onnxpb.NodeProto) bool {
		a := attribute(n, "pads")
		return a == nil || slices.Equal(turn(a.Ints), a.Ints)
	})
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	a := attribute(n, "pads")
	was := a.Ints
	a.Ints = turn(was)
	return in(n, "pads %v, were %v", a.Ints, was)
}

// turnAxes gives the axes behind the channels the strides, dilations and pads of each other.
func (f *file) turnAxes() (Fault, bool) {
	turned := func(n *onnxpb.NodeProto) (lists [][]int64, changed bool) {
		for _, a := range n.Attribute {
			out := slices.Clone(a.Ints)
			switch k := axesOf(n); a.Name {
			case "strides", "dilations":
				slices.Reverse(out)
			case "pads":
				slices.Reverse(out[:k])
				slices.Reverse(out[k:])
			}
			lists = append(lists, out)
			changed = changed || !slices.Equal(out, a.Ints)
		}
		return lists, changed
	}
	nodes := slices.DeleteFunc(f.typed("Conv", "ConvTranspose", "MaxPool", "AveragePool"), func(n *onnxpb.NodeProto) bool {
		_, changed := turned(n)
		return !changed
	})
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	lists, _ := turned(n)
	for i, a := range n.Attribute {
		a.Ints = lists[i]
	}
	return in(n, "axes turned around")
}

// padSame pads as auto_pad says, which onnxruntime takes without dilations.
func (f *file) padSame() (Fault, bool) {
	nodes := slices.DeleteFunc(f.typed("Conv", "MaxPool", "AveragePool", "ConvTranspose"), func(n *onnxpb.NodeProto) bool {
		a := attribute(n, "dilations")
		return a != nil && slices.ContainsFunc(a.Ints, func(d int64) bool { return d > 1 })
	})
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	mode := one(f, []string{"SAME_UPPER", "SAME_LOWER", "VALID"})
	n.Attribute = slices.DeleteFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.Name == "pads" })
	n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: "auto_pad", Type: onnxpb.AttributeProto_STRING, S: []byte(mode)})
	return in(n, "pads by %s", mode)
}

// flag turns an attribute of 0 or 1.
func (f *file) flag(name string, nodes []*onnxpb.NodeProto) (Fault, bool) {
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	a := attribute(n, name)
	if a == nil {
		a = &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT}
		n.Attribute = append(n.Attribute, a)
	}
	a.I = 1 - a.I
	return in(n, "%s %d", name, a.I)
}

func (f *file) turnCeil() (Fault, bool) {
	return f.flag("ceil_mode", f.typed("MaxPool", "AveragePool"))
}

func (f *file) countPads() (Fault, bool) {
	return f.flag("count_include_pad", f.typed("AveragePool"))
}

// exchangePool takes the other kind, of windows of more than one element: of one they are
// the same.
func (f *file) exchangePool() (Fault, bool) {
	nodes := slices.DeleteFunc(f.typed("MaxPool", "AveragePool"), func(n *onnxpb.NodeProto) bool {
		a := attribute(n, "kernel_shape")
		return a == nil || !slices.ContainsFunc(a.Ints, func(k int64) bool { return k > 1 })
	})
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	was := n.OpType
	n.OpType = map[string]string{"MaxPool": "AveragePool", "AveragePool": "MaxPool"}[was]
	n.Attribute = slices.DeleteFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool {
		return a.Name == "dilations" || a.Name == "storage_order" || a.Name == "count_include_pad"
	})
	return in(n, "was %s", was)
}

// filters returns a convolution for which is holds with its filters.
func (f *file) filters(is func(n *onnxpb.NodeProto, w *onnxpb.TensorProto) bool) (*onnxpb.NodeProto, *onnxpb.TensorProto, bool) {
	nodes := slices.DeleteFunc(f.typed("Conv", "ConvTranspose"), func(n *onnxpb.NodeProto) bool {
		w := f.initializer(n.Input[1])
		return w == nil || len(w.Dims) < 3 || len(w.RawData) < 4 || !is(n, w)
	})
	if len(nodes) == 0 {
		return nil, nil, false
	}
	n := one(f, nodes)
	return n, f.initializer(n.Input[1]), true
}

// move gives element i of w what was at from(its position).
func move(w *onnxpb.TensorProto, from func(at []int64) []int64) {
	was := &onnxpb.TensorProto{RawData: slices.Clone(w.RawData)}
	at := make([]int64, len(w.Dims))
	for i := range len(w.RawData) / 4 {
		rest := int64(i)
		for a := len(at) - 1; a >= 0; a-- {
			at[a], rest = rest%w.Dims[a], rest/w.Dims[a]
		}
		k := int64(0)
		for a, p := range from(slices.Clone(at)) {
			k = k*w.Dims[a] + p
		}
		copy(w.RawData[4*i:4*i+4], was.RawData[4*k:])
	}
}

func (f *file) flipFilter() (Fault, bool) {
	_, w, ok := f.filters(func(_ *onnxpb.NodeProto, w *onnxpb.TensorProto) bool {
		return slices.ContainsFunc(w.Dims[2:], func(d int64) bool { return d > 1 })
	})
	if !ok {
		return Fault{}, false
	}
	axes := 0
	for axes == 0 { // some of those that are longer than 1
		for a, d := range w.Dims[2:] {
			if d > 1 && f.below(3) > 0 {
				axes |= 1 << a
			}
		}
	}
	move(w, func(at []int64) []int64 {
		for a := range at[2:] {
			if axes>>a&1 == 1 {
				at[2+a] = w.Dims[2+a] - 1 - at[2+a]
			}
		}
		return at
	})
	return f.of(w, "filters flipped along %d axes", bits.OnesCount(uint(axes)))
}

func (f *file) transposeFilter() (Fault, bool) {
	square := func(w *onnxpb.TensorProto) (a, b int, ok bool) {
		for _, p := range [][2]int{{2, 3}, {3, 4}, {0, 1}} {
			if p[1] < len(w.Dims) && w.Dims[p[0]] == w.Dims[p[1]] && w.Dims[p[0]] > 1 {
				return p[0], p[1], true
			}
		}
		return 0, 0, false
	}
	_, w, ok := f.filters(func(_ *onnxpb.NodeProto, w *onnxpb.TensorProto) bool { _, _, ok := square(w); return ok })
	if !ok {
		return Fault{}, false
	}
	a, b, _ := square(w)
	move(w, func(at []int64) []int64 { at[a], at[b] = at[b], at[a]; return at })
	return f.of(w, "axes %d and %d of the filters exchanged", a, b)
}

func (f *file) exchangeChannels() (Fault, bool) {
	_, w, ok := f.filters(func(_ *onnxpb.NodeProto, w *onnxpb.TensorProto) bool { return w.Dims[0] > 1 || w.Dims[1] > 1 })
	if !ok {
		return Fault{}, false
	}
	axis := f.below(2)
	if w.Dims[axis] < 2 {
		axis = 1 - axis
	}
	i := int64(f.below(int(w.Dims[axis])))
	j := (i + 1 + int64(f.below(int(w.Dims[axis]-1)))) % w.Dims[axis]
	move(w, func(at []int64) []int64 {
		switch at[axis] {
		case i:
			at[axis] = j
		case j:
			at[axis] = i
		}
		return at
	})
	return f.of(w, "%d and %d of axis %d of the filters exchanged", i, j, axis)
}

// turnGroups takes the filters of each group from the next, or those of all groups in turn.
func (f *file) turnGroups() (Fault, bool) {
	group := func(n *onnxpb.NodeProto) int64 {
		if a := attribute(n, "group"); a != nil {
			return a.I
		}
		return 1
	}
	n, w, ok := f.filters(func(n *onnxpb.NodeProto, _ *onnxpb.TensorProto) bool { return group(n) > 1 })
	if !ok {
		return Fault{}, false
	}
	g := group(n)
	each := w.Dims[0] / g
	if each > 1 && f.below(2) == 0 {
		move(w, func(at []int64) []int64 { at[0] = at[0]%g*each + at[0]/g; return at })
		return f.of(w, "filters of %d groups in turn", g)
	}
	move(w, func(at []int64) []int64 { at[0] = (at[0] + each) % w.Dims[0]; return at })
	return f.of(w, "filters of the next of %d groups", g)
}

func (f *file) changeGroups() (Fault, bool) {
	nodes := f.typed("Conv", "ConvTranspose")
	if len(nodes) == 0 {
		return Fault{}, false
	}
	n := one(f, nodes)
	a := attribute(n, "group")
	if a == nil {
		a = &onnxpb.AttributeProto{Name: "group", Type: onnxpb.AttributeProto_INT, I: 1}
		n.Attribute = append(n.Attribute, a)
	}
	was := a.I
	for a.I == was {
		a.I = int64(1 + f.below(4))
	}
	return in(n, "%d groups, were %d", a.I, was)
}

// channelsLast lets a product behind a Flatten read an image whose channels come last.
func (f *file) channelsLast() (Fault, bool) {
	shape := func(name string) (channels, places int64) {
		for _, v := range slices.Concat(f.g.ValueInfo, f.g.Input, f.g.Output) {
			if d := v.GetType().GetTensorType().GetShape().GetDim(); v.Name == name && len(d) > 2 {
				places = 1
				for _, x := range d[2:] {
					places *= x.GetDimValue()
				}
				return d[1].GetDimValue(), places
			}
		}
		return 0, 0
	}
	for _, flat := range f.typed("Flatten", "Reshape") {
		c, p := shape(flat.Input[0])
		if c < 2 || p < 2 {
			continue
		}
		for _, n := range f.typed("MatMul", "Gemm") {
			w := f.initializer(n.Input[1])
			if n.Input[0] != flat.Output[0] || w == nil || len(w.Dims) != 2 || w.Dims[0] != c*p {
				continue
			}
			move(w, func(at []int64) []int64 { at[0] = at[0]%c*p + at[0]/c; return at })
			return in(n, "reads %d channels behind %d places", c, p)
		}
	}
	return Fault{}, false
}
