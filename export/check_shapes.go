package onnxexport

import (
	"errors"
	"fmt"
)

func (k *call) transpose() (vtype, error) {
	if err := k.operands(1, 1); err != nil {
		return vtype{}, err
	}
	d := k.in[0].dims
	p := k.attrs["perm"]
	if p == nil || len(p.Ints) != len(d) {
		return vtype{}, fmt.Errorf("perm must list the %d axes", len(d))
	}
	out := make([]length, len(d))
	seen := map[int64]bool{}
	for i, a := range p.Ints {
		if a < 0 || a >= int64(len(d)) || seen[a] {
			return vtype{}, fmt.Errorf("perm %v is not a permutation", p.Ints)
		}
		seen[a] = true
		out[i] = d[a]
	}
	return vtype{k.in[0].elem, out}, nil
}

// product multiplies lengths; at most one symbol may occur.
func product(d []length) (length, error) {
	p := length{n: 1}
	for _, x := range d {
		if x.n > 0 && p.n > MaxBytes/x.n {
			return p, errors.New("a shape is out of range")
		}
		p.n *= x.n
		if x.sym != "" && p.sym != "" {
			return p, errors.New("two lengths of a product are symbols")
		}
		p.sym += x.sym
	}
	return p, nil
}

func (k *call) reshape() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	to, ok := k.c.ints[k.n.Input[1]]
	if !ok {
		return vtype{}, errors.New("the shape is not an initializer")
	}
	from := k.in[0].dims
	out := make([]length, len(to))
	open := -1
	for i, d := range to {
		switch {
		case d > 0:
			out[i] = length{n: d}
		case d == 0 && i < len(from):
			out[i] = from[i]
		case d == -1 && open < 0:
			open, out[i] = i, length{n: 1}
		default:
			return vtype{}, fmt.Errorf("shape %v does not fit %s", to, k.in[0])
		}
	}
	p, err := product(from)
	if err != nil {
		return vtype{}, err
	}
	q, err := product(out)
	if err != nil {
		return vtype{}, err
	}
	if open >= 0 {
		if q.n == 0 || p.n%q.n != 0 || q.sym != "" && q.sym != p.sym {
			return vtype{}, fmt.Errorf("shape %v does not divide %s", to, k.in[0])
		}
		out[open] = length{n: p.n / q.n}
		if q.sym == "" {
			out[open].sym = p.sym
		}
		return vtype{k.in[0].elem, out}, nil
	}
	if p != q {
		return vtype{}, fmt.Errorf("%s has another number of elements than shape %v", k.in[0], to)
	}
	return vtype{k.in[0].elem, out}, nil
}

func (k *call) flatten() (vtype, error) {
	if err := k.operands(1, 1); err != nil {
		return vtype{}, err
	}
	d, a := k.in[0].dims, k.int("axis", 1)
	if a < 0 {
		a += int64(len(d))
	}
	if a < 0 || a > int64(len(d)) {
		return vtype{}, fmt.Errorf("axis %d of %s", a, k.in[0])
	}
	p, err := product(d[:a])
	if err != nil {
		return vtype{}, err
	}
	q, err := product(d[a:])
	return vtype{k.in[0].elem, []length{p, q}}, err
}

func (k *call) expand() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	to, ok := k.c.ints[k.n.Input[1]]
	if !ok {
		// The shape is made at run time: only its rank and the operand bind it.
		s := k.in[1].dims
		if len(s) != 1 || s[0].sym != "" || s[0].n != int64(len(k.stated.dims)) {
			return vtype{}, errors.New("the shape has another length than the result's rank")
		}
		d, err := broadcast(k.stated.dims, k.in[0].dims)
		return vtype{k.in[0].elem, d}, err
	}
	want := make([]length, len(to))
	for i, d := range to {
		want[i] = length{n: d}
	}
	d, err := broadcast(k.in[0].dims, want)
	return vtype{k.in[0].elem, d}, err
}

func (k *call) concat() (vtype, error) {
	if err := k.operands(1, maxNodes); err != nil {
		return vtype{}, err
	}
	t := k.in[0]
	a, err := k.axis(k.int("axis", 0), len(t.dims))
	if err != nil {
		return vtype{}, err
	}
	out := append([]length{}, t.dims...)
	for _, u := range k.in[1:] {
		if u.elem != t.elem || len(u.dims) != len(out) {
			return vtype{}, fmt.Errorf("operands are %v", k.in)
		}
		for i := range out {
			switch {
			case i == a && u.dims[i].sym == out[i].sym:
				out[i].n += u.dims[i].n
			case i == a || u.dims[i] != out[i]:
				return vtype{}, fmt.Errorf("operands are %v", k.in)
			}
		}
	}
	return vtype{t.elem, out}, nil
}

func (k *call) slice() (vtype, error) {
	if err := k.operands(4, 4); err != nil {
		return vtype{}, err
	}
	s, e, x := k.c.ints[k.n.Input[1]], k.c.ints[k.n.Input[2]], k.c.ints[k.n.Input[3]]
	if len(s) != 1 || len(e) != 1 || len(x) != 1 {
		return vtype{}, errors.New("starts, ends and axes must be one number each")
	}
	a, err := k.axis(x[0], len(k.in[0].dims))
	if err != nil {
		return vtype{}, err
	}
	out := append([]length{}, k.in[0].dims...)
	if out[a].sym != "" {
		return vtype{}, errors.New("the batch cannot be sliced")
	}
	lo, hi := s[0], e[0]
	if lo < 0 {
		lo += out[a].n
	}
	if hi < 0 {
		hi += out[a].n
	}
	if lo < 0 || hi < lo || hi > out[a].n {
		return vtype{}, fmt.Errorf("[%d, %d) of an axis of length %d", s[0], e[0], out[a].n)
	}
	out[a].n = hi - lo
	return vtype{k.in[0].elem, out}, nil
}

func (k *call) pad() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	p, d := k.c.ints[k.n.Input[1]], k.in[0].dims
	if len(p) != 2*len(d) {
		return vtype{}, fmt.Errorf("%d pads for rank %d", len(p), len(d))
	}
	out := append([]length{}, d...)
	for i := range out {
		n := p[i] + p[len(d)+i]
		if p[i] < 0 || p[len(d)+i] < 0 || n > 0 && out[i].sym != "" {
			return vtype{}, fmt.Errorf("pads %v of %s", p, k.in[0])
		}
		out[i].n += n
	}
	return vtype{k.in[0].elem, out}, nil
}

func drop(d []length, axes map[int]bool, keep bool) []length {
	var out []length
	for i, x := range d {
		switch {
		case !axes[i]:
			out = append(out, x)
		case keep:
			out = append(out, length{n: 1})
		}
	}
	return out
}

func (k *call) reduce() (vtype, error) {
	if err := k.operands(1, 2); err != nil {
		return vtype{}, err
	}
	var axes []int64
	input := k.c.opset >= 18 || k.n.OpType == "ReduceSum"
	switch a := k.attrs["axes"]; {
	case input && len(k.in) == 2 && a == nil:
		axes = k.c.ints[k.n.Input[1]]
	case !input && len(k.in) == 1 && a != nil:
		axes = a.Ints
	default:
		return vtype{}, fmt.Errorf("axes have another form at opset %d", k.c.opset)
	}
	d := k.in[0].dims
	set := map[int]bool{}
	for _, a := range axes {
		i, err := k.axis(a, len(d))
		if err != nil {
			return vtype{}, err
		}
		set[i] = true
	}
	if len(set) == 0 && len(d) > 0 {
		return vtype{}, errors.New("lists no axes")
	}
	return vtype{k.in[0].elem, drop(d, set, k.int("keepdims", 1) != 0)}, nil
}
