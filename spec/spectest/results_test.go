package spectest_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/twoway"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestSeveralResults puts ops of several results through what every layer must do.
func TestSeveralResults(t *testing.T) {
	for name, op := range map[string]ir.Op{"split": twoway.Halves{Axis: 1}, "decomposed": twoway.Slices{Axis: 1}} {
		both := func(b *spec.Builder, x *ir.Value) *ir.Value {
			r := b.Ops(op, x)
			return b.Op(ops.Mul{}, b.Op(ops.MatMul{}, r[0], b.Param("w", spec.Glorot(), 3, 4)), b.Op(ops.MatMul{}, b.Op(ops.Sigmoid{}, r[1]), b.Param("v", spec.Glorot(), 3, 4)))
		}
		second := func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Tanh{}, b.Ops(op, x)[1]) }
		t.Run(name, func(t *testing.T) { spectest.Layer(t, func() spec.Layer { return of(both) }, 6) })
		t.Run(name+" second only", func(t *testing.T) { spectest.Layer(t, func() spec.Layer { return of(second) }, 6) })
		t.Run(name+" as result", func(t *testing.T) {
			spectest.Layer(t, func() spec.Layer {
				return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Ops(op, b.Op(ops.Exp{}, x))[1] })
			}, 6)
		})
	}
}
