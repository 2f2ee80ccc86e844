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
// the others to 0, in training and in what ships (Makhzani and Frey 2013). Among equal
// elements those with the lowest index are kept. The gradient goes to the kept elements.
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

// Build keeps the greatest elements.
func (l *KSparseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	if n := x[0].Type.Last(); l.k > n {
		return b.Errorf("k is %d but a row is only %d wide (x is %s)", l.k, n, x[0].Type)
	}
	return b.Op(ops.KSparse{K: l.k}, x[0], x[0])
}

// Image says that a mirror leaves the layer out.
func (l *KSparseLayer) Image(ir.Type, bool) Image { return PassedOver() }
