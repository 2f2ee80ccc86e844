package compiler

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// holdParts sums the gradients of an update made in parts, by the engine and by the
// reference meaning, and holds both to those of the update in one go.
func holdParts(t *testing.T, g *ir.Graph, rows, part int) {
	t.Helper()
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: rows, StoreGrads: true, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Gradient(g, lossName)
	if err != nil {
		t.Fatal(err)
	}
	env := ir.Env{Rows: rows, UpdateRows: rows, Seed: 9, Update: 1}
	fed, wide := narrowed(feed(g, &env, 1))
	want := results(t, d, &env, wide)
	e, s := engineOf(t, tw.train, fed, 2)
	sums := map[string][]float64{}
	for from := 0; from < rows; from += part {
		in := engine.Feed{}
		ref := map[string]*ir.Tensor{}
		for name, x := range wide {
			ref[name] = x
		}
		for _, v := range g.Inputs {
			c := fed[v.Name].Len() / rows
			shape := v.Type.Shape.Bind(part)
			in[v.Name] = &ir.Tensor{DType: ir.F32, Shape: shape, F32: fed[v.Name].F32[from*c : (from+part)*c]}
			ref[v.Name] = in[v.Name]
		}
		u := &engine.Update{Seed: env.Seed, Step: env.Update, UpdateRows: rows, FirstRow: from, Accumulate: from > 0}
		if err := e.Run(in, part, u); err != nil {
			t.Fatal(err)
		}
		some := ir.Env{Rows: part, UpdateRows: rows, FirstRow: from, Seed: env.Seed, Update: env.Update}
		for name, x := range results(t, d, &some, ref) {
			if sums[name] == nil {
				sums[name] = make([]float64, x.Len())
			}
			for i, y := range x.F64 {
				sums[name][i] += y
			}
		}
	}
	for _, name := range s.Names() {
		for i, w := range want[gradPrefix+name].F64 {
			if got := sums[gradPrefix+name][i]; math.Abs(got-w) > 1e-12*(1+math.Abs(w)) {
				t.Errorf("reference: %s[%d] is %v in parts, %v in one go", name, i, got, w)
				break
			}
			if got := s.Grad(name)[i]; !close32(got, w, 1) {
				t.Errorf("engine: %s[%d] is %v in parts, %v in one go", name, i, got, w)
				break
			}
		}
	}
}

// TestDrawsInParts: what is drawn for a weight is the same for every part of an
// update, what is drawn for rows goes on from one part to the next, also where a
// row has several places on the first axis.
func TestDrawsInParts(t *testing.T) {
	b := ir.NewBuilder("draws")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(4), ir.Fixed(3)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(5)))
	flat := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{{N: 4, Sym: ir.Batch}, ir.Fixed(3)})}, x)
	h := b.Op(ops.MatMul{}, b.Op(ops.Dropout{Rate: 0.5, Stream: 1}, flat), b.Op(ops.Dropout{Rate: 0.5, Stream: 2}, w))
	h = b.Op(ops.Dropout{Rate: 0.25, Stream: 3}, b.Op(ops.Tanh{}, b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(20)})}, h)))
	loss := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, h)
	loss.Name = lossName
	b.Output(loss)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	holdParts(t, b.Graph, 16, 8)
	holdParts(t, b.Graph, 16, 4)
}
