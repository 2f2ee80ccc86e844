package onnximport_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// file builds a model by hand.
type file struct{ m *onnxpb.ModelProto }

func newFile(opset int64) *file {
	return &file{&onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}}, Graph: &onnxpb.GraphProto{Name: "g"}}}
}

func info(name string, elem int32, dims ...any) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		p := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			p.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			p.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		}
		s.Dim = append(s.Dim, p)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: elem, Shape: s}}}}
}

func (f *file) input(name string, dims ...any) *file {
	f.m.Graph.Input = append(f.m.Graph.Input, info(name, 1, dims...))
	return f
}

func (f *file) floats(name string, dims []int64, x ...float32) *file {
	f.m.Graph.Initializer = append(f.m.Graph.Initializer, &onnxpb.TensorProto{Name: name, DataType: 1, Dims: dims, FloatData: x})
	return f
}

func (f *file) ints(name string, x ...int64) *file {
	f.m.Graph.Initializer = append(f.m.Graph.Initializer, &onnxpb.TensorProto{Name: name, DataType: 7, Dims: []int64{int64(len(x))}, Int64Data: x})
	return f
}

// scalar is an integer of rank 0.
func (f *file) scalar(name string, x int64) *file {
	f.m.Graph.Initializer = append(f.m.Graph.Initializer, &onnxpb.TensorProto{Name: name, DataType: 7, Int64Data: []int64{x}})
	return f
}

// node appends "out1,out2 = Op(in1,in2)" with attributes by pairs of name and value.
func (f *file) node(text string, attrs ...any) *file {
	left, right, _ := strings.Cut(text, " = ")
	op, args, _ := strings.Cut(strings.TrimSuffix(right, ")"), "(")
	n := &onnxpb.NodeProto{OpType: op, Name: "n" + left, Output: strings.Split(left, ",")}
	if args != "" {
		n.Input = strings.Split(args, ",")
	}
	for i := 0; i < len(attrs); i += 2 {
		a := &onnxpb.AttributeProto{Name: attrs[i].(string)}
		switch x := attrs[i+1].(type) {
		case int:
			a.Type, a.I = onnxpb.AttributeProto_INT, int64(x)
		case float64:
			a.Type, a.F = onnxpb.AttributeProto_FLOAT, float32(x)
		case string:
			a.Type, a.S = onnxpb.AttributeProto_STRING, []byte(x)
		case []int64:
			a.Type, a.Ints = onnxpb.AttributeProto_INTS, x
		}
		n.Attribute = append(n.Attribute, a)
	}
	f.m.Graph.Node = append(f.m.Graph.Node, n)
	return f
}

func (f *file) bytes(t testing.TB, outputs ...string) []byte {
	t.Helper()
	for _, o := range outputs {
		f.m.Graph.Output = append(f.m.Graph.Output, &onnxpb.ValueInfoProto{Name: o})
	}
	raw, err := f.m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var x23 = []float32{1, -2, 3, 4, 5, -6}

// form is one form of an operator, given x f32[N 3] with the rows 1 -2 3 and
// 4 5 -6.
type form struct {
	name  string
	opset int64
	f     func(*file) *file
	want  []float32
}

// forms have results that were worked out by hand.
func forms() []form {
	w := []float32{1, 2, 0, 1, -1, 0} // [3 2]
	return []form{
		{"Gemm", 13, func(f *file) *file {
			return f.floats("w", []int64{3, 2}, w...).floats("c", []int64{2}, 10, 20).node("y = Gemm(x,w,c)")
		}, []float32{8, 20, 20, 33}},
		{"Gemm transB alpha beta", 13, func(f *file) *file {
			return f.floats("w", []int64{2, 3}, 1, 0, -1, 2, 1, 0).floats("c", []int64{1, 2}, 10, 20).node("y = Gemm(x,w,c)", "transB", 1, "alpha", 2.0, "beta", 0.5)
		}, []float32{1, 10, 25, 36}},
		{"Gemm transA", 13, func(f *file) *file {
			return f.floats("w", []int64{2, 1}, 1, 1).floats("w2", []int64{2, 3}, 1, 2, 3, 4, 5, 6).
				node("g = Gemm(w2,w)", "transA", 1).node("y = MatMul(x,g)")
		}, []float32{1*5 - 2*7 + 3*9, 4*5 + 5*7 - 6*9}},
		{"Sub Div broadcast", 13, func(f *file) *file {
			return f.floats("a", []int64{3}, 1, 2, 4).floats("two", nil, 2).node("d = Sub(a,x)").node("y = Div(d,two)")
		}, []float32{0, 2, .5, -1.5, -1.5, 5}},
		{"Pow integer", 13, func(f *file) *file { return f.scalar("p", 2).node("y = Pow(x,p)") }, []float32{1, 4, 9, 16, 25, 36}},
		{"Max of three", 13, func(f *file) *file {
			return f.floats("a", nil, 0).floats("b", []int64{3}, 2, 2, 2).node("y = Max(x,a,b)")
		}, []float32{2, 2, 3, 4, 5, 2}},
		{"Mean", 13, func(f *file) *file { return f.floats("a", nil, 3).node("y = Mean(x,a)") }, []float32{2, .5, 3, 3.5, 4, -1.5}},
		{"Clip both", 13, func(f *file) *file {
			return f.floats("lo", nil, -1).floats("hi", nil, 3).node("y = Clip(x,lo,hi)")
		}, []float32{1, -1, 3, 3, 3, -1}},
		{"Clip above", 13, func(f *file) *file { return f.floats("hi", nil, 3).node("y = Clip(x,,hi)") }, []float32{1, -2, 3, 3, 3, -6}},
		{"Relu", 13, func(f *file) *file { return f.node("y = Relu(x)") }, []float32{1, 0, 3, 4, 5, 0}},
		{"LeakyRelu default", 13, func(f *file) *file { return f.node("y = LeakyRelu(x)") }, []float32{1, -.02, 3, 4, 5, -.06}},
		{"LeakyRelu", 13, func(f *file) *file { return f.node("y = LeakyRelu(x)", "alpha", 0.5) }, []float32{1, -1, 3, 4, 5, -3}},
		{"Elu alpha 2", 13, func(f *file) *file { return f.node("y = Elu(x)", "alpha", 2.0) }, []float32{1, -1.7293294, 3, 4, 5, -1.9950425}},
		{"Gelu", 20, func(f *file) *file { return f.node("y = Gelu(x)") }, []float32{.8413447, -.0455003, 2.9959502, 3.9998733, 4.9999986, -5.92e-9}},
		{"Softmax", 13, func(f *file) *file {
			return f.floats("z", []int64{3}, 0, 0, 0).node("m = Mul(x,z)").node("y = Softmax(m)")
		},
			[]float32{1. / 3, 1. / 3, 1. / 3, 1. / 3, 1. / 3, 1. / 3}},
		{"HardSigmoid", 13, func(f *file) *file { return f.node("y = HardSigmoid(x)", "alpha", 0.25) }, []float32{.75, 0, 1, 1, 1, 0}},
		{"PRelu", 13, func(f *file) *file { return f.floats("s", []int64{3}, 1, 10, 100).node("y = PRelu(x,s)") }, []float32{1, -20, 3, 4, 5, -600}},
		{"Dropout", 13, func(f *file) *file { return f.floats("r", nil, .5).node("y = Dropout(x,r)") }, x23},
		{"Dropout and mask", 13, func(f *file) *file {
			return f.node("d,m = Dropout(x)").node("n = Cast(m)", "to", 1).node("y = Add(d,n)")
		}, []float32{2, -1, 4, 5, 6, -5}},
		{"Identity twice", 13, func(f *file) *file { return f.node("i = Identity(x)").node("y = Identity(i)") }, x23},
		{"x*x", 13, func(f *file) *file { return f.node("y = Mul(x,x)") }, []float32{1, 4, 9, 16, 25, 36}},
		{"Reshape 0 -1", 13, func(f *file) *file {
			return f.ints("s", 0, -1, 1).node("r = Reshape(x,s)").node("y = ReduceSum(r,a)", "keepdims", 0).ints("a", 1, 2)
		}, []float32{2, 3}},
		{"shape by arithmetic", 13, func(f *file) *file {
			return f.node("s = Shape(x)").scalar("zero", 0).node("n = Gather(s,zero)").ints("at", 0).node("u = Unsqueeze(n,at)").ints("k", 3, 1).
				node("t = Concat(u,k)", "axis", 0).node("r = Reshape(x,t)").ints("a", -1).node("y = Squeeze(r,a)")
		}, x23},
		{"Flatten", 13, func(f *file) *file {
			return f.ints("a", 1).node("u = Unsqueeze(x,a)").node("y = Flatten(u)", "axis", -2)
		}, x23},
		{"Concat Slice", 13, func(f *file) *file {
			return f.node("c = Concat(x,x)", "axis", -1).ints("lo", -4).ints("hi", 5).ints("a", 1).node("y = Slice(c,lo,hi,a)")
		}, []float32{3, 1, -2, -6, 4, 5}},
		{"Slice backwards", 13, func(f *file) *file {
			return f.ints("lo", -1).ints("hi", math.MinInt64).ints("a", 1).ints("s", -1).node("y = Slice(x,lo,hi,a,s)")
		}, []float32{3, -2, 1, -6, 5, 4}},
		{"Slice keeps the batch", 13, func(f *file) *file {
			return f.ints("lo", 0, 1).ints("hi", 1<<62, 1<<62).node("y = Slice(x,lo,hi)")
		}, []float32{-2, 3, 5, -6}},
		{"Split 13", 13, func(f *file) *file { return f.ints("s", 1, 2).node("p,y = Split(x,s)", "axis", 1) }, []float32{-2, 3, 5, -6}},
		{"Split 18", 18, func(f *file) *file { return f.node("y,q = Split(x)", "axis", 1, "num_outputs", 2) }, []float32{1, -2, 4, 5}},
		{"ReduceMean 17", 17, func(f *file) *file { return f.node("y = ReduceMean(x)", "axes", []int64{-1}) }, []float32{2. / 3, 1}},
		{"ReduceMean 18", 18, func(f *file) *file { return f.ints("a", 1).node("y = ReduceMean(x,a)", "keepdims", 0) }, []float32{2. / 3, 1}},
		{"ReduceMin", 18, func(f *file) *file { return f.ints("a", 1).node("y = ReduceMin(x,a)") }, []float32{-2, -6}},
		{"ReduceLogSumExp", 18, func(f *file) *file { return f.ints("a", 1).node("y = ReduceLogSumExp(x,a)", "keepdims", 0) }, []float32{3.1328452, 5.3132739}},
		{"Where GreaterOrEqual", 13, func(f *file) *file {
			return f.floats("k", nil, 3).floats("o", nil, 0).node("g = GreaterOrEqual(x,k)").node("y = Where(g,x,o)")
		}, []float32{0, 0, 3, 4, 5, 0}},
		{"Not And Or", 13, func(f *file) *file {
			return f.floats("k", nil, 3).floats("o", nil, 0).node("g = Greater(x,k)").node("l = Less(x,o)").node("e = Or(g,l)").node("n = Not(e)").
				node("b = And(n,n)").node("y = Cast(b)", "to", 1)
		}, []float32{1, 0, 1, 0, 0, 0}},
		{"ArgMax OneHot", 13, func(f *file) *file {
			return f.node("a = ArgMax(x)", "axis", 1, "keepdims", 0).scalar("d", 3).floats("v", []int64{2}, -1, 2).node("y = OneHot(a,d,v)")
		}, []float32{-1, -1, 2, -1, 2, -1}},
		{"TopK", 13, func(f *file) *file { return f.ints("k", 2).node("y,i = TopK(x,k)") }, []float32{3, 1, 5, 4}},
		{"TopK indices", 13, func(f *file) *file {
			return f.ints("k", 2).node("v,i = TopK(x,k)", "axis", 1, "largest", 0).node("y = Cast(i)", "to", 1)
		}, []float32{1, 0, 2, 0}},
		{"Gather known", 13, func(f *file) *file { return f.ints("i", 2, -3).node("y = Gather(x,i)", "axis", 1) }, []float32{3, 1, -6, 4}},
		{"Gather rows of a table", 13, func(f *file) *file {
			return f.node("a = ArgMax(x)", "axis", 1, "keepdims", 0).floats("e", []int64{3, 2}, 1, 2, 3, 4, 5, 6).node("y = Gather(e,a)")
		}, []float32{5, 6, 3, 4}},
		{"Pad", 13, func(f *file) *file {
			return f.ints("p", 0, 1, 0, -1).floats("v", nil, 7).node("y = Pad(x,p,v)")
		}, []float32{7, 1, -2, 7, 4, 5}},
		{"Pad edge", 13, func(f *file) *file {
			return f.ints("p", 0, 2, 0, 1).node("y = Pad(x,p)", "mode", "edge")
		}, []float32{1, 1, 1, -2, 3, 3, 4, 4, 4, 5, -6, -6}},
		{"Pad reflect", 13, func(f *file) *file {
			return f.ints("p", 0, 2, 0, 1).node("y = Pad(x,p)", "mode", "reflect")
		}, []float32{3, -2, 1, -2, 3, -2, -6, 5, 4, 5, -6, 5}},
		{"Pad wrap", 19, func(f *file) *file {
			return f.ints("p", 0, 2, 0, 1).node("y = Pad(x,p)", "mode", "wrap")
		}, []float32{-2, 3, 1, -2, 3, 1, 5, -6, 4, 5, -6, 4}},
		{"DepthToSpace", 13, func(f *file) *file {
			return eight(f, 0, 8, 1, 1).node("y = DepthToSpace(e)", "blocksize", 2)
		}, []float32{1, 3, -2, -2, -2, 1, 3, 3, 4, -6, 5, 5, 5, 4, -6, -6}},
		{"DepthToSpace CRD", 13, func(f *file) *file {
			return eight(f, 0, 8, 1, 1).node("y = DepthToSpace(e)", "blocksize", 2, "mode", "CRD")
		}, []float32{1, -2, 3, 1, -2, 3, -2, 3, 4, 5, -6, 4, 5, -6, 5, -6}},
		{"SpaceToDepth", 13, func(f *file) *file {
			return eight(f, 0, 2, 2, 2).node("y = SpaceToDepth(e)", "blocksize", 2)
		}, []float32{1, -2, -2, 3, 3, -2, 1, 3, 4, 5, 5, -6, -6, 5, 4, -6}},
		{"BatchNormalization", 15, func(f *file) *file {
			return f.floats("s", []int64{3}, 1, 2, 3).floats("b", []int64{3}, 0, 1, 0).floats("m", []int64{3}, 1, 1, 1).floats("v", []int64{3}, 4, 4, 4).
				node("y = BatchNormalization(x,s,b,m,v)", "epsilon", 0.0)
		}, []float32{0, -2, 3, 1.5, 5, -10.5}},
		{"LayerNormalization", 17, func(f *file) *file {
			return f.floats("s", []int64{3}, 1, 1, 2).floats("b", []int64{3}, 0, 0, 1).node("y = LayerNormalization(x,s,b)", "epsilon", 0.0)
		}, []float32{.16222142, -1.2977714, 3.2710999, .6040404, .8053873, -1.8188556}},
		{"HardSwish", 14, func(f *file) *file { return f.node("y = HardSwish(x)") }, []float32{.6666667, -.3333333, 3, 4, 5, 0}},
		{"Swish", 24, func(f *file) *file { return f.node("y = Swish(x)") }, []float32{.7310586, -.2384058, 2.8577224, 3.9280552, 4.9665356, -.0148357}},
		{"Swish, alpha", 24, func(f *file) *file { return f.node("y = Swish(x)", "alpha", 2.0) }, []float32{.8807971, -.0359724, 2.9925821, 3.9986584, 4.9997730, -3.68650e-5}},
		{"LayerNormalization, scale repeated", 17, func(f *file) *file {
			return f.floats("s", []int64{1}, 2).floats("b", nil, 1).node("y = LayerNormalization(x,s,b)", "epsilon", 0.0)
		}, []float32{1.3244428, -1.5955428, 3.2710999, 2.2080808, 2.6107746, -1.8188556}},
		{"LayerNormalization, statistics", 17, func(f *file) *file {
			return f.floats("s", []int64{3}, 1, 1, 2).node("v,m,i = LayerNormalization(x,s)", "epsilon", 0.0).node("a = Mul(v,i)").node("y = Add(a,m)")
		}, []float32{.7456140, .0350877, 1.7719298, 1.1216216, 1.1621622, .4324324}},
		{"RMSNormalization", 23, func(f *file) *file {
			return f.floats("s", []int64{3}, 1, 1, 2).node("y = RMSNormalization(x,s)", "epsilon", 0.0)
		}, []float32{.4629100, -.9258201, 2.7774603, .7895420, .9869276, -2.3686261}},
		{"InstanceNormalization", 13, func(f *file) *file {
			return f.ints("t", 0, 1, 3).node("r = Reshape(x,t)").floats("s", []int64{1}, 2).floats("b", []int64{1}, 1).node("y = InstanceNormalization(r,s,b)", "epsilon", 0.0)
		}, []float32{1.3244428, -1.5955428, 3.2710999, 2.2080808, 2.6107746, -1.8188556}},
		{"GroupNormalization, a scale for each group", 18, func(f *file) *file {
			return f.ints("t", 0, 3, 1).node("r = Reshape(x,t)").floats("s", []int64{1}, 2).floats("b", []int64{1}, 1).node("y = GroupNormalization(r,s,b)", "epsilon", 0.0, "num_groups", 1)
		}, []float32{1.3244428, -1.5955428, 3.2710999, 2.2080808, 2.6107746, -1.8188556}},
		{"GroupNormalization, a scale for each channel", 21, func(f *file) *file {
			return f.ints("t", 0, 3, 1).node("r = Reshape(x,t)").floats("s", []int64{3}, 1, 1, 2).floats("b", []int64{3}, 0, 0, 1).node("y = GroupNormalization(r,s,b)", "epsilon", 0.0, "num_groups", 1)
		}, []float32{.16222142, -1.2977714, 3.2710999, .6040404, .8053873, -1.8188556}},
	}
}

// eight makes e of x twice and its last two columns, in another shape.
func eight(f *file, shape ...int64) *file {
	return f.ints("lo", 1).ints("hi", 3).ints("of", 1).node("s = Slice(x,lo,hi,of)").node("c = Concat(x,x,s)", "axis", 1).ints("to", shape...).node("e = Reshape(c,to)")
}

func (c form) file(t testing.TB) []byte {
	return c.f(newFile(c.opset).input("x", "batch", 3)).bytes(t, "y")
}

func rows23() map[string]*ir.Tensor {
	return map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{2, 3}, F32: x23}}
}

func TestOperators(t *testing.T) {
	for _, c := range forms() {
		t.Run(c.name, func(t *testing.T) {
			s, err := native.Runtime().Open(c.file(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			out, err := s.Run(t.Context(), rows23())
			if err != nil {
				t.Fatal(err)
			}
			y := out["y"]
			want := &ir.Tensor{DType: ir.F32, Shape: y.Shape, F32: c.want}
			if len(c.want) != y.Len() {
				t.Fatalf("got %v, want %v", y.F32, c.want)
			}
			if err := close32(y, want); err != nil {
				t.Errorf("%v: got %v, want %v", err, y.F32, c.want)
			}
		})
	}
}

// TestStrict has attributes and operands that an operator does not have.
func TestStrict(t *testing.T) {
	for _, c := range []struct {
		f    *file
		want string
	}{
		{newFile(17).node("y = Relu(x)", "alpha", 1.0), "is not one of Relu at opset 17"},
		{newFile(17).node("y = Elu(x)", "alpha", 1), "is of type INT, must be FLOAT"},
		{newFile(17).ints("p", 0, 1, 0, 1).node("y = Pad(x,p)", "mode", "mirror"), "attribute mode is \"mirror\", must be constant, edge, reflect or wrap"},
		{newFile(17).ints("p", 0, 1, 0, 1).node("y = Pad(x,p)", "mode", "wrap"), "mode wrap came with opset 19, the file has 17"},
		{newFile(17).ints("p", 0, 1, 0, 3).node("y = Pad(x,p)", "mode", "reflect"), "mode reflect with pads 1 and 3 of an axis of length 3"},
		{newFile(19).ints("p", 0, 4, 0, 0).node("y = Pad(x,p)", "mode", "wrap"), "mode wrap with pads 4 and 0 of an axis of length 3"},
		{newFile(17).ints("p", 1, 0, 0, 0).node("y = Pad(x,p)", "mode", "edge"), "mode edge of an axis of length N"},
		{newFile(17).node("y = DepthToSpace(x)", "blocksize", 2), "x must have 4 axes, is f32[N 3]"},
		{newFile(17).ints("t", 0, 3, 1, 1).node("r = Reshape(x,t)").node("y = DepthToSpace(r)"), "attribute blocksize must be from 1 to"},
		{newFile(17).ints("t", 0, 3, 1, 1).node("r = Reshape(x,t)").node("y = DepthToSpace(r)", "blocksize", 2), "blocks of 2 by 2 cannot be made of x, which is f32[N 3 1 1]"},
		{newFile(17).ints("t", 0, 3, 1, 1).node("r = Reshape(x,t)").node("y = DepthToSpace(r)", "blocksize", 1, "mode", "RCD"), "attribute mode is \"RCD\", must be DCR or CRD"},
		{newFile(17).ints("t", 0, 3, 1, 1).node("r = Reshape(x,t)").node("y = SpaceToDepth(r)", "blocksize", 1<<40), "attribute blocksize must be from 1 to"},
		{newFile(17).ints("t", 0, 1, 1, 3).node("r = Reshape(x,t)").node("y = SpaceToDepth(r)", "blocksize", 3), "x, which is f32[N 1 1 3], does not divide into blocks of 3 by 3"},
		{newFile(17).node("y = Max(x,)"), "input 2 is left out"},
		{newFile(17).node("y = Add(x,)"), "has 1 inputs, 2 are needed"},
		{newFile(17).node("y = Relu(x,x)"), "has 2 inputs, 1 are needed"},
		{newFile(18).node("y = ReduceMean(x)", "axes", []int64{1}), "is not one of ReduceMean at opset 18"},
		{newFile(17).ints("a", 1).node("y = ReduceMean(x,a)"), "at opset 17 they are an attribute"},
		{newFile(17).node("y = Softmax(x)", "axis", 2), "axis 2 does not exist"},
		{newFile(17).floats("w", []int64{4, 2}, 1, 2, 3, 4, 5, 6, 7, 8).node("y = MatMul(x,w)"), "x's last axis is 3 but w's first axis is 4"},
		{newFile(18).ints("t", 0, 3, 1).node("r = Reshape(x,t)").floats("s", []int64{2}, 1, 1).node("y = GroupNormalization(r,s,s)", "num_groups", 2), "num_groups is 2, which does not divide 3 channels"},
		{newFile(21).ints("t", 0, 3, 1).node("r = Reshape(x,t)").floats("s", []int64{1}, 1).node("y = GroupNormalization(r,s,s)", "num_groups", 1), "scale must be f32[3]"},
		{newFile(17).floats("s", []int64{3}, 1, 1, 1).node("y = InstanceNormalization(x,s,s)"), "must have 3 axes or more"},
		{newFile(17).ints("s", 1, 3).node("y = Reshape(x,s)"), "x does not have the elements"},
	} {
		_, err := onnximport.Decode(context.Background(), c.f.input("x", "N", 3).bytes(t, "y"), onnximport.Limits{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestUnsupported checks that everything that is missing is named at once.
func TestUnsupported(t *testing.T) {
	data := newFile(17).input("x", "N", 3).node("a = Sin(x)").node("b = Sin(a)").node("c = Cosh(b)").node("d = Relu(c)").node("e = If(d)").bytes(t, "e")
	_, err := onnximport.Decode(context.Background(), data, onnximport.Limits{})
	var u *onnximport.Unsupported
	if !errors.As(err, &u) {
		t.Fatal(err)
	}
	want := "onnx: not supported:\n" +
		"  Cosh: has no counterpart in Lamina's ops (\"nc\")\n" +
		"  If: has no counterpart in Lamina's ops (\"ne\")\n" +
		"  Sin: has no counterpart in Lamina's ops (\"na\", \"nb\")"
	if err.Error() != want {
		t.Errorf("got %v\nwant %v", err, want)
	}
	// Forms that cannot be expressed come together, too.
	data = newFile(17).input("x", "N", 3).ints("lo", 0).ints("hi", 1).ints("a", 0).node("p = Slice(x,lo,hi,a)").
		node("q = Gelu(p)").node("r = Relu(q)").bytes(t, "r")
	_, err = onnximport.Decode(context.Background(), data, onnximport.Limits{})
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "Gelu: exists from opset 20 on, the file is at 17") {
		t.Error(err)
	}
}

func TestOldOpset(t *testing.T) {
	data := newFile(11).input("x", "N", 3).node("y = Relu(x)").bytes(t, "y")
	_, err := onnximport.Decode(context.Background(), data, onnximport.Limits{})
	if err == nil || !strings.Contains(err.Error(), "opset 11 is older than 13") {
		t.Error(err)
	}
}

// TestWholeOps: what has a kernel of its own is read as one op where it fits.
func TestWholeOps(t *testing.T) {
	for _, c := range forms() {
		op, _, _ := strings.Cut(c.name, ",")
		want := map[string]string{"LayerNormalization": "LayerNorm", "RMSNormalization": "RMSNorm", "InstanceNormalization": "InstanceNorm",
			"GroupNormalization": "GroupNorm", "BatchNormalization": "BatchNorm", "HardSwish": "HardSwish", "Swish": "Silu"}[op]
		switch c.name {
		case "LayerNormalization, scale repeated", "Swish, alpha":
			want = ""
		case "GroupNormalization, a scale for each group":
			want = "InstanceNorm"
		}
		m, err := onnximport.Decode(t.Context(), c.file(t), onnximport.Limits{})
		if err != nil {
			t.Fatal(c.name, err)
		}
		found := want == ""
		for _, n := range m.Graph.Nodes {
			found = found || n.Op.Name() == want
		}
		if !found {
			t.Errorf("%s is not read as %s:\n%s", c.name, want, ir.Format(m.Graph))
		}
	}
}

// TestAliases has outputs that are inputs, initializers and other outputs.
func TestAliases(t *testing.T) {
	data := newFile(17).input("x", "N", 3).floats("w", []int64{2}, 5, 6).ints("k", 7).
		node("a = Identity(x)").node("b = Identity(a)").node("v = Identity(w)").bytes(t, "x", "a", "b", "w", "v", "k")
	s, err := native.Runtime().Open(data)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context(), rows23())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"x": x23, "a": x23, "b": x23, "w": {5, 6}, "v": {5, 6}} {
		if y := out[name]; y == nil || !slices.Equal(y.F32, want) {
			t.Errorf("%s is %v, want %v", name, y, want)
		}
	}
	if k := out["k"]; k == nil || !slices.Equal(k.I64, []int64{7}) {
		t.Errorf("k is %v", k)
	}
}
