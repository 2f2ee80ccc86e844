package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReproduce draws the digits again and compares with the embedded files, bit for bit.
func TestReproduce(t *testing.T) {
	dir := os.Getenv("LAMINA_DATA")
	if dir == "" {
		t.Skip("LAMINA_DATA is not set: name a folder with the four gzip files of MNIST, from https://storage.googleapis.com/cvdf-datasets/mnist/")
	}
	files, err := generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Fatalf("%d files, want 4", len(files))
	}
	for name, got := range files {
		want, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, want) {
			continue
		}
		a, errA := read(write(t, got), 0)
		b, errB := read(filepath.Join("..", name), 0)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: the rows differ from the embedded ones (%v, %v)", name, errA, errB)
		} else {
			t.Logf("%s: the same rows, packed differently by this version of compress/gzip", name)
		}
	}
}

func write(t *testing.T, b []byte) string {
	path := filepath.Join(t.TempDir(), "file.gz")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
