package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/spec"
)

// smallTable writes a CSV file whose label follows from two of its fields.
func smallTable(t *testing.T, rows int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("heat,kind,team,broken\n")
	for i := range rows {
		broken := "no"
		if i%7 > 3 || i%2 == 0 && i%5 == 0 {
			broken = "yes"
		}
		if i%9 == 8 {
			broken = ""
		}
		fmt.Fprintf(&b, "%d,%s,t%d,%s\n", i%7, []string{"a", "b"}[i%2], i%6, broken)
	}
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReportLabelCurve measures a table by its groups and ships the best; what was measured is not measured again.
func TestReportLabelCurve(t *testing.T) {
	orttest.Runtime(t)
	rows, out := smallTable(t, 120), filepath.Join(t.TempDir(), "curve")
	args := []string{"report", "label-curve", "--data", rows, "--labels", "broken", "--groups", "team", "--draws", "2", "--folds", "2", "--counts", "8", "--label-price", "0.5", "--currency", "EUR", "--out", out}
	r := lamina(t, nil, append(args, "--ship", filepath.Join(out, "best"))...)
	if r.Status != 0 || !containsAll(r.Stdout, "spec.NewTable(1, 4)", "from scratch", "denoising + pseudo-labels", "majority class", "shipped: ", "report.html", "EUR") {
		t.Fatalf("%d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	var c report.Curve
	b, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if c.Group != "group" || !strings.HasPrefix(c.Arms[0].Worst.Name, "t") || len(c.Verdict) != 3 {
		t.Errorf("the curve says %+v", c)
	}
	r = lamina(t, nil, "inspect", filepath.Join(out, "best"))
	if r.Status != 0 {
		t.Errorf("the bundle: %s%s", r.Stdout, r.Stderr)
	}
	r = lamina(t, nil, args...)
	if r.Status != 0 || strings.Count(r.Stderr, "(kept)") != strings.Count(r.Stderr, "\n") {
		t.Errorf("again: %d\n%s", r.Status, r.Stderr)
	}
}

// TestReportLabelCurveOfText measures a model in text form on an .npz file with test rows.
func TestReportLabelCurveOfText(t *testing.T) {
	digits := dataset.Digits()
	npz := func(table *dataset.Table) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, name := range []string{"x.npy", "y.npy"} {
			f, err := w.Create(name)
			if err == nil && name == "x.npy" {
				err = npywrite.Write(f, []int{table.Len(), 784}, table.F32("x"))
			} else if err == nil {
				err = npywrite.Write(f, []int{table.Len()}, table.I64("y"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "rows.npz")
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x := spec.Input("x", 784)
	code := x.Then(spec.Dense(12), spec.Tanh()).Named("code")
	text, err := spec.NewModel("small", spec.CrossEntropy(code.Then(spec.Dense(10)).Named("logits"), spec.Labels("y", 10))).Text()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "model.txt")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "curve")
	r := lamina(t, nil, "report", "label-curve", "--data", npz(digits.Train.Head(200)), "--labels", "y", "--test", npz(digits.Test.Head(50)), "--model", file, "--draws", "2", "--counts", "20", "--pretrain", "none", "--out", out)
	if r.Status != 0 || !containsAll(r.Stdout, "from scratch", "Nothing was pretrained") {
		t.Fatalf("%d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// TestReportLabelCurveMistakes: what cannot be is told in a line, with status 2.
func TestReportLabelCurveMistakes(t *testing.T) {
	rows := smallTable(t, 60)
	out := filepath.Join(t.TempDir(), "curve")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "which rows? give --data FILE"},
		{[]string{"--data", rows}, "where to? give --out DIR"},
		{[]string{"--data", rows, "--out", out}, "give --labels FIELD"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--label-price", "-2"}, "--label-price must be zero or positive, got -2"},
		{[]string{"--data", rows, "--out", out, "--labels", "nothing"}, "nothing"},
		{[]string{"--data", filepath.Join(out, "none.csv"), "--out", out, "--labels", "broken"}, "there is no such file"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--pretrain", "magic"}, `no pretraining "magic"; it has denoising, all or none`},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--join", "trees"}, "--join must be NAME=FILE"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--counts", "4,x"}, `--counts: "x" is no number`},
		{[]string{"--data", rows, "--out", rows, "--labels", "broken"}, "not a directory"},
		{[]string{"--data", rows, "--test", rows, "--groups", "team", "--out", out, "--labels", "broken"}, "labels leak: a group is on both sides"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--model", "a", "--bundle", "b"}, "give one of them"},
	} {
		r := lamina(t, nil, append([]string{"report", "label-curve"}, c.args...)...)
		if r.Status != 2 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%v: status %d, %q, want %q", c.args, r.Status, r.Stderr, c.want)
		}
	}
}
