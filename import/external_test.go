package onnximport_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// TestExternalData reads a tensor from beside the model, and from nowhere else.
func TestExternalData(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "model")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 8+4*3)
	for i, x := range []float32{10, 20, 30} {
		binary.LittleEndian.PutUint32(raw[8+4*i:], math.Float32bits(x))
	}
	for _, p := range []string{filepath.Join(outer, "secret"), filepath.Join(dir, "w.bin")} {
		if err := os.WriteFile(p, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outer, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Logf("no symbolic links here: %v", err)
	}
	if err := os.Symlink(outer, filepath.Join(dir, "up")); err != nil {
		t.Logf("no symbolic links here: %v", err)
	}
	open := func(location, offset, length string) (*onnximport.Model, error) {
		f := newFile(17).input("x", "N", 3).floats("w", []int64{3}).node("y = Add(x,w)")
		w := f.m.Graph.Initializer[0]
		w.FloatData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
		for _, kv := range [][2]string{{"location", location}, {"offset", offset}, {"length", length}} {
			if kv[1] != "" {
				w.ExternalData = append(w.ExternalData, &onnxpb.StringStringEntryProto{Key: kv[0], Value: kv[1]})
			}
		}
		path := filepath.Join(dir, "model.onnx")
		if err := os.WriteFile(path, f.bytes(t, "y"), 0o644); err != nil {
			t.Fatal(err)
		}
		return onnximport.Open(path)
	}
	for _, c := range [][2]string{{"8", "12"}, {"8", ""}} {
		m, err := open("w.bin", c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Params["w"].F32, []float32{10, 20, 30}) {
			t.Errorf("w is %v", m.Params["w"].F32)
		}
	}
	for _, c := range []struct{ location, offset, length, want string }{
		{"../secret", "8", "12", "not inside the model's folder"},
		{filepath.Join(outer, "secret"), "8", "12", "not inside the model's folder"},
		{"a/../../secret", "8", "12", "not inside the model's folder"},
		{"link", "8", "12", "lies in"},
		{"up/secret", "8", "12", "lies in"},
		{"", "8", "12", "not inside the model's folder"},
		{".", "8", "12", "not a regular file"},
		{"missing", "8", "12", "lies in"},
		{"w.bin", "9", "12", "which is not that long"},
		{"w.bin", "9223372036854775807", "12", "which is not that long"},
		{"w.bin", "-1", "12", "not a length"},
		{"w.bin", "8", "11", "its shape needs 12"},
		{"w.bin", "8", "x", "not a length"},
	} {
		if m, err := open(c.location, c.offset, c.length); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v %v, want %q", c, m, err, c.want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := onnximport.Open(filepath.Join(dir, "none.onnx")); err == nil {
		t.Error("a file that is absent was opened")
	}
	if _, err := onnximport.Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	empty := filepath.Join(dir, "empty.onnx")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := onnximport.Open(empty); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Error(err)
	}
}
