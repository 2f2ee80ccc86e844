package engine

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// ColumnLengths returns the free lengths that columns give the inputs of their names:
// a column of shape [100 64] makes T 100 in an input f32[N T 64]. Inputs without a
// column are skipped, and so are those whose column has another shape, which [ColumnFits]
// reports.
//
// Errors: two columns that give one length two values; a length of 0 or above its
// capacity.
func ColumnLengths(inputs []*ir.Value, cols []dataset.Column, capacity ir.Binding) (ir.Binding, error) {
	at := ir.RowsOf(1)
	from := map[string]dataset.Column{}
	for _, v := range inputs {
		c, ok := columnOf(v, cols)
		if !ok || !v.Type.Shape.RowWise() || len(c.Shape) != v.Type.Rank()-1 {
			continue
		}
		for i, d := range v.Type.Shape[1:] {
			name, n := d.String(), c.Shape[i]
			if !d.Symbolic() || d != ir.Of(name) {
				continue
			}
			if most, ok := capacity.Of(name); n < 1 || ok && n > most {
				return at, fmt.Errorf("column %s makes the length %s of input %q (%s) %d, and it may be from 1 to %d", c, name, v.Name, v.Type, n, most)
			}
			if old, ok := from[name]; ok {
				if have, _ := at.Of(name); have != n {
					return at, fmt.Errorf("the length %s is %d in column %s, but %d in column %s: the inputs share it, so it must be one", name, n, c, have, old)
				}
				continue
			}
			if at.Size() == ir.MaxFree {
				return at, fmt.Errorf("the inputs have more than %d free lengths", ir.MaxFree)
			}
			from[name], at = c, at.With(name, n)
		}
	}
	return at, nil
}

// Columns gives access to rows by column name: a dataset.Batch or a dataset.Table.
type Columns interface {
	F32(name string) []float32
	I64(name string) []int64
	U8(name string) []uint8
}

// SetColumn makes a column the elements of a tensor of the column's shape, whose dtype
// is f32, i64, u8 or, of a copy, f64.
func SetColumn[C Columns](t *ir.Tensor, rows C, name string) {
	switch t.DType {
	case ir.I64:
		t.I64 = rows.I64(name)
	case ir.U8:
		t.Raw = rows.U8(name)
	case ir.F64:
		x := rows.F32(name)
		t.F64 = make([]float64, len(x))
		for i, v := range x {
			t.F64[i] = float64(v)
		}
	default:
		t.F32 = rows.F32(name)
	}
}

// ColumnFits reports whether a column has the rows of an input whose lengths are
// these; it does not look at the element type.
func ColumnFits(v *ir.Value, c dataset.Column, at ir.Binding) bool {
	if !v.Type.Shape.RowWise() || len(c.Shape) != v.Type.Rank()-1 {
		return false
	}
	for i, d := range v.Type.Shape[1:] {
		if n, ok := d.TryAt(at); !ok || n != c.Shape[i] {
			return false
		}
	}
	return true
}

func columnOf(v *ir.Value, cols []dataset.Column) (dataset.Column, bool) {
	i := slices.IndexFunc(cols, func(c dataset.Column) bool { return c.Name == v.Name })
	if i < 0 {
		return dataset.Column{}, false
	}
	return cols[i], true
}
