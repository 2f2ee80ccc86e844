package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// petals are rows of four numbers with a class of three, two tags, two numbers to predict and whether they are odd.
func petals(rows int, seed uint64) *dataset.Table {
	key := random.New(seed)
	i := -1
	return dataset.From(make([]struct{}, rows), func(_ struct{}, row dataset.Row) {
		i++
		y := int(key.Derive(1).Uint64N(uint64(i), 3))
		x := row.F32Slice("x")
		key.Derive(2, uint64(i)).FillNormal32(x, 0)
		x[y] += 1.5
		odd := int64(0)
		if i%7 == 0 {
			x[3], odd = x[3]+4, 1
		}
		row.I64("y", int64(y))
		row.I64("odd", odd)
		row.I64("tags", int64(i%2), int64(y/2))
		row.F32("target", x[0]-x[1], x[2]/2)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4}}, dataset.Column{Name: "y", DType: dataset.I64}, dataset.Column{Name: "odd", DType: dataset.I64},
		dataset.Column{Name: "tags", DType: dataset.I64, Shape: []int{2}}, dataset.Column{Name: "target", DType: dataset.F32, Shape: []int{2}})
}

// heads are bundles of every kind of output on petals, in a folder.
func heads(t *testing.T) string {
	t.Helper()
	orttest.Runtime(t)
	dir := t.TempDir()
	rows := petals(200, 1)
	ship := func(name string, r *train.Result, values ...*spec.Value) {
		if _, err := bundle.Write(t.Context(), filepath.Join(dir, name), r.Net(values...), rows, ort.Runtime()); err != nil {
			t.Fatal(err)
		}
	}
	fit := func(loss *spec.Loss, classes ...string) *train.Result {
		r, err := train.Fit(t.Context(), spec.NewModel("m", loss), rows, train.Options{Optimizer: optim.Adam(2e-2), Epochs: 10, Batch: 50, Classes: classes})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	x := spec.Input("x", 4)
	logits := x.Then(spec.Dense(3).Named("head")).Named("logits")
	r := fit(spec.CrossEntropy(logits, spec.Labels("y", 3)), "setosa", "versicolor", "virginica")
	p := logits.Then(spec.Softmax(-1)).Named("species")
	ship("classifier", r, p)
	ship("logits", r, logits)
	ship("unsure", r, p, p.Then(spec.Unsure(0.6)).Named("unsure"))
	ship("two", r, p, logits)
	ship("share", r, p.Then(spec.Slice(0, 1, 2), spec.Sum(0)).Named("share"))

	x = spec.Input("x", 4)
	tags := x.Then(spec.Dense(2))
	r = fit(spec.BinaryCrossEntropy(tags, spec.Tokens("tags", 2, 2).Then(spec.Floats())))
	ship("tags", r, tags.Then(spec.Sigmoid()).Named("probabilities"))

	x = spec.Input("x", 4)
	y := x.Then(spec.Dense(2)).Named("y")
	r = fit(spec.Huber(y, spec.Input("target", 2), 1))
	ship("numbers", r, y)

	x = spec.Input("x", 4)
	back := x.Then(spec.Dense(2), spec.Dense(4))
	r = fit(spec.MSE(back, x))
	score := spec.Sub(back, x).Then(spec.MeanSquare()).Named("score")
	ship("anomaly", r, score, score.Then(spec.Above(1.5)).Named("flag"))
	return dir
}

// write writes an .npy file.
func writeFile[T npywrite.Element](t *testing.T, path string, shape []int, data []T) string {
	t.Helper()
	var b bytes.Buffer
	if err := npywrite.Write(&b, shape, data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// files writes petals as .npy files, and as a .csv file with the class and without.
func files(t *testing.T, dir string, rows *dataset.Table) {
	t.Helper()
	n := rows.Len()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, at("x.npy"), []int{n, 4}, rows.F32("x"))
	writeFile(t, at("y.npy"), []int{n}, rows.I64("y"))
	writeFile(t, at("odd.npy"), []int{n}, rows.I64("odd"))
	writeFile(t, at("tags.npy"), []int{n, 2}, rows.I64("tags"))
	writeFile(t, at("target.npy"), []int{n, 2}, rows.F32("target"))
	var with, without, labels strings.Builder
	with.WriteString("a,b,species,c,d\n")
	without.WriteString("a,b,c,d\n")
	labels.WriteString("species\n")
	x := rows.F32("x")
	for i, y := range rows.I64("y") {
		fmt.Fprintf(&with, "%v,%v,%d,%v,%v\n", x[4*i], x[4*i+1], y, x[4*i+2], x[4*i+3])
		fmt.Fprintf(&without, "%v,%v,%v,%v\n", x[4*i], x[4*i+1], x[4*i+2], x[4*i+3])
		fmt.Fprintf(&labels, "%d\n", y)
	}
	for name, s := range map[string]string{"petals.csv": with.String(), "x.csv": without.String(), "species.csv": labels.String()} {
		if err := os.WriteFile(at(name), []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// said is the JSON of a run.
func said(t *testing.T, args ...string) (e struct {
	Output, Flag, Bundle, Kind, Scale string
	Rows, Without                     int
	Names                             []string
	Metrics                           []struct {
		Name             string
		Value, Low, High float64
		Why              string
	}
	Table [][]int
}, by map[string]float64) {
	t.Helper()
	r := lamina(t, nil, append([]string{"evaluate", "--json", "--draws", "50"}, args...)...)
	if r.Status != 0 {
		t.Fatalf("%v: %s", args, r.Stderr)
	}
	if err := json.Unmarshal([]byte(r.Stdout), &e); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, r.Stdout)
	}
	by = map[string]float64{}
	for _, m := range e.Metrics {
		by[m.Name] = m.Value
	}
	return e, by
}

func TestEvaluate(t *testing.T) {
	dir, rows := heads(t), petals(150, 9)
	files(t, dir, rows)
	at := func(name string) string { return filepath.Join(dir, name) }
	net, err := bundle.Open(t.Context(), at("classifier"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := evaluate.Confuse(t.Context(), net, rows, "y")
	if err != nil {
		t.Fatal(err)
	}
	want := table.Accuracy()
	for name, args := range map[string][]string{
		"npy":            {at("classifier"), "--data", at("x.npy"), "--labels", at("y.npy")},
		"named":          {at("classifier"), "--data", "x=" + at("x.npy"), "--labels", at("y.npy")},
		"csv, a column":  {at("classifier"), "--data", at("petals.csv"), "--labels", "species"},
		"csv, a file":    {at("classifier"), "--data", at("x.csv"), "--labels", at("species.csv")},
		"logits":         {at("logits"), "--data", at("x.npy"), "--labels", at("y.npy")},
		"one of several": {at("two"), "--data", at("x.npy"), "--labels", at("y.npy"), "--output", "logits"},
		"told":           {at("classifier"), "--data", at("x.npy"), "--labels", at("y.npy"), "--kind", "classes", "--scale", "probabilities"},
	} {
		e, by := said(t, args...)
		if by["accuracy"] != want || e.Kind != "classes" || e.Rows != 150 || e.Names[2] != "virginica" {
			t.Errorf("%s: %+v, want the accuracy %v", name, e, want)
		}
		if l := by["log loss"]; !(l > 0.1 && l < 1) || (e.Scale == "logits") != (e.Output == "logits") {
			t.Errorf("%s: %+v", name, e)
		}
		if fmt.Sprint(e.Table) != fmt.Sprint(table.Counts) {
			t.Errorf("%s: the table is %v, want %v", name, e.Table, table.Counts)
		}
	}
	// Columns of an .npz file, and IDX files, whose bytes are scaled: other numbers, but rows and labels are where they were.
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for _, name := range []string{"x", "y", "target"} {
		f, err := w.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(at(name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(at("petals.npz"), z.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
	if e, by := said(t, at("classifier"), "--data", at("petals.npz"), "--labels", "y"); by["accuracy"] != want || e.Rows != 150 {
		t.Errorf("npz: %+v, want the accuracy %v", e, want)
	}
	pixels, labels := []byte{0, 0, 8, 3, 0, 0, 0, 150, 0, 0, 0, 2, 0, 0, 0, 2}, []byte{0, 0, 8, 1, 0, 0, 0, 150}
	scaled := rows.F32("x")
	for i, y := range rows.I64("y") {
		for _, x := range scaled[4*i : 4*i+4] {
			pixels = append(pixels, byte(min(255, max(0, 40*x+100))))
		}
		labels = append(labels, byte(y))
	}
	if err := errors.Join(os.WriteFile(at("images-idx3-ubyte"), pixels, 0o666), os.WriteFile(at("labels-idx1-ubyte"), labels, 0o666)); err != nil {
		t.Fatal(err)
	}
	if e, by := said(t, at("classifier"), "--data", at("images-idx3-ubyte"), "--labels", at("labels-idx1-ubyte")); !(by["AUROC"] > 0.7) || e.Rows != 150 {
		t.Errorf("IDX: %+v", e)
	}

	e, by := said(t, at("unsure"), "--data", at("x.npy"), "--labels", at("y.npy"), "--top", "2")
	if e.Flag != "unsure" || !(by["flagged"] > 0 && by["flagged"] < 1) || by["accuracy of the others"] <= by["accuracy"] || by["top-2 accuracy"] <= by["accuracy"] {
		t.Errorf("%+v", e)
	}
	e, by = said(t, at("tags"), "--data", at("x.npy"), "--labels", at("tags.npy"))
	if e.Kind != "labels" || e.Scale != "probabilities" || !(by["AUROC"] > 0.5) {
		t.Errorf("%+v", e)
	}
	e, by = said(t, at("numbers"), "--data", at("x.npy"), "--labels", at("target.npy"))
	if e.Kind != "numbers" || !(by["R2"] > 0.2 && by["R2"] <= 1) || !(by["MAE"] < by["RMSE"]) {
		t.Errorf("%+v", e)
	}
	e, by = said(t, at("anomaly"), "--data", at("x.npy"), "--labels", at("odd.npy"))
	if e.Kind != "anomalies" || e.Output != "score" || e.Flag != "flag" || !(by["AUROC"] > 0) || len(e.Metrics) != 5 {
		t.Errorf("%+v", e)
	}
	if e, _ = said(t, at("anomaly"), "--data", at("x.npy"), "--labels", at("odd.npy"), "--kind", "numbers"); e.Kind != "numbers" {
		t.Errorf("%+v", e)
	}
	// As text, with the names of the record.
	r := lamina(t, nil, "evaluate", at("classifier"), "--data", at("x.npy"), "--labels", at("y.npy"), "--draws", "100", "--level", "0.9", "--seed", "3")
	if r.Status != 0 || !containsAll(r.Stdout, "species: 150 rows, 3 classes, probabilities\n", fmt.Sprintf("accuracy           %.4f  ", want),
		"(intervals of 90 %: percentiles of 100 draws with replacement, as many rows of each class as there are)", "virginica", "class  precision  recall", "of 150 right") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
	if again := lamina(t, nil, "evaluate", at("classifier"), "--data", at("x.npy"), "--labels", at("y.npy"), "--draws", "100", "--level", "0.9", "--seed", "3"); again.Stdout != r.Stdout {
		t.Error("a second time it says something else")
	}
	small := slices.Clone(rows.F32("target"))
	for i := range small {
		small[i] *= 1e-6
	}
	r = lamina(t, nil, "evaluate", at("numbers"), "--data", at("x.npy"), "--labels", writeFile(t, at("small.npy"), []int{150, 2}, small), "--draws", "20")
	if r.Status != 0 || !containsAll(r.Stdout, "y: 150 rows, 2 numbers\n", "number  ", "R2    -", "20 draws with replacement)") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
	// Rows without a label are left out.
	y := append([]int64{}, rows.I64("y")...)
	right, known := 0, 0
	for i := range y {
		if i%3 == 0 {
			y[i] = -1
		}
	}
	codes, err := evaluate.Codes(t.Context(), net, rows, "y")
	if err != nil {
		t.Fatal(err)
	}
	predicted, err := evaluate.Predict(codes.X, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range y {
		if k >= 0 {
			known++
			if int(k) == predicted[i] {
				right++
			}
		}
	}
	e, by = said(t, at("classifier"), "--data", at("x.npy"), "--labels", writeFile(t, at("some.npy"), []int{150}, y))
	if math.Abs(by["accuracy"]-float64(right)/float64(known)) > 1e-12 || e.Rows != known || e.Without != 150-known {
		t.Errorf("%+v, want %d of %d", e, right, known)
	}
}

// TestEvaluateRefuses says what is wrong with files, labels and flags.
func TestEvaluateRefuses(t *testing.T) {
	dir, rows := heads(t), petals(30, 9)
	files(t, dir, rows)
	at := func(name string) string { return filepath.Join(dir, name) }
	y := rows.I64("y")
	change := func(f func(y []int64)) string {
		c := append([]int64{}, y...)
		f(c)
		return writeFile(t, filepath.Join(t.TempDir(), "y.npy"), []int{len(c)}, c)
	}
	all := func(f func(i int) int64) string {
		return change(func(y []int64) {
			for i := range y {
				y[i] = f(i)
			}
		})
	}
	short := writeFile(t, at("short.npy"), []int{29}, y[:29])
	float := writeFile(t, at("float.npy"), []int{30}, make([]float32, 30))
	half := writeFile(t, at("half.npy"), []int{30}, append(make([]float32, 29), 0.5))
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"classifier", "--labels", at("y.npy")}, []string{"which rows? give --data FILE"}},
		{[]string{"classifier", "--data", at("x.npy")}, []string{"give --labels FILE, or the name of a column"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", short}, []string{"there are 29 labels, but 30 rows of --data"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", change(func(y []int64) { y[4] = 3 })}, []string{"the label of row 4 is 3, but the output has the 3 classes 0 to 2"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", change(func(y []int64) { y[4] = -2 })}, []string{"the label of row 4 is -2"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", all(func(i int) int64 { return int64(i%2) - 1 })}, []string{`class 1 ("versicolor") has no rows`, "--absent"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", all(func(i int) int64 { return min(int64(i), 1) * -1 })}, []string{"there are 1 rows with a label, fewer than the 3 classes"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", half}, []string{"1 number of --labels for 3 numbers of output \"species\""}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", half, "--kind", "classes"}, []string{"classes are whole numbers, but it has others"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("tags.npy")}, []string{"2 numbers of --labels for 3 numbers of output"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--kind", "numbers"}, []string{"numbers need 3 a row"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--kind", "things"}, []string{`--kind is classes, labels, numbers or anomalies, got "things"`}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--scale", "odds"}, []string{`--scale is probabilities or logits, got "odds"`}},
		{[]string{"logits", "--data", at("x.npy"), "--labels", at("y.npy"), "--scale", "probabilities"}, []string{"a probability of row", "it must be from 0 to 1"}},
		{[]string{"share", "--data", at("x.npy"), "--labels", at("odd.npy"), "--kind", "classes"}, []string{`the numbers of output "share" are all from 0 to 1`, "give --scale probabilities or --scale logits"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--top", "4"}, []string{"k of a top-k accuracy must be from 1 to 3"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--level", "95"}, []string{"--level between 0 and 1"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--output", "z"}, []string{`--output z: the outputs that are f32`, `"species"`}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", at("y.npy"), "--flag", "z"}, []string{"the model has no output that is bool[N]"}},
		{[]string{"two", "--data", at("x.npy"), "--labels", at("y.npy")}, []string{`give --output NAME: "species", "logits"`}},
		{[]string{"classifier", "--data", at("no.npy"), "--labels", at("y.npy")}, []string{"no.npy: there is no such file"}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", "no.npy"}, []string{"there is neither such a file nor such a column; the data have x"}},
		{[]string{"classifier", "--data", at("petals.csv"), "--labels", at("y.npy")}, []string{`input "x"`, "x f32[5]"}},
		{[]string{"classifier", "--data", "w=" + at("x.npy"), "--labels", at("y.npy")}, []string{`the model has no data "w"`}},
		{[]string{"classifier", "--data", at("x.npy"), "--labels", dir}, []string{"it must be an .npy, .npz, .csv or IDX file"}},
		{[]string{"anomaly", "--data", at("x.npy"), "--labels", float}, []string{"0 of the 30 rows with a label are anomalies"}},
		{[]string{"nothing", "--data", at("x.npy"), "--labels", at("y.npy")}, []string{"nothing"}},
	} {
		args := append([]string{"evaluate", at(c.args[0])}, c.args[1:]...)
		commandtest.WantError(t, lamina(t, nil, args...), c.want...)
	}
	r := lamina(t, nil, "evaluate", at("classifier"), "--data", at("x.npy"), "--labels", all(func(i int) int64 { return int64(i%2) * 2 }), "--absent", "--draws", "20")
	if r.Status != 0 || !containsAll(r.Stdout, `not defined: class 1 ("versicolor") against the rest`, "accuracy") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
}

// TestEvaluateReadme runs the commands of the README of runtime/evaluate.
func TestEvaluateReadme(t *testing.T) {
	if ran := runPage(t, "evaluate"); ran < 3 {
		t.Errorf("the README has %d commands of bin/lamina", ran)
	}
}

// runPage runs the commands of bin/lamina of the README of a package below runtime, where out has bundles and files of petals.
func runPage(t *testing.T, name string) (ran int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "runtime", name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := heads(t)
	files(t, dir, petals(150, 9))
	if err := os.Rename(dir, filepath.Join(filepath.Dir(dir), "out")); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	for _, b := range blocks {
		for line := range strings.Lines(b[1]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			args := strings.Fields(line)
			if len(args) == 0 || args[0] != "bin/lamina" {
				continue // what records scikit-learn's numbers
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), exe, args[1:]...)
			c.Env, c.Dir = commandtest.Env(), filepath.Dir(dir)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			ran++
		}
	}
	return ran
}
