package ir_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestFirstVersion reads a text of version 1, which every later version must
// read to the same graph; testdata/models keeps one of each.
func TestFirstVersion(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "models", "v1.txt"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := ir.Parse(string(b), ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	line, text, _ := strings.Cut(string(b), "\n")
	if line != "lamina 1" {
		t.Errorf("the line of the version is %q", line)
	}
	if d := cmp.Diff(text, ir.Format(g)); d != "" {
		t.Errorf("the graph reads back with other words:\n%s", d)
	}
	const want = "d9f355434f6e6349bedbe8a527ce687164ce049db651400e7123a7eeb06a927e"
	if got := ir.Hash(g); got != want {
		t.Errorf("the hash is %s, want %s: trainings and bundles of version 1 would be refused", got, want)
	}
	file := ir.File(g)
	if h, err := ir.Parse(file, ops.ByName); err != nil || ir.Text(h) != ir.Text(g) || ir.Hash(h) != want {
		t.Errorf("File does not read back: %v\n%s", err, file)
	}
}

func TestVersionLine(t *testing.T) {
	const g = "g (f32[N] x) => (x) {\n}\n"
	for src, want := range map[string]string{
		g:                                 "",
		"lamina 1\n" + g:                  "",
		"# kept\nlamina 1\n" + g:          "",
		"lamina (f32[N] x) => (x) {\n}\n": "",
		"lamina 1\nlamina (f32[N] x) => (x) {\n}\n": "",
		"lamina 2\n" + g:           "",
		"lamina 3\n" + g:           "1:8: the text form has version 3, newer than 2: use a newer Lamina",
		"lamina 0\n" + g:           "1:8: the version of the text form is a number from 1",
		"lamina 01\n" + g:          "1:8: the version",
		"lamina -1\n" + g:          "1:8: the version",
		"lamina 99999999999\n" + g: "1:8: the version",
		"lamina one\n" + g:         "1:8: the version",
		"lamina 1\nlamina 1\n" + g: `2:8: expected "("`,
		"lamina 1":                 "expected a name, got the end",
		"lamina":                   `expected "("`,
	} {
		got, err := ir.Parse(src, ops.ByName)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", src, err)
		case want == "" && !strings.HasSuffix(src, ir.Text(got)):
			t.Errorf("%q reads as %q", src, ir.Text(got))
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", src, err, want)
		}
	}
}
