package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command"
)

// TestSyntheticPictures runs the commands of the generators' README, which make its pictures.
func TestSyntheticPictures(t *testing.T) {
	folder := filepath.Join("..", "..", "runtime", "dataset", "synthetic")
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^bin/lamina report synthetic "([^"]*)" --out out/(\w+)\.png$`).FindAllSubmatch(page, -1)
	if len(commands) != 4 || strings.Count(string(page), "bin/lamina report synthetic") != 4 {
		t.Fatalf("the page has %d commands, want 4", len(commands))
	}
	for _, c := range commands {
		name, out := string(c[2])+".png", filepath.Join(t.TempDir(), "drawn.png")
		r := lamina(t, nil, "report", "synthetic", string(c[1]), "--out", out)
		if r.Status != 0 || !strings.HasPrefix(r.Stdout, string(c[2])+" rows=") || !strings.Contains(r.Stdout, "\nfactors: ") {
			t.Errorf("%s: %+v", c[1], r)
			continue
		}
		got, want := shownBy(t, out), shownBy(t, filepath.Join(folder, "testdata", name))
		if got != want {
			t.Errorf("%s is not what the command of the page draws: run it again", name)
		}
		if !strings.Contains(string(page), "](testdata/"+name+")") {
			t.Errorf("the page does not show %s", name)
		}
	}
	other := filepath.Join(t.TempDir(), "rows.csv")
	if r := lamina(t, nil, "report", "synthetic", "shapes rows=2", "--out", other); r.Status != command.Unreadable || !strings.Contains(r.Stderr, "it must be a .png file") {
		t.Errorf("%+v", r)
	}
	for text, want := range map[string]string{
		"dots":                          "no generator is named",
		"strokes rows=5000":             "too many to draw: say rows=1024 or fewer",
		"waves rows=5000":               "too many to draw: say rows=1024 or fewer",
		"table rows=5 columns=-,t,y,-":  "the column target is drawn",
		"table rows=5 columns=x,t,y,-":  "the column target is drawn",
		"strokes rows=5 columns=-,y,-":  "the first column is y i64[]",
		"table rows=20001":              "say rows=20000 or fewer",
		"waves rows=3 last=true seed=x": "seed must be a whole number",
	} {
		if r := lamina(t, nil, "report", "synthetic", text, "--out", filepath.Join(t.TempDir(), "x.png")); r.Status != command.Unreadable || !strings.Contains(r.Stderr, want) {
			t.Errorf("%s: %+v, want %q", text, r, want)
		}
	}
}

// shownBy is what a PNG file shows.
func shownBy(t *testing.T, path string) string {
	t.Helper()
	img := decoded(t, path)
	var b strings.Builder
	b.WriteString(img.Bounds().String())
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, _, _, _ := img.At(x, y).RGBA()
			b.WriteByte(byte(r >> 8))
		}
	}
	return b.String()
}
