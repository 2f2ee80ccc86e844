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
	cmd := exec.Command("go", "test", "-vet=off", ".")
	cmd.Dir = glu
	cmd.Env = append(os.Environ(), "GOWORK="+work, "GOFLAGS=", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}
