package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// KSparseLayer is made by [KSparse].
type KSparseLayer struct {
	Base
	k int
}

// KSparse keeps the k greatest elements of each row, along the last axis, and sets
// the others to 0, in training and in what ships (Makhzani and Frey 2013). Of equal
// elements those with the lowest index are kept. The gradient reaches what is kept.
// Mistakes: k is not positive or above the width of a row.
func KSparse(k int) *KSparseLayer { return &KSparseLayer{newBase("KSparse"), k} }

// Named gives the layer a name.
func (l *KSparseLayer) Named(name string) *KSparseLayer { return Named(l, name) }

func (l *KSparseLayer) args() string {
	if l.k <= 0 {
		return fmt.Sprintf("k must be positive, got %d", l.k)
	}
	return ""
}

// String returns the kind and k.
func (l *KSparseLayer) String() string { return fmt.Sprintf("KSparse(%d)", l.k) }

// Build keeps the elements whose rank is below k: the order of a row is turned into
// ranks by ordering it once more, which ONNX can say too. The border lies between two
// ranks, so that no rounding of a rank comes near it.
func (l *KSparseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	last := x[0].Type.Rank() - 1
	n, known := x[0].Type.Shape[last].Known()
	if !known {
		return b.Errorf("the last axis of x has no length before a run (x is %s)", x[0].Type)
	}
	if l.k > n {
		return b.Errorf("k is %d but a row is only %d wide (x is %s)", l.k, n, x[0].Type)
	}
	order := b.Op(ops.TopK{K: n, Axis: last, Largest: true}, x[0])
	rank := b.Op(ops.Cast{To: ir.F32}, b.Op(ops.TopK{K: n, Axis: last}, order))
	kept := b.Op(ops.Less{}, rank, b.Const(float64(l.k)-0.5))
	return b.Op(ops.Where{}, kept, x[0], b.Const(0))
}

// Image says that a mirror does without.
func (l *KSparseLayer) Image(ir.Type, bool) Image { return PassedOver() }
