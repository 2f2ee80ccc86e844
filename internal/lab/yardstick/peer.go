package yardstick

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// script is a program in Python beside which a row is measured.
type script struct{ python, path string }

// mostAbove is how many folders above this one are looked through for the repository.
const mostAbove = 8

// sklearn returns a script of internal/lab/peers/python and the Python that has
// scikit-learn, LAMINA_SKLEARN or that of make peer-sklearn.
//
// Errors: ErrAbsent, with what to do.
func sklearn(name string) (script, error) {
	dir, path := ".", filepath.Join("internal", "lab", "peers", "python", name)
	for above := 0; !exists(filepath.Join(dir, path)); above++ {
		if above == mostAbove {
			return script{}, fmt.Errorf("%w: %s is not here; run it in Lamina's repository", ErrAbsent, path)
		}
		dir = filepath.Join(dir, "..")
	}
	python := os.Getenv("LAMINA_SKLEARN")
	if python == "" {
		python = filepath.Join(dir, ".cache", "peers", "sklearn", "bin", "python")
	}
	if !exists(python) {
		return script{}, fmt.Errorf("%w: there is no %s: run make peer-sklearn, or set LAMINA_SKLEARN to a Python that has requirements-sklearn.txt", ErrAbsent, python)
	}
	return script{python, filepath.Join(dir, path)}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run runs the script and returns what reads its output, which is JSON.
func (s script) run(ctx context.Context, args ...string) (func(into any) error, error) {
	c := exec.CommandContext(ctx, s.python, append([]string{s.path}, args...)...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("yardstick: %s: %w: %s", s.path, err, bytes.TrimSpace(errs.Bytes()))
	}
	return func(into any) error {
		if err := json.Unmarshal(out, into); err != nil {
			return fmt.Errorf("yardstick: %s printed %.200q: %w", s.path, out, err)
		}
		return nil
	}, nil
}

// shared returns a folder for what is passed between programs, kept with the training, or
// for the time until done if there is none.
func (in *input) shared(name string) (dir string, done func(), err error) {
	if in.dir == "" {
		dir, err = os.MkdirTemp("", "yardstick")
		return dir, func() { os.RemoveAll(dir) }, err
	}
	dir = filepath.Join(in.dir, name)
	return dir, func() {}, os.MkdirAll(dir, 0o755)
}
