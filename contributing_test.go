package lamina_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// copyOf returns a copy of the checkout that may be changed. It is always in one folder if
// that is free: what the go command compiles for one copy then serves the next.
func copyOf(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(".cache", "copy"))
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(dir); err == nil && time.Since(fi.ModTime()) > time.Hour {
		os.RemoveAll(dir) // a killed test left it
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		dir = t.TempDir()
	} else {
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains([]string{".git", ".cache", "bin", "out"}, path) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil // a link, or the file of a worktree
		}
		to := filepath.Join(dir, path)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if cache, err := filepath.Abs(".cache"); err == nil {
		if err := os.Symlink(cache, filepath.Join(dir, ".cache")); err != nil {
			t.Logf("the copy has no .cache: %v", err)
		}
	}
	return dir
}

// insert puts the lines of a difference behind the one line of the file that begins
// with its context.
func insert(t *testing.T, dir, text string) {
	t.Helper()
	name, text, _ := strings.Cut(text, "\n")
	context, text, _ := strings.Cut(text, "\n")
	context, ok := strings.CutPrefix(context, " ")
	if !ok || context == "" {
		t.Fatalf("%s: the difference has no line that it goes behind", name)
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	found := 0
	for line := range strings.Lines(string(b)) {
		out = append(out, line)
		if strings.HasPrefix(line, context) {
			found++
			for added := range strings.Lines(text) {
				if added, ok = strings.CutPrefix(added, "+"); !ok {
					t.Fatalf("%s: %q is not an added line", name, added)
				}
				out = append(out, added)
			}
		}
	}
	if found != 1 {
		t.Fatalf("%s has %d lines that begin with %q", name, found, context)
	}
	if err := os.WriteFile(file, []byte(strings.Join(out, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestContributing follows CONTRIBUTING.md in a copy of the checkout.
func TestContributing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and tests a copy of the checkout: run without -short")
	}
	orttest.Runtime(t)
	page, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := copyOf(t)
	kinds := map[string]int{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		kind, text := m[1], m[2]
		kinds[kind]++
		first, rest, _ := strings.Cut(text, "\n")
		if _, name, ok := strings.Cut(first, "file: "); ok {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if _, err := os.Stat(file); err == nil {
				t.Fatalf("%s is there already", name)
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(rest), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		switch kind {
		case "diff":
			insert(t, dir, text)
		case "sh":
			for _, command := range commands(text) {
				c := exec.CommandContext(t.Context(), "sh", "-ec", command)
				c.Dir, c.Env = dir, append(os.Environ(), "LAMINA_DATA=")
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
				t.Log(command)
			}
		default:
			t.Errorf("a block of %s is neither a file nor a step", kind)
		}
	}
	if kinds["go"] < 5 || kinds["diff"] < 6 || kinds["sh"] < 4 {
		t.Errorf("CONTRIBUTING.md has few steps: %v", kinds)
	}
}
