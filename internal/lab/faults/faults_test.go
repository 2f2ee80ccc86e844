package faults

import (
	"bytes"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func small() *onnxpb.ModelProto {
	f := func(name string, n int, dims ...int64) *onnxpb.TensorProto {
		t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: dims, RawData: make([]byte, 4*n)}
		for i := range n {
			set(t, i, float64(i+1))
		}
		return t
	}
	shape := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{
		{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}, {Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}}}
	value := func(name string) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT), Shape: shape}}}}
	}
	return &onnxpb.ModelProto{OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
		Input: []*onnxpb.ValueInfoProto{value("x")}, Output: []*onnxpb.ValueInfoProto{value("y")}, ValueInfo: []*onnxpb.ValueInfoProto{value("h")},
		Initializer: []*onnxpb.TensorProto{f("w", 4, 2, 2), f("b", 2, 2)},
		Node: []*onnxpb.NodeProto{
			{OpType: "Gemm", Name: "dense", Input: []string{"x", "w", "b"}, Output: []string{"h"}, DocString: "layer: dense\nat: main.go:1"},
			{OpType: "Softmax", Name: "soft", Input: []string{"h"}, Output: []string{"y"}, DocString: "layer: soft",
				Attribute: []*onnxpb.AttributeProto{{Name: "axis", Type: onnxpb.AttributeProto_INT, I: 1}}},
		}}}
}

// image is a file of grouped and transposed convolutions, pools, and a product behind them.
func image() *onnxpb.ModelProto {
	m := small()
	g := m.Graph
	f := func(name string, dims ...int64) *onnxpb.TensorProto {
		n := 1
		for _, d := range dims {
			n *= int(d)
		}
		t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: dims, RawData: make([]byte, 4*n)}
		for i := range n {
			set(t, i, float64(i+1))
		}
		return t
	}
	ints := func(name string, v ...int64) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
	}
	g.Initializer = []*onnxpb.TensorProto{f("w", 4, 2, 3, 3), f("v", 4, 4, 2, 2), f("m", 12, 2)}
	g.ValueInfo = []*onnxpb.ValueInfoProto{{Name: "p", Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
		ElemType: 1, Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{
			{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}, {Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 4}}, {Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 3}}}}}}}}}
	g.Node = []*onnxpb.NodeProto{
		{OpType: "Conv", Input: []string{"x", "w"}, Output: []string{"h"}, Attribute: []*onnxpb.AttributeProto{ints("strides", 2, 1), ints("pads", 0, 1, 1, 2), {Name: "group", Type: onnxpb.AttributeProto_INT, I: 2}}},
		{OpType: "ConvTranspose", Input: []string{"h", "v"}, Output: []string{"k"}, Attribute: []*onnxpb.AttributeProto{ints("strides", 2, 1), ints("output_padding", 1, 0)}},
		{OpType: "MaxPool", Input: []string{"k"}, Output: []string{"q"}, Attribute: []*onnxpb.AttributeProto{ints("kernel_shape", 2, 3), ints("pads", 1, 1, 0, 0)}},
		{OpType: "AveragePool", Input: []string{"q"}, Output: []string{"p"}, Attribute: []*onnxpb.AttributeProto{ints("kernel_shape", 2, 3)}},
		{OpType: "Flatten", Input: []string{"p"}, Output: []string{"r"}},
		{OpType: "MatMul", Input: []string{"r", "m"}, Output: []string{"y"}},
	}
	return m
}

func bytesOf(t *testing.T, m *onnxpb.ModelProto) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPut wants every kind to change the file, the same way for the same key.
func TestPut(t *testing.T) {
	putAll(t, Kinds(), small)
	putAll(t, ImageKinds(), image)
	if _, ok := Put(small(), "no such kind", random.New(1)); ok {
		t.Error("an unknown kind was put")
	}
	for _, kind := range ImageKinds() {
		if f, ok := Put(small(), kind, random.New(1)); ok {
			t.Errorf("%s was put into a file without images: %v", kind, f)
		}
	}
}

func putAll(t *testing.T, kinds []string, of func() *onnxpb.ModelProto) {
	t.Helper()
	clean := bytesOf(t, of())
	for _, kind := range kinds {
		changed := 0
		for seed := range uint64(20) {
			a, b := of(), of()
			f, ok := Put(a, kind, random.New(seed))
			g, ok2 := Put(b, kind, random.New(seed))
			if f != g || ok != ok2 || !bytes.Equal(bytesOf(t, a), bytesOf(t, b)) {
				t.Errorf("%s, seed %d: %v and %v", kind, seed, f, g)
			}
			if same := bytes.Equal(bytesOf(t, a), clean); !ok && !same || ok && f.What == "" {
				t.Errorf("%s, seed %d: %v %v, unchanged %v", kind, seed, f, ok, same)
			} else if !same {
				changed++
			}
		}
		if changed < 10 {
			t.Errorf("%s changed the file %d times of 20", kind, changed)
		}
	}
}
