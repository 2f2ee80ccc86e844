package onnxexport

import (
	"fmt"
	"reflect"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// stableOpset is the opset up to which every op's form here is that of opset 13,
// the oldest written: later versions only added element types.
const stableOpset = 17

// hasLowering reports whether op can be written at opset without being taken
// apart first.
func hasLowering(op ir.Op, opset int) bool {
	x, ok := op.(ir.Exportable)
	if !ok {
		return false
	}
	o := x.ONNX()
	return o.Type != "" && o.Since <= max(opset, stableOpset) && o.First <= opset
}

// singleOnly reports whether op's counterpart computes in f32 whatever its operands
// are, or is written for f32 alone in runtimes: of f64 its parts are written.
func singleOnly(op ir.Op) bool {
	switch op.(type) {
	case ops.LayerNorm, ops.RMSNorm, ops.InstanceNorm:
		return true
	}
	return false
}

// lower writes n and binds its results.
func (w *writer) lower(n *ir.Node) error {
	var s string
	var err error
	switch op := n.Op.(type) {
	case ops.MatMul:
		s, err = w.matMul(n)
	case ops.Add:
		s, err = w.addNode(n)
	case ops.Gemm:
		s, err = w.gemmOp(n, op)
	case ops.Reshape:
		s, err = w.reshape(n)
	case ops.Expand:
		s, err = w.expand(n)
	case ops.Flip:
		s, err = w.flip(n, op)
	case ops.Slice:
		s, err = w.slice(n, op)
	case ops.Pad:
		s, err = w.pad(n, op)
	case ops.ReduceSum:
		s, err = w.reduce(n, "ReduceSum", op.Axes, op.Keep, 13)
	case ops.ReduceMean:
		s, err = w.reduce(n, "ReduceMean", op.Axes, op.Keep, 18)
	case ops.ReduceMax:
		s, err = w.reduce(n, "ReduceMax", op.Axes, op.Keep, 18)
	case ops.ArgMax:
		s, err = w.argMax(n, op)
	case ops.TopK:
		s, err = w.topK(n, op)
	case ops.OneHot:
		s, err = w.oneHot(n, op)
	case ops.BatchNorm:
		s, err = w.batchNorm(n, op)
	default:
		return w.generic(n)
	}
	if err != nil {
		return err
	}
	w.ref[n.Out[0]] = s
	return nil
}

// batchNorm writes a node of channels on axis 1, which ONNX does not name.
func (w *writer) batchNorm(n *ir.Node, op ops.BatchNorm) (string, error) {
	in, err := w.operands(n)
	if err != nil {
		return "", err
	}
	return w.add(n, "BatchNormalization", n.Out[0].Type, []*onnxpb.AttributeProto{attrFloat("epsilon", op.Epsilon)}, in...), nil
}

// generic writes the op of the same meaning with the op's own attributes.
func (w *writer) generic(n *ir.Node) error {
	x, ok := n.Op.(ir.Exportable)
	if !ok {
		return noCounterpart(n, n.Op, w.o.Opset)
	}
	in, err := w.operands(n)
	if err != nil {
		return err
	}
	attrs, err := attributes(n.Op)
	if err != nil {
		return nodeError(n, "%v", err)
	}
	p := &onnxpb.NodeProto{OpType: x.ONNX().Type, Input: in, Attribute: attrs}
	for _, v := range n.Out {
		s := w.fresh(v.Type)
		w.ref[v] = s
		p.Output = append(p.Output, s)
	}
	w.nodes = append(w.nodes, emitted{p, n})
	return nil
}

func (w *writer) operands(n *ir.Node) ([]string, error) {
	in := make([]string, len(n.In))
	for i, v := range n.In {
		var err error
		if in[i], err = w.use(v); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func nodeError(n *ir.Node, format string, a ...any) error {
	return &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: fmt.Sprintf(format, a...)}
}

// attributes returns the fields of op that carry the tag attr, in the order they
// are declared.
func attributes(op ir.Op) ([]*onnxpb.AttributeProto, error) {
	v := reflect.ValueOf(op)
	if v.Kind() != reflect.Struct {
		return nil, nil
	}
	var out []*onnxpb.AttributeProto
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("attr")
		if name == "" {
			continue
		}
		switch x := v.Field(i).Interface().(type) {
		case int:
			out = append(out, attrInt(name, int64(x)))
		case int64:
			out = append(out, attrInt(name, x))
		case uint64:
			out = append(out, attrInt(name, int64(x)))
		case bool:
			n := int64(0)
			if x {
				n = 1
			}
			out = append(out, attrInt(name, n))
		case float64:
			out = append(out, attrFloat(name, x))
		case string:
			out = append(out, attrString(name, x))
		case ir.Axes:
			if x.Len == 0 { // ONNX's defaults, which it has no list for
				continue
			}
			out = append(out, attrInts(name, x.Slice()))
		case ir.DType:
			out = append(out, attrInt(name, int64(elemType(x))))
		default:
			return nil, fmt.Errorf("attribute %q of type %T has no form in ONNX", name, x)
		}
	}
	return out, nil
}

func attrInt(name string, x int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: x}
}

func attrFloat(name string, x float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: float32(x)}
}

func attrString(name, x string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(x)}
}

func attrInts(name string, x []int) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS}
	for _, i := range x {
		a.Ints = append(a.Ints, int64(i))
	}
	return a
}
