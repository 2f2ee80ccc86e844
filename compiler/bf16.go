package compiler

import (
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// BF16 says which products take their operands in bf16.
type BF16 struct {
	// Keep reports whether the products of a layer, and of its gradients, stay in FP32; nil
	// keeps none.
	Keep func(layer string) bool

	least int // in tests, that of lengths below which a product stays in FP32; 0 is the block of its sums
}

// bf16 gives products operands in bf16, and leaves everything else in f32: what is rounded is
// an operand, once for all products that read it, and a parameter's copy is derived from it.
//
// A product stays as it is if it sums fewer than [simd.BF16Block] terms, or has fewer columns,
// or a known number of rows below that: then a layer that is narrow on one side is in f32 with
// both its gradients. Lengths that are not known count at capacity, the batch as an update has
// it, so that nothing depends on how that is divided.
func bf16(g *ir.Graph, s *state) error {
	o := s.opt.BF16
	if o == nil {
		o = &BF16{}
	}
	at := s.opt.capacity(g).WithRows(s.opt.updateRows())
	told := &told{of: map[string]*layerProducts{}}
	narrow := map[*ir.Value]*ir.Value{}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		op, ok := n.Op.(ir.Narrower)
		if !ok || n.Out[0].Type.DType != ir.F32 {
			return nil
		}
		if o.Keep != nil && o.Keep(n.Layer) {
			told.stays(n.Layer, "as asked for")
			return nil
		}
		by := op.Narrowed(ir.TypesOf(n.In))
		if by.Op == nil {
			told.stays(n.Layer, by.Why)
			return nil
		}
		if why := o.tooShort(by, at); why != "" {
			told.stays(n.Layer, why)
			return nil
		}
		in := append([]*ir.Value{}, n.In...)
		for i, v := range in[:2] {
			if narrow[v] == nil {
				b.Layer, b.Pos = n.Layer, n.Pos
				narrow[v] = b.Op(ops.Cast{To: ir.BF16}, v)
			}
			in[i] = narrow[v]
		}
		told.of16(n.Layer)
		return []*ir.Value{b.Op(by.Op, in...)}
	})
	s.notes = append(s.notes, told.lines()...)
	return err
}

// tooShort says why a product is not worth rounding its operands, "" if it is.
func (o *BF16) tooShort(by ir.Narrowing, at ir.Binding) string {
	least := simd.BF16Block
	if o.least > 0 {
		least = o.least
	}
	short := func(d ir.Dim, what string) string {
		if l := d.At(at); l < least {
			return fmt.Sprintf("%s %d, fewer than %d", what, l, least)
		}
		return ""
	}
	if why := short(by.Terms, "the terms of its sums are"); why != "" {
		return why
	}
	if why := short(by.Columns, "its columns are"); why != "" {
		return why
	}
	if by.Rows.Symbolic() {
		return ""
	}
	return short(by.Rows, "its rows are")
}

// told is what the pass has to say, layer by layer in the order of the graph.
type told struct {
	order []string
	of    map[string]*layerProducts
}

type layerProducts struct {
	narrowed, stay int
	why            []string
}

func (t *told) at(layer string) *layerProducts {
	if t.of[layer] == nil {
		t.of[layer] = &layerProducts{}
		t.order = append(t.order, layer)
	}
	return t.of[layer]
}

func (t *told) of16(layer string) { t.at(layer).narrowed++ }

func (t *told) stays(layer, why string) {
	l := t.at(layer)
	l.stay++
	for _, w := range l.why {
		if w == why {
			return
		}
	}
	l.why = append(l.why, why)
}

func (t *told) lines() []string {
	var out []string
	for _, name := range t.order {
		l := t.of[name]
		var parts []string
		if l.narrowed > 0 {
			parts = append(parts, fmt.Sprintf("%d in bf16", l.narrowed))
		}
		if l.stay > 0 {
			parts = append(parts, fmt.Sprintf("%d in FP32 (%s)", l.stay, strings.Join(l.why, "; ")))
		}
		out = append(out, fmt.Sprintf("products of layer %q: %s", name, strings.Join(parts, ", ")))
	}
	return out
}
