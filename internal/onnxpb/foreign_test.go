package onnxpb_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func archive(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := w.Create(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestForeign tells what a file is that was taken for a model or a tensor.
func TestForeign(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
	safetensors := append(binary.LittleEndian.AppendUint64(nil, 16), `{"w":{}}        0000`...)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"pointer":     {[]byte(pointer), "git lfs pull"},
		"page":        {[]byte("\ufeff \n<!DOCTYPE html>\n<html lang=de>"), "web page"},
		"bare page":   {[]byte("<html><body>Sign in</body></html>"), "web page"},
		"xml":         {[]byte(`<?xml version="1.0"?><net/>`), "XML"},
		"gzip":        {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "gzip"},
		"zstd":        {[]byte("\x28\xb5\x2f\xfd\x04\x00"), "Zstandard"},
		"torch":       {archive(t, "archive/data.pkl", "archive/data/0"), "PyTorch"},
		"torchscript": {archive(t, "net/constants.pkl"), "PyTorch"},
		"npz":         {archive(t, "x.npy"), ".npz"},
		"keras":       {archive(t, "metadata.json", "config.json"), "Keras"},
		"zip":         {archive(t, "encoder.onnx"), "ZIP archive; unpack"},
		"pickle":      {[]byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), "pickle"},
		"hdf5":        {[]byte("\x89HDF\r\n\x1a\n\x00\x00"), "HDF5"},
		"npy":         {[]byte("\x93NUMPY\x01\x00v\x00{'descr'"), ".npy"},
		"safetensors": {safetensors, "safetensors"},
		"tflite":      {[]byte("\x1c\x00\x00\x00TFL3\x14\x00"), "TensorFlow Lite"},
		"ort":         {[]byte("\x1c\x00\x00\x00ORTM\x14\x00"), "onnxruntime's own"},
		"checkpoint":  {[]byte("LAMINACK\x00\x01"), "checkpoint"},
		"zeros":       {make([]byte, 10_000), "zeros"},
		"answer":      {[]byte(`{"error":"Entry not found"}`), `Entry not found`},
		"long text":   {[]byte(strings.Repeat("schön ", 2000)), "a text that begins"},
	} {
		if got := onnxpb.Foreign(c.b); !strings.Contains(got, c.want) {
			t.Errorf("%s: Foreign is %q, want %q", name, got, c.want)
		}
		if _, err := onnxpb.UnmarshalModel(c.b); err != nil && !strings.Contains(err.Error(), "not an ONNX model but "+onnxpb.Foreign(c.b)) {
			t.Errorf("%s: as a model: %v", name, err)
		}
		if _, err := onnxpb.UnmarshalTensor(c.b); err != nil && !strings.Contains(err.Error(), "not an ONNX tensor but ") {
			t.Errorf("%s: as a tensor: %v", name, err)
		}
	}
	if got := onnxpb.Foreign(nil); got != "an empty file" {
		t.Errorf("nothing is %q", got)
	}
	b, err := sample().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got := onnxpb.Foreign(b); got != "" {
		t.Errorf("a model is %q", got)
	}
	if _, err := onnxpb.UnmarshalModel(b[:len(b)-1]); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a model cut short: %v", err)
	}
}
