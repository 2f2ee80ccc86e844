package engine_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestTopK holds the sort and the inversion to the reference meaning: ties, both
// zeros, infinities, NaN, and integers that are no permutation.
func TestTopK(t *testing.T) {
	const rows, n = 9, 37
	key := random.New(8)
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1, -1}
	x := make([]float32, rows*n)
	y := make([]int64, rows*n)
	for i := range x {
		x[i] = float32(key.Normal(uint64(i)))
		if k := key.Uint64N(uint64(i), 3*uint64(len(special))); k < uint64(len(special)) {
			x[i] = special[k]
		}
		y[i] = int64(key.Derive(1).Uint64N(uint64(i), n)) - 2 // some are below 0, some come twice
	}
	for i, v := range random.New(9).Perm(n) { // the first row is a permutation
		y[i] = int64(v)
	}
	b := ir.NewBuilder("g")
	in, ints := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(n))), b.Input("y", ir.T(ir.I64, ir.Rows(), ir.Fixed(n)))
	outs := map[string]*ir.Value{
		"most":  b.Op(ops.TopK{K: 5, Axis: 1, Largest: true}, in),
		"least": b.Op(ops.TopK{K: n, Axis: 1}, in),
		"order": b.Op(ops.TopK{K: n, Axis: 1}, ints),
	}
	for _, name := range []string{"most", "least", "order"} {
		outs[name].Name = name
		b.Graph.Outputs = append(b.Graph.Outputs, outs[name])
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	feed := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{rows, n}, F32: x}, "y": {DType: ir.I64, Shape: []int{rows, n}, I64: y}}
	want, err := ir.Evaluate(b.Graph, &ir.Env{Binding: ir.RowsOf(rows)}, map[string]*ir.Tensor{"x": feed["x"].To(ir.F64), "y": feed["y"]})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(p, engine.NewStore(p.Segments, nil), engine.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for id, s := range p.Steps {
		if s.Op != nil && e.Kernel(id) == "reference" {
			t.Errorf("%s is run by its reference meaning", s.Op.Name())
		}
	}
	run := func() {
		if err := e.Run(engine.Feed(feed), rows, nil); err != nil {
			t.Fatal(err)
		}
	}
	run()
	for name, v := range outs {
		if got := e.Output(name).I64; !slices.Equal(got, want[v].I64) {
			t.Errorf("%s: got\n%v\nwant\n%v", name, got, want[v].I64)
		}
	}
	for i := range y {
		y[i] = int64(i % n) // all are permutations: nothing is sorted with a function
	}
	if a := testing.AllocsPerRun(10, run); a != 0 {
		t.Errorf("a run allocates %v times", a)
	}
}

// TestKSparse holds the selection to the reference meaning: rows in any order, ties,
// both zeros, infinities, NaN, and rows that choose their pivots badly.
func TestKSparse(t *testing.T) {
	const n = 301
	key := random.New(8)
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1, -1}
	shapes := []func(i int) float32{
		func(i int) float32 { return float32(key.Normal(uint64(i))) },
		func(i int) float32 { return special[key.Uint64N(uint64(i), uint64(len(special)))] },
		func(i int) float32 { return float32(i) },
		func(i int) float32 { return float32(-i) },
		func(int) float32 { return 2 },
		func(i int) float32 { return float32(min(i, n-i)) },
		func(i int) float32 { return float32(i % 3) },
		func(i int) float32 { return float32(i ^ i>>1) },
		killer(n),
	}
	rows := len(shapes)
	x, v := make([]float32, rows*n), make([]float32, rows*n)
	for i := range x {
		x[i], v[i] = shapes[i/n](i%n), float32(i+1)
	}
	b := ir.NewBuilder("g")
	typ := ir.T(ir.F32, ir.Rows(), ir.Fixed(n))
	in, other := b.Input("x", typ), b.Input("v", typ)
	for _, k := range []int{1, 2, 17, 150, n - 1, n} {
		b.Graph.Outputs = append(b.Graph.Outputs, b.Op(ops.KSparse{K: k}, in, in), b.Op(ops.KSparse{K: k}, in, other))
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	feed := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{rows, n}, F32: x}, "v": {DType: ir.F32, Shape: []int{rows, n}, F32: v}}
	want, err := ir.Evaluate(b.Graph, &ir.Env{Binding: ir.RowsOf(rows)}, map[string]*ir.Tensor{"x": feed["x"].To(ir.F64), "v": feed["v"].To(ir.F64)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 3} {
		e, err := engine.New(p, engine.NewStore(p.Segments, nil), engine.Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		for id, s := range p.Steps {
			if s.Op != nil && e.Kernel(id) == "reference" {
				t.Errorf("%s is run by its reference meaning", s.Op.Name())
			}
		}
		run := func() {
			if err := e.Run(engine.Feed(feed), rows, nil); err != nil {
				t.Fatal(err)
			}
		}
		run()
		for _, o := range b.Graph.Outputs {
			got := e.Output(o.Name)
			for i, w := range want[o].F64 {
				if g := got.F32[i]; float64(g) != w && !(g != g && w != w) {
					t.Fatalf("%s of row %d, element %d: %v, want %v", ir.FormatOp(o.Def.Op), i/n, i%n, g, w)
				}
			}
		}
		if a := testing.AllocsPerRun(10, run); a != 0 {
			t.Errorf("a run allocates %v times", a)
		}
		e.Close()
	}
}

// killer makes a row in which the median of first, middle and last is always extreme.
func killer(n int) func(i int) float32 {
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(i)
	}
	for i := n - 1; i > 1; i-- { // undo what halving would do
		row[i/2], row[i-1] = row[i-1], row[i/2]
	}
	return func(i int) float32 { return row[i] }
}
