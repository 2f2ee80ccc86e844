package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Each runs the function over all rows in order, many at a time and fewer at the end, and passes f each batch and its
// outputs by name, which are valid until f returns. Each input takes the column of its name; an f64 input takes an f32
// column. Memory does not grow with the number of rows. It returns soon after ctx ends.
//
// Errors: an input without a column of its type and shape; a missing number where the function
// needs one; more rows than the capacity for a function whose rows
// depend on each other; those of the source, of f and of the context.
func (n *Net) Each(ctx context.Context, rows dataset.Source, f func(b dataset.Batch, out map[string]*ir.Tensor) error) error {
	if err := n.Err(); err != nil {
		return err
	}
	at, err := n.columnsFit(rows)
	if err != nil {
		return err
	}
	if n.mixes && rows.Len() > n.p.Capacity.Rows() {
		return n.tooMany(rows.Len())
	}
	in := make(map[string]*ir.Tensor, len(n.inputs))
	var out map[string]*ir.Tensor
	made, first := 0, 0
	full := n.full(rows.Columns())
	return dataset.Each(ctx, rows, n.p.Capacity.Rows()*cap(n.lanes), func(b dataset.Batch) error {
		for _, c := range full {
			for i, v := range b.F32(c.Name) {
				if v != v {
					return fmt.Errorf("engine: %s is missing at %d; input %q of %q takes every number, for nothing in it says what a missing one means", dataset.Place(rows, b.Index[i/c.Width()], c.Name), i%c.Width(), c.Name, n.p.Name)
				}
			}
		}
		n.feed(in, b, at)
		if made != b.Rows {
			out, made = n.outputs(at.WithRows(b.Rows)), b.Rows
		}
		if err := n.runFrom(ctx, in, out, first); err != nil {
			return err
		}
		first += b.Rows
		return f(b, out)
	})
}

// Over runs the function over all rows and returns its outputs as columns, by name; booleans are 0 and 1.
//
// Errors: those of Each; an output without rows, or of a type that no column has; a result that is not finite, with its
// row.
func (n *Net) Over(ctx context.Context, rows dataset.Source) (*dataset.Table, error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	at, err := n.columnsFit(rows)
	if err != nil {
		return nil, err
	}
	data := make([]dataset.Data, len(n.p.Outputs))
	for i, o := range n.p.Outputs {
		t := n.p.Buffers[o.Buffer].Type
		if d := t.DType; !t.Shape.RowWise() || d != ir.F32 && d != ir.I64 && d != ir.U8 && d != ir.Bool {
			return nil, fmt.Errorf("engine: output %q is %v, and a column of a table needs f32, i64, u8 or bool with the batch as its first axis; use Run for it", o.Name, t)
		}
		data[i].Column = dataset.Column{Name: o.Name, DType: dataset.F32, Shape: t.Shape[1:].At(at)}
		switch t.DType {
		case ir.I64, ir.Bool:
			data[i].DType = dataset.I64
		case ir.U8:
			data[i].DType = dataset.U8
		}
	}
	err = n.Each(ctx, rows, func(_ dataset.Batch, out map[string]*ir.Tensor) error {
		for i := range data {
			d, t := &data[i], out[data[i].Name]
			d.F32, d.I64, d.U8 = append(d.F32, t.F32...), append(d.I64, t.I64...), append(d.U8, t.Raw...)
			for _, x := range t.Bool {
				d.I64 = append(d.I64, 0)
				if x {
					d.I64[len(d.I64)-1] = 1
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, err := dataset.NewTable(data...)
	if err != nil {
		return nil, fmt.Errorf("engine: %q over the rows: %w", n.p.Name, err)
	}
	return t, nil
}

// full returns the columns that may lack numbers although the function needs all of them.
func (n *Net) full(cols []dataset.Column) (out []dataset.Column) {
	asked := ops.MayLack(n.g)
	for _, v := range n.g.Inputs {
		if c, ok := columnOf(v, cols); ok && c.Missing && !asked[v] && slices.ContainsFunc(n.inputs, func(x *ir.Value) bool { return x.Name == v.Name }) {
			out = append(out, c)
		}
	}
	return out
}

// feed sets in to the columns of a batch.
func (n *Net) feed(in map[string]*ir.Tensor, b dataset.Batch, at ir.Binding) {
	for _, v := range n.inputs {
		t := &ir.Tensor{DType: v.Type.DType, Shape: v.Type.Shape.At(at.WithRows(b.Rows))}
		SetColumn(t, b, v.Name)
		in[v.Name] = t
	}
}

// columnsFit returns the lengths that the columns give, or says which input has no
// column.
func (n *Net) columnsFit(rows dataset.Source) (ir.Binding, error) {
	at := ir.RowsOf(1)
	if rows == nil {
		return at, errors.New("engine: there are no rows: the source is nil")
	}
	if e, ok := rows.(interface{ Err() error }); ok && e.Err() != nil {
		return at, e.Err()
	}
	cols := rows.Columns()
	at, err := ColumnLengths(n.inputs, cols, n.p.Capacity)
	if err != nil {
		return at, fmt.Errorf("engine: %w", err)
	}
	for _, v := range n.inputs {
		if !v.Type.Shape.RowWise() {
			return at, fmt.Errorf("engine: input %q is %v; only inputs with the batch as their first axis can be fed from rows", v.Name, v.Type)
		}
		want := dataset.F32
		switch v.Type.DType {
		case ir.F32, ir.F64:
			want = dataset.F32
		case ir.I64:
			want = dataset.I64
		case ir.U8:
			want = dataset.U8
		default:
			return at, fmt.Errorf("engine: input %q is %v, and rows have f32, i64 and u8 only; use Run", v.Name, v.Type)
		}
		if c, ok := columnOf(v, cols); !ok || c.DType != want || !ColumnFits(v, c, at) {
			return at, fmt.Errorf("engine: input %q (%v) needs a column of that name and type; the rows have %v", v.Name, v.Type, cols)
		}
	}
	return at, nil
}
