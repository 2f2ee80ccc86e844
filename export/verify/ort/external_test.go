package ort_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Bytes have no folder: data outside them would be whatever lies under its name in
// the working folder.
func TestDataOutside(t *testing.T) {
	rt := orttest.Runtime(t)
	w := &onnxpb.TensorProto{Name: "w", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{3}, DataLocation: onnxpb.TensorProto_EXTERNAL,
		ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: "w.data"}}}
	model := encode(t, &onnxpb.GraphProto{
		Input:       []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, "N", 3)},
		Output:      []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, "N", 3)},
		Initializer: []*onnxpb.TensorProto{w},
		Node:        []*onnxpb.NodeProto{node("Add", []string{"x", "w"}, []string{"y"})},
	})
	t.Chdir(t.TempDir())
	if err := os.WriteFile(filepath.Join(".", "w.data"), make([]byte, 12), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := rt.Open(model)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), `tensor "w" lies outside the file`) {
		t.Errorf("got %v", err)
	}
}
