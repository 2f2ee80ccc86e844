// Package randmodel declares random models for tests: a seed decides inputs,
// branches, shared and tied layers, joins and losses.
package randmodel

import (
	"fmt"

	"github.com/lamina-ml/lamina/internal/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// Model is a random declaration with data that fit it.
type Model struct {
	*spec.Model
	Outputs []*spec.Value // named values to ship
	Columns []dataset.Column
	classes int
	key     random.Key
}

// maker draws one choice after another.
type maker struct {
	key random.Key
	i   uint64
	n   int
}

func (m *maker) below(n int) int {
	m.i++
	return int(m.key.Uint64N(m.i, uint64(n)))
}

// New returns the model of a seed.
func New(seed uint64) *Model {
	key := random.New(seed).DeriveString("randmodel")
	m := &maker{key: key}
	r := &Model{key: key, classes: 2 + m.below(4)}
	width := 2 + m.below(7)
	x := r.input("x", width)
	code := 2 + m.below(4)
	enc := spec.Sequential("encoder", m.stack(1+m.below(2), code)...)
	z := x.Then(enc)

	var losses []*spec.Loss
	if m.below(2) == 0 { // a second input through the same or another encoder
		var w *spec.Value
		if m.below(2) == 0 {
			w = r.input("x2", width).Then(enc)
		} else {
			w = r.input("x2", 3+m.below(4)).Then(spec.Sequential("side", m.stack(1, code)...))
		}
		switch m.below(4) {
		case 0:
			z = spec.Add(z, w)
		case 1:
			z = spec.Sub(z, w)
		case 2:
			z = spec.Mul(z, w)
		default:
			z = spec.Concat(0, z, w).Then(spec.Dense(code).Named("merge"))
		}
	}
	if m.below(3) == 0 {
		z = z.Then(spec.Residual("res", spec.Dense(code), spec.Tanh()))
	}
	if m.below(4) == 0 {
		z = z.Then(spec.L2Normalize())
	}
	z = z.Named("code")
	r.Outputs = append(r.Outputs, z)
	if m.below(2) == 0 {
		y := z.Then(spec.Mirror("decoder", enc).Tied()).Named("reconstruction")
		losses = append(losses, m.regression(y, x))
		r.Outputs = append(r.Outputs, y)
	} else {
		y := z.Then(spec.Sequential("decoder", append(m.stack(1, 3), spec.Dense(width))...)).Named("reconstruction")
		losses = append(losses, m.regression(y, x))
	}
	if m.below(2) == 0 {
		r.Columns = append(r.Columns, dataset.Column{Name: "label", DType: dataset.I64})
		logits := z.Then(spec.Dense(r.classes).Named("head"))
		losses = append(losses, spec.CrossEntropy(logits, spec.Labels("label", r.classes)).Weight(0.5))
		r.Outputs = append(r.Outputs, logits.Then(spec.Softmax(-1)).Named("probabilities"))
	}
	r.Model = spec.NewModel(fmt.Sprintf("random%d", seed), losses...)
	return r
}

func (r *Model) input(name string, width int) *spec.Value {
	r.Columns = append(r.Columns, dataset.Column{Name: name, DType: dataset.F32, Shape: []int{width}})
	return spec.Input(name, width)
}

func (m *maker) stack(layers, out int) []spec.Layer {
	var l []spec.Layer
	for range layers {
		l = append(l, spec.Dense(2+m.below(9)), m.activation())
		switch m.below(6) {
		case 0:
			l = append(l, spec.Dropout(0.25))
		case 1:
			l = append(l, spec.Layers(spec.Flatten()))
		}
	}
	return append(l, spec.Dense(out), m.activation())
}

func (m *maker) activation() spec.Layer {
	switch m.below(10) {
	case 0:
		return spec.LeakyReLU()
	case 1:
		return spec.ELU()
	case 2:
		return spec.SELU()
	case 3:
		return spec.GELU()
	case 4:
		return spec.Sigmoid()
	case 5:
		return spec.Tanh()
	case 6:
		return spec.Softplus()
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
				row.I64(c.Name, int64(r.key.Uint64N(i, uint64(r.classes))))
				continue
			}
			x := row.F32Slice(c.Name)
			for j := range x {
				i++
				x[j] = float32(r.key.Normal(i))
			}
		}
	}, r.Columns...)
}
