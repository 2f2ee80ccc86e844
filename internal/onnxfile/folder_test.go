package onnxfile

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// elements are those of the tensor in every good data file, other those of
// another model's.
var elements, other = bytes.Repeat([]byte("abcd"), 4), bytes.Repeat([]byte("wxyz"), 4)

// outside is a tensor f32[4] in a file.
func outside(location string, more ...string) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{Name: "w", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{4}, DataLocation: onnxpb.TensorProto_EXTERNAL}
	more = append([]string{"location", location}, more...)
	for i := 0; i < len(more); i += 2 {
		t.ExternalData = append(t.ExternalData, &onnxpb.StringStringEntryProto{Key: more[i], Value: more[i+1]})
	}
	return t
}

// write makes a file and the folders it needs.
func write(t *testing.T, b []byte, path ...string) {
	t.Helper()
	p := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target string, path ...string) {
	t.Helper()
	p := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, p); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

func modelWith(t *testing.T, w *onnxpb.TensorProto) []byte {
	t.Helper()
	m := &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
		Initializer: []*onnxpb.TensorProto{w},
		Node:        []*onnxpb.NodeProto{{OpType: "Identity", Input: []string{"w"}, Output: []string{"y"}}},
		Output:      []*onnxpb.ValueInfoProto{{Name: "y"}},
	}}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFolder lays out models and their data as exporters, users and download
// caches do. In the working folder lies another model's data under the same name.
func TestFolder(t *testing.T) {
	for name, c := range map[string]struct {
		location string // m.data without it
		more     []string
		lay      func(t *testing.T, dir string) // makes what lies around dir/m.onnx
		path     string                         // of the model, dir/m.onnx without it
		want     string                         // in the error, "" for none
	}{
		"beside":    {lay: func(t *testing.T, dir string) { write(t, elements, dir, "m.data") }},
		"at offset": {more: []string{"offset", "3", "length", "16"}, lay: func(t *testing.T, dir string) { write(t, append([]byte("123"), elements...), dir, "m.data") }},
		"below":     {location: "w/m.data", lay: func(t *testing.T, dir string) { write(t, elements, dir, "w", "m.data") }},
		"dotted": {location: "./w/../m.data", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "m.data")
			os.Mkdir(filepath.Join(dir, "w"), 0o755)
		}},
		"windows": {location: `w\m.data`, lay: func(t *testing.T, dir string) { write(t, elements, dir, "w", "m.data") }},
		"linked inside": {lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "real.bin")
			link(t, "real.bin", dir, "m.data")
		}},
		"folder linked": {path: "alias/m.onnx", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "m.data")
			link(t, ".", dir, "alias")
		}},
		"cache": {path: "../snapshots/rev/m.onnx", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "2222")
			link(t, "../../model/m.onnx", dir, "../snapshots/rev/m.onnx")
			link(t, "../../model/2222", dir, "../snapshots/rev/m.data")
		}},
		"cache, folder below": {path: "../snapshots/rev/onnx/m.onnx", location: "w/m.data", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "2222")
			link(t, "../../../model/m.onnx", dir, "../snapshots/rev/onnx/m.onnx")
			link(t, "../../../../model/2222", dir, "../snapshots/rev/onnx/w/m.data")
		}},
		"link to a model": {path: "../latest.onnx", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "m.data")
			link(t, "model/m.onnx", dir, "../latest.onnx")
		}},
		"which of two": {path: "../latest.onnx", want: "another beside the model itself", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "m.data")
			write(t, other, dir, "../m.data")
			link(t, "model/m.onnx", dir, "../latest.onnx")
		}},
		"cache leads elsewhere": {path: "../snapshots/rev/m.onnx", want: "leads out of the model's folder", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "../secret/2222")
			link(t, "../../model/m.onnx", dir, "../snapshots/rev/m.onnx")
			link(t, "../../secret/2222", dir, "../snapshots/rev/m.data")
		}},
		"linked outside": {want: "leads out of the model's folder", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "../secret")
			link(t, "../secret", dir, "m.data")
		}},
		"folder outside": {location: "up/secret", want: "leads out of the model's folder", lay: func(t *testing.T, dir string) {
			write(t, elements, dir, "../secret")
			link(t, "..", dir, "up")
		}},
		"above":         {location: "../m.data", want: "not inside the model's folder", lay: func(t *testing.T, dir string) { write(t, elements, dir, "../m.data") }},
		"above, as \\":  {location: `..\m.data`, want: "not inside the model's folder", lay: func(t *testing.T, dir string) { write(t, elements, dir, "../m.data") }},
		"above, hidden": {location: "a/../../m.data", want: "not inside the model's folder", lay: func(t *testing.T, dir string) { write(t, elements, dir, "../m.data") }},
		"absolute":      {location: "/etc/hostname", want: "not inside the model's folder"},
		"no location":   {location: "-", want: "not inside the model's folder"},
		"moved":         {want: `"m.data", which is not there`, lay: func(t *testing.T, dir string) { write(t, elements, dir, "weights.bin") }},
		"a folder":      {want: "not a regular file", lay: func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, "m.data"), 0o755) }},
		"cut":           {want: "it has 15 bytes", lay: func(t *testing.T, dir string) { write(t, elements[:15], dir, "m.data") }},
		"past the end":  {more: []string{"offset", "9223372036854775807"}, want: "which is not that long", lay: func(t *testing.T, dir string) { write(t, elements, dir, "m.data") }},
		"negative":      {more: []string{"offset", "-1"}, want: "not a length"},
		"no number":     {more: []string{"length", "x"}, want: "not a length"},
		"other length":  {more: []string{"length", "12"}, want: "its shape needs 16"},
		"key twice":     {more: []string{"location", "m.data"}, want: "twice"},
		"pointer": {want: "git lfs pull", more: []string{"offset", "4096"}, lay: func(t *testing.T, dir string) {
			write(t, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4112\n"), dir, "m.data")
		}},
		"sum":       {more: []string{"checksum", sum(elements)}, lay: func(t *testing.T, dir string) { write(t, elements, dir, "m.data") }},
		"other sum": {more: []string{"checksum", sum(elements)}, want: "another model's", lay: func(t *testing.T, dir string) { write(t, other, dir, "m.data") }},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.HasPrefix(c.location, "/") {
				t.Skip("no absolute path here")
			}
			elsewhere := t.TempDir()
			write(t, other, elsewhere, "m.data")
			dir := filepath.Join(t.TempDir(), "model")
			location := c.location
			switch location {
			case "":
				location = "m.data"
			case "-":
				location = ""
			}
			write(t, modelWith(t, outside(location, c.more...)), dir, "m.onnx")
			if c.lay != nil {
				c.lay(t, dir)
			}
			path := filepath.Join(dir, "m.onnx")
			if c.path != "" {
				path = filepath.Join(dir, filepath.FromSlash(c.path))
			}
			t.Chdir(elsewhere)
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			alone, err := f.Alone()
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"w"`) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := onnxpb.UnmarshalModel(alone)
			if err != nil {
				t.Fatal(err)
			}
			w := m.Graph.Initializer[0]
			if !bytes.Equal(w.RawData, elements) || w.DataLocation != onnxpb.TensorProto_DEFAULT || len(w.ExternalData) > 0 {
				t.Errorf("the tensor became %v", w)
			}
			if err := External(alone); err != nil {
				t.Error(err)
			}
			if err := External(f.Data); err == nil {
				t.Error("bytes that need another file pass for a model that is alone")
			}
		})
	}
}

func sum(b []byte) string {
	s := sha1.Sum(b)
	return hex.EncodeToString(s[:])
}

// TestLimit reads the bytes of all tensors against one limit.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	write(t, elements, dir, "m.data")
	write(t, modelWith(t, outside("m.data")), dir, "m.onnx")
	f, err := OpenFolder(filepath.Join(dir, "m.onnx"), 31)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Tensor(outside("m.data"), 16); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tensor(outside("m.data"), 16); err == nil || !strings.Contains(err.Error(), "more bytes than the limit") {
		t.Errorf("got %v", err)
	}
}

// TestInline reaches the tensors in attributes, subgraphs and functions.
func TestInline(t *testing.T) {
	dir := t.TempDir()
	write(t, elements, dir, "m.data")
	path := filepath.Join(dir, "m.onnx")
	write(t, modelWith(t, outside("m.data")), dir, "m.onnx")
	f, err := OpenFolder(path, MaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	constant := func(t *onnxpb.TensorProto) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: "Constant", Output: []string{"c"}, Attribute: []*onnxpb.AttributeProto{{Name: "value", T: t}}}
	}
	list := []*onnxpb.TensorProto{outside("m.data"), outside("m.data"), outside("m.data"), outside("m.data"), outside("m.data")}
	inner := &onnxpb.GraphProto{Initializer: list[:1], Node: []*onnxpb.NodeProto{constant(list[1])}}
	m := &onnxpb.ModelProto{
		Graph: &onnxpb.GraphProto{
			Node:              []*onnxpb.NodeProto{constant(list[2]), {OpType: "If", Attribute: []*onnxpb.AttributeProto{{Name: "then_branch", G: inner}}}},
			SparseInitializer: []*onnxpb.SparseTensorProto{{Values: list[3]}},
		},
		Functions: []*onnxpb.FunctionProto{{Node: []*onnxpb.NodeProto{constant(list[4])}}},
	}
	if any, err := f.Inline(m); err != nil || !any {
		t.Fatal(any, err)
	}
	for i, p := range list {
		if !bytes.Equal(p.RawData, elements) {
			t.Errorf("tensor %d was not read", i)
		}
	}
	if any, err := f.Inline(m); err != nil || any {
		t.Error(any, err)
	}
}
