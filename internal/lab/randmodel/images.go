package randmodel

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// Images returns the model of a seed with layers of images: an autoencoder with a mirror,
// one whose decoder is its own, or a classifier. Batch says whether it has statistics of
// the batch, which one in three has.
func Images(seed uint64) *Model {
	key := random.New(seed).DeriveString("randmodel images")
	m := &maker{key: key}
	m.batch = m.one(3)
	r := &Model{key: key, classes: 2 + m.below(4), shares: map[string]bool{}, Batch: m.batch}
	dims := m.image()
	x := r.input("x", dims...)
	var loss *spec.Loss
	switch m.below(3) {
	case 0:
		loss = m.mirrored(r, x)
	case 1:
		loss = m.redrawn(r, x)
	default:
		loss = m.classified(r, x)
	}
	r.Model = spec.NewModel(fmt.Sprintf("image%d", seed), loss)
	return r
}

// image is the lengths of an image: channels, then one to three axes, mostly two.
func (m *maker) image() []int {
	axes := []int{2, 2, 2, 2, 1, 1, 3}[m.below(7)]
	dims := []int{m.channels()}
	for range axes {
		dims = append(dims, 3+m.below([]int{0, 14, 6, 3}[axes]))
	}
	return dims
}

// channels is mostly few, at times at the edges of vectors.
func (m *maker) channels() int {
	if m.one(5) {
		return []int{8, 15, 16, 17}[m.below(4)]
	}
	return 1 + m.below(6)
}

// rowOf is the shape of a row of x.
func rowOf(x *spec.Value) []int {
	if err := x.Err(); err != nil {
		panic(err)
	}
	var dims []int
	for _, d := range x.Type().Shape[1:] {
		dims = append(dims, d.Length())
	}
	return dims
}

// elements is how many elements a row has.
func elements(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// divisors returns the numbers that divide all of n.
func divisors(n ...int) []int {
	var out []int
	for d := 1; d <= slices.Min(n); d++ {
		if !slices.ContainsFunc(n, func(k int) bool { return k%d != 0 }) {
			out = append(out, d)
		}
	}
	return out
}

// each draws a number for each axis, from 1 to the greatest; or one for all of them.
func (m *maker) each(axes int, most func(axis int) int) []int {
	out := make([]int, axes)
	for a := range out {
		out[a] = 1 + m.below(max(most(a), 1))
	}
	return out
}

// conv is a convolution that fits an image, of any geometry.
func (m *maker) conv(dims []int) spec.Layer {
	axes := len(dims) - 1
	dilation := m.each(axes, func(int) int { return 1 + m.below(2) })
	pads := make([]int, 2*axes)
	same := m.one(3)
	if !same && m.one(2) {
		for i := range pads {
			pads[i] = m.below(3)
		}
	}
	kernel := m.each(axes, func(a int) int {
		room := dims[1+a] + pads[a] + pads[axes+a]
		return min(4, (room-1)/dilation[a]+1)
	})
	strides := m.each(axes, func(int) int { return 1 + m.below(3) })
	if m.one(4) {
		l := spec.DepthwiseConv(1+m.below(2), kernel...).Stride(strides...).Dilation(dilation...).Init(spec.He())
		if m.one(3) {
			l = l.NoBias()
		}
		if same {
			return l.Same()
		}
		return l.Pad(pads...)
	}
	groups := 1
	if m.one(3) {
		list := divisors(dims[0])
		groups = list[m.below(len(list))]
	}
	l := spec.Conv(groups*(1+m.below(max(1, 8/groups))), kernel...).Stride(strides...).Dilation(dilation...).Groups(groups)
	if m.one(3) {
		l = l.NoBias()
	}
	if same {
		return l.Same()
	}
	return l.Pad(pads...)
}

// grown is a transposed convolution that fits an image, or nil where it would be too large.
func (m *maker) grown(dims []int) spec.Layer {
	axes := len(dims) - 1
	strides := m.each(axes, func(int) int { return 3 })
	dilation := m.each(axes, func(int) int { return 1 + m.below(2) })
	kernel := m.each(axes, func(int) int { return 4 })
	extra := m.each(axes, func(a int) int { return strides[a] })
	list := divisors(dims[0])
	groups := list[m.below(len(list))]
	channels := groups * (1 + m.below(max(1, 4/groups)))
	size := channels
	for a := range axes {
		extra[a]--
		size *= (dims[1+a]-1)*strides[a] + dilation[a]*(kernel[a]-1) + 1 + extra[a]
	}
	if size > most {
		return nil
	}
	l := spec.ConvTranspose(channels, kernel...).Stride(strides...).Dilation(dilation...).Groups(groups)
	if m.one(3) {
		l = l.NoBias()
	}
	if m.one(3) {
		return l.Same()
	}
	l = l.OutputPad(extra...)
	if m.one(2) {
		return l
	}
	pads := make([]int, 2*axes)
	for i := range pads {
		a := i % axes
		if (dims[1+a]-1)*strides[a]+dilation[a]*(kernel[a]-1) >= 4 {
			pads[i] = m.below(3)
		}
	}
	return l.Pad(pads...)
}

// most is how many elements a row of images has at most: the reference is slow.
const most = 700

// pool is a pool that fits an image, of any geometry.
func (m *maker) pool(dims []int) spec.Layer {
	axes := len(dims) - 1
	kernel := m.each(axes, func(a int) int { return min(3, dims[1+a]) })
	strides := m.each(axes, func(int) int { return 3 })
	pads := make([]int, 2*axes)
	for i := range pads {
		pads[i] = m.below(kernel[i%axes])
	}
	l := spec.MaxPool(kernel...).Stride(strides...)
	if m.one(2) {
		if l = spec.AveragePool(kernel...).Stride(strides...); m.one(2) {
			l = l.CountPads()
		}
	}
	switch m.below(3) {
	case 0:
		return l.Same()
	case 1:
		return l.Pad(pads...)
	}
	return l
}

// stage passes an image through one layer, or a few that belong together.
func (m *maker) stage(x *spec.Value, name string) *spec.Value {
	dims := rowOf(x)
	axes := len(dims) - 1
	named := func(l spec.Layer) spec.Layer { return spec.Sequential(name, l) }
	switch m.below(13) {
	case 0, 1:
		return x.Then(named(m.pool(dims)))
	case 2:
		if l := m.grown(dims); l != nil {
			return x.Then(named(l))
		}
	case 3:
		factors := m.each(axes, func(int) int { return 2 })
		if elements(dims)*elements(factors) <= most {
			u := spec.Upsample(factors...)
			if m.one(2) {
				u = u.Linear()
			}
			return x.Then(named(u))
		}
	case 4: // filters that keep the image, and what they make added to it
		inner := spec.Conv(dims[0], 1+m.below(3)).Same()
		return x.Then(spec.Residual(name, inner, m.activation()))
	case 5: // He's block with a projection
		c, stride := m.channels(), 1+m.below(2)
		if elements(dims)/dims[0]*c > most {
			break
		}
		a, b, p := spec.Conv(c, 3).Same().Stride(stride).NoBias(), spec.Conv(c, 3).Same(), spec.Conv(c, 1).Stride(stride).Same().Named("project")
		act, norm := m.activation(), spec.Layer(nil)
		if m.batch {
			norm = spec.BatchNorm().Axis(0).Epsilon(0.5)
		}
		return x.Then(spec.Func(name, func(x *spec.Value) *spec.Value {
			y := x.Then(a)
			if norm != nil {
				y = y.Then(norm)
			}
			return spec.Add(y.Then(act, b), x.Then(p))
		}))
	case 6: // branches side by side
		wide, flat := spec.Conv(1+m.below(4), 3).Same(), spec.Conv(1+m.below(4), 1)
		pooled := spec.MaxPool(3).Same().Stride(1)
		return x.Then(spec.Func(name, func(x *spec.Value) *spec.Value { return spec.Concat(0, x.Then(wide), x.Then(pooled), x.Then(flat)) }))
	case 7: // back through the same filters
		d := m.conv(dims)
		return x.Then(spec.Sequential(name, d, m.activation(), spec.Tied(d).Named("back")))
	case 8: // the same filters twice
		d := spec.Conv(dims[0], 3).Same()
		return x.Then(spec.Sequential(name, d, m.activation(), spec.Shared(d)))
	case 9:
		switch m.below(4) {
		case 0:
			return x.Then(spec.Dropout(0.25).ByChannel())
		case 1:
			return x.Then(spec.InstanceNorm().Epsilon(0.05))
		case 2:
			return x.Then(spec.GroupNorm(1).Epsilon(0.05))
		}
		return x.Then(spec.Dropout(0.25))
	}
	l := []spec.Layer{m.conv(dims)}
	if m.batch {
		l = append(l, spec.BatchNorm().Axis(0).Epsilon(0.5))
	}
	return x.Then(spec.Sequential(name, append(l, m.activation())...))
}

// stages passes an image through a few.
func (m *maker) stages(x *spec.Value, name string, n int) *spec.Value {
	for i := range n {
		x = m.stage(x, fmt.Sprintf("%s%d", name, i+1))
	}
	return x
}

// mirrored is an autoencoder whose decoder is the mirror image of the encoder, mostly with
// the same filters.
func (m *maker) mirrored(r *Model, x *spec.Value) *spec.Loss {
	var l []spec.Layer
	dims, weights := rowOf(x), false
	for i := range 1 + m.below(3) {
		at := m.i // the same layer again, to be asked for its shape
		shape := rowOf(spec.Input("x", dims...).Then(m.mirrorable(dims)))
		if elements(shape) > most {
			continue
		}
		end := m.i
		m.i = at
		part := m.mirrorable(dims)
		if _, pool := part.(*spec.PoolLayer); !pool {
			weights = true
		}
		l = append(l, part)
		if m.i = end; i == 0 || m.one(2) {
			l = append(l, m.activation())
		}
		dims = shape
	}
	if !weights || m.one(2) {
		l = append(l, spec.Flatten(), spec.Dense(2+m.below(5)), m.activation())
	}
	enc := spec.Sequential("encoder", l...)
	mirror := spec.Layer(spec.Mirror("decoder", enc))
	if !m.one(3) {
		mirror = spec.Mirror("decoder", enc).Tied()
	}
	code := x.Then(enc).Named("code")
	y := code.Then(mirror).Named("reconstruction")
	r.Outputs = append(r.Outputs, code, y)
	return m.regression(y, x)
}

// mirrorable is a layer that has a mirror image.
func (m *maker) mirrorable(dims []int) spec.Layer {
	if m.one(4) {
		kernel := make([]int, len(dims)-1)
		for a := range kernel {
			list := divisors(dims[1+a])
			kernel[a] = list[m.below(min(3, len(list)))]
		}
		if m.one(2) {
			return spec.AveragePool(kernel...)
		}
		return spec.MaxPool(kernel...)
	}
	return m.conv(dims)
}

// redrawn makes an image of another: stages down and up, then transposed filters.
func (m *maker) redrawn(r *Model, x *spec.Value) *spec.Loss {
	z := x.Then(spec.Sequential("first", m.conv(rowOf(x)), m.activation()))
	z = m.stages(z, "down", 1+m.below(3)).Named("code")
	y := m.stages(z, "up", 1+m.below(2))
	if l := m.grown(rowOf(y)); l != nil {
		y = y.Then(spec.Sequential("last", l))
	}
	y = y.Named("image")
	r.Outputs = append(r.Outputs, z, y)
	return m.regression(y, r.input("target", rowOf(y)...))
}

// classified tells classes of images apart.
func (m *maker) classified(r *Model, x *spec.Value) *spec.Loss {
	z := m.stages(x, "stage", 1+m.below(4))
	switch m.below(4) {
	case 0:
		z = z.Then(spec.GlobalMaxPool())
	case 1:
		z = z.Then(spec.GlobalAveragePool())
	default:
		z = z.Then(spec.Flatten())
	}
	z = z.Named("features")
	logits := z.Then(spec.Dense(r.classes).Named("head"))
	r.Columns = append(r.Columns, dataset.Column{Name: "label", DType: dataset.I64})
	r.Outputs = append(r.Outputs, z, logits.Then(spec.Softmax(-1)).Named("probabilities"))
	return spec.CrossEntropy(logits, spec.Labels("label", r.classes))
}
