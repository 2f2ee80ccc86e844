package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/runtime/train"
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

// npz writes the columns x and y of digits.
func npz(t *testing.T, table *dataset.Table) string {
	t.Helper()
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

// TestReportLabelCurveOfText measures a model in text form on an .npz file with test rows.
func TestReportLabelCurveOfText(t *testing.T) {
	digits := dataset.Digits()
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
	r := lamina(t, nil, "report", "label-curve", "--data", npz(t, digits.Train.Head(200)), "--labels", "y", "--test", npz(t, digits.Test.Head(50)), "--model", file, "--draws", "2", "--counts", "20", "--pretrain", "none", "--out", out)
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
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--label-price", "-2"}, "--label-price: the price of a label must be zero or positive, and finite, got -2"},
		{[]string{"--data", rows, "--out", out, "--labels", "nothing"}, "nothing"},
		{[]string{"--data", filepath.Join(out, "none.csv"), "--out", out, "--labels", "broken"}, "there is no such file"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--pretrain", "magic"}, `no pretraining "magic"; it has denoising, all or none`},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--join", "trees"}, "--join must be NAME=FILE"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--counts", "4,x"}, `--counts: "x" is no number`},
		{[]string{"--data", rows, "--out", rows, "--labels", "broken"}, "not a directory"},
		{[]string{"--data", rows, "--test", rows, "--groups", "team", "--out", out, "--labels", "broken"}, "labels leak: a group is on both sides"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--model", "a", "--bundle", "b"}, "give one of them"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--output", "code"}, "--output is one of --bundle"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--test-labels", "y"}, "--test-labels are of --test"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--bundle", rows, "--pretrain", "none"}, "nothing of --bundle to measure"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--size", "8x8"}, "--size is for folders of pictures"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--draws", "1"}, "--draws: the draws must be from 2 to 1000"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--groups", "team", "--folds", "7"}, "--folds: evaluate: folds: 6 groups cannot be divided into 7 folds"},
		{[]string{"--data", rows, "--out", out, "--labels", "broken", "--test", pictures(t, 2)}, "is of another kind than the rows of --data"},
		{[]string{"--data", pictures(t, 2), "--out", out, "--groups", "team"}, "--groups is for files"},
		{[]string{"--data", pictures(t, 2), "--out", out, "--labels", "broken"}, "the labels of pictures are the folders that they are in, or a file of a number for each"},
		{[]string{"--data", pictures(t, 1), "--out", out}, "there is one folder only, c0"},
		{[]string{"--data", pictures(t, 2), "--test", pictures(t, 3), "--out", out}, "has the classes c0, c1, c2, and the other rows have c0, c1"},
	} {
		r := lamina(t, nil, append([]string{"report", "label-curve"}, c.args...)...)
		if r.Status != 2 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%v: status %d, %q, want %q", c.args, r.Status, r.Stderr, c.want)
		}
	}
}

// pictures writes grey pictures of 6 by 6 pixels in a folder for each class, brighter from class to class.
func pictures(t *testing.T, classes int) string {
	t.Helper()
	dir := t.TempDir()
	for k := range classes {
		for i := range 6 {
			m := image.NewGray(image.Rect(0, 0, 6, 6))
			for j := range m.Pix {
				m.Pix[j] = uint8(60*k + 7*(i*j%5))
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprintf("c%d", k), fmt.Sprintf("%d.png", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestReportLabelCurveOfPictures measures pictures in folders, scaled, by folds and on test rows, and the IDX files of MNIST.
func TestReportLabelCurveOfPictures(t *testing.T) {
	idx := t.TempDir()
	write := func(name string, dims []byte, values []byte) {
		b := []byte{0, 0, 8, byte(len(dims))}
		for _, n := range dims {
			b = append(b, 0, 0, 0, n)
		}
		if err := os.WriteFile(filepath.Join(idx, name), append(b, values...), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range map[string]byte{"train": 40, "t10k": 20} {
		x, y := make([]byte, int(n)*28*28), make([]byte, n)
		for i := range x {
			y[i/784] = byte(i / 784 % 10)
			x[i] = 20 * y[i/784]
		}
		write(name+"-images-idx3-ubyte", []byte{n, 28, 28}, x)
		write(name+"-labels-idx1-ubyte", []byte{n}, y)
	}
	two := pictures(t, 2)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--data", two, "--size", "4x4", "--counts", "4", "--folds", "2"}, []string{`spec.Bytes("x", 1, 4, 4)`, "AUROC"}},
		{[]string{"--data", two, "--test", pictures(t, 2), "--counts", "4"}, []string{`spec.Bytes("x", 1, 6, 6)`}},
		{[]string{"--data", idx, "--counts", "20"}, []string{`spec.Input("x", 784)`}},
	} {
		out := filepath.Join(t.TempDir(), "curve")
		r := lamina(t, nil, append([]string{"report", "label-curve", "--draws", "2", "--pretrain", "none", "--active", "none", "--out", out}, c.args...)...)
		if r.Status != 0 || !containsAll(r.Stdout, append(c.want, "nearest neighbour")...) {
			t.Errorf("%v: %d\n%s%s", c.args, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestReportLabelCurveOfTest measures a table on a file of its own, whose labels have another name.
func TestReportLabelCurveOfTest(t *testing.T) {
	rows := smallTable(t, 60)
	b, err := os.ReadFile(smallTable(t, 40))
	if err != nil {
		t.Fatal(err)
	}
	test := filepath.Join(t.TempDir(), "test.csv")
	if err := os.WriteFile(test, bytes.Replace(b, []byte(",broken"), []byte(",truth"), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "curve")
	r := lamina(t, nil, "report", "label-curve", "--data", rows, "--labels", "broken", "--test", test, "--test-labels", "truth", "--draws", "2", "--counts", "6", "--pretrain", "none", "--active", "none", "--out", out)
	if r.Status != 0 || !containsAll(r.Stdout, "from scratch", "AUROC") {
		t.Fatalf("%d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	b, err = os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c report.Curve
	if err := json.Unmarshal(b, &c); err != nil || c.Measured != "test rows" || c.Test != 36 {
		t.Errorf("%v: measured on %d %s", err, c.Test, c.Measured)
	}
}

// TestReportLabelCurveOfBundle measures what a bundle of digits and one of a table were taught; the fields of the table mean
// what they meant when the bundle was trained.
func TestReportLabelCurveOfBundle(t *testing.T) {
	orttest.Runtime(t)
	digits := dataset.Digits()
	x := spec.Input("x", 784)
	enc := x.Then(spec.Dense(8), spec.ReLU())
	o := train.Options{Optimizer: optim.Adam(1e-3), Epochs: 1, Batch: 50}
	fit, err := train.Fit(t.Context(), spec.NewModel("digits", spec.MSE(enc.Then(spec.Dense(784)), x)), digits.Train.Head(100), o)
	if err != nil {
		t.Fatal(err)
	}
	dense := filepath.Join(t.TempDir(), "dense")
	if _, err := bundle.Write(t.Context(), dense, fit.Net(enc.Named("code")), digits.Test.Head(20), ort.Runtime()); err != nil {
		t.Fatal(err)
	}
	rows := smallTable(t, 60)
	schema, err := dataset.Infer(t.Context(), rows, dataset.Label.Of("broken"), dataset.Group.Of("team"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := schema.CSV(rows)
	if err != nil {
		t.Fatal(err)
	}
	cols := spec.NewTable(len(schema.Numeric()), schema.Cardinalities()...)
	code := cols.Row.Then(spec.Dense(4), spec.ReLU())
	if fit, err = train.Fit(t.Context(), spec.NewModel("columns", cols.Reconstruction(code)...), table, o); err != nil {
		t.Fatal(err)
	}
	columns := filepath.Join(t.TempDir(), "columns")
	if _, err := bundle.Write(t.Context(), columns, fit.Net(code.Named("code")), table, ort.Runtime()); err != nil {
		t.Fatal(err)
	}
	// Only kind b: read by themselves, these rows would have the id of a.
	b, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	var only []string
	for i, line := range strings.Split(string(b), "\n") {
		if i == 0 || strings.Contains(line, ",b,") {
			only = append(only, line)
		}
	}
	later := filepath.Join(t.TempDir(), "later.csv")
	if err := os.WriteFile(later, []byte(strings.Join(only, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   []string
	}{
		{[]string{"--data", npz(t, digits.Train.Head(60)), "--bundle", dense, "--counts", "20"}, 0, []string{"bundle, linear probe", "bundle, neighbours", "is not known", "too few to decide by"}},
		{[]string{"--data", later, "--labels", "broken", "--bundle", columns, "--counts", "4"}, 0, []string{"bundle, linear probe"}},
		{[]string{"--data", rows, "--labels", "kind", "--bundle", columns, "--counts", "4"}, 2, []string{`the bundle reads field "kind", the label, as a category`}},
		{[]string{"--data", rows, "--labels", "broken", "--bundle", dense, "--counts", "4"}, 2, []string{`--data: the model takes a column "x" (f32[N 784])`}},
	} {
		out := filepath.Join(t.TempDir(), "curve")
		r := lamina(t, nil, append([]string{"report", "label-curve", "--draws", "2", "--folds", "2", "--active", "none", "--out", out}, c.args...)...)
		if r.Status != c.status || !containsAll(r.Stdout+r.Stderr, c.want...) {
			t.Errorf("%v: %d\n%s%s", c.args, r.Status, r.Stdout, r.Stderr)
		}
	}
	found, err := dataset.Infer(t.Context(), later, dataset.Label.Of("broken"))
	if err != nil {
		t.Fatal(err)
	}
	read, err := asTrained(schema, found)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read.CSV(later); err != nil || got.I64("categorical")[0] != table.I64("categorical")[1] {
		t.Errorf("kind b has another id than in training: %v", err)
	}
}
