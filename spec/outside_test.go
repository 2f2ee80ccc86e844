package spec_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOutside tests a layer that lives in a module of its own.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	glu, err := filepath.Abs(filepath.Join("testdata", "glu"))
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "go.work")
	text := "go 1.26.0\n\nuse (\n\t" + root + "\n\t" + glu + "\n)\n"
	if err := os.WriteFile(work, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = glu
		cmd.Env = append(os.Environ(), "GOWORK="+work, "GOFLAGS=", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("go %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("test", "-vet=off", ".")
	golden(t, "show.golden", run("run", "-ldflags=-s -w", "./show"))
}
