package engine

import "github.com/lamina-ml/lamina/compiler/ir"

// pattern says how an operand's elements meet the elements of one unit of the
// result.
type pattern uint8

const (
	same    pattern = iota // element j of the unit
	row                    // element j, the same for every unit
	scalar                 // one element for everything
	column                 // one element for each unit
	scatter                // by a table
)

// reader finds an operand's elements: those of unit u begin at u*unit.
type reader struct {
	v     *view
	how   pattern
	unit  *int    // nil if all units meet the same elements
	table []int32 // of scatter: offset in the unit's part for each element
	axes  []axis  // of scatter, if there is no table
}

// axis is one axis of a unit of the result: its length and the elements that an
// operand has between neighbours, nil if it is repeated along the axis.
type axis struct{ n, step *int }

// at returns where unit u of the operand begins.
func (r *reader) at(u int) int {
	if r.unit == nil {
		return 0
	}
	return u * *r.unit
}

// maxTable bounds the elements of a unit for which a table is made.
const maxTable = 1 << 22

// reader returns how operand i meets the result, by numpy's rules.
func (b *binding) reader(i int) (*reader, bool) {
	out, in := b.outT[0].Shape, b.inT[i].Shape
	if len(in) > len(out) {
		return nil, false
	}
	r := &reader{v: b.in[i]}
	to, from := inner(b.outT[0]), in
	if len(in) == len(out) && len(out) > 0 {
		from = in[1:]
		if in[0] == out[0] {
			r.unit = b.e.sizes.elems(from)
		} else if in[0] != ir.Fixed(1) {
			return nil, false
		}
	}
	n, _ := from.Elems()
	w, _ := to.Elems()
	switch {
	case n == w && r.unit != nil:
		r.how = same
	case n == ir.Fixed(1) && r.unit != nil:
		r.how = column
	case n == ir.Fixed(1):
		r.how = scalar
	case n == w:
		r.how = row
	default:
		r.how = scatter
		return r, b.scatter(r, from, to)
	}
	return r, true
}

// scatter finds the elements of an operand whose unit has shape from in a unit of
// shape to.
func (b *binding) scatter(r *reader, from, to ir.Shape) bool {
	lead := len(to) - len(from)
	if lead < 0 {
		return false
	}
	for i, d := range to {
		a := axis{n: b.e.sizes.dim(d)}
		if k := i - lead; k >= 0 && from[k] != ir.Fixed(1) {
			if from[k] != d {
				return false
			}
			a.step = b.e.sizes.elems(from[k+1:])
		}
		r.axes = append(r.axes, a)
	}
	r.tabulate(to)
	return true
}

// tabulate makes the table of a unit whose shape is known.
func (r *reader) tabulate(shape ir.Shape) {
	if lengths, ok := shape.Fixed(); ok && ir.Elems(lengths) <= maxTable {
		r.table = make([]int32, ir.Elems(lengths))
		r.each(len(r.table), func(at, count, from, step int) {
			for j := range count {
				r.table[at+j] = int32(from + j*step)
			}
		})
	}
}

// each calls f for each line of the w elements of a unit: count elements from at
// on meet the operand's from, from+step, ….
func (r *reader) each(w int, f func(at, count, from, step int)) {
	last := len(r.axes) - 1
	count, step := *r.axes[last].n, 0
	if s := r.axes[last].step; s != nil {
		step = *s
	}
	var place [ir.MaxRank]int
	off := 0
	for at := 0; at < w; at += count {
		f(at, count, off, step)
		for i := last - 1; i >= 0; i-- {
			s := 0
			if r.axes[i].step != nil {
				s = *r.axes[i].step
			}
			off += s
			if place[i]++; place[i] < *r.axes[i].n {
				break
			}
			off -= place[i] * s
			place[i] = 0
		}
	}
}

// indexed reports whether index knows where the elements of a unit are.
func (r *reader) indexed() bool { return r.how != scatter || r.table != nil }

// index returns the place, in the operand's unit, of the element that meets element j.
func (r *reader) index(j int) int {
	switch r.how {
	case same, row:
		return j
	case scatter:
		return int(r.table[j])
	}
	return 0
}

// load copies the elements that meet unit u into dst.
func (r *reader) load(dst []float32, u int) {
	if len(dst) == 0 {
		return
	}
	src := r.v.f32[r.at(u):]
	switch {
	case r.how == same, r.how == row:
		copy(dst, src)
	case r.how != scatter:
		x := src[0]
		for j := range dst {
			dst[j] = x
		}
	case r.table != nil:
		for j, i := range r.table {
			dst[j] = src[i]
		}
	default:
		r.each(len(dst), func(at, count, from, step int) {
			switch step {
			case 0:
				x := src[from]
				for j := range count {
					dst[at+j] = x
				}
			case 1:
				copy(dst[at:at+count], src[from:])
			default:
				for j := range count {
					dst[at+j] = src[from+j*step]
				}
			}
		})
	}
}

// part returns the elements that meet unit u, in tmp unless they lie in order.
func (r *reader) part(u, w int, tmp []float32) []float32 {
	if r.how == same || r.how == row {
		return r.v.f32[r.at(u):][:w]
	}
	r.load(tmp[:w], u)
	return tmp[:w]
}
