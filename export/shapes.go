package onnxexport

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// reshape writes Reshape with 0 for an axis copied from the operand, which is
// how the batch passes through, and -1 for one symbolic length that moved. Of several
// that moved the others are computed.
func (w *writer) reshape(n *ir.Node) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	from, to := w.shape(n.In[0].Type.Shape), w.shape(n.Out[0].Type.Shape)
	parts := make([]part, len(to))
	open := -1
	for i, d := range to {
		switch {
		case !d.Symbolic():
			parts[i].of = d
		case i < len(from) && from[i] == d:
			parts[i].code = copied
		default:
			open, parts[i].of = i, d
		}
	}
	if open >= 0 {
		parts[open] = part{code: inferred}
	}
	for _, d := range to {
		if d == ir.Fixed(0) {
			return "", nodeError(n, "an axis of length 0 cannot be written: %s", to)
		}
	}
	shape, err := w.parts(n, "shape", parts)
	if err != nil {
		return "", err
	}
	return w.add(n, "Reshape", n.Out[0].Type, nil, x, shape), nil
}

// expand writes Expand with 1 where the operand has the length already. A symbolic
// length that it does not have is read from an input of the graph.
func (w *writer) expand(n *ir.Node) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	from, to := w.shape(n.In[0].Type.Shape), w.shape(n.Out[0].Type.Shape)
	parts := make([]part, len(to))
	for i, d := range to {
		parts[i].of = d
		if j := i - (len(to) - len(from)); j >= 0 && from[j] == d {
			parts[i].of = ir.Fixed(1)
		}
	}
	shape, err := w.parts(n, "shape", parts)
	if err != nil {
		return "", err
	}
	return w.add(n, "Expand", n.Out[0].Type, nil, x, shape), nil
}

func (w *writer) slice(n *ir.Node, op ops.Slice) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	start, end := w.dim(op.Start), w.dim(op.End)
	last := part{of: end}
	if end.Symbolic() && end == w.dim(n.In[0].Type.Shape[op.Axis]) {
		last = part{code: toEnd}
	}
	starts, err := w.parts(n, "starts", []part{{of: start}})
	if err != nil {
		return "", err
	}
	ends, err := w.parts(n, "ends", []part{last})
	if err != nil {
		return "", err
	}
	return w.add(n, "Slice", n.Out[0].Type, nil, x, starts, ends, w.ints("axes", int64(op.Axis))), nil
}

// flip writes Slice from the last index to before the first one, whatever the length.
func (w *writer) flip(n *ir.Node, op ops.Flip) (string, error) {
	x, err := w.use(n.In[0])
	if err != nil {
		return "", err
	}
	var starts, ends, axes, steps []int64
	for i := range n.In[0].Type.Shape {
		if op.Flips(i) {
			starts, ends, axes, steps = append(starts, -1), append(ends, math.MinInt64), append(axes, int64(i)), append(steps, -1)
		}
	}
	if len(axes) == 0 {
		return w.add(n, "Identity", n.Out[0].Type, nil, x), nil
	}
	return w.add(n, "Slice", n.Out[0].Type, nil, x, w.ints("starts", starts...), w.ints("ends", ends...), w.ints("axes", axes...), w.ints("steps", steps...)), nil
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
	widths := make([]part, 2*rank)
	widths[axis].of, widths[rank+axis].of = w.dim(op.Before), w.dim(op.After)
	pads, err := w.parts(n, "pads", widths)
	if err != nil {
		return "", err
	}
	return w.add(n, "Pad", n.Out[0].Type, []*onnxpb.AttributeProto{attrString("mode", "constant")}, x, pads), nil
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
