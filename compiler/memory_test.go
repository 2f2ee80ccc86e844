package compiler

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestPlaceOfOperand checks that a result which is read behind a barrier takes the
// place of an operand that only its own task reads, and of no other.
func TestPlaceOfOperand(t *testing.T) {
	for name, shared := range map[string]bool{"read by the step alone": false, "read behind the barrier too": true} {
		b := ir.NewBuilder("g")
		h := b.Op(ops.Tanh{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3))))
		y := b.Op(ops.Relu{}, h)
		h.Name, y.Name = "h", "y"
		sum := ops.ReduceSum{Axes: ir.MakeAxes(0)}
		s := b.Op(sum, y)
		s.Name = "s"
		b.Output(s)
		if shared {
			b.Output(b.Op(sum, h))
		}
		z := b.Op(ops.Neg{}, y) // in the task of the rows, while the sum still needs y
		z.Name = "z"
		b.Output(z)
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		p, err := CompileGraph(b.Graph, Options{Rows: 8})
		if err != nil {
			t.Fatal(err)
		}
		if over := offset(p, "y") == offset(p, "h"); over == shared || offset(p, "z") == offset(p, "y") {
			t.Errorf("%s: h at %d, y at %d, z at %d", name, offset(p, "h"), offset(p, "y"), offset(p, "z"))
		}
	}
}
