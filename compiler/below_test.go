package compiler

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// mismatch says where a result is not what it should be but for the rounding of
// float32.
func mismatch(got, want *ir.Tensor) string {
	if !slices.Equal(got.Shape, want.Shape) {
		return fmt.Sprintf("has shape %v, want %v", got.Shape, want.Shape)
	}
	scale := 0.0
	for i := range want.Len() {
		scale = max(scale, math.Abs(want.At(i)))
	}
	if !(scale < 1e6) {
		return ""
	}
	for i := range want.Len() {
		if a, b := got.At(i), want.At(i); !(math.Abs(a-b) <= 1e-3*(0.01+scale)) {
			return fmt.Sprintf("element %d is %v, want %v", i, a, b)
		}
	}
	return ""
}

// TestMeanAnyAxis takes means to a scalar of values whose batch is not on the first
// axis, or on both.
func TestMeanAnyAxis(t *testing.T) {
	for _, shape := range []ir.Shape{{ir.Fixed(3), ir.Rows()}, {ir.Rows(), ir.Rows()}, {ir.Fixed(2), ir.Rows(), ir.Fixed(3)}, {times(4, ir.Rows()), ir.Rows()}} {
		b := ir.NewBuilder("mean")
		y := b.Op(ops.ReduceMean{}, b.Op(ops.Tanh{}, b.Input("x", ir.T(ir.F32, shape...))))
		y.Name = "y"
		b.Output(y)
		p, err := CompileGraph(b.Graph, Options{Rows: 9})
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{9, 4, 1} {
			env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
			fed, wide := narrowed(randgraph.Feed(b.Graph, env, 1))
			e, _ := engineOf(t, p, fed, 2)
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			if what := mismatch(e.Output("y"), results(t, b.Graph, env, wide)["y"]); what != "" {
				t.Errorf("%v with %d rows: %s", shape, rows, what)
			}
		}
	}
}

// TestBelowCapacity runs fewer rows than the plan takes through values [N N] and
// [N 256], which have the same bytes at 256 rows alone: in tasks that run at their
// own speed, none may overwrite what another has yet to read.
func TestBelowCapacity(t *testing.T) {
	const capacity = 256
	b := ir.NewBuilder("square")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Rows()))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(capacity), ir.Fixed(capacity)))
	k := b.Input("k", ir.T(ir.F32, ir.Rows(), ir.Fixed(capacity)))
	y := b.Op(ops.Tanh{}, b.Op(ops.MatMul{}, b.Op(ops.MatMul{}, b.Op(ops.Softmax{Axis: 1}, b.Op(ops.Tanh{}, x)), k), w))
	y.Name = "y"
	b.Output(y)
	p, err := CompileGraph(b.Graph, Options{Rows: capacity, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	widths := map[int]ir.Dim{}
	for i := range p.Buffers {
		buf := &p.Buffers[i]
		if buf.Kind != plan.Arena || buf.Alias >= 0 || buf.Type.Rank() != 2 {
			continue
		}
		if have, ok := widths[buf.Offset]; ok && have != buf.Type.Shape[1] {
			t.Errorf("%s %v shares its place with a value of another pitch", buf.Name, buf.Type)
		}
		widths[buf.Offset] = buf.Type.Shape[1]
	}
	if len(widths) < 2 {
		t.Errorf("the values are at %d places: the test compares nothing", len(widths))
	}
	for _, rows := range []int{100, 255, 131} {
		env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
		fed, wide := narrowed(randgraph.Feed(b.Graph, env, 1))
		want := results(t, b.Graph, env, wide)["y"]
		e, _ := engineOf(t, cutBy(p, 3), fed, 3)
		for range 3 {
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			if what := mismatch(e.Output("y"), want); what != "" {
				t.Fatalf("%d rows: %s", rows, what)
			}
		}
	}
}
