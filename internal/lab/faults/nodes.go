package faults

import (
	"slices"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func (f *file) swapOperands() (Fault, bool) {
	list := f.nodes(func(n *onnxpb.NodeProto) bool {
		return len(n.Input) > 1 && n.Input[0] != n.Input[1] &&
			slices.Contains([]string{"Sub", "Div", "Pow", "MatMul", "Gemm", "Concat", "Add", "Mul", "Where"}, n.OpType)
	})
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	n.Input[0], n.Input[1] = n.Input[1], n.Input[0]
	return in(n, "operands swapped")
}

func (f *file) loseTranspose() (Fault, bool) {
	list := f.nodes(func(n *onnxpb.NodeProto) bool { return n.OpType == "Transpose" || n.OpType == "Gemm" })
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	if n.OpType == "Transpose" {
		n.OpType, n.Attribute = "Identity", nil
		return in(n, "transpose lost")
	}
	name := "transB"
	if attribute(n, name) == nil && f.below(3) == 0 {
		name = "transA"
	}
	if a := attribute(n, name); a != nil {
		a.I = 1 - a.I
	} else {
		n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: 1})
	}
	return in(n, "%s turned", name)
}

func (f *file) turnAxis() (Fault, bool) {
	// The position of the operand that holds axes.
	operand := map[string]int{"ReduceSum": 1, "Slice": 3, "Unsqueeze": 1, "Squeeze": 1}
	axes := func(n *onnxpb.NodeProto) *onnxpb.TensorProto {
		if i, ok := operand[n.OpType]; ok && len(n.Input) > i {
			return f.initializer(n.Input[i])
		}
		return nil
	}
	list := f.nodes(func(n *onnxpb.NodeProto) bool {
		return attribute(n, "axis") != nil || attribute(n, "axes") != nil || attribute(n, "perm") != nil || axes(n) != nil
	})
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	another := func(x int64) int64 {
		y := int64(f.below(5) - 2)
		if y == x {
			y = (x+3)%5 - 2
		}
		return y
	}
	if a := attribute(n, "perm"); a != nil && len(a.Ints) > 1 {
		i := f.below(len(a.Ints) - 1)
		a.Ints[i], a.Ints[i+1] = a.Ints[i+1], a.Ints[i]
		return in(n, "perm %v", a.Ints)
	}
	if a := attribute(n, "axes"); a != nil && len(a.Ints) > 0 {
		a.Ints[0] = another(a.Ints[0])
		return in(n, "axes %v", a.Ints)
	}
	if t := axes(n); t != nil && len(t.Int64Data) > 0 {
		t.Int64Data[0] = another(t.Int64Data[0])
		return in(n, "axes %v", t.Int64Data)
	}
	if a := attribute(n, "axis"); a != nil {
		a.I = another(a.I)
		return in(n, "axis %d", a.I)
	}
	return Fault{}, false
}

// activations of one operand that a table could mix up.
var activations = []string{"Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Erf", "Softmax", "LogSoftmax", "Identity", "Abs", "Neg", "Exp",
	"Softsign", "HardSigmoid", "Sqrt", "Reciprocal", "Sign"}

func (f *file) exchangeActivation() (Fault, bool) {
	list := f.nodes(func(n *onnxpb.NodeProto) bool { return slices.Contains(activations, n.OpType) })
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	was := n.OpType
	for n.OpType == was {
		n.OpType = one(f, activations)
	}
	n.Attribute = nil
	return in(n, "was %s", was)
}

// passable reports whether a node's first operand can stand for its result.
func (f *file) passable(n *onnxpb.NodeProto) bool { return len(n.Input) > 0 && len(n.Output) == 1 }

func (f *file) dropNode() (Fault, bool) {
	list := f.nodes(f.passable)
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	if f.isOutput(n.Output[0]) {
		was := n.OpType
		n.OpType, n.Attribute, n.Input = "Identity", nil, n.Input[:1]
		return in(n, "passes through, was %s", was)
	}
	f.g.Node = slices.DeleteFunc(f.g.Node, func(x *onnxpb.NodeProto) bool { return x == n })
	if f.below(8) == 0 {
		return in(n, "gone")
	}
	f.rename(n.Output[0], n.Input[0], nil)
	return in(n, "dropped")
}

func (f *file) doubleNode() (Fault, bool) {
	list := f.nodes(f.passable)
	if len(list) == 0 {
		return Fault{}, false
	}
	n := one(f, list)
	again := *n
	again.Name += "_again"
	again.Input = append([]string{}, n.Input...)
	again.Input[0] = n.Output[0] + "_once"
	n.Output = again.Input[:1:1]
	i := slices.Index(f.g.Node, n)
	f.g.Node = slices.Insert(f.g.Node, i+1, &again)
	return in(n, "applied twice")
}

// moveOutput lets an output be another value, of its shape if there is one.
func (f *file) moveOutput() (Fault, bool) {
	out := one(f, f.g.Output)
	var like, any []string
	for _, v := range slices.Concat(f.g.ValueInfo, f.g.Input, f.g.Output) {
		if v == out || v.GetType().GetTensorType().GetElemType() != out.GetType().GetTensorType().GetElemType() {
			continue
		}
		any = append(any, v.Name)
		if v.GetType().GetTensorType().GetShape().String() == out.GetType().GetTensorType().GetShape().String() {
			like = append(like, v.Name)
		}
	}
	if len(like) > 0 && f.below(4) > 0 {
		any = like
	}
	if len(any) == 0 {
		return Fault{}, false
	}
	from := one(f, any)
	for _, n := range f.g.Node {
		if n.Output[0] != out.Name {
			continue
		}
		fault, ok := in(n, "output %q taken from %q", out.Name, from)
		n.Output = []string{out.Name + "_was"}
		f.rename(out.Name, n.Output[0], nil)
		f.g.Node = append(f.g.Node, &onnxpb.NodeProto{Name: "elsewhere", OpType: "Identity", Input: []string{from}, Output: []string{out.Name}})
		return fault, ok
	}
	return Fault{}, false
}

func (f *file) changeOpset() (Fault, bool) {
	o := f.m.OpsetImport[0]
	was := o.Version
	for o.Version == was {
		o.Version = int64(6 + f.below(20))
	}
	return Fault{What: "opset"}.with(was, o.Version), true
}

func (f *file) fixBatch() (Fault, bool) {
	n := one(f, []int64{1, 2, 8, 26, 32, 64})
	fix := func(v *onnxpb.ValueInfoProto) bool {
		done := false
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			if d.GetDimParam() != "" {
				d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
				done = true
			}
		}
		return done
	}
	switch f.below(4) {
	case 0:
		return Fault{What: "output"}.with(0, n), fix(f.g.Output[0])
	case 1:
		for _, x := range f.nodes(func(x *onnxpb.NodeProto) bool { return x.OpType == "Reshape" || x.OpType == "Expand" }) {
			if t := f.initializer(x.Input[1]); t != nil && len(t.Int64Data) > 0 && t.Int64Data[0] <= 0 {
				t.Int64Data[0] = n
				return in(x, "%d rows", n)
			}
		}
	case 2:
		for _, v := range slices.Concat(f.g.Input, f.g.ValueInfo, f.g.Output) {
			fix(v)
		}
		return Fault{What: "every value"}.with(0, n), true
	}
	return Fault{What: "input"}.with(0, n), fix(f.g.Input[0])
}
