package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of internal/lab/yardstick/README.md, with one cell of the claims on a few rows: measured, kept, and put into
// a page.
func TestYardstickClaims(t *testing.T) {
	dir, results, page := writeDigits(t, 300, 50), filepath.Join(t.TempDir(), "results"), filepath.Join(t.TempDir(), "page.md")
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "lab", "yardstick", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"yardstick claims --data DIR --results testdata/yardsticks --work out/yardsticks",
		"yardstick --table internal/lab/yardstick/README.md --results testdata/yardsticks"} {
		if !strings.Contains(string(text), "bin/laminabench "+command) {
			t.Errorf("README.md does not say %q", command)
		}
		args := strings.Fields(strings.NewReplacer("claims", "claims/tied", "DIR", dir, "testdata/yardsticks", results,
			"out/yardsticks", t.TempDir(), "internal/lab/yardstick/README.md", page).Replace(command))
		if r := laminabench(t, nil, args...); r.Status != 0 || args[1] == "claims/tied" && !strings.HasPrefix(r.Stdout, "claims/tied ") {
			t.Fatalf("%v: %+v", args, r)
		}
	}
	if text, err = os.ReadFile(page); err != nil || !strings.Contains(string(text), "\n| tied | 82414 | 0.0") {
		t.Errorf("%v: page %s", err, text)
	}
}
