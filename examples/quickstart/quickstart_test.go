package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/reproduce"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// TestQuickstart runs the program as it stands, but for one epoch, and replays
// the bundle it writes.
func TestQuickstart(t *testing.T) {
	orttest.Runtime(t)
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	const long, short = "Epochs: 20", "Epochs: 1"
	if strings.Count(string(program), long) != 1 {
		t.Fatalf("main.go does not say %q once", long)
	}
	dir := t.TempDir()
	shortened := filepath.Join(dir, "main.go")
	if err := os.WriteFile(shortened, []byte(strings.Replace(string(program), long, short, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: shortened}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "quickstart")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", exe, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	run := exec.CommandContext(t.Context(), exe)
	run.Dir = dir
	// The program stands outside the module, where nobody would look for its cache.
	if os.Getenv("LAMINA_ONNXRUNTIME") == "" {
		cache, err := filepath.Abs(filepath.Join("..", "..", ".cache", "python"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(cache); err == nil {
			run.Env = append(os.Environ(), "LAMINA_ONNXRUNTIME="+cache)
		}
	}
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "epoch") {
		t.Errorf("no progress was printed: %q", out)
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "out", "encoder"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	again, err := reproduce.Bundle(t.Context(), filepath.Join(dir, "out", "encoder"), reproduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !again.Same {
		t.Errorf("the bundle is not reproduced: %+v", again)
	}
}
