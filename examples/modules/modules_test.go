// Package modules_test tests the examples that are modules of their own, which
// go test ./... does not see.
package modules_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// environment gives what runs in another module the onnxruntime of this one.
func environment(t *testing.T) []string {
	t.Helper()
	env := append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if os.Getenv("LAMINA_ONNXRUNTIME") != "" {
		return env
	}
	cache, err := filepath.Abs(filepath.Join("..", "..", ".cache", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cache); err == nil {
		env = append(env, "LAMINA_ONNXRUNTIME="+cache)
	}
	return env
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, environment(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		advice := ""
		if strings.Contains(string(out), "go mod tidy") {
			advice = "\nThis module's requirements changed: run go mod tidy in " + dir
		}
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, advice)
	}
	return string(out)
}

func TestExtend(t *testing.T) {
	dir := filepath.Join("..", "extend")
	run(t, dir, "go", "vet", "./...")
	out := run(t, dir, "go", "test", "./...")
	if n := strings.Count("\n"+out, "\nok "); n < 6 {
		t.Errorf("the tests of six packages were expected:\n%s", out)
	}
}

// TestExtendProgram runs the program for a few epochs and replays its bundle.
func TestExtendProgram(t *testing.T) {
	orttest.Runtime(t)
	tmp := t.TempDir()
	exe, dir := filepath.Join(tmp, "extend"), filepath.Join(tmp, "bundle")
	run(t, filepath.Join("..", "extend"), "go", "build", "-o", exe, ".")
	out := run(t, tmp, exe, "-out", dir, "-epochs", "3")
	if !strings.Contains(out, "bundle: holds") {
		t.Errorf("the program printed\n%s", out)
	}
	verdict, err := bundle.Verify(t.Context(), dir, ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
}
