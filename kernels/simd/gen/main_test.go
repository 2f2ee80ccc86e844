package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGenerated proves that the committed files are what the generator writes.
func TestGenerated(t *testing.T) {
	made := files()
	for name, want := range made {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what the generator writes; run go generate ./kernels/simd", name)
		}
	}
	committed, err := filepath.Glob("../*_*_*64.s")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if made[filepath.Base(path)] == nil {
			t.Errorf("%s is not generated", path)
		}
	}
}
