package onnxpb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func sample() *onnxpb.ModelProto {
	dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}
	return &onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		Graph: &onnxpb.GraphProto{
			Name: "g",
			Node: []*onnxpb.NodeProto{{
				OpType: "Gemm", Input: []string{"x", "w"}, Output: []string{"y"},
				Attribute: []*onnxpb.AttributeProto{{Name: "transB", Type: onnxpb.AttributeProto_INT, I: 1}},
			}},
			Initializer: []*onnxpb.TensorProto{{
				Name: "w", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{1, 1}, RawData: []byte{0, 0, 128, 63},
			}},
			Input: []*onnxpb.ValueInfoProto{{
				Name: "x",
				Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
					ElemType: int32(onnxpb.TensorProto_FLOAT),
					Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{dim}},
				}}},
			}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var got onnxpb.ModelProto
	if err := got.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &got); d != "" {
		t.Errorf("decoded model differs (-want +got):\n%s", d)
	}
}

// TestFieldNumbers pins the bytes of a small tensor, so that a regenerated
// file with other field numbers is noticed.
func TestFieldNumbers(t *testing.T) {
	b, err := (&onnxpb.TensorProto{Dims: []int64{2}, DataType: 1, Name: "w", RawData: []byte{7}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{
		0x0a, 1, 2, // dims, field 1, packed
		0x10, 1, // data_type, field 2
		0x42, 1, 'w', // name, field 8
		0x4a, 1, 7, // raw_data, field 9
	}
	if d := cmp.Diff(want, b); d != "" {
		t.Errorf("bytes differ (-want +got):\n%s", d)
	}
}

func TestTruncated(t *testing.T) {
	b, err := sample().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if n == 0 {
			continue
		}
		var m onnxpb.ModelProto
		// Some cuts fall between fields and are valid; none may panic.
		if err := m.Unmarshal(b[:n]); err == nil && cmp.Equal(sample(), &m) {
			t.Errorf("%d of %d bytes decode to the whole model", n, len(b))
		}
	}
}
