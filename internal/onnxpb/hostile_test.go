package onnxpb_test

import (
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func tensors(t testing.TB) (files [][]byte) {
	for _, x := range []*onnxpb.TensorProto{
		{Name: "raw", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{2, 3}, RawData: make([]byte, 24)},
		{Name: "packed", DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{4}, Int64Data: []int64{1, -2, 1 << 40, 0}, DocString: "x"},
		{DataType: int32(onnxpb.TensorProto_STRING), Dims: []int64{2}, StringData: [][]byte{[]byte("a"), nil}},
		{Dims: []int64{1}, FloatData: []float32{1}, ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: "w.bin"}}},
	} {
		b, err := x.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}

func parseTensor(b []byte) error {
	_, err := onnxpb.UnmarshalTensor(b)
	return err
}

func TestTensorCorpus(t *testing.T) {
	hostile.Corpus(t, hostile.Parser{Seeds: tensors(t), Parse: parseTensor})
}

func FuzzUnmarshalTensor(f *testing.F) {
	for _, b := range tensors(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := onnxpb.UnmarshalTensor(b)
		if err != nil {
			return
		}
		again, err := x.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := parseTensor(again); err != nil {
			t.Errorf("what was decoded does not decode again: %v", err)
		}
	})
}
