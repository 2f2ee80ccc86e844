package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/consumer"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestExplain trains in short, replays the bundle, and lets the consumers in Python and
// C++ check that the pixels of each row add up, and notice where they do not.
func TestExplain(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), filepath.Join(t.TempDir(), "explain")
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 3, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "explain: holds, worst difference ") {
		t.Errorf("the program printed %q", out.String())
	}
	verdict, err := bundle.Verify(t.Context(), dir, ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	// The greatest slope on the way in place of the mean: what the consumers must notice.
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.CopyFS(bad, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	alter(t, filepath.Join(bad, "model.onnx"))
	for _, c := range []struct {
		name    string
		program func(t *testing.T) []string
	}{
		{"Python", func(t *testing.T) []string {
			return []string{consumer.Python(t), consumer.Script(t, "explain.py")}
		}},
		{"C++", func(t *testing.T) []string { return []string{filepath.Join(consumer.CPP(t), "explain")} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.program(t)
			status, out := consumer.Run(t, p[0], append(p[1:], dir)...)
			if status != 0 || !strings.Contains(out, "row 2: score ") || !strings.Contains(out, "64 rows add up: off by 0.") {
				t.Errorf("exit status %d\n%s", status, out)
			}
			if status, out := consumer.Run(t, p[0], append(p[1:], bad)...); status != 1 || !strings.Contains(out, "64 rows do not add up") {
				t.Errorf("an altered file: exit status %d\n%s", status, out)
			}
			if status, out := consumer.Run(t, p[0], append(p[1:], t.TempDir())...); status != 2 || !strings.Contains(out, "cannot explain") {
				t.Errorf("no bundle: exit status %d\n%s", status, out)
			}
		})
	}
}

// alter makes a maximum of the mean over the path.
func alter(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, n := range m.Graph.Node {
		if n.OpType == "ReduceMean" && strings.HasPrefix(n.Name, "integratedgradients1") {
			n.OpType = "ReduceMax"
			found++
		}
	}
	if found != 1 {
		t.Fatalf("the file has %d means over a path", found)
	}
	if b, err = m.Marshal(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
