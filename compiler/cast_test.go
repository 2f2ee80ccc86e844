package compiler

import (
	"context"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestCastTable runs a Cast of every element type to every other through the
// engine, and holds it against the table exactly. Casts to f32 and from it to the shorter
// floats have kernels.
func TestCastTable(t *testing.T) {
	table, err := opcase.Conversions("../testdata/cast/cast.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range table {
		b := ir.NewBuilder("cast")
		y := b.Op(ops.Cast{To: c.To.DType}, b.Input("x", ir.T(c.From.DType, ir.Rows())))
		y.Name = "y"
		b.Output(y)
		p, err := CompileGraph(b.Graph, Options{Rows: 16})
		if err != nil {
			t.Fatal(err)
		}
		net, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": c.From})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Differs(out["y"]); d != "" {
			t.Error(d)
		}
		fast := c.To.DType == ir.F32 || c.From.DType == ir.F32 && (c.To.DType == ir.F16 || c.To.DType == ir.BF16)
		if slow := len(net.Slow().Ops) > 0; slow == fast {
			t.Errorf("%v to %v is made by its reference meaning: %v", c.From.DType, c.To.DType, slow)
		}
	}
}
