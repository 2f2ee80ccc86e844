package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Opening a named pipe waits for a writer, and no signal ends that: every verb
// must look before it opens.
func TestPipesAreNotOpened(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	model := save(t, linear())
	for _, args := range [][]string{
		{"inspect", pipe},
		{"verify", pipe},
		{"diff", pipe, pipe},
		{"encode", pipe, "--input", model, "--output", "y.npy"},
		{"run", pipe, "--input", model, "--output", "y.npy"},
		{"run", model, "--input", pipe, "--output", "y.npy"},
	} {
		r := lamina(t, nil, args...)
		if r.Status != 2 || !strings.Contains(r.Stderr, "not a ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
