package engine_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestRowsOfATable holds both kernels to the reference meaning, with rows of every width
// from 1 to 9 and one that is long, NaN and infinities, indices below 0, one and several
// indices a row, workers, and no allocation.
func TestRowsOfATable(t *testing.T) {
	const rows, vocabulary, steps = 37, 11, 3
	key := random.New(4)
	for _, width := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 300} {
		b := ir.NewBuilder("g")
		table := b.Param("table", ir.T(ir.F32, ir.Fixed(vocabulary), ir.Fixed(width)))
		one, many := b.Input("one", ir.T(ir.I64, ir.Rows())), b.Input("many", ir.T(ir.I64, ir.Rows(), ir.Fixed(steps)))
		dy, each := b.Input("dy", ir.T(ir.F32, ir.Rows(), ir.Fixed(width))), b.Input("each", ir.T(ir.F32, ir.Rows(), ir.Fixed(steps), ir.Fixed(width)))
		start := b.Input("start", ir.T(ir.F32, ir.Fixed(vocabulary), ir.Fixed(width)))
		second := b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(1), End: ir.Fixed(2)}, many)
		outs := []*ir.Value{
			b.Op(ops.Gather{}, table, one), b.Op(ops.Gather{}, table, many), b.Op(ops.Gather{}, table, second),
			b.Op(ops.ScatterSum{Rows: vocabulary}, dy, one), b.Op(ops.ScatterSum{Rows: vocabulary}, each, many),
			b.Op(ops.ScatterSum{Rows: vocabulary}, dy, one, start),
		}
		for i, v := range outs {
			v.Name = fmt.Sprintf("out%d", i)
		}
		b.Graph.Outputs = outs
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		floats := func(n int, shape ...int) *ir.Tensor {
			x := &ir.Tensor{DType: ir.F32, Shape: shape, F32: make([]float32, ir.Elems(shape))}
			for i := range x.F32 {
				x.F32[i] = float32(key.Derive(uint64(n)).Normal(uint64(i)))
			}
			return x
		}
		ints := func(n int, shape ...int) *ir.Tensor {
			x := &ir.Tensor{DType: ir.I64, Shape: shape, I64: make([]int64, ir.Elems(shape))}
			for i := range x.I64 {
				x.I64[i] = int64(key.Derive(uint64(n)).Uint64N(uint64(i), 2*vocabulary-1)) - vocabulary
			}
			return x
		}
		feed := map[string]*ir.Tensor{"one": ints(1, rows), "many": ints(2, rows, steps), "dy": floats(3, rows, width),
			"each": floats(4, rows, steps, width), "start": floats(5, vocabulary, width)}
		w := floats(6, vocabulary, width)
		w.F32[0], w.F32[width] = float32(math.NaN()), float32(math.Inf(1))
		feed["dy"].F32[0] = float32(math.Inf(-1))
		wide := map[string]*ir.Tensor{"table": w.To(ir.F64)}
		for name, x := range feed {
			wide[name] = x.Widen()
		}
		want, err := ir.Evaluate(b.Graph, &ir.Env{Binding: ir.RowsOf(rows)}, wide)
		if err != nil {
			t.Fatal(err)
		}
		p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: rows})
		if err != nil {
			t.Fatal(err)
		}
		var first [][]float32
		for _, workers := range []int{1, 2, 3} {
			s := engine.NewStore(p.Segments, nil)
			copy(s.Param("table"), w.F32)
			e, err := engine.New(p, s, engine.Options{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			for id, st := range p.Steps {
				if st.Op != nil && e.Kernel(id) == "reference" {
					t.Errorf("%s is run by its reference meaning", st.Op.Name())
				}
			}
			run := func() {
				if err := e.Run(engine.Feed(feed), rows, nil); err != nil {
					t.Fatal(err)
				}
			}
			run()
			for i, v := range outs {
				got := slices.Clone(e.Output(v.Name).F32)
				for j, x := range got {
					y := want[v].F64[j]
					if same := float64(x) == y || x != x && y != y; !same && !(math.Abs(float64(x)-y) <= 1e-5*(1+math.Abs(y)) && i > 2) {
						t.Fatalf("width %d, %d workers, output %d, element %d: got %v, want %v", width, workers, i, j, x, y)
					}
				}
				if workers == 1 {
					first = append(first, got)
				} else if !slices.EqualFunc(got, first[i], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
					t.Errorf("width %d, output %d: %d workers give other bits than one", width, i, workers)
				}
			}
			if a := testing.AllocsPerRun(10, run); workers == 1 && a != 0 {
				t.Errorf("a run allocates %v times", a)
			}
			e.Close()
		}
	}
}

// TestIndexOutsideATable: a run fails, and names the layer, the column and the row.
func TestIndexOutsideATable(t *testing.T) {
	b := ir.NewBuilder("g")
	b.Layer = "embedding1"
	table := b.Param("table", ir.T(ir.F32, ir.Fixed(4), ir.Fixed(2)))
	ids := b.Input("category", ir.T(ir.I64, ir.Rows(), ir.Fixed(3)))
	column := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows()})}, b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(2), End: ir.Fixed(3)}, ids))
	whole, part := b.Op(ops.Gather{}, table, ids), b.Op(ops.Gather{}, table, column)
	for i, c := range []struct {
		out  *ir.Value
		at   int
		id   int64
		want string
	}{
		{whole, 7, 4, `layer "embedding1"`}, {whole, 7, 4, `row 2 of input "category" is 4; the table has rows for 0 to 3`}, {whole, 0, -5, `row 0 of input "category" is -5`},
		{part, 5, 1 << 40, `row 1 of column 2 of input "category" is 1099511627776`}, {part, 7, 9, ""},
	} {
		whole.Name, part.Name = "whole", "part"
		b.Graph.Outputs = []*ir.Value{c.out}
		p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 4})
		if err != nil {
			t.Fatal(err)
		}
		n, err := engine.NewNet(b.Graph, p, map[string][]float32{"table": make([]float32, 8)}, engine.Record{})
		if err != nil {
			t.Fatal(err)
		}
		x := ir.NewTensor(ir.I64, 4, 3)
		x.I64[c.at] = c.id
		_, err = n.Run(t.Context(), map[string]*ir.Tensor{"category": x})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d: got %v, want %q", i, err, c.want)
		}
		x.I64[c.at] = 0
		if _, err := n.Run(t.Context(), map[string]*ir.Tensor{"category": x}); err != nil {
			t.Errorf("%d: the next call fails too: %v", i, err)
		}
	}
}
