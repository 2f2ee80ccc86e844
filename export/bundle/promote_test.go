package bundle_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// unverified writes an export that no other runtime has seen.
func unverified(t *testing.T) (name, dir string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "encoder")
	if _, err := bundle.Write(t.Context(), name, encoder(t), rows(100)); !errors.Is(err, bundle.ErrUnverified) || !strings.Contains(err.Error(), "lamina promote") {
		t.Fatal(err)
	}
	return name, name + bundle.Unverified
}

// TestPromote makes an unverified export the bundle that Write would have made.
func TestPromote(t *testing.T) {
	rt := orttest.Runtime(t)
	name, dir := unverified(t)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(t.Context(), dir); !errors.Is(err, bundle.ErrUnverified) {
		t.Errorf("before: %v", err)
	}
	p, err := bundle.Promote(t.Context(), dir, rt)
	if err != nil || p.Dir != name || p.Replaced || p.Verdict.Status != bundle.Holds || spoke(p.Verdict.Runtimes) != "lamina onnxruntime" {
		t.Fatalf("%+v, %v", p, err)
	}
	only(t, filepath.Dir(name), "encoder")
	if b, err := os.ReadFile(filepath.Join(name, "notes.txt")); err != nil || string(b) != "mine" {
		t.Errorf("a file beside those of the bundle is gone: %q, %v", b, err)
	}
	if _, err := bundle.Open(t.Context(), name); err != nil {
		t.Error(err)
	}
	if v, err := bundle.Verify(t.Context(), name, rt); err != nil || v.Status != bundle.Holds {
		t.Errorf("%+v, %v", v, err)
	}
	b, err := os.ReadFile(filepath.Join(name, "verification.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{`"status": "holds"`, `"onnxruntime"`, `"training engine"`, `"batches": [1, 2, 7, 64, 32]`, `"determined": 1`, `"not finite"`} {
		if !strings.Contains(string(b), w) {
			t.Errorf("verification.json lacks %s:\n%s", w, b)
		}
	}

	// A bundle that is there is replaced, and it is said.
	if _, err := bundle.Write(t.Context(), name, encoder(t), rows(9)); !errors.Is(err, bundle.ErrUnverified) {
		t.Fatal(err)
	}
	if p, err = bundle.Promote(t.Context(), dir+"/", rt); err != nil || !p.Replaced {
		t.Errorf("%+v, %v", p, err)
	}
	only(t, filepath.Dir(name), "encoder")
	if _, err := os.Stat(filepath.Join(name, "notes.txt")); err == nil {
		t.Error("the old bundle is still there")
	}
}

// TestPromoteRefuses changes nothing if the file does not hold.
func TestPromoteRefuses(t *testing.T) {
	rt := orttest.Runtime(t)
	contents := func(dir string) string {
		var all strings.Builder
		err := filepath.WalkDir(filepath.Dir(dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			all.WriteString(path + "\n" + string(b))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all.String()
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		edit func(name, dir string)
		run  func(dir string) (*bundle.Promotion, error)
		want error
		says string
	}{
		"weight": {func(_, dir string) { editModel(t, dir, weight) }, nil, bundle.ErrDiffers, "model.onnx is not the file"},
		"liar": {nil, func(dir string) (*bundle.Promotion, error) { return bundle.Promote(t.Context(), dir, liar{rt}) },
			bundle.ErrDiffers, "instead of"},
		"weight and hash": {func(_, dir string) {
			editModel(t, dir, weight)
			rehash(t, dir, func(file string) string { return sum(t, dir, file) })
		}, nil, bundle.ErrDiffers, "instead of"},
		"no other runtime": {nil, func(dir string) (*bundle.Promotion, error) { return bundle.Promote(t.Context(), dir, absent{}) },
			bundle.ErrUnverified, "not available"},
		"interrupted": {nil, func(dir string) (*bundle.Promotion, error) { return bundle.Promote(gone, dir, rt) },
			context.Canceled, ""},
		"another folder": {func(name, _ string) {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(name, "thesis.txt"), []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, nil, nil, "is not a bundle"},
		"name": {nil, func(dir string) (*bundle.Promotion, error) {
			return bundle.Promote(t.Context(), strings.TrimSuffix(dir, bundle.Unverified), rt)
		}, nil, "is not named NAME.unverified"},
	} {
		name, dir := unverified(t)
		if c.edit != nil {
			c.edit(name, dir)
		}
		before := contents(dir)
		if c.run == nil {
			c.run = func(dir string) (*bundle.Promotion, error) { return bundle.Promote(t.Context(), dir, rt) }
		}
		_, err := c.run(dir)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		if contents(dir) != before {
			t.Errorf("%s: something was changed", what)
		}
	}
	if _, err := bundle.Promote(t.Context(), filepath.Join(t.TempDir(), "none.unverified"), rt); !errors.Is(err, bundle.ErrUnreadable) {
		t.Errorf("no folder: %v", err)
	}
}
