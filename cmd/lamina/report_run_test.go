package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command"
)

// TestReportRun writes the page of a bundle that was kept, beside it and elsewhere, and
// says what is wrong with other folders.
func TestReportRun(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	if err := os.CopyFS(kept, os.DirFS(filepath.Join("..", "..", "testdata", "bundles", "demo-v1"))); err != nil {
		t.Fatal(err)
	}
	r := lamina(t, nil, "report", "run", kept)
	want := "wrote " + kept + ".html\nwrote " + kept + ".json\nwrote " + kept + ".csv\n"
	if r.Status != 0 || r.Stdout != want {
		t.Fatalf("%+v, want\n%s", r, want)
	}
	html, err := os.ReadFile(kept + ".html")
	if err != nil || !strings.Contains(string(html), "The bundle kept</h1>") || !strings.Contains(string(html), "Weights of ") {
		t.Errorf("the page is not that of the bundle: %v", err)
	}
	out := filepath.Join(dir, "made", "page.html")
	if r := lamina(t, nil, "report", "run", kept, "--out", out); r.Status != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rows.csv"), []byte("a,b\n1,2\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, "report", "run", kept); r.Status != 0 { // its own files are written anew
		t.Errorf("again: %+v", r)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"empty folder": {[]string{t.TempDir()}, "neither a training nor a bundle"},
		"no folder":    {[]string{filepath.Join(dir, "absent")}, "give the folder of a training"},
		"a file":       {[]string{kept + ".json"}, "give the folder of a training"},
		"beside data":  {[]string{kept, "--out", filepath.Join(dir, "rows.html")}, "rows.csv is there and is no report of a run"},
		"no ending":    {[]string{kept, "--out", filepath.Join(dir, "page")}, "must end in .html"},
		"in a bundle":  {[]string{kept, "--out", filepath.Join(kept, "page.html")}, "lies within a bundle"},
		"no room":      {[]string{kept, "--out", filepath.Join(kept+".json", "page.html")}, "cannot make the folder"},
		"no argument":  {nil, "accepts 1 arg"},
	} {
		if r := lamina(t, nil, append([]string{"report", "run"}, c.args...)...); r.Status != command.Unreadable || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%s: %+v, want %q", name, r, c.want)
		}
	}
}
