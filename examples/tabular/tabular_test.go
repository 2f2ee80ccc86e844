package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestTabular runs the program on some of its rows, as a file of the user's, and looks at what it ships.
func TestTabular(t *testing.T) {
	orttest.Runtime(t)
	dir := t.TempDir()
	exe, file, out := filepath.Join(dir, "tabular"), filepath.Join(dir, "rows.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, machines(3000), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	run := exec.CommandContext(t.Context(), exe, "-data", file, "-out", out, "-epochs", "12", "-alarms", "0.1")
	if os.Getenv("LAMINA_ONNXRUNTIME") == "" { // the program stands outside the module, where nobody would look for its cache
		if cache, err := filepath.Abs(filepath.Join("..", "..", ".cache", "python")); err == nil {
			if _, err := os.Stat(cache); err == nil {
				run.Env = append(os.Environ(), "LAMINA_ONNXRUNTIME="+cache)
			}
		}
	}
	text, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	printed := func(metric string) float64 {
		m := regexp.MustCompile(`(?m)^  ` + metric + ` +([0-9.]+) +[0-9.]+ to [0-9.]+$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("no %s with its interval in\n%s", metric, text)
		}
		x, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if area, alarms := printed("AUROC"), printed("false alarms"); area < 0.7 || alarms > 0.2 {
		t.Errorf("AUROC %v, false alarms %v", area, alarms)
	}

	verdict, err := bundle.Verify(t.Context(), filepath.Join(out, "bundle"), ort.Runtime())
	if err != nil || verdict.Status != bundle.Holds {
		t.Fatal(verdict, err)
	}
	net, err := bundle.Open(t.Context(), filepath.Join(out, "bundle"))
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, v := range append(verify.Inputs(net.Graph()), net.Graph().Outputs...) {
		ports = append(ports, v.Type.String()+" "+v.Name)
	}
	if got, want := strings.Join(ports, ", "), "f32[N 10] numeric, i64[N 2] categorical, f32[N] score, bool[N] flag, f32[N 12] contributions"; got != want {
		t.Errorf("the file has %s, want %s", got, want)
	}
	if rec := net.Record(); len(rec.Phases) != 2 || len(rec.Classes) != 2 || rec.Phases[1].BestBy == "" {
		t.Errorf("the record has %+v", rec)
	}

	// The schema that was written down reads rows without an answer, and what the columns add makes up the score.
	schema, err := dataset.ReadSchema(filepath.Join(out, "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := schema.Inputs().CSV(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := net.Over(t.Context(), rows.Head(200))
	if err != nil {
		t.Fatal(err)
	}
	least, greatest := 2.0, -2.0
	for i, x := range got.F32("score") {
		rest := float64(x)
		for _, c := range got.F32("contributions")[12*i:][:12] {
			rest -= float64(c)
		}
		least, greatest = min(least, rest), max(greatest, rest)
	}
	if greatest-least > 0.05 || least < -0.05 || greatest > 1.05 {
		t.Errorf("a score less its contributions is from %v to %v, not the same everywhere", least, greatest)
	}
}

// TestTabularIsShort holds the program to 45 lines without comments and empty ones.
func TestTabularIsShort(t *testing.T) {
	b, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(b), "\npackage ")
	lines := 1
	for line := range strings.Lines(program) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "//") && s != "main" {
			lines++
		}
	}
	if lines > 45 {
		t.Errorf("main.go has %d lines", lines)
	}
}
