package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Gather is the rows of table [V …] at the indices x [i…]: y [i… …]. As in ONNX an index
// below 0 counts from the end; one outside [-V, V) is an error of the run.
type Gather struct{}

// Name returns Gather.
func (Gather) Name() string { return "Gather" }

// ONNX returns Gather along axis 0, its default there.
func (Gather) ONNX() ir.ONNX { return ir.ONNX{Type: "Gather", Since: 13} }

// Infer returns the shape of x followed by that of a row, in the dtype of the table, whose
// rows must be known and at least one. x is i64.
func (Gather) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"table", "x"}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	if in[1].DType != ir.I64 {
		return nil, fmt.Errorf("x must be indices, i64 %s", describe(in, names))
	}
	if in[0].Rank() == 0 {
		return nil, fmt.Errorf("the table must have rows %s", describe(in, names))
	}
	if v, known := in[0].Shape[0].Known(); !known || v < 1 {
		return nil, fmt.Errorf("the number of the table's rows must be known and at least 1 %s", describe(in, names))
	}
	return result(in[0].DType, append(in[1].Shape.Clone(), in[0].Shape[1:]...))
}

// Eval is the reference meaning.
func (Gather) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	table, x := in[0], in[1]
	width := ir.Elems(table.Shape[1:])
	places := make([]int, 0, x.Len()*width)
	for i := range x.Len() {
		k, err := rowAt(x.Int(i), table.Shape[0], i)
		if err != nil {
			return nil, err
		}
		for j := range width {
			places = append(places, k*width+j)
		}
	}
	return one(gather(table, slices.Concat(x.Shape, table.Shape[1:]), places))
}

// rowAt returns the row of a table of n rows that an index means.
func rowAt(index int64, n, place int) (int, error) {
	k := index
	if k < 0 {
		k += int64(n)
	}
	if k < 0 || k >= int64(n) {
		return 0, fmt.Errorf("index %d, at %d, is outside a table of %d rows", index, place, n)
	}
	return int(k), nil
}

// VJP gives each row of the table the sum of dy where it was taken.
func (Gather) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	if !n.In[0].Type.DType.Float() {
		return []*ir.Value{nil, nil}
	}
	rows, _ := n.In[0].Type.Shape[0].Known()
	return []*ir.Value{b.Op(ScatterSum{Rows: rows}, dout[0], n.In[1]), nil}
}

// MixesRows states that rows stay apart: the table's first axis has a known length.
func (Gather) MixesRows([]ir.Type) bool { return false }

// Linear states that it is in the table.
func (Gather) Linear(vary []bool) bool { return !vary[1] }

// Vanishes states that a table of zeros has no other rows.
func (Gather) Vanishes(zero []bool) bool { return zero[0] }

// Split states that a slice needs its own indices and the whole table.
func (Gather) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Whole, ir.Axis0}, in[1].Rank() > 0
}

// Cost counts no arithmetic, and of the table the rows that are read.
func (Gather) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in[1:], out, at) + traffic(nil, out, at)
}

// Bound moves the variances as the rows.
func (op Gather) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := ir.Estimate{Value: v}
	table, x := c.In[0], c.In[1]
	width := ir.Elems(table.Value.Shape[1:])
	for i := range x.Value.Len() {
		k, err := rowAt(x.Value.Int(i), table.Value.Shape[0], i)
		if err != nil {
			return nil, err
		}
		for j := range width {
			switch {
			case x.At(i) > 0:
				e.Open(i*width + j)
			case table.At(k*width+j) != 0:
				if e.Var == nil {
					e.Var = make([]float64, v.Len())
				}
				e.Var[i*width+j] = table.At(k*width + j)
			}
		}
	}
	return []ir.Estimate{e}, nil
}

// ScatterSum adds each row of dy [i… …] to the row of a table of Rows rows that its index
// x [i…] means, in ascending order of the indices' places: y [Rows …], the gradient of a
// Gather with respect to its table. Sums may start from a third operand. An index below 0
// counts from the end; one outside [-Rows, Rows) is an error of the run.
type ScatterSum struct {
	Rows int `attr:"rows"`
}

// Name returns ScatterSum.
func (ScatterSum) Name() string { return "ScatterSum" }

// ONNX says what is written.
func (ScatterSum) ONNX() ir.ONNX {
	return ir.ONNX{Why: "ONNX has no gradients: the sum of dy where one-hot rows are 1 is written"}
}

// Infer returns the type of the table; dy has the axes of x first and is floating point.
func (op ScatterSum) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"dy", "x", "start"}
	if len(in) != 3 {
		names = names[:2]
	}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	dy, x := in[0], in[1]
	if !dy.DType.Float() || x.DType != ir.I64 {
		return nil, fmt.Errorf("dy must be floating point and x indices, i64 %s", describe(in, names))
	}
	if x.Rank() > dy.Rank() || !dy.Shape[:x.Rank()].Equal(x.Shape) {
		return nil, fmt.Errorf("dy must have the axes of x first %s", describe(in, names))
	}
	if op.Rows < 1 || op.Rows > maxRows {
		return nil, fmt.Errorf("rows is %d, it must be from 1 to %d %s", op.Rows, maxRows, describe(in, names))
	}
	out := ir.Type{DType: dy.DType, Shape: append(ir.Shape{ir.Fixed(op.Rows)}, dy.Shape[x.Rank():]...)}
	if len(in) == 3 && !in[2].Equal(out) {
		return nil, fmt.Errorf("start must be %v %s", out, describe(in, names))
	}
	return result(out.DType, out.Shape)
}

// maxRows bounds the rows of a table.
const maxRows = 1 << 31

// Eval is the reference meaning.
func (op ScatterSum) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	dy, x := in[0], in[1]
	row, rows, first := dy.Shape[len(x.Shape):], op.Rows, 0
	if len(in) == 3 && in[2].Shape[0] < rows { // a range of the table's rows
		rows, first = in[2].Shape[0], env.First
	}
	out := ir.NewTensor(ir.F64, append([]int{rows}, row...)...)
	if len(in) == 3 {
		copy(out.F64, in[2].F64)
	}
	width := ir.Elems(row)
	for i := range x.Len() {
		k, err := rowAt(x.Int(i), op.Rows, i)
		if err != nil {
			return nil, err
		}
		if k -= first; k < 0 || k >= rows {
			continue
		}
		for j, v := range dy.F64[i*width : (i+1)*width] {
			out.F64[k*width+j] += v
		}
	}
	return one(out)
}

// Decompose is the meaning in ops that ONNX has. A product of one-hot rows would be smaller,
// and carry a NaN of one row into all.
func (op ScatterSum) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	dy, x := in[0], in[1]
	if dy.Type.DType == ir.Invalid || x.Type.DType == ir.Invalid {
		return []*ir.Value{dy}
	}
	places, _ := x.Type.Shape.Elems()
	row := dy.Type.Shape[x.Type.Rank():]
	width, _ := row.Elems()
	hot := b.Op(OneHot{Depth: op.Rows}, reshapeTo(b, x, ir.Shape{places}))
	hot = b.Op(Greater{}, reshapeTo(b, hot, ir.Shape{places, ir.Fixed(op.Rows), ir.Fixed(1)}), b.Const(ir.F32, 0.5))
	each := b.Op(Where{}, hot, reshapeTo(b, dy, ir.Shape{places, ir.Fixed(1), width}), b.Const(dy.Type.DType, 0))
	y := b.Op(ReduceSum{Axes: ir.MakeAxes(0)}, each)
	y = reshapeTo(b, y, append(ir.Shape{ir.Fixed(op.Rows)}, row...))
	if len(in) == 3 {
		y = b.Op(Add{}, y, in[2])
	}
	return []*ir.Value{y}
}

// VJP gives each row of dy what the row of the table has that it was added to.
func (ScatterSum) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return append([]*ir.Value{b.Op(Gather{}, dout[0], n.In[1]), nil}, dout[:len(n.In)-2]...)
}

// SumsRows states that it is a sum over the rows where the indices have them.
func (ScatterSum) SumsRows(in []ir.Type) bool {
	axis, ok := ir.BatchAxis(in[1].Shape)
	return ok && axis >= 0
}

// MixesRows states that rows stay apart otherwise.
func (op ScatterSum) MixesRows(in []ir.Type) bool { return op.SumsRows(in) }

// Linear states that it is in dy.
func (ScatterSum) Linear(vary []bool) bool { return !vary[1] }

// Vanishes states that what is added up of zeros is 0.
func (ScatterSum) Vanishes(zero []bool) bool {
	return zero[0] && (len(zero) < 3 || zero[2])
}

// Chain states that each sum is one chain, over the rows of the batch where these are the
// first axis of the indices.
func (ScatterSum) Chain(in []ir.Type) (start int, open bool) {
	if len(in) == 3 {
		return 2, false
	}
	axis, ok := ir.BatchAxis(in[1].Shape)
	return -1, ok && axis == 0
}

// Split states that a range of the table's rows takes all of dy and of the indices.
func (ScatterSum) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access := []ir.Access{ir.Whole, ir.Whole}
	for range in[2:] {
		access = append(access, ir.Axis0)
	}
	return access, true
}

// Cost counts one addition for each element of dy.
func (ScatterSum) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in[:1], at), traffic(in, out, at)
}
