package lamina_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/pe"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease builds a release for two foreign platforms, whose code TestCrossBuilds has
// compiled without optimization: static programs that know their version, and their
// checksums.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("cross builds take a while: run without -short")
	}
	dir := t.TempDir()
	c := exec.CommandContext(t.Context(), "make", "release", "PLATFORMS=linux/arm64 windows/amd64", "RELEASE="+dir, "VERSION=v9.8.7-test")
	c.Env = append(os.Environ(), "GOFLAGS='-gcflags=all=-N -l'")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"lamina-v9.8.7-test-linux-arm64", "lamina-v9.8.7-test-windows-amd64.exe"}
	if n := strings.Count(string(sums), "\n"); n != len(names) {
		t.Errorf("%d checksums:\n%s", n, sums)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(b)
		if line := hex.EncodeToString(sum[:]) + "  " + name + "\n"; !strings.Contains(string(sums), line) {
			t.Errorf("no line %sin\n%s", line, sums)
		}
		if !bytes.Contains(b, []byte("v9.8.7-test")) {
			t.Errorf("%s does not know its version", name)
		}
	}
	f, err := elf.Open(filepath.Join(dir, names[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program for Linux wants a loader: it is not static")
		}
	}
	if f.Machine != elf.EM_AARCH64 {
		t.Errorf("the program for arm64 is for %v", f.Machine)
	}
	w, err := pe.Open(filepath.Join(dir, names[1]))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}
