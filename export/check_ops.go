package onnxexport

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// call is one node as Check sees it.
type call struct {
	c      *checker
	n      *onnxpb.NodeProto
	in     []vtype
	attrs  map[string]*onnxpb.AttributeProto
	stated vtype
}

func (k *call) operands(lo, hi int) error {
	if len(k.in) < lo || len(k.in) > hi {
		return fmt.Errorf("takes %d to %d operands, got %d", lo, hi, len(k.in))
	}
	results := 1
	if k.n.OpType == "TopK" {
		results = 2
	}
	if len(k.n.Output) != results {
		return fmt.Errorf("makes %d results, got %d", results, len(k.n.Output))
	}
	return nil
}

func (k *call) int(name string, def int64) int64 {
	if a := k.attrs[name]; a != nil {
		return a.I
	}
	return def
}

// axis returns an attribute that names an axis of a value of that rank.
func (k *call) axis(a int64, rank int) (int, error) {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d of a value of rank %d", a, rank)
	}
	return int(a), nil
}

var errNotWritten = errors.New("is not an op this package writes")

// infer returns the type of a node's result by the rules of its op.
func (c *checker) infer(k *call) (vtype, error) {
	switch k.n.OpType {
	case "Neg", "Abs", "Sign", "Sqrt", "Exp", "Log", "Erf", "Reciprocal", "Relu", "LeakyRelu", "Elu", "Selu",
		"Gelu", "HardSwish", "Sigmoid", "Tanh", "Softplus", "Identity":
		return k.same()
	case "Softmax", "LogSoftmax":
		if len(k.in) == 1 {
			if _, err := k.axis(k.int("axis", -1), len(k.in[0].dims)); err != nil {
				return vtype{}, err
			}
		}
		return k.same()
	case "LayerNormalization", "RMSNormalization":
		return k.norm()
	case "InstanceNormalization":
		return k.channelNorm(3)
	case "BatchNormalization":
		return k.channelNorm(5)
	case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min":
		return k.elementwise(2, 2, 0)
	case "Greater", "Less", "Equal":
		return k.elementwise(2, 2, int32(onnxpb.TensorProto_BOOL))
	case "Where":
		return k.where()
	case "Cast":
		if err := k.operands(1, 1); err != nil {
			return vtype{}, err
		}
		return vtype{int32(k.int("to", 0)), k.in[0].dims}, nil
	case "MatMul":
		return k.matMul()
	case "Gemm":
		return k.gemm()
	case "Transpose":
		return k.transpose()
	case "Reshape":
		return k.reshape()
	case "Flatten":
		return k.flatten()
	case "Expand":
		return k.expand()
	case "Concat":
		return k.concat()
	case "Slice":
		return k.slice()
	case "Pad":
		return k.pad()
	case "ReduceSum", "ReduceMean", "ReduceMax":
		return k.reduce()
	case "ArgMax":
		return k.argMax()
	case "TopK":
		return k.topK()
	case "OneHot":
		return k.oneHot()
	case "Shape":
		if err := k.operands(1, 1); err != nil {
			return vtype{}, err
		}
		return vtype{int32(onnxpb.TensorProto_INT64), []length{fixed(int64(len(k.in[0].dims)))}}, nil
	case "Gather":
		return k.gather()
	}
	return vtype{}, errNotWritten
}

func (k *call) same() (vtype, error) {
	if err := k.operands(1, 1); err != nil {
		return vtype{}, err
	}
	return k.in[0], nil
}

func broadcast(a, b []length) ([]length, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := append([]length{}, a...)
	one := fixed(1)
	for i := range b {
		j := len(a) - len(b) + i
		switch {
		case a[j] == b[i] || b[i] == one:
		case a[j] == one:
			out[j] = b[i]
		default:
			return nil, fmt.Errorf("lengths %s and %s do not broadcast", a[j], b[i])
		}
	}
	return out, nil
}

func (k *call) elementwise(lo, hi int, elem int32) (vtype, error) {
	if err := k.operands(lo, hi); err != nil {
		return vtype{}, err
	}
	t := k.in[0]
	for _, u := range k.in[1:] {
		if u.elem != t.elem {
			return vtype{}, fmt.Errorf("operands are %s and %s", t, u)
		}
		d, err := broadcast(t.dims, u.dims)
		if err != nil {
			return vtype{}, err
		}
		t.dims = d
	}
	if elem != 0 {
		t.elem = elem
	}
	return t, nil
}

// norm is a normalisation over the axes from one on, whose lengths scale and bias have.
func (k *call) norm() (vtype, error) {
	most := 3
	if k.n.OpType == "RMSNormalization" {
		most = 2
	}
	if err := k.operands(2, most); err != nil {
		return vtype{}, err
	}
	x := k.in[0]
	axis, err := k.axis(k.int("axis", -1), len(x.dims))
	if err != nil {
		return vtype{}, err
	}
	for _, u := range k.in[1:] {
		if u.elem != x.elem || !slices.Equal(u.dims, x.dims[axis:]) {
			return vtype{}, fmt.Errorf("operands are %v, axis %d", k.in, axis)
		}
	}
	return x, nil
}

// channelNorm has a scale, a bias and so on for each channel.
func (k *call) channelNorm(operands int) (vtype, error) {
	if err := k.operands(operands, operands); err != nil {
		return vtype{}, err
	}
	x := k.in[0]
	for _, u := range k.in[1:] {
		if len(x.dims) < 2 || u.elem != x.elem || !slices.Equal(u.dims, x.dims[1:2]) {
			return vtype{}, fmt.Errorf("operands are %v", k.in)
		}
	}
	return x, nil
}

func (k *call) where() (vtype, error) {
	if err := k.operands(3, 3); err != nil {
		return vtype{}, err
	}
	if k.in[0].elem != int32(onnxpb.TensorProto_BOOL) || k.in[1].elem != k.in[2].elem {
		return vtype{}, fmt.Errorf("operands are %s, %s and %s", k.in[0], k.in[1], k.in[2])
	}
	d, err := broadcast(k.in[1].dims, k.in[2].dims)
	if err == nil {
		d, err = broadcast(k.in[0].dims, d)
	}
	return vtype{k.in[1].elem, d}, err
}

func (k *call) matMul() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	a, b := k.in[0].dims, k.in[1].dims
	bad := fmt.Errorf("operands are %s and %s", k.in[0], k.in[1])
	if len(a) == 0 || len(b) == 0 || k.in[0].elem != k.in[1].elem {
		return vtype{}, bad
	}
	row, col := len(a) == 1, len(b) == 1
	if row {
		a = append([]length{fixed(1)}, a...)
	}
	if col {
		b = append(append([]length{}, b...), fixed(1))
	}
	if a[len(a)-1] != b[len(b)-2] {
		return vtype{}, bad
	}
	d, err := broadcast(a[:len(a)-2], b[:len(b)-2])
	if err != nil {
		return vtype{}, bad
	}
	d = append([]length{}, d...)
	if !row {
		d = append(d, a[len(a)-2])
	}
	if !col {
		d = append(d, b[len(b)-1])
	}
	return vtype{k.in[0].elem, d}, nil
}

func (k *call) gemm() (vtype, error) {
	if err := k.operands(2, 3); err != nil {
		return vtype{}, err
	}
	a, b := k.in[0].dims, k.in[1].dims
	bad := fmt.Errorf("operands are %v", k.in)
	if len(a) != 2 || len(b) != 2 {
		return vtype{}, bad
	}
	if k.int("transA", 0) != 0 {
		a = []length{a[1], a[0]}
	}
	if k.int("transB", 0) != 0 {
		b = []length{b[1], b[0]}
	}
	if a[1] != b[0] {
		return vtype{}, bad
	}
	out := []length{a[0], b[1]}
	for _, u := range k.in {
		if u.elem != k.in[0].elem {
			return vtype{}, bad
		}
	}
	if len(k.in) == 3 {
		d, err := broadcast(out, k.in[2].dims)
		if err != nil || !(vtype{0, d}).equal(vtype{0, out}) {
			return vtype{}, bad
		}
	}
	return vtype{k.in[0].elem, out}, nil
}

func (k *call) argMax() (vtype, error) {
	if err := k.operands(1, 1); err != nil {
		return vtype{}, err
	}
	a, err := k.axis(k.int("axis", 0), len(k.in[0].dims))
	if err != nil {
		return vtype{}, err
	}
	return vtype{int32(onnxpb.TensorProto_INT64), drop(k.in[0].dims, map[int]bool{a: true}, k.int("keepdims", 1) != 0)}, nil
}

// topK gives the type of the elements; that of the indices is theirs with i64.
func (k *call) topK() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	a, err := k.axis(k.int("axis", -1), len(k.in[0].dims))
	if err != nil {
		return vtype{}, err
	}
	n := k.c.ints[k.n.Input[1]]
	if d, known := k.in[0].dims[a].Known(); len(n) != 1 || n[0] < 1 || !known || n[0] > int64(d) {
		return vtype{}, fmt.Errorf("k is %v, and x is %s", n, k.in[0])
	}
	d := append([]length{}, k.in[0].dims...)
	d[a] = fixed(n[0])
	return vtype{k.in[0].elem, d}, nil
}

func (k *call) oneHot() (vtype, error) {
	if err := k.operands(3, 3); err != nil {
		return vtype{}, err
	}
	depth := k.c.ints[k.n.Input[1]]
	if len(depth) != 1 || k.int("axis", -1) != -1 || len(k.in[2].dims) != 1 || k.in[2].dims[0] != fixed(2) {
		return vtype{}, errors.New("depth must be one number, values two, and the axis the last")
	}
	return vtype{k.in[2].elem, append(append([]length{}, k.in[0].dims...), fixed(depth[0]))}, nil
}

func (k *call) gather() (vtype, error) {
	if err := k.operands(2, 2); err != nil {
		return vtype{}, err
	}
	a, err := k.axis(k.int("axis", 0), len(k.in[0].dims))
	if err != nil {
		return vtype{}, err
	}
	d := append([]length{}, k.in[0].dims[:a]...)
	d = append(append(d, k.in[1].dims...), k.in[0].dims[a+1:]...)
	return vtype{k.in[0].elem, d}, nil
}
