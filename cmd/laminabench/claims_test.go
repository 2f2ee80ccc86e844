package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of internal/lab/yardstick/README.md, with few cells on a few rows: measured, kept, and put into a page.
func TestYardstickPage(t *testing.T) {
	dir := writeDigits(t, 300, 50)
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "lab", "yardstick", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for row, c := range map[string]struct{ cells, want string }{
		"claims":        {"claims/tied", "\n| tied | 82414 | 0.0"},
		"denoise":       {"denoise/sigma-0.5", "\n| 0.5 | 5.99 → "},
		"anomaly-dense": {"anomaly-dense", "\n| area under the ROC curve, % | "},
		"precision":     {"precision/keras-tied/fp32 precision/keras-tied/bf16", "\n| 784-100-30, tied, 20 epochs: mean squared error of the test rows | 0."},
	} {
		results, page := filepath.Join(t.TempDir(), "results"), filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(page, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"yardstick " + row + " --data DIR --results testdata/yardsticks --work out/yardsticks",
			"yardstick --table internal/lab/yardstick/README.md --results testdata/yardsticks"} {
			if !strings.Contains(string(text), "bin/laminabench "+command) {
				t.Errorf("README.md does not say %q", command)
			}
			args := strings.Fields(strings.NewReplacer(row, c.cells, "DIR", dir, "testdata/yardsticks", results,
				"out/yardsticks", t.TempDir(), "internal/lab/yardstick/README.md", page).Replace(command))
			if r := laminabench(t, nil, args...); r.Status != 0 || args[1] != "--table" && !strings.HasPrefix(r.Stdout, args[1]+" ") {
				t.Fatalf("%v: %+v", args, r)
			}
		}
		if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%v: page %s", err, text)
		}
	}
}

// The rows of data sets that are not there are skipped, with what to get.
func TestYardstickSets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "lab", "yardstick", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for row, file := range map[string]string{"tabular": "flights.csv.gz", "sensor": "watch.npz"} {
		command := "yardstick " + row + " --datasets SETS --results testdata/yardsticks --work out/yardsticks"
		if !strings.Contains(string(text), "bin/laminabench "+command) {
			t.Errorf("README.md does not say %q", command)
		}
		args := strings.Fields(strings.NewReplacer("SETS", t.TempDir(), "testdata/yardsticks", t.TempDir(), "out/yardsticks", t.TempDir()).Replace(command))
		if r := laminabench(t, nil, args...); r.Status == 0 || !strings.Contains(r.Stderr, file) {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// The rows of rates by layer want their labels: what is missing is said, after the pretraining and before a training on labels.
func TestYardstickRates(t *testing.T) {
	dir := writeDigits(t, 300, 50)
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "lab", "yardstick", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"lrinit", "lrsearch"} {
		command := "yardstick " + row + " --data DIR --results testdata/yardsticks --work out/yardsticks"
		if !strings.Contains(string(text), "bin/laminabench "+command) {
			t.Errorf("README.md does not say %q", command)
		}
		args := strings.Fields(strings.NewReplacer("DIR", dir, "testdata/yardsticks", t.TempDir(), "out/yardsticks", t.TempDir()).Replace(command))
		if r := laminabench(t, nil, args...); r.Status == 0 || !strings.Contains(r.Stderr, "Balanced") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
