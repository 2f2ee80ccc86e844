package engine_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// netOfRows compiles a function of x f32[N 3], 8 rows at a time.
func netOfRows(t *testing.T, build func(b *ir.Builder, x *ir.Value) []*ir.Value) *engine.Net {
	t.Helper()
	b := ir.NewBuilder("over")
	for i, v := range build(b, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))) {
		v.Name = string(rune('p' + i))
		b.Output(v)
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 8})
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func one(op ir.Op, inputs int) func(b *ir.Builder, x *ir.Value) []*ir.Value {
	return func(b *ir.Builder, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Op(op, []*ir.Value{x, x}[:inputs]...)}
	}
}

// counted is a source that ends a context at one of its rows.
type counted struct {
	dataset.Source
	at   int
	stop func()
}

func (c counted) Row(i int, row dataset.Row) error {
	if i == c.at {
		c.stop()
	}
	return c.Source.Row(i, row)
}

func TestOver(t *testing.T) {
	n := netOfRows(t, func(b *ir.Builder, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Op(ops.Softmax{Axis: 1}, x), b.Op(ops.Add{}, x, x)}
	})
	const rows = 1000
	data := make([]float32, 3*rows)
	for i := range data {
		data[i] = float32(i%17) / 4
	}
	tab, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}}, F32: data})
	if err != nil {
		t.Fatal(err)
	}
	want, err := n.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{rows, 3}, F32: data}})
	if err != nil {
		t.Fatal(err)
	}
	for what, src := range map[string]dataset.Source{"table": tab, "source": counted{tab, -1, nil}} {
		got, err := n.Over(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if got.Len() != rows || len(got.Columns()) != 2 {
			t.Fatalf("%s: %d rows of %v", what, got.Len(), got.Columns())
		}
		for _, c := range got.Columns() {
			for i, v := range got.F32(c.Name) {
				if math.Float32bits(v) != math.Float32bits(want[c.Name].F32[i]) {
					t.Fatalf("%s: %s[%d] is %v, want %v", what, c.Name, i, v, want[c.Name].F32[i])
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := n.Over(ctx, counted{tab, 700, cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}

// TestQuantile finds quantiles of a score whatever the order of the rows, as numpy does.
func TestQuantile(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // several batches
	score := netOfRows(t, one(ops.ReduceMax{Axes: ir.MakeAxes(1)}, 1))
	kept := netOfRows(t, one(ops.ReduceMax{Axes: ir.MakeAxes(1), Keep: true}, 1))
	rows := func(v ...float32) *dataset.Table {
		return dataset.From(v, func(v float32, row dataset.Row) { row.F32("x", -9, v, v-1) })
	}
	many := rows(5, 3, 9, 1, 7, 2, 8, 0, 6, 4, 10, -1) // -1 to 10
	for _, c := range []struct {
		rows    *dataset.Table
		q, want float64
	}{{many, 0, -1}, {many, 1, 10}, {many, 0.5, 4.5}, {many, 0.75, 7.25}, {many, 1. / 11, 0}, {rows(3), 0.99, 3}, {rows(1, 2), 0.25, 1.25}} {
		for _, n := range []*engine.Net{score, kept} {
			if got, err := n.Quantile(t.Context(), c.rows, c.q); err != nil || math.Abs(got-c.want) > 1e-12 {
				t.Errorf("quantile %v is %v, want %v (%v)", c.q, got, c.want, err)
			}
		}
	}
	two := netOfRows(t, func(b *ir.Builder, x *ir.Value) []*ir.Value { return []*ir.Value{x, b.Op(ops.Add{}, x, x)} })
	far := netOfRows(t, func(b *ir.Builder, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, x, x))}
	})
	for want, f := range map[string]func() (float64, error){
		"the share must be from 0 to 1, got 1.5":                        func() (float64, error) { return score.Quantile(t.Context(), many, 1.5) },
		"the share must be from 0 to 1, got NaN":                        func() (float64, error) { return score.Quantile(t.Context(), many, math.NaN()) },
		"must have one output, a score for each row, got 2":             func() (float64, error) { return two.Quantile(t.Context(), many, 0.5) },
		`output "p" must be a score for each row, f32[N], got f32[N 3]`: func() (float64, error) { return netOfRows(t, one(ops.Add{}, 2)).Quantile(t.Context(), many, 0.5) },
		`row 9: output "p" is +Inf`:                                     func() (float64, error) { return far.Quantile(t.Context(), rows(1, 2, 3, 4, 5, 6, 7, 8, 9, 1e30), 0.5) },
		"no rows":                                                       func() (float64, error) { return score.Quantile(t.Context(), rows(), 0.5) },
		"never made":                                                    func() (float64, error) { return engine.ErrNet(nil).Quantile(t.Context(), many, 0.5) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestOverRefuses(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as many rows at a time as the capacity
	n, huge, whole := netOfRows(t, one(ops.Softmax{Axis: 1}, 1)), netOfRows(t, one(ops.Mul{}, 2)), netOfRows(t, one(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, 1))
	table := func(name string, width, rows int) *dataset.Table {
		return dataset.From(make([]struct{}, rows), func(_ struct{}, row dataset.Row) { row.F32(name, make([]float32, width)...) })
	}
	for want, f := range map[string]func() error{
		"the source is nil":          func() error { _, err := n.Over(t.Context(), nil); return err },
		"no rows":                    func() error { _, err := n.Over(t.Context(), table("x", 3, 0)); return err },
		`input "x" (f32[N 3]) needs`: func() error { _, err := n.Over(t.Context(), table("z", 3, 2)); return err },
		"the rows have [x f32[4]]":   func() error { _, err := n.Over(t.Context(), table("x", 4, 2)); return err },
		"the batch as its first axis": func() error {
			_, err := whole.Over(t.Context(), table("x", 3, 2))
			return err
		},
		"depend on each other": func() error {
			return whole.Each(t.Context(), table("x", 3, 9), func(dataset.Batch, map[string]*ir.Tensor) error { return nil })
		},
		"row 1: column": func() error {
			_, err := huge.Over(t.Context(), dataset.From([]float32{1, 1e30}, func(v float32, row dataset.Row) { row.F32("x", v, v, v) }))
			return err
		},
		"never made": func() error { _, err := engine.ErrNet(nil).Over(t.Context(), table("x", 3, 2)); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
