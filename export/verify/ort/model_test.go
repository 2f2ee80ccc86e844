package ort_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func port(name string, elem onnxpb.TensorProto_DataType, dims ...any) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(elem), Shape: shape}},
	}}
}

func floats(name string, dims []int64, data ...float32) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: dims}
	for _, x := range data {
		t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(x))
	}
	return t
}

func integer(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v}
}

func node(op string, in, out []string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: op, Input: in, Output: out, Attribute: attrs}
}

func encode(t testing.TB, g *onnxpb.GraphProto) []byte {
	t.Helper()
	g.Name = "g"
	m := &onnxpb.ModelProto{
		IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		ProducerName: "lamina-test", ModelVersion: 3, Domain: "d", DocString: "doc", Graph: g,
		MetadataProps: []*onnxpb.StringStringEntryProto{{Key: "k", Value: "v"}, {Key: "empty"}},
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mlp is y = relu(x·Wᵀ + b), x of shape [N 3], y of shape [N 2].
func mlp(t testing.TB) []byte {
	return encode(t, &onnxpb.GraphProto{
		Input:       []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, "N", 3)},
		Output:      []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, "N", 2)},
		Initializer: []*onnxpb.TensorProto{floats("w", []int64{2, 3}, 1, 2, 3, -1, 0, 1), floats("b", []int64{2}, 0.5, -2)},
		Node: []*onnxpb.NodeProto{
			node("Gemm", []string{"x", "w", "b"}, []string{"h"}, integer("transB", 1)),
			node("Relu", []string{"h"}, []string{"y"}),
		},
	})
}
