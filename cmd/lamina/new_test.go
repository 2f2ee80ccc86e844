package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// inProject runs a program in a project without the network, and returns what it prints.
func inProject(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off")
	if os.Getenv("LAMINA_ONNXRUNTIME") == "" { // a project is outside the module, where nobody would look for its cache
		if cache, err := filepath.Abs(filepath.Join("..", "..", ".cache", "python")); err == nil {
			if _, err := os.Stat(cache); err == nil {
				c.Env = append(c.Env, "LAMINA_ONNXRUNTIME="+cache)
			}
		}
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestNewProjects writes a project of each kind, and does in it what its README says: its test trains, proves and reproduces in
// short. Its program gives the same bits twice.
func TestNewProjects(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and trains three projects: run without -short")
	}
	orttest.Runtime(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range projectKinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "mine")
			r := lamina(t, nil, "new", dir, "--kind", kind, "--replace", root)
			if r.Status != 0 || !containsAll(r.Stdout, "module example.com/mine", kind) || strings.Contains(r.Stdout, "no released version") {
				t.Fatalf("%s%s", r.Stdout, r.Stderr)
			}
			readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			if !containsAll(string(readme), "# mine\n", "go run .", "go test ./...", "`replace` line", "LAMINA_ONNXRUNTIME=CHECKOUT") || strings.Contains(string(readme), "\nLAMINA\n") {
				t.Errorf("README.md says\n%s", readme)
			}
			if left, err := os.ReadDir(parent); err != nil || len(left) != 1 {
				t.Errorf("beside the project: %v %v", left, err)
			}

			if out := inProject(t, dir, "go", "test", "./..."); !strings.Contains(out, "ok  \texample.com/mine") { // vets too
				t.Errorf("go test printed\n%s", out)
			}
			inProject(t, dir, "go", "build", "-o", "program", ".")
			var models [2][]byte
			for i, out := range []string{"one", "two"} {
				if text := inProject(t, dir, filepath.Join(dir, "program"), "-out", out, "-epochs", "2"); !containsAll(text, "holds", "intervals of 95 %") {
					t.Errorf("the program printed\n%s", text)
				}
				if models[i], err = os.ReadFile(filepath.Join(dir, out, "model.onnx")); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(models[0], models[1]) {
				t.Error("two runs gave two models")
			}
			text := inProject(t, dir, filepath.Join(dir, "program"), "-report", "curve", "-draws", "2", "-folds", "2", "-counts", "8", "-unseen")
			if !containsAll(text, "from scratch", "majority class", filepath.Join("curve", "report.html")) {
				t.Errorf("the label curve printed\n%s", text)
			}
			if kind == "table" {
				rows := filepath.Join(dir, "data", "rows.csv")
				for _, data := range []string{rows, filepath.Join(dir, "data", "schema.json") + "=" + rows} {
					if r := lamina(t, nil, "reproduce", filepath.Join(dir, "one"), "--quiet", "--data", data); r.Status != 0 || !strings.Contains(r.Stdout, "reproduced: 2 phases") {
						t.Errorf("reproduce --data %s: %s%s", data, r.Stdout, r.Stderr)
					}
				}
				data := filepath.Join(dir, "data", "schema.json") + "=" + filepath.Join(dir, "main.go")
				commandtest.WantError(t, lamina(t, nil, "reproduce", filepath.Join(dir, "one"), "--quiet", "--data", data), "a schema reads .csv, .jsonl and .parquet files")
			}
		})
	}
}

// TestNewAlone: without a checkout go.mod requires a version and nothing is replaced, and an empty folder is filled.
func TestNewAlone(t *testing.T) {
	dir := t.TempDir()
	r := lamina(t, nil, "new", dir, "--kind", "sensor", "--module", "example.org/me/waves")
	if r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(mod); !containsAll(s, "module example.org/me/waves\n", "\ngo "+ownGo+"\n", "require github.com/lamina-ml/lamina v") || strings.Contains(s, "replace") {
		t.Errorf("go.mod is\n%s", s)
	}
	if strings.Contains(string(mod), unpublished) != strings.Contains(r.Stdout, "go mod edit -replace github.com/lamina-ml/lamina=CHECKOUT") {
		t.Errorf("go.mod is\n%sand it printed\n%s", mod, r.Stdout)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".gitignore", "README.md", "data", "go.mod", "main.go", "main_test.go"}; !slices.Equal(names, want) {
		t.Errorf("it wrote %v, want %v", names, want)
	}
	own, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(own), "\ngo "+ownGo+"\n") {
		t.Errorf("go.mod of this module does not say go %s", ownGo)
	}
}

// TestNewRefuses: what cannot be is told, and nothing is written.
func TestNewRefuses(t *testing.T) {
	tmp := t.TempDir()
	full, file, foreign := filepath.Join(tmp, "full"), filepath.Join(tmp, "file"), filepath.Join(tmp, "foreign")
	for _, dir := range []string{full, foreign} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{filepath.Join(full, "mine.txt"): "mine", file: "mine", filepath.Join(foreign, "go.mod"): "module example.com/other\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	none := filepath.Join(tmp, "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{full, "--kind", "table"}, `full is not empty, it has "mine.txt"`},
		{[]string{file, "--kind", "table"}, "file: a project needs a new or an empty folder"},
		{[]string{none}, "--kind is one of image, sensor, table"},
		{[]string{none, "--kind", "text"}, `got "text"`},
		{[]string{filepath.Join(tmp, "two words"), "--kind", "table"}, `"two words" has something else than letters`},
		{[]string{filepath.Join(tmp, "größe"), "--kind", "table"}, "--module PATH names another"},
		{[]string{filepath.Join(tmp, "v2"), "--kind", "table"}, "a major version"},
		{[]string{none, "--kind", "table", "--module", "mine"}, "needs a point"},
		{[]string{none, "--kind", "table", "--module", "example.com//mine"}, "is empty"},
		{[]string{none, "--kind", "table", "--module", "example.com/../mine"}, "begins with a point"},
		{[]string{none, "--kind", "table", "--module", "Example.com/mine"}, "no domain name"},
		{[]string{none, "--kind", "table", "--module", "github.com/lamina-ml/lamina/mine"}, "Lamina's own"},
		{[]string{none, "--kind", "table", "--replace", tmp}, "no checkout of Lamina"},
		{[]string{none, "--kind", "table", "--replace", foreign}, "go.mod is not that of github.com/lamina-ml/lamina"},
	} {
		commandtest.WantError(t, lamina(t, nil, append([]string{"new"}, c.args...)...), c.want)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) != 3 {
		t.Errorf("it left %v (%v)", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(full, "mine.txt")); err != nil || string(b) != "mine" {
		t.Errorf("a file was changed: %q %v", b, err)
	}
}

// TestNewWholeOrNot: a file that cannot be written leaves no project, in a new folder and in an empty one.
func TestNewWholeOrNot(t *testing.T) {
	tmp := t.TempDir()
	there := filepath.Join(tmp, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(tmp, "absent"), there} {
		p, err := planProject(dir, "table", "example.com/mine", "")
		if err != nil {
			t.Fatal(err)
		}
		p.files["main.go/main.go"] = []byte("a file is in the way of a folder, or the other way round")
		if err := p.write(); err == nil {
			t.Errorf("%s was written", dir)
		}
	}
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) != 1 {
		t.Errorf("it left %v (%v)", entries, err)
	}
	if entries, err = os.ReadDir(there); err != nil || len(entries) != 0 {
		t.Errorf("it left %v (%v)", entries, err)
	}
}

func TestRequirable(t *testing.T) {
	for version, want := range map[string]string{
		"v0.3.0": "v0.3.0", "v1.2.3-rc.1": "v1.2.3-rc.1", "v0.0.0-20260102030405-0123456789ab": "v0.0.0-20260102030405-0123456789ab",
		"devel": unpublished, "v0.3.0-5-gabcdef0": unpublished, "v0.3.0-dirty": unpublished, "abcdef0": unpublished,
		"v0.0.0-20260102030405-0123456789ab+dirty": unpublished, "v01.0.0": unpublished,
	} {
		if got := requirable(version); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}
