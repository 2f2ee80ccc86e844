package plan

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// sizes computes the bytes of every buffer at capacity and at lengths below it.
func (c *checker) sizes() error {
	p := c.p
	if p.Capacity.Rows() < 1 {
		return fmt.Errorf("capacity is %d rows", p.Capacity.Rows())
	}
	var dims []ir.Dim
	seen := map[ir.Dim]bool{}
	for i := range p.Buffers {
		for _, d := range p.Buffers[i].Type.Shape {
			if !d.Valid() {
				return fmt.Errorf("buffer %s has an axis of length %v", p.Buffers[i].Name, d)
			}
			if d.Symbolic() && !seen[d] {
				seen[d] = true
				dims = append(dims, d)
			}
		}
	}
	if err := ir.CheckBinding(p.Capacity, dims...); err != nil {
		return fmt.Errorf("capacity %v: %w", p.Capacity, err)
	}
	for _, b := range below(p.Capacity) {
		if ir.CheckBinding(b, dims...) == nil {
			c.at = append(c.at, b)
		}
	}
	c.bytes, c.size = make([][]int, len(p.Buffers)), make([]ir.Dim, len(p.Buffers))
	for i := range p.Buffers {
		b := &p.Buffers[i]
		n, ok := b.Type.Shape.Elems()
		if ok {
			c.size[i], ok = ir.Mul(n, ir.Fixed(b.Type.DType.Size()))
		}
		if !ok {
			return fmt.Errorf("buffer %s %v has too many symbolic lengths", b.Name, b.Type)
		}
		c.bytes[i] = make([]int, len(c.at))
		for k, at := range c.at {
			elems, ok := n.TryAt(at)
			if !ok || elems > maxBytes {
				return fmt.Errorf("buffer %s %v is too large with %v", b.Name, b.Type, at)
			}
			c.bytes[i][k] = elems * b.Type.DType.Size()
		}
	}
	return nil
}

// maxBytes bounds a buffer, so that offsets do not overflow.
const maxBytes = 1 << 56

// below returns the capacity and bindings below it: each length alone, and all of
// them, at the least, the second, the middle and the last but one. Two products of
// lengths that are equal at all of these are equal at every binding.
func below(capacity ir.Binding) []ir.Binding {
	names := append([]string{ir.Batch}, capacity.Free()...)
	out := []ir.Binding{capacity}
	seen := map[ir.Binding]bool{capacity: true}
	add := func(b ir.Binding) {
		if !seen[b] {
			seen[b] = true
			out = append(out, b)
		}
	}
	for _, level := range []func(n int) int{
		func(int) int { return 1 },
		func(n int) int { return min(n, 2) },
		func(n int) int { return (n + 1) / 2 },
		func(n int) int { return max(n-1, 1) },
	} {
		all := capacity
		for _, name := range names {
			n, _ := capacity.Of(name)
			all = all.With(name, level(n))
			add(capacity.With(name, level(n)))
		}
		add(all)
	}
	return out
}

// samePitch reports whether two buffers have the same bytes for a unit of a length
// they share, whatever the lengths are: as functions of the binding.
func (c *checker) samePitch(a, b int) bool {
	if c.size[a] != c.size[b] {
		return false
	}
	for k := range c.at {
		if c.bytes[a][k] != c.bytes[b][k] {
			return false
		}
	}
	return true
}
