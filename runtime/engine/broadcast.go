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
	unit  int
	table []int32 // of scatter: offset in the unit's part for each element
}

// at returns where unit u of the operand begins.
func (r *reader) at(u int) int { return u * r.unit }

// maxTable bounds the elements of a unit for which a table is made.
const maxTable = 1 << 22

// reader returns how operand i meets the result, by numpy's rules.
func (b *binding) reader(i int) (*reader, bool) {
	out, in := b.outT[0].Shape, b.inT[i].Shape
	w, ok := width(b.outT[0])
	if !ok || w > maxTable || len(in) > len(out) {
		return nil, false
	}
	r := &reader{v: b.in[i]}
	inner := in
	if len(in) == len(out) && len(out) > 0 {
		inner = in[1:]
		if in[0] == out[0] {
			r.unit = inner.Elems(1)
		} else if in[0] != ir.Fixed(1) {
			return nil, false
		}
	}
	if inner.Symbolic() {
		return nil, false
	}
	n := inner.Elems(1)
	switch {
	case n == w && r.unit > 0:
		r.how = same
	case n == 1 && r.unit > 0:
		r.how = column
	case n == 1:
		r.how = scalar
	case n == w:
		r.how = row
	default:
		r.how = scatter
		if r.table, ok = scatterTable(inner, out, w); !ok {
			return nil, false
		}
	}
	return r, true
}

// scatterTable returns for each element of a unit of shape out[1:] the offset of
// the operand's element, whose unit has shape in.
func scatterTable(in, out ir.Shape, w int) ([]int32, bool) {
	if len(out) == 0 {
		return nil, false
	}
	to := out[1:]
	lead := len(to) - len(in)
	if lead < 0 {
		return nil, false
	}
	stride := make([]int, len(to))
	step := 1
	for i := len(in) - 1; i >= 0; i-- {
		if in[i] != ir.Fixed(1) {
			if in[i] != to[lead+i] {
				return nil, false
			}
			stride[lead+i] = step
		}
		step *= in[i].N
	}
	table := make([]int32, w)
	for j := range table {
		rest, off := j, 0
		for i := len(to) - 1; i >= 0; i-- {
			off += rest % to[i].N * stride[i]
			rest /= to[i].N
		}
		table[j] = int32(off)
	}
	return table, true
}

// load copies the elements that meet unit u into dst.
func (r *reader) load(dst []float32, u int) {
	src := r.v.f32[r.at(u):]
	switch r.how {
	case same, row:
		copy(dst, src)
	case scatter:
		for j, i := range r.table {
			dst[j] = src[i]
		}
	default:
		x := src[0]
		for j := range dst {
			dst[j] = x
		}
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
