package ir

import (
	"fmt"
	"slices"
	"strings"
)

// MaxFree is the greatest number of named lengths, beside the batch, of a graph.
const MaxFree = 6

// Binding says what every named length is in a run; defined lengths follow from
// them. It is a small value, compared with ==.
type Binding struct {
	rows int
	free [MaxFree]free // in order of their names, unused ones at the end
	all  bool          // every other name is bound to 1
}

type free struct {
	of symbol
	n  int
}

// ones makes every length the least it may be.
var ones = Binding{rows: 1, all: true}

// RowsOf binds the batch to n rows, and nothing else.
func RowsOf(n int) Binding { return Binding{rows: n} }

// Rows returns the length of the batch.
func (b Binding) Rows() int { return b.rows }

// With returns b with the named length bound to n; the name N is the batch. It
// panics above MaxFree names, which no graph that verifies has.
func (b Binding) With(name string, n int) Binding {
	return b.WithDim(Of(name), n)
}

// WithDim is With for a named length that is given as a dim.
func (b Binding) WithDim(d Dim, n int) Binding {
	s := d.of[0]
	if s == batch {
		b.rows = n
		return b
	}
	list := b.list()
	i, found := slices.BinarySearchFunc(list, s, func(f free, s symbol) int { return f.of.compare(s) })
	switch {
	case found:
		b.free[i].n = n
	case len(list) == MaxFree:
		panic(fmt.Sprintf("ir: more than %d named lengths", MaxFree))
	default:
		copy(b.free[i+1:], b.free[i:])
		b.free[i] = free{s, n}
	}
	return b
}

// WithRows returns b with the batch bound to n rows.
func (b Binding) WithRows(n int) Binding {
	b.rows = n
	return b
}

func (b *Binding) list() []free {
	n := 0
	for n < MaxFree && !b.free[n].of.none() {
		n++
	}
	return b.free[:n]
}

// Of returns the length of that name, and whether it is bound. The batch always
// is.
func (b Binding) Of(name string) (n int, ok bool) {
	if name == Batch {
		return b.rows, true
	}
	for _, f := range b.list() {
		if f.of.h.Value().name == name {
			return f.n, true
		}
	}
	return 0, false
}

// Size returns how many names are bound beside the batch.
func (b Binding) Size() int { return len(b.list()) }

// Free returns the names of the lengths that are bound beside the batch, in order.
func (b Binding) Free() []string {
	var names []string
	for _, f := range b.list() {
		names = append(names, f.of.h.Value().name)
	}
	return names
}

// String returns N = 32, T = 12.
func (b Binding) String() string {
	parts := []string{fmt.Sprintf("%s = %d", Batch, b.rows)}
	for _, f := range b.list() {
		parts = append(parts, fmt.Sprintf("%s = %d", f.of.h.Value().name, f.n))
	}
	return strings.Join(parts, ", ")
}

// At returns the length in a run. It panics when a name is not bound; see
// [CheckBinding].
func (d Dim) At(b Binding) int {
	if !d.Symbolic() {
		return d.n
	}
	n, ok := d.TryAt(b)
	if !ok {
		panic(fmt.Sprintf("ir: length %v is too large, or not bound, with %v", d, b))
	}
	return n
}

// TryAt is At; ok is false when a name is not bound or the length is above the
// range of int. A defined length may be negative.
func (d Dim) TryAt(b Binding) (n int, ok bool) {
	n = d.n
	for i := range d.of {
		if d.of[i].none() {
			break
		}
		v, ok := d.of[i].at(&b)
		if !ok {
			return 0, false
		}
		if n, ok = times(n, v); !ok {
			return 0, false
		}
	}
	return n, true
}

func (s symbol) at(b *Binding) (int, bool) {
	if s == batch {
		return b.rows, true
	}
	for i := range b.free {
		if b.free[i].of == s {
			return b.free[i].n, true
		}
	}
	def := s.h.Value().def
	if def.div == 0 {
		return 1, b.all
	}
	sum := def.add
	for _, t := range def.list() {
		n, ok := t.TryAt(*b)
		if !ok || n > 1<<61 || sum > 1<<61 {
			return 0, false
		}
		sum += n
	}
	return floor(sum, def.div), true
}

// Least returns the length where every named one is 1: no binding makes it less.
func (d Dim) Least() int {
	n, _ := d.TryAt(ones)
	return n
}

// CheckBinding returns an error unless b binds every name in dims, to a length of
// at least 1 but for the batch, and leaves no defined length negative.
func CheckBinding(b Binding, dims ...Dim) (err error) {
	for _, d := range dims {
		d.symbols(func(s symbol) {
			name := s.h.Value().name
			n, ok := s.at(&b)
			switch {
			case err != nil:
			case !s.defined():
				if n, ok = b.Of(name); !ok {
					err = fmt.Errorf("length %s is not bound", name)
				} else if n < 1 && (s != batch || n < 0) {
					err = fmt.Errorf("length %s is %d, must be at least 1", name, n)
				}
			case !ok:
				err = fmt.Errorf("length %s is too large with %v", name, b)
			case n < 0:
				err = fmt.Errorf("length %s is %d with %v", name, n, b)
			}
		})
	}
	return err
}

// Defined returns the defined lengths that dims depend on, each once and after
// those it is defined by.
func Defined(dims ...Dim) []Dim {
	var out []Dim
	for _, d := range dims {
		d.symbols(func(s symbol) {
			one := Dim{n: 1, of: [maxFactors]symbol{s}}
			if s.defined() && !slices.Contains(out, one) {
				out = append(out, one)
			}
		})
	}
	return out
}

// Dims returns the dims of all values with a symbolic one, each once.
func (g *Graph) Dims() []Dim {
	var out []Dim
	seen := map[Dim]bool{}
	add := func(v *Value) {
		for _, d := range v.Type.Shape {
			if d.Symbolic() && !seen[d] {
				seen[d] = true
				out = append(out, d)
			}
		}
	}
	for _, list := range [][]*Value{g.Inputs, g.Params} {
		for _, v := range list {
			add(v)
		}
	}
	for _, s := range g.State {
		add(s.In)
	}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			add(v)
		}
	}
	return out
}

// Symbols returns the names of the lengths that a run binds, the batch first if it
// is one of them.
func (g *Graph) Symbols() []string {
	var all []symbol
	for _, d := range g.Dims() {
		d.symbols(func(s symbol) {
			if !s.defined() && !slices.Contains(all, s) {
				all = append(all, s)
			}
		})
	}
	slices.SortFunc(all, symbol.compare)
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.h.Value().name
	}
	return names
}

// Lengths returns the defined lengths in use, each after those it is defined by.
func (g *Graph) Lengths() []Length {
	var out []Length
	for _, d := range Defined(g.Dims()...) {
		l, _ := d.Definition()
		out = append(out, l)
	}
	return out
}
