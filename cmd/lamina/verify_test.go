package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/orttest"
)

// TestVerifyWithoutOnnxruntime replays on Lamina's own runtime alone and says so.
func TestVerifyWithoutOnnxruntime(t *testing.T) {
	env := []string{"LAMINA_ONNXRUNTIME=none"}
	wrong := []string{"LAMINA_ONNXRUNTIME=" + filepath.Join(t.TempDir(), "absent")}
	if r := lamina(t, wrong, "verify", golden); r.status != exitUnreadable || !strings.Contains(r.stderr, "LAMINA_ONNXRUNTIME is set, but to no onnxruntime") || !strings.Contains(r.stderr, "absent") {
		t.Errorf("a variable that is wrong: %+v", r)
	}
	r := lamina(t, env, "verify", golden)
	if r.status != 0 || !strings.Contains(r.stdout, "on lamina ") || !strings.Contains(r.stdout, "no other runtime spoke: onnxruntime") {
		t.Errorf("%+v", r)
	}
	var v bundle.Verdict
	r = lamina(t, env, "verify", "--json", golden)
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.status != 0 || len(v.Runtimes) != 1 || v.Runtimes[0].Name != "lamina" || len(v.Missing) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	dir := filepath.Join(t.TempDir(), "altered")
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "training.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = lamina(t, env, "verify", dir); r.status != exitDiffers {
		t.Errorf("an altered bundle: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = lamina(t, env, "verify", dir); r.status != exitUnreadable {
		t.Errorf("no model: %+v", r)
	}
}

// TestVerifyNamesRuntimes wants both runtimes in words and as JSON.
func TestVerifyNamesRuntimes(t *testing.T) {
	orttest.Runtime(t)
	r := lamina(t, nil, "verify", golden)
	if r.status != 0 || !strings.Contains(r.stdout, "on lamina ") || !strings.Contains(r.stdout, " and onnxruntime ") || strings.Contains(r.stdout, "no other") {
		t.Errorf("%+v", r)
	}
}
