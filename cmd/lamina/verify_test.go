package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// TestVerifyWithoutOnnxruntime replays on Lamina's own runtime alone and says so.
func TestVerifyWithoutOnnxruntime(t *testing.T) {
	env := []string{"LAMINA_ONNXRUNTIME=none"}
	wrong := []string{"LAMINA_ONNXRUNTIME=" + filepath.Join(t.TempDir(), "absent")}
	if r := lamina(t, wrong, "verify", golden); r.Status != command.Unreadable || !strings.Contains(r.Stderr, "LAMINA_ONNXRUNTIME is set, but to no onnxruntime") || !strings.Contains(r.Stderr, "absent") {
		t.Errorf("a variable that is wrong: %+v", r)
	}
	r := lamina(t, env, "verify", golden)
	if r.Status != 0 || !strings.Contains(r.Stdout, "on lamina ") || !strings.Contains(r.Stdout, "no other runtime spoke: onnxruntime") {
		t.Errorf("%+v", r)
	}
	var v bundle.Verdict
	r = lamina(t, env, "verify", "--json", golden)
	if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil || r.Status != 0 || len(v.Runtimes) != 1 || v.Runtimes[0].Name != "lamina" || len(v.Missing) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	dir := filepath.Join(t.TempDir(), "altered")
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "training.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = lamina(t, env, "verify", dir); r.Status != command.Differs {
		t.Errorf("an altered bundle: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = lamina(t, env, "verify", dir); r.Status != command.Unreadable {
		t.Errorf("no model: %+v", r)
	}
}

// TestVerifyNamesRuntimes wants both runtimes in words and as JSON.
func TestVerifyNamesRuntimes(t *testing.T) {
	orttest.Runtime(t)
	r := lamina(t, nil, "verify", golden)
	if r.Status != 0 || !strings.Contains(r.Stdout, "on lamina ") || !strings.Contains(r.Stdout, " and onnxruntime ") || strings.Contains(r.Stdout, "no other") {
		t.Errorf("%+v", r)
	}
}
