package onnxexport_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/outside"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// program declares a model in a module of its own and writes its encoder.
const program = `package main

import (
	"log"
	"os"

	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/spec"
)

func coder(n int) spec.Layer { return spec.Sequential("encoder", spec.Dense(n), spec.ReLU(), spec.Dense(3)) }

func main() {
	enc := coder(6)
	ae := spec.Autoencoder("digits", spec.Input("x", 9), enc, spec.Mirror("decoder", enc).Tied())
	g, ps, err := spec.GraphOf("digits", ae.Tap("code"), ae.Tap("reconstruction"))
	if err != nil {
		log.Fatal(err)
	}
	params := map[string][]float32{}
	for _, p := range ps {
		params[p.Name] = make([]float32, p.Type.Shape.Count())
		for i := range params[p.Name] {
			params[p.Name][i] = float32(i)
		}
	}
	b, err := onnxexport.Export(g, params, onnxexport.Options{})
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(b)
}
`

// TestSameBytesEverywhere builds the program in two folders, with and without
// -trimpath, and compares what it writes.
func TestSameBytesEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs; run without -short")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for _, c := range []struct {
		folder string
		flags  []string
	}{{"one", nil}, {"another/below", []string{"-trimpath"}}} {
		dir := filepath.Join(t.TempDir(), filepath.FromSlash(c.folder))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644); err != nil {
			t.Fatal(err)
		}
		outside.Module(t, dir, "example.com/digits")
		bin := filepath.Join(dir, "digits")
		outside.Go(t, dir, []string{"CGO_ENABLED=0"}, append(append([]string{"build"}, c.flags...), "-o", bin, ".")...)
		run := exec.Command(bin)
		run.Dir = dir
		var stderr bytes.Buffer
		run.Stderr = &stderr
		b, err := run.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.Bytes())
		}
		for _, s := range []string{dir, root, os.TempDir()} {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("the file tells %s", s)
			}
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%s with %v gives other bytes", c.folder, c.flags)
		}
	}
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(first); err != nil {
		t.Fatal(err)
	}
	if d := m.Graph.Node[0].DocString; d != "layer: encoder/dense1\nat: example.com/digits/main.go:11 (from example.com/digits/main.go:14)" {
		t.Errorf("doc_string %q", d)
	}
	weights := 0
	for _, p := range m.Graph.Initializer {
		if len(p.Dims) == 2 {
			weights++
		}
	}
	if weights != 2 {
		t.Errorf("two tied layers have %d matrices in the file", weights)
	}
}
