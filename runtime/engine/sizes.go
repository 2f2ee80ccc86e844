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
		panic(fmt.Sprintf("engine: the elements of %v are no length", shape))
	}
	return s.dim(n)
}

// set computes the sizes for the lengths of a run.
func (s *sizes) set(at ir.Binding) {
	s.at = at
	for _, o := range s.open {
		*o.n = o.of.At(at)
	}
}

// bindLengths checks the lengths of a run and computes what follows from them.
func (e *Engine) bindLengths(at ir.Binding) error {
	if at == e.sizes.at && at.Rows() > 0 {
		return nil
	}
	most := e.p.Capacity
	if rows := at.Rows(); rows < 1 || rows > most.Rows() {
		return fmt.Errorf("engine: %d rows, plan %q takes 1 to %d", rows, e.p.Name, most.Rows())
	}
	for _, name := range most.Free() {
		n, ok := at.Of(name)
		if !ok {
			return fmt.Errorf("engine: plan %q needs the length %s", e.p.Name, name)
		}
		if m, _ := most.Of(name); n < 1 || n > m {
			return fmt.Errorf("engine: length %s is %d, plan %q takes 1 to %d", name, n, e.p.Name, m)
		}
	}
	for _, name := range at.Free() {
		if _, ok := most.Of(name); !ok {
			return fmt.Errorf("engine: plan %q has no length %s", e.p.Name, name)
		}
	}
	if err := ir.CheckBinding(at, e.dims...); err != nil {
		return fmt.Errorf("engine: plan %q: %w", e.p.Name, err)
	}
	e.sizes.set(at)
	return nil
}
