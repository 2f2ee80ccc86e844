// Package randmodel declares random models for tests: a seed decides inputs,
// branches, shared and tied layers, joins, losses, weights of rows and absent labels.
package randmodel

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// Model is a random declaration with data that fit it.
type Model struct {
	*spec.Model
	Outputs []*spec.Value // named values to ship
	Columns []dataset.Column
	Batch   bool // a layer has statistics of the batch
	classes int
	shares  map[string]bool // columns in [0, 1]
	none    bool            // some rows have no label
	key     random.Key
}

// maker draws one choice after another.
type maker struct {
	key   random.Key
	i     uint64
	batch bool // with statistics of the batch
}

func (m *maker) below(n int) int {
	m.i++
	return int(m.key.Uint64N(m.i, uint64(n)))
}

// one is true once in n.
func (m *maker) one(n int) bool { return m.below(n) == 0 }

// width is mostly small, at times at the edges of vectors and tiles.
func (m *maker) width() int {
	if m.one(4) {
		return []int{15, 16, 17, 31, 33, 48}[m.below(6)]
	}
	return 2 + m.below(8)
}

// New returns the model of a seed. One in four has an input with a free length, one in
// three formulas.
func New(seed uint64) *Model {
	f := &maker{key: random.New(seed).DeriveString("randmodel formulas")}
	m := &maker{key: random.New(seed).DeriveString("randmodel sequences")}
	if !m.one(4) {
		m = nil
	}
	return declared(seed, m, f)
}

// Plain returns the model of a seed without a free length or a formula.
func Plain(seed uint64) *Model { return declared(seed, nil, nil) }

// Batched returns the model of a seed with a layer of statistics of the batch, which
// takes two rows or more and no accumulation.
func Batched(seed uint64) *Model { return made(seed, nil, nil, true) }

// declared makes a model, with sequences unless s is nil and formulas unless f is nil.
func declared(seed uint64, s, f *maker) *Model { return made(seed, s, f, false) }

func made(seed uint64, s, f *maker, batch bool) *Model {
	key := random.New(seed).DeriveString("randmodel")
	m := &maker{key: key, batch: batch}
	r := &Model{key: key, classes: 2 + m.below(4), shares: map[string]bool{}, Batch: batch}

	dims := []int{m.width()}
	if m.one(4) {
		dims = []int{2 + m.below(3), 2 + m.below(5)}
	}
	code := 2 + m.below(4)
	if m.one(6) {
		code = 16 + m.below(2)
	}
	x := r.input("x", dims...)
	enc := spec.Sequential("encoder", m.encoder(dims, code)...)
	z := x.Then(enc)
	if m.one(2) { // a second input through the same or another encoder
		var w *spec.Value
		if m.one(2) {
			w = r.input("x2", dims...).Then(enc)
		} else {
			w = r.input("x2", m.width()).Then(spec.Sequential("side", m.stack(1, code)...))
		}
		z = m.join(z, w, code)
	}
	var steps *spec.Value
	var of *spec.Loss
	if s != nil {
		var pooled *spec.Value
		steps, pooled, of = s.sequences(r, code)
		z = spec.Add(z, pooled)
	}
	z = m.middle(z, code)
	formulas := f != nil && f.one(3)
	if formulas {
		z = f.formulas(z, code)
	}
	z = z.Named("code")
	r.Outputs = append(r.Outputs, z)

	y := z.Then(m.decoder(enc, dims)).Named("reconstruction")
	losses := []*spec.Loss{m.regression(y, x)}
	w := &maker{key: random.New(seed).DeriveString("randmodel weights")}
	if w.one(3) {
		r.shares["weight"] = true
		losses[0] = losses[0].WeightedBy(r.input("weight"))
	}
	r.Outputs = append(r.Outputs, y)
	if s != nil {
		losses = append(losses, of.Weight(0.25))
		r.Outputs = append(r.Outputs, steps)
	}
	if m.one(2) {
		r.Columns = append(r.Columns, dataset.Column{Name: "label", DType: dataset.I64})
		logits := z.Then(spec.Dense(r.classes).Named("head"))
		labels := spec.Labels("label", r.classes)
		if r.none = w.one(2); r.none {
			labels = labels.Optional()
		}
		losses = append(losses, spec.CrossEntropy(logits, labels).Weight(0.5))
		if formulas && !r.none {
			losses = append(losses, brier(logits, labels, r.classes).Weight(0.25))
		}
		r.Outputs = append(r.Outputs, logits.Then(spec.Softmax(-1)).Named("probabilities"))
	}
	if m.one(4) {
		r.shares["share"] = true
		n := m.width()
		logits := z.Then(spec.Dense(n).Named("gate"))
		losses = append(losses, spec.BinaryCrossEntropy(logits, r.input("share", n)).Weight(1.5))
		r.Outputs = append(r.Outputs, logits.Then(spec.Sigmoid()).Named("shares"))
	}
	if formulas && f.one(2) {
		losses = append(losses, size(z).Weight(0.1))
	}
	r.Model = spec.NewModel(fmt.Sprintf("random%d", seed), losses...)
	return r
}

func (r *Model) input(name string, dims ...int) *spec.Value {
	r.Columns = append(r.Columns, dataset.Column{Name: name, DType: dataset.F32, Shape: dims})
	return spec.Input(name, dims...)
}

// encoder is a stack that has a mirror image.
func (m *maker) encoder(dims []int, code int) []spec.Layer {
	var l []spec.Layer
	if len(dims) > 1 {
		if m.one(2) { // the rows of a matrix through one layer
			l = append(l, spec.Dense(m.width()), m.activation())
		}
		switch m.below(8) { // its rows as channels
		case 0:
			l = append(l, spec.GroupNorm(1).Epsilon(0.05))
		case 1:
			l = append(l, spec.InstanceNorm().Epsilon(0.05))
		case 2:
			l = append(l, spec.Dropout(0.25).ByChannel())
		case 3:
			l = append(l, spec.LayerNorm().Axis(0).Epsilon(0.05))
		}
		l = append(l, spec.Flatten())
	}
	return append(l, m.stack(1+m.below(2), code)...)
}

func (m *maker) decoder(enc spec.Layer, dims []int) spec.Layer {
	mirror := spec.Mirror("decoder", enc)
	switch m.below(5) {
	case 0, 1:
		return mirror.Tied()
	case 2:
		return mirror
	}
	n := 1
	for _, d := range dims {
		n *= d
	}
	l := append(m.stack(1, 3), m.dense(n))
	if len(dims) > 1 {
		l = append(l, spec.Reshape(dims...))
	}
	return spec.Sequential("decoder", l...)
}

// join makes f32[N code] of two.
func (m *maker) join(z, w *spec.Value, code int) *spec.Value {
	switch m.below(6) {
	case 0:
		return spec.Add(z, w)
	case 1:
		return spec.Sub(z, w)
	case 2:
		return spec.Mul(z, w)
	case 3: // one number a row, broadcast
		return spec.Mul(z, w.Then(spec.Dense(1).Named("scale"), spec.Sigmoid()))
	case 4: // how each feature of one goes with each of the other
		p := spec.MatMul(z.Then(spec.Reshape(code, 1)), w.Then(spec.Reshape(1, code)))
		if m.one(2) {
			p = p.Then(spec.Softmax(-1))
			return spec.MatMul(p, z.Then(spec.Reshape(code, 1))).Then(spec.Reshape(code))
		}
		return p.Then(spec.Flatten(), spec.Dense(code).Named("merge"))
	}
	return spec.Concat(0, z, w, z).Then(spec.Dense(code).Named("merge"))
}

// middle passes the code through layers that keep its width.
func (m *maker) middle(z *spec.Value, code int) *spec.Value {
	if m.one(3) {
		z = z.Then(spec.Residual("res", spec.Dense(code), m.activation()))
	}
	if m.one(4) {
		z = z.Then(spec.Repeat("block", 1+m.below(3), func(int) spec.Layer {
			return spec.Layers(spec.Dense(code), spec.Tanh())
		}))
	}
	if m.one(4) { // the same weights twice in one chain
		d := spec.Dense(code).Named("again")
		z = z.Then(d, m.activation(), spec.Shared(d))
	}
	if m.one(4) { // back and forth through one tensor
		d := spec.Dense(m.width()).Named("out")
		z = z.Then(d, m.activation(), spec.Tied(d).Named("back"))
	}
	if m.one(5) {
		d := spec.Dense(code).Named("valve")
		z = z.Then(spec.Func("gated", func(x *spec.Value) *spec.Value {
			return spec.Mul(x, x.Then(d, spec.Sigmoid()))
		}))
	}
	if m.batch { // its rows are few, so a variance near 0 would make rounding decide everything
		z = z.Then(spec.Dense(code).NoBias().Named("wide"), spec.BatchNorm().Epsilon(0.5), m.activation())
	}
	if m.one(4) {
		// Near a vector of zeros unit length has gradients of 1e12, and training
		// leaves weights with which rounding decides everything.
		z = z.Then(spec.Softplus(), spec.L2Normalize())
	}
	return z
}

func (m *maker) stack(layers, out int) []spec.Layer {
	var l []spec.Layer
	for range layers {
		l = append(l, m.dense(m.width()))
		if m.one(4) {
			l = append(l, m.norm())
		}
		l = append(l, m.activation())
		switch m.below(6) {
		case 0:
			l = append(l, spec.Dropout(0.25))
		case 1:
			l = append(l, spec.Layers(spec.Flatten()))
		}
	}
	return append(l, m.dense(out), m.activation())
}

func (m *maker) dense(units int) spec.Layer {
	d := spec.Dense(units)
	switch m.below(8) {
	case 0:
		return d.NoBias()
	case 1:
		return d.Init(spec.He()).BiasInit(spec.Constant(0.1))
	case 2:
		return d.Init(spec.LeCun())
	case 3:
		return d.Init(spec.Orthogonal())
	}
	return d
}

// norm is a normalisation of rows. Few elements that are nearly equal have steep
// gradients with the usual epsilon, and rounding would decide everything.
func (m *maker) norm() spec.Layer {
	switch m.below(4) {
	case 0:
		return spec.RMSNorm().Epsilon(0.05)
	case 1:
		return spec.LayerNorm().Epsilon(0.05).NoBias()
	case 2:
		return spec.GroupNorm(1).Epsilon(0.05)
	}
	return spec.LayerNorm().Epsilon(0.05)
}

func (m *maker) activation() spec.Layer {
	switch m.below(14) {
	case 0:
		return spec.LeakyReLU()
	case 1:
		return spec.LeakyReLU().Alpha(0.3)
	case 2:
		return spec.ELU()
	case 3:
		return spec.ELU().Alpha(0.5)
	case 4:
		return spec.SELU()
	case 5:
		return spec.GELU()
	case 6:
		return spec.Sigmoid()
	case 7:
		return spec.Tanh()
	case 8:
		return spec.Softplus()
	case 9:
		return spec.SiLU()
	case 10:
		return spec.HardSwish()
	}
	return spec.ReLU()
}

func (m *maker) regression(y, x *spec.Value) *spec.Loss {
	switch m.below(4) {
	case 0:
		return spec.MAE(y, x)
	case 1:
		return spec.Huber(y, x, 0.7)
	}
	return spec.MSE(y, x)
}

// Rows returns n random rows for the model.
func (r *Model) Rows(n int) *dataset.Table {
	i := uint64(0)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		for _, c := range r.Columns {
			if c.DType == dataset.I64 {
				i++
				label := int64(r.key.Uint64N(i, uint64(r.classes)))
				if r.none && r.key.Derive(1).Uint64N(i, 4) == 0 {
					label = -1
				}
				row.I64(c.Name, label)
				continue
			}
			x := row.F32Slice(c.Name)
			for j := range x {
				i++
				if x[j] = float32(r.key.Normal(i)); r.shares[c.Name] {
					x[j] = float32(r.key.Uint64N(i, 5)) / 4
				}
			}
		}
	}, r.Columns...)
}
