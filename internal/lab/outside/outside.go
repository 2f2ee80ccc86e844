// Package outside lets a test run as if in a user's own module.
package outside

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const own = "module github.com/lamina-ml/lamina\n"

// root returns the absolute path of this module, above the folder that the test
// runs in, and its go.mod without the module's name.
func root(t testing.TB) (path string, requirements []byte) {
	t.Helper()
	path, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if mod, err := os.ReadFile(filepath.Join(path, "go.mod")); err == nil {
			if rest, ok := bytes.CutPrefix(mod, []byte(own)); ok {
				return path, rest
			}
		}
		if filepath.Dir(path) == path {
			t.Fatal("the test does not run in a folder of this module")
		}
		path = filepath.Dir(path)
	}
}

// Module makes a folder the module of that name, which requires this one at the
// folder it is in and all that this one requires. So it builds from what was
// downloaded for this module: in a workspace of the two, or with fewer
// requirements, the go command would also look up modules that nothing needs.
func Module(t testing.TB, dir, name string) {
	t.Helper()
	root, requirements := root(t)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	text := "module " + name + "\n\nrequire github.com/lamina-ml/lamina v0.0.0\n\nreplace github.com/lamina-ml/lamina => " + root + "\n" + string(requirements)
	for file, b := range map[string][]byte{"go.mod": []byte(text), "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Go runs the go command in such a folder, without the network and with further
// variables of the form NAME=value, and returns what it prints.
func Go(t testing.TB, dir string, env []string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = dir
	c.Env = append(append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off"), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}
