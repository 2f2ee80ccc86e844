package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// sizes holds the numbers that follow from the lengths of a run: kernels keep
// pointers to them, and they are computed again when a run has other lengths.
type sizes struct {
	at    ir.Binding // the lengths they are computed for
	known map[ir.Dim]*int
	open  []openSize
	turn  int // how often they were computed
}

type openSize struct {
	of ir.Dim
	n  *int
}

// dim returns where a length stands.
func (s *sizes) dim(d ir.Dim) *int {
	if n := s.known[d]; n != nil {
		return n
	}
	if s.known == nil {
		s.known = map[ir.Dim]*int{}
	}
	n := new(int)
	if s.known[d] = n; d.Symbolic() {
		s.open = append(s.open, openSize{d, n})
	} else {
		*n = d.Length()
	}
	return n
}

// elems returns where the number of elements of a shape stands. Plans that verify
// have no shape whose elements are no dim.
func (s *sizes) elems(shape ir.Shape) *int {
	n, ok := shape.Elems()
	if !ok {
		panic(fmt.Sprintf("engine: the elements of %v are not a length", shape))
	}
	return s.dim(n)
}

// set computes the sizes for the lengths of a run.
func (s *sizes) set(at ir.Binding) {
	s.at = at
	s.turn++
	for _, o := range s.open {
		*o.n = o.of.At(at)
	}
}

// bounded is a named length and its capacity.
type bounded struct {
	name   string
	length ir.Dim
	most   int
}

// bindLengths checks the lengths of a run and computes what follows from them.
func (e *Engine) bindLengths(at ir.Binding) error {
	if at == e.sizes.at && at.Rows() > 0 {
		return nil
	}
	if rows, most := at.Rows(), e.p.Capacity.Rows(); rows > most || rows < 1 && (rows < 0 || !e.Joins()) {
		return fmt.Errorf("engine: %d rows, plan %q takes 1 to %d", rows, e.p.Name, most)
	}
	for i := range e.names {
		b := &e.names[i]
		n, ok := b.length.TryAt(at)
		if !ok {
			return fmt.Errorf("engine: plan %q needs the length %s", e.p.Name, b.name)
		}
		if n < 1 || n > b.most {
			return fmt.Errorf("engine: length %s is %d, plan %q takes 1 to %d", b.name, n, e.p.Name, b.most)
		}
	}
	if at.Size() > len(e.names) {
		for _, name := range at.Free() {
			if _, ok := e.p.Capacity.Of(name); !ok {
				return fmt.Errorf("engine: plan %q has no length %s", e.p.Name, name)
			}
		}
	}
	for i := range e.defined {
		if n, ok := e.defined[i].TryAt(at); !ok || n < 0 {
			return fmt.Errorf("engine: plan %q: length %v is %d with %v", e.p.Name, e.defined[i], n, at)
		}
	}
	e.sizes.set(at)
	return nil
}
