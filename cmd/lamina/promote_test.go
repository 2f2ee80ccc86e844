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

// TestPromote makes what an export without onnxruntime leaves a bundle; verify alone
// changes nothing.
func TestPromote(t *testing.T) {
	orttest.Runtime(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "encoder")
	if err := os.CopyFS(name+bundle.Unverified, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(name+bundle.Unverified, "verification.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), `"status": "holds"`, `"status": "unverified"`, 1))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	missing := []string{"LAMINA_ONNXRUNTIME=" + filepath.Join(dir, "absent")}
	if r := lamina(t, missing, "promote", name+bundle.Unverified); r.Status != command.Unreadable || !strings.Contains(r.Stderr, "is not promoted") {
		t.Errorf("without onnxruntime: %+v", r)
	}
	if r := lamina(t, nil, "verify", name+bundle.Unverified); r.Status != 0 {
		t.Errorf("verify: %+v", r)
	}
	if c, err := os.ReadFile(path); err != nil || string(c) != string(b) {
		t.Errorf("verification.json was changed: %v", err)
	}
	if r := lamina(t, nil, "encode", name+bundle.Unverified, "--input", "none.npy"); r.Status == 0 {
		t.Errorf("an export that was never compared encodes: %+v", r)
	}
	r := lamina(t, nil, "promote", name+bundle.Unverified)
	if r.Status != 0 || !strings.Contains(r.Stdout, "and onnxruntime ") || !strings.Contains(r.Stdout, "it is now the bundle "+name) {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "verify", name); r.Status != 0 || !strings.Contains(r.Stdout, "100 % of each output determined") {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "inspect", name); r.Status != 0 || !strings.Contains(r.Stdout, "determined") {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "promote", name); r.Status != command.Unreadable || !strings.Contains(r.Stderr, "NAME.unverified") {
		t.Errorf("%+v", r)
	}

	if err := os.CopyFS(name+bundle.Unverified, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	var p bundle.Promotion
	r = lamina(t, nil, "promote", "--json", name+bundle.Unverified)
	if err := json.Unmarshal([]byte(r.Stdout), &p); err != nil || r.Status != 0 || !p.Replaced || p.Dir != name || p.Verdict.Status != bundle.Holds {
		t.Errorf("%+v, %v", r, err)
	}
	if err := os.CopyFS(name+bundle.Unverified, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(name+bundle.Unverified, "training.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = lamina(t, nil, "promote", name+bundle.Unverified); r.Status != command.Differs {
		t.Errorf("an altered export: %+v", r)
	}
}
