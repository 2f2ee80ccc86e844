package engine_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestTurnedAfterPlain sums three products of which the first is too shallow to be
// made turned and the others are not: the second begins in the first's memory.
func TestTurnedAfterPlain(t *testing.T) {
	const text = `g (f32[16 110] u, f32[16 70] v, f32[N 110] x, f32[N 70] d, f32[N 110] x2, f32[N 70] d2) => (out) {
	f32[110 16] uT = Transpose<perm = [1 0]>(u)
	f32[110 N] xT = Transpose<perm = [1 0]>(x)
	f32[110 N] x2T = Transpose<perm = [1 0]>(x2)
	f32[110 70] a = MatMul(uT, v)
	f32[110 70] b = MatMul(xT, d)
	f32[110 70] c = MatMul(x2T, d2)
	f32[110 70] s = Add(a, b)
	f32[110 70] out = Add(s, c)
}`
	g, err := ir.Parse(text, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 150
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Feed{}
	for _, v := range g.Inputs {
		x := ir.NewTensor(ir.F32, v.Type.Shape.At(ir.RowsOf(rows))...)
		fill(v.Name, x.F32, 1)
		in[v.Name] = x
	}
	fast, err := engine.New(p, engine.NewStore(p.Segments, nil), engine.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	slow, err := engine.NewReference(p, engine.NewStore(p.Segments, nil), engine.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	for _, e := range []*engine.Engine{fast, slow} {
		if err := e.Run(in, rows, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, b := fast.Output("out").F32, slow.Output("out").F32
	for i := range a {
		if d := math.Abs(float64(a[i] - b[i])); d > 1e-3 {
			t.Fatalf("element %d is %v, by reference %v", i, a[i], b[i])
		}
	}
}
