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
	clean := bytesOf(t, small())
	for _, kind := range Kinds() {
		changed := 0
		for seed := range uint64(20) {
			a, b := small(), small()
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
	if _, ok := Put(small(), "no such kind", random.New(1)); ok {
		t.Error("an unknown kind was put")
	}
}
