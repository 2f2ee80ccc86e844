package onnxexport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// part is a number in a list that an op of ONNX takes as an operand: a length, or what
// the op understands in its place.
type part struct {
	of   ir.Dim
	code code
}

type code uint8

const (
	given    code = iota
	copied        // 0 to Reshape: the length at that place of the operand
	inferred      // -1 to Reshape: what the others leave
	toEnd         // to Slice
)

// number returns what is written for a part if that is known.
func (p part) number() (int64, bool) {
	switch p.code {
	case copied:
		return 0, true
	case inferred:
		return -1, true
	case toEnd:
		return math.MaxInt64, true
	}
	n, ok := p.of.Known()
	return int64(n), ok
}

// parts writes a list of numbers: a constant named by its role if all are known, else a
// Concat of constants and lengths that are computed.
func (w *writer) parts(n *ir.Node, role string, list []part) (string, error) {
	numbers := make([]int64, len(list))
	known := true
	for i, p := range list {
		var ok bool
		numbers[i], ok = p.number()
		known = known && ok
	}
	if known {
		return w.ints(role, numbers...), nil
	}
	names := make([]string, len(list))
	for i, p := range list {
		if _, ok := p.number(); ok {
			continue // below: a constant is named by the node that follows
		}
		var err error
		if names[i], err = w.length(n, p.of); err != nil {
			return "", err
		}
	}
	if len(list) == 1 {
		return names[0], nil
	}
	for i, p := range list {
		if x, ok := p.number(); ok {
			names[i] = w.ints("length", x)
		}
	}
	return w.add(n, "Concat", ir.T(ir.I64, ir.Fixed(len(list))), []*onnxpb.AttributeProto{attrInt("axis", 0)}, names...), nil
}

// length writes a length as int64[1]: a symbol is read from the shape of an input, what
// follows from it is computed. Each is written once.
func (w *writer) length(n *ir.Node, d ir.Dim) (string, error) {
	if x, ok := d.Known(); ok {
		return w.ints("length", int64(x)), nil
	}
	if s, ok := w.lengths[d]; ok {
		return s, nil
	}
	s, err := w.computed(n, d)
	if err == nil {
		w.lengths[d] = s
	}
	return s, err
}

func (w *writer) computed(n *ir.Node, d ir.Dim) (string, error) {
	one := ir.T(ir.I64, ir.Fixed(1))
	apply := func(op, a string, b ir.Dim) (string, error) {
		x, err := w.length(n, b)
		if err != nil {
			return "", err
		}
		return w.add(n, op, one, nil, a, x), nil
	}
	for _, v := range w.p.graph.Inputs {
		for axis, have := range w.shape(v.Type.Shape) {
			if have == d {
				shape := w.add(n, "Shape", ir.T(ir.I64, ir.Fixed(v.Type.Rank())), nil, w.ref[v])
				return w.add(n, "Gather", one, []*onnxpb.AttributeProto{attrInt("axis", 0)}, shape, w.ints("index", int64(axis))), nil
			}
		}
	}
	unit, times := d.Unit()
	if times != ir.Fixed(1) {
		s, err := w.length(n, unit)
		if err != nil {
			return "", err
		}
		return apply("Mul", s, times)
	}
	if def, ok := d.Definition(); ok {
		s, err := w.length(n, def.Terms[0])
		for _, t := range def.Terms[1:] {
			if err == nil {
				s, err = apply("Add", s, t)
			}
		}
		if err == nil && def.Add != 0 {
			s, err = apply("Add", s, ir.Fixed(def.Add))
		}
		if err == nil && def.Div != 1 {
			s, err = apply("Div", s, ir.Fixed(def.Div))
		}
		return s, err
	}
	for _, v := range w.p.graph.Inputs { // 4*N gives N, and (T+1) gives T
		for _, have := range w.shape(v.Type.Shape) {
			of, add := have, 0
			if def, ok := have.Definition(); ok && def.Div == 1 && len(def.Terms) == 1 {
				of, add = def.Terms[0], def.Add
			}
			k, ok := ir.Div(of, d)
			if !ok || k.Symbolic() {
				continue
			}
			s, err := w.length(n, have)
			if err == nil && add != 0 {
				s, err = apply("Sub", s, ir.Fixed(add))
			}
			if err == nil && k != ir.Fixed(1) {
				s, err = apply("Div", s, k)
			}
			return s, err
		}
	}
	return "", nodeError(n, "the length %v is needed when the file runs, but no input of the file has an axis that gives it", d)
}

// dim returns a length with the batch frozen, if it is.
func (w *writer) dim(d ir.Dim) ir.Dim {
	if w.o.Batch == 0 {
		return d
	}
	f, ok := d.Fix(ir.Batch, w.o.Batch)
	if !ok {
		return d // above the range of int: no file can have it
	}
	return f
}

func (w *writer) shape(s ir.Shape) ir.Shape {
	out := make(ir.Shape, len(s))
	for i, d := range s {
		out[i] = w.dim(d)
	}
	return out
}
