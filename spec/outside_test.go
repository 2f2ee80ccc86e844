package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/outside"
)

// TestOutside tests a layer that lives in a module of its own.
func TestOutside(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "glu"))); err != nil {
		t.Fatal(err)
	}
	outside.Module(t, dir, "example.com/glu")
	outside.Go(t, dir, nil, "test", "-vet=off", ".")
	golden(t, "show.golden", outside.Go(t, dir, nil, "run", "-ldflags=-s -w", "./show"))
}
