package onnxexport

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
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

// product multiplies lengths.
func product(d []length) (length, error) {
	p, ok := ir.Product(d...)
	if n, known := p.Known(); !ok || known && n > MaxBytes {
		return p, errors.New("a shape is out of range")
	}
	return p, nil
}

// computed returns what the file states of a result whose shape or bounds are computed
// by nodes: what is known of them is the rank, and the rule that fits is asked.
func (k *call) computed(operand, count int, fits func(stated []length) bool) (vtype, error) {
	s := k.in[operand].dims
	if len(s) != 1 || s[0] != fixed(int64(count)) {
		return vtype{}, fmt.Errorf("operand %d has another length than %d", operand, count)
	}
	if !fits(k.stated.dims) {
		return vtype{}, fmt.Errorf("the result %s cannot be of %s", k.stated, k.in[0])
	}
	return vtype{k.in[0].elem, k.stated.dims}, nil
}

func (k *call) reshape() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	to, ok := k.c.ints[k.n.Input[1]]
	from := k.in[0].dims
	if !ok {
		return k.computed(1, len(k.stated.dims), func(stated []length) bool {
			p, err1 := product(from)
			q, err2 := product(stated)
			return err1 == nil && err2 == nil && p == q
		})
	}
	out := make([]length, len(to))
	open := -1
	for i, d := range to {
		switch {
		case d > 0:
			out[i] = fixed(d)
		case d == 0 && i < len(from):
			out[i] = from[i]
		case d == -1 && open < 0:
			open, out[i] = i, fixed(1)
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
		rest, ok := ir.Div(p, q)
		if !ok {
			return vtype{}, fmt.Errorf("shape %v does not divide %s", to, k.in[0])
		}
		out[open] = rest
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
		return k.computed(1, len(k.stated.dims), func(stated []length) bool {
			d, err := broadcast(stated, k.in[0].dims)
			return err == nil && slices.Equal(d, stated)
		})
	}
	want := make([]length, len(to))
	for i, d := range to {
		want[i] = fixed(d)
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
			ok := u.dims[i] == out[i]
			if i == a {
				out[i], ok = ir.Sum(out[i], u.dims[i])
			}
			if !ok {
				return vtype{}, fmt.Errorf("operands are %v", k.in)
			}
		}
	}
	return vtype{t.elem, out}, nil
}

// flip checks a Slice that reverses whole axes.
func (k *call) flip() (vtype, error) {
	starts, ends, axes, steps := k.c.ints[k.n.Input[1]], k.c.ints[k.n.Input[2]], k.c.ints[k.n.Input[3]], k.c.ints[k.n.Input[4]]
	if len(axes) == 0 || len(starts) != len(axes) || len(ends) != len(axes) || len(steps) != len(axes) {
		return vtype{}, errors.New("starts, ends, axes and steps must be as many")
	}
	for i, x := range axes {
		if _, err := k.axis(x, len(k.in[0].dims)); err != nil {
			return vtype{}, err
		}
		if i > 0 && x <= axes[i-1] || starts[i] != -1 || ends[i] != math.MinInt64 || steps[i] != -1 {
			return vtype{}, errors.New("with steps it must go from the last index of ascending axes to before the first one")
		}
	}
	return k.in[0], nil
}

func (k *call) slice() (vtype, error) {
	if err := k.operands(4, 5); err != nil {
		return vtype{}, err
	}
	if len(k.n.Input) == 5 {
		return k.flip()
	}
	x := k.c.ints[k.n.Input[3]]
	if len(x) != 1 {
		return vtype{}, errors.New("axes must be one number")
	}
	a, err := k.axis(x[0], len(k.in[0].dims))
	if err != nil {
		return vtype{}, err
	}
	s, ok1 := k.c.ints[k.n.Input[1]]
	e, ok2 := k.c.ints[k.n.Input[2]]
	if !ok1 || !ok2 {
		for i := range 2 { // bounds that are computed are one number too
			if d := k.in[1+i].dims; len(d) != 1 || d[0] != fixed(1) {
				return vtype{}, errors.New("starts and ends must be one number each")
			}
		}
		return k.computed(3, 1, func(stated []length) bool { return onlyAxis(stated, k.in[0].dims, a) })
	}
	if len(s) != 1 || len(e) != 1 {
		return vtype{}, errors.New("starts and ends must be one number each")
	}
	out := append([]length{}, k.in[0].dims...)
	whole, lo, hi := out[a], s[0], e[0]
	n, known := whole.Known()
	if lo < 0 {
		lo += int64(n)
	}
	if hi < 0 {
		hi += int64(n)
	}
	switch {
	case !known && (s[0] < 0 || hi < lo):
		return vtype{}, errors.New("bounds below 0 of a length that is open")
	case !known && hi == math.MaxInt64:
		var ok bool
		if out[a], ok = ir.Sub(whole, fixed(lo)); !ok {
			return vtype{}, fmt.Errorf("[%d, end) of an axis of length %v", lo, whole)
		}
		return vtype{k.in[0].elem, out}, nil
	}
	if _, ok := ir.Sub(whole, fixed(hi)); lo < 0 || hi < lo || !ok {
		return vtype{}, fmt.Errorf("[%d, %d) of an axis of length %v", s[0], e[0], whole)
	}
	out[a] = fixed(hi - lo)
	return vtype{k.in[0].elem, out}, nil
}

// onlyAxis reports whether two lists of lengths are the same but for an axis.
func onlyAxis(a, b []length, axis int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if i != axis && a[i] != b[i] {
			return false
		}
	}
	return true
}

func (k *call) pad() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	d := k.in[0].dims
	p, ok := k.c.ints[k.n.Input[1]]
	if !ok {
		return k.computed(1, 2*len(d), func(stated []length) bool { return len(stated) == len(d) })
	}
	if len(p) != 2*len(d) {
		return vtype{}, fmt.Errorf("%d pads for rank %d", len(p), len(d))
	}
	out := append([]length{}, d...)
	for i := range out {
		n := p[i] + p[len(d)+i]
		ok := p[i] >= 0 && p[len(d)+i] >= 0
		if ok && n > 0 {
			out[i], ok = ir.Sum(out[i], fixed(n))
		}
		if !ok {
			return vtype{}, fmt.Errorf("pads %v of %s", p, k.in[0])
		}
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
			out = append(out, fixed(1))
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
