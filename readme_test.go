package lamina_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// pages are those whose commands and links are looked at.
var pages = []string{"README.md", "cmd/laminabench/README.md", "runtime/report/README.md"}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns a page's fenced blocks of a language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text := read(t, page)
	var list []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return list
}

// commands returns the lines of a block of commands, without comments.
func commands(block string) []string {
	var list []string
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, " # ")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

// short returns what the test runs for a command that takes long or cannot run
// inside a test.
func short(command string) string {
	switch command {
	case "make demo":
		return "make -C \"$CHECKOUT\" --dry-run demo | grep -q 'bin/lamina demo ' && bin/lamina demo --epochs 1"
	case "make test":
		return "make -C \"$CHECKOUT\" --dry-run test"
	case "make build", "make deps":
		return "make -C \"$CHECKOUT\" --dry-run " + strings.TrimPrefix(command, "make ")
	}
	return command
}

// checkout returns a folder that looks like this one to the commands and keeps
// what they write out of it.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{".cache", "examples", "go.mod"} { // by go.mod the command finds .cache
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin")+string(filepath.Separator), "./cmd/...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func sh(t *testing.T, dir, command string) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "sh", "-ec", command)
	c.Dir, c.Env = dir, append(os.Environ(), "CHECKOUT="+root, "LAMINA_DATA=")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// TestReadmeCommands runs every command of the pages, in order, but those of
// the program's own module.
func TestReadmeCommands(t *testing.T) {
	orttest.Runtime(t)
	dir := checkout(t)
	var all []string
	for _, page := range pages {
		all = append(all, blocks(t, page, "sh")...)
	}
	for _, block := range all {
		if strings.Contains(block, "go mod init") {
			continue
		}
		for _, command := range commands(block) {
			if strings.Contains(command, ".cache/python/bin/python") {
				if _, err := os.Stat(filepath.Join(".cache", "python", "bin", "python")); err != nil {
					if os.Getenv("LAMINA_REQUIRE_PYTHON") == "1" {
						t.Fatal("no Python environment in .cache/python; run make deps")
					}
					t.Logf("no Python environment in .cache/python; run make deps: %s is not run, nor what follows it", command)
					break
				}
			}
			t.Logf("$ %s\n%s", command, sh(t, dir, short(command)))
		}
	}
	for _, name := range []string{"encoder/model.onnx", "reconstructions.png", "loss.png", "metrics.json", "../report.html"} {
		if fi, err := os.Stat(filepath.Join(dir, "out", "demo", filepath.FromSlash(name))); err != nil || fi.Size() == 0 {
			t.Errorf("the demo did not write %s: %v", name, err)
		}
	}
}

// TestReadmeProgram follows README.md to a program in a new module.
func TestReadmeProgram(t *testing.T) {
	orttest.Runtime(t)
	if _, err := os.Stat(filepath.Join(".cache", "python")); err != nil {
		const advice = "no .cache/python, which README.md's commands use; run make deps"
		if os.Getenv("LAMINA_REQUIRE_PYTHON") == "1" {
			t.Fatal(advice)
		}
		t.Skip(advice)
	}
	program := blocks(t, "README.md", "go")[0]
	want, err := os.ReadFile(filepath.Join("examples", "quickstart", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if program != string(want) {
		t.Fatal("README.md's program is not examples/quickstart/main.go")
	}
	if n := strings.Count(program, "\n"); n > 25 {
		t.Errorf("the program has %d lines", n)
	}

	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	if err := os.Symlink(root, filepath.Join(parent, "lamina")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "mine")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program = strings.Replace(program, "Epochs: 20", "Epochs: 1", 1)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	ran := false
	for _, block := range blocks(t, "README.md", "sh") {
		if !strings.Contains(block, "go mod init") {
			continue
		}
		ran = true
		// One shell, since a variable is set for the commands that follow.
		script := strings.Join(commands(block), "\n")
		t.Logf("%s\n%s", script, sh(t, dir, script))
	}
	if !ran {
		t.Fatal("README.md does not say how to make a module")
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "encoder", "verification.json")); err != nil {
		t.Error(err)
	}
}

// TestReadmePlaces checks that what the pages link to is there.
func TestReadmePlaces(t *testing.T) {
	for _, page := range pages {
		links := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(read(t, page), -1)
		if len(links) == 0 {
			t.Fatalf("%s links to nothing", page)
		}
		for _, m := range links {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(filepath.FromSlash(page)), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

// TestReadmeIsShort: README.md is a front door.
func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n > 150 {
		t.Errorf("README.md has %d lines", n)
	}
}

// TestReadmeFigures checks that the short tables of README.md are taken from the long
// ones: each figure stands in a row of the long table that has the other ones too.
func TestReadmeFigures(t *testing.T) {
	short := read(t, "README.md")
	_, short, _ = strings.Cut(short, "## Speed and yardsticks")
	short, _, _ = strings.Cut(short, "\n## ")
	long := read(t, "cmd/laminabench/README.md")
	number := regexp.MustCompile(`[0-9]+\.[0-9]+( [kM])?`)
	rows := 0
	for line := range strings.Lines(short) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		_, cells, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|") // what it is called is free
		figures := number.FindAllString(cells, -1)
		if len(figures) == 0 {
			continue
		}
		rows++
		for _, f := range figures {
			if !strings.Contains(long, " "+f+" ") && !strings.Contains(long, "**"+f+" ") {
				t.Errorf("%s has %s, which is not in the long tables", strings.TrimSpace(line), f)
			}
		}
	}
	if rows != 12 && rows != 14 {
		t.Errorf("the short tables have %d rows, not six each, with two of bf16 where that is measured", rows)
	}
}
