package onnxexport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// reshape writes Reshape with 0 for an axis copied from the operand, which is
// how the batch passes through, and -1 for one symbolic length that moved.
func (w *writer) reshape(n *ir.Node) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	from, to := n.In[0].Type.Shape, n.Out[0].Type.Shape
	dims := make([]int64, len(to))
	inferred := false
	for i, d := range to {
		switch {
		case !d.Symbolic() || w.o.Batch > 0:
			dims[i] = int64(d.At(ir.RowsOf(w.o.Batch)))
		case i < len(from) && from[i] == d:
			dims[i] = 0
		case !inferred:
			dims[i], inferred = -1, true
		default:
			return "", nodeError(n, "two axes of the result depend on the batch and moved: %s to %s", from, to)
		}
	}
	for i, d := range dims {
		if d == 0 && !to[i].Symbolic() {
			return "", nodeError(n, "an axis of length 0 cannot be written: %s", to)
		}
	}
	return w.add(n, "Reshape", n.Out[0].Type, nil, x, w.ints("shape", dims...)), nil
}

// expand writes Expand with 1 where the operand has the length already. A batch
// that the operand does not have is read from an input of the graph.
func (w *writer) expand(n *ir.Node) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	from, to := n.In[0].Type.Shape, n.Out[0].Type.Shape
	dims := make([]int64, len(to))
	runtime := false
	for i, d := range to {
		j := i - (len(to) - len(from))
		switch {
		case j >= 0 && from[j] == d:
			dims[i] = 1
		case !d.Symbolic() || w.o.Batch > 0:
			dims[i] = int64(d.At(ir.RowsOf(w.o.Batch)))
		default:
			unit, times := d.Unit()
			k, known := times.Known()
			if unit != ir.Rows() || !known {
				return "", nodeError(n, "the length %v is no number of rows: %s to %s", d, from, to)
			}
			dims[i], runtime = -int64(k), true
		}
	}
	if !runtime {
		return w.add(n, "Expand", n.Out[0].Type, nil, x, w.ints("shape", dims...)), nil
	}
	rows, err := w.rows(n)
	if err != nil {
		return "", err
	}
	one := ir.T(ir.I64, ir.Fixed(1))
	parts := make([]string, len(dims))
	for i, d := range dims {
		switch {
		case d >= 0:
			parts[i] = w.ints("length", d)
		case d == -1:
			parts[i] = rows
		default:
			parts[i] = w.add(n, "Mul", one, nil, rows, w.ints("length", -d))
		}
	}
	shape := w.add(n, "Concat", ir.T(ir.I64, ir.Fixed(len(dims))), []*onnxpb.AttributeProto{attrInt("axis", 0)}, parts...)
	return w.add(n, "Expand", n.Out[0].Type, nil, x, shape), nil
}

// rows writes the length of the batch as int64[1].
func (w *writer) rows(n *ir.Node) (string, error) {
	for _, v := range w.p.graph.Inputs {
		if v.Type.Rank() > 0 && v.Type.Shape[0] == ir.Rows() {
			shape := w.add(n, "Shape", ir.T(ir.I64, ir.Fixed(v.Type.Rank())), nil, w.ref[v])
			return w.add(n, "Gather", ir.T(ir.I64, ir.Fixed(1)), []*onnxpb.AttributeProto{attrInt("axis", 0)}, shape, w.ints("index", 0)), nil
		}
	}
	return "", nodeError(n, "the result has the batch as an axis but no input of the file has")
}

func (w *writer) slice(n *ir.Node, op ops.Slice) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	start, ok1 := op.Start.Known()
	end, ok2 := op.End.Known()
	if !ok1 || !ok2 {
		return "", nodeError(n, "[%v, %v) is known only at run time", op.Start, op.End)
	}
	return w.add(n, "Slice", n.Out[0].Type, nil, x,
		w.ints("starts", int64(start)), w.ints("ends", int64(end)), w.ints("axes", int64(op.Axis))), nil
}

func (w *writer) pad(n *ir.Node, op ops.Pad) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	rank := n.In[0].Type.Rank()
	axis := op.Axis
	if axis < 0 {
		axis += rank
	}
	pads := make([]int64, 2*rank)
	before, ok1 := op.Before.Known()
	after, ok2 := op.After.Known()
	if !ok1 || !ok2 {
		return "", nodeError(n, "widths %v and %v are known only at run time", op.Before, op.After)
	}
	pads[axis], pads[rank+axis] = int64(before), int64(after)
	return w.add(n, "Pad", n.Out[0].Type, []*onnxpb.AttributeProto{attrString("mode", "constant")}, x, w.ints("pads", pads...)), nil
}

// reduce writes a reduction; from opset since on its axes are an input.
func (w *writer) reduce(n *ir.Node, opType string, axes ir.Axes, keep bool, since int) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	k := int64(0)
	if keep {
		k = 1
	}
	attrs := []*onnxpb.AttributeProto{attrInt("keepdims", k)}
	list := axes.Slice()
	if len(list) == 0 {
		// An empty list means every axis to ONNX readers.
		for i := range n.In[0].Type.Shape {
			list = append(list, i)
		}
	}
	if w.o.Opset < since {
		return w.add(n, opType, n.Out[0].Type, append([]*onnxpb.AttributeProto{attrInts("axes", list)}, attrs...), x), nil
	}
	wide := make([]int64, len(list))
	for i, a := range list {
		wide[i] = int64(a)
	}
	return w.add(n, opType, n.Out[0].Type, attrs, x, w.ints("axes", wide...)), nil
}

func (w *writer) argMax(n *ir.Node, op ops.ArgMax) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	keep := int64(0)
	if n.Out[0].Type.Rank() == n.In[0].Type.Rank() {
		keep = 1
	}
	return w.add(n, "ArgMax", n.Out[0].Type,
		[]*onnxpb.AttributeProto{attrInt("axis", int64(op.Axis)), attrInt("keepdims", keep)}, x), nil
}

// topK writes a node whose second result is the indices.
func (w *writer) topK(n *ir.Node, op ops.TopK) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	largest := int64(0)
	if op.Largest {
		largest = 1
	}
	t := n.In[0].Type
	elems := w.fresh(ir.Type{DType: t.DType, Shape: n.Out[0].Type.Shape})
	s := w.fresh(n.Out[0].Type)
	p := &onnxpb.NodeProto{OpType: "TopK", Input: []string{x, w.ints("k", int64(op.K))}, Output: []string{elems, s},
		Attribute: []*onnxpb.AttributeProto{attrInt("axis", int64(op.Axis)), attrInt("largest", largest), attrInt("sorted", 1)}}
	w.nodes = append(w.nodes, emitted{p, n})
	return s, nil
}

func (w *writer) oneHot(n *ir.Node, op ops.OneHot) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	d := n.Out[0].Type.DType
	values, err := dataTensor(ir.T(d, ir.Fixed(2)), &ir.Tensor{DType: ir.F64, Shape: []int{2}, F64: []float64{0, 1}})
	if err != nil {
		return "", err
	}
	return w.add(n, "OneHot", n.Out[0].Type, []*onnxpb.AttributeProto{attrInt("axis", -1)}, x,
		w.ints("depth", int64(op.Depth)), w.addInit(values, ir.T(d, ir.Fixed(2)), "", "values")), nil
}
