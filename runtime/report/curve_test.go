package report

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

var update = flag.Bool("update", false, "rewrite golden files")

// people is a table of which two hidden numbers say the class, in people who differ; every
// sixth row has no label.
func people(t testing.TB, rows int, seed uint64) *dataset.Table {
	t.Helper()
	const width = 6
	x, y, group := make([]float32, rows*width), make([]int64, rows), make([]int64, rows)
	key := random.New(seed)
	for i := range rows {
		a, b := key.DeriveString("a").Float64(uint64(i))-0.5, key.DeriveString("b").Float64(uint64(i))-0.5
		group[i] = int64(i % 12)
		if a*b > 0 {
			y[i] = 1
		}
		if i%6 == 5 {
			y[i] = -1
		}
		for j := range width {
			turn := float64(j) * math.Pi / width
			x[i*width+j] = float32(a*math.Cos(turn) + b*math.Sin(turn) + 0.02*float64(group[i]%3) + 0.05*key.DeriveString("noise").Float64(uint64(i*width+j)))
		}
	}
	table, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y}, dataset.Data{Column: dataset.Column{Name: "person", DType: dataset.I64}, I64: group})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// smallModel is a net of such rows.
func smallModel() Model {
	x := spec.Input("x", 6)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh())
	code := x.Then(enc).Named("code")
	restored := x.Then(spec.MaskingNoise(0.2), enc, spec.Mirror("decoder", enc))
	return Model{
		Task:     fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(2).Named("head")), Encoder: enc, Label: "y", Classes: []string{"odd", "even"}},
		Pretrain: []Pretraining{Losses("denoising", restored, spec.MSE(restored, x))},
		Text:     "a small net",
	}
}

// smallOptions measure in a second or so.
func smallOptions(t testing.TB) CurveOptions {
	return CurveOptions{
		Rows: people(t, 96, 1), Dir: t.TempDir(), Draws: 2, Folds: 2, Counts: []int{8, 24}, Seed: 3,
		Train: func(labels int) train.Options {
			return train.Options{Optimizer: optim.Adam(0.02), Batch: 8, Epochs: 12}
		},
		Pretrain: func(rows int) train.Options {
			return train.Options{Optimizer: optim.Adam(0.01), Batch: 16, Epochs: 4}
		},
	}
}

// unmeasured is a curve without what a seed does not decide.
func unmeasured(c *Curve) *Curve {
	d := *c
	d.Machine = ""
	d.Arms = nil
	for _, a := range c.Arms {
		b := a
		b.Points = nil
		for _, p := range a.Points {
			p.Seconds, p.Memory = 0, 0
			b.Points = append(b.Points, p)
		}
		d.Arms = append(d.Arms, b)
	}
	d.Pretrained = nil
	for _, p := range c.Pretrained {
		p.Seconds = 0
		d.Pretrained = append(d.Pretrained, p)
	}
	return &d
}

func curveJSON(t testing.TB, c *Curve) string {
	t.Helper()
	b, err := json.MarshalIndent(unmeasured(c), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// TestLabelCurve: the JSON of a small curve is as it was, and its files are there.
func TestLabelCurve(t *testing.T) {
	o := smallOptions(t)
	c, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	got := curveJSON(t, c)
	golden := filepath.Join("testdata", "curve.json")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the curve differs (-want +got):\n%s", diff)
	}
	for _, name := range []string{"report.json", "report.csv", "report.html", "draws/draw001-fold1-000008.txt", "draws/draw002-fold2-test.txt", "draws/boosted_trees.py", "draws/rows-x.npy"} {
		if st, err := os.Stat(filepath.Join(o.Dir, name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is written is what was returned.
	b, err := os.ReadFile(filepath.Join(o.Dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read Curve
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	if curveJSON(t, &read) != got {
		t.Error("report.json is not the curve")
	}
	// The draws are of these rows, and nested.
	var before []int
	for _, n := range []string{"000008", "000024"} {
		x, err := dataset.ReadIndex(filepath.Join(o.Dir, "draws", "draw001-fold1-"+n+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := x.Of(o.Rows)
		if err != nil {
			t.Fatal(err)
		}
		in := map[int]bool{}
		for _, row := range rows {
			in[row] = true
		}
		for _, row := range before {
			if !in[row] {
				t.Errorf("row %d is in the smaller draw and not in the larger", row)
			}
		}
		before = rows
	}
	page, err := os.ReadFile(filepath.Join(o.Dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"How many labels?", "from scratch", "denoising", "majority class", "logistic regression", "nearest neighbour", "test inputs seen", "Better by, in points", "Labels that the net from scratch needs", "Map of the codes", "a small net"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestLabelCurveGoesOn: a curve that is interrupted again and again, with other numbers of
// workers, ends as one that is not.
func TestLabelCurveGoesOn(t *testing.T) {
	o := smallOptions(t)
	want, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	interrupted, all := 0, 0
	for {
		ctx, cancel := context.WithCancel(t.Context())
		fresh := 0
		o.Workers = 1 + interrupted%3
		o.Progress = func(p CurveProgress) {
			all = p.Of
			if !p.Kept {
				if fresh++; fresh == 5 {
					cancel()
				}
			}
		}
		got, err := LabelCurve(ctx, smallModel, o)
		cancel()
		if err == nil {
			if a, b := curveJSON(t, want), curveJSON(t, got); a != b {
				t.Errorf("it differs (-at once +in parts):\n%s", cmp.Diff(a, b))
			}
			break
		}
		if !errors.Is(err, train.ErrInterrupted) || !strings.Contains(err.Error(), "points, which are kept in") {
			t.Fatal(err)
		}
		interrupted++
		if interrupted > 20 {
			t.Fatal("it does not come to an end")
		}
	}
	if interrupted < 3 {
		t.Errorf("it was interrupted %d times only, of %d points", interrupted, all)
	}
}

// labelled are rows with these labels, of two people by turns.
func labelled(t *testing.T, y ...int64) *dataset.Table {
	t.Helper()
	x, person := make([]float32, 6*len(y)), make([]int64, len(y))
	for i := range x {
		x[i] = float32(y[i/6]) + float32(i%5)/10
		person[i/6] = int64(i / 6 % 2)
	}
	table, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{6}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y}, dataset.Data{Column: dataset.Column{Name: "person", DType: dataset.I64}, I64: person})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestTwelveRows: a curve of twelve rows, two of them without a label, or of two people, has folds and numbers of labels that can be.
func TestTwelveRows(t *testing.T) {
	for _, group := range []string{"", "person"} {
		o := smallOptions(t)
		o.Rows = labelled(t, 0, 1, 0, -1, 1, 0, 0, 1, -1, 0, 1, 1)
		o.Group, o.Counts, o.Folds, o.Arms = group, nil, 0, quickArms()
		c, err := LabelCurve(t.Context(), smallModel, o)
		if err != nil {
			t.Fatalf("groups %q: %v", group, err)
		}
		if c.Labelled != 10 || group != "" && c.Folds != 2 || c.Counts[len(c.Counts)-1] > 9 {
			t.Errorf("groups %q: %d labels, %d folds, numbers %v", group, c.Labelled, c.Folds, c.Counts)
		}
		if a := c.Arm("majority class").Last().AUROC; a == nil || a.Mean != 0.5 {
			t.Errorf("the AUROC of the majority class is %+v", a)
		}
	}
}

// TestLabelCurveMistakes: what cannot be is said before anything trains.
func TestLabelCurveMistakes(t *testing.T) {
	test := people(t, 48, 2)
	block := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(block, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	pageIsFolder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(pageIsFolder, "report.html"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(o *CurveOptions)
		want   string
	}{
		{"no rows", func(o *CurveOptions) { o.Rows = nil }, "CurveOptions.Rows: there are none"},
		{"no folder", func(o *CurveOptions) { o.Dir = "" }, "CurveOptions.Dir: it is empty"},
		{"negative price", func(o *CurveOptions) { o.Price = -1 }, "the price of a label must be zero or positive, and finite, got -1"},
		{"price that is none", func(o *CurveOptions) { o.Price = math.NaN() }, "got NaN"},
		{"one draw", func(o *CurveOptions) { o.Draws = 1 }, "from 2 to 1000"},
		{"one fold", func(o *CurveOptions) { o.Folds = 1 }, "two or more"},
		{"counts", func(o *CurveOptions) { o.Counts = []int{20, 10} }, "must be positive and ascend, got [20 10]"},
		{"too many labels", func(o *CurveOptions) { o.Counts = []int{10, 79} }, "79 labels cannot be drawn stratified: there are 40"},
		{"too few labels", func(o *CurveOptions) { o.Counts = []int{1} }, "1 labels are fewer than the 2 classes"},
		{"metric", func(o *CurveOptions) { o.Metric = "speed" }, `got "speed"`},
		{"no control", func(o *CurveOptions) { o.Arms = []Arm{{Name: "a", Way: fewlabels.FineTune{}}} }, `lack the control "from scratch"`},
		{"unknown pretraining", func(o *CurveOptions) {
			o.Arms = append(DefaultArms(smallModel(), false), Arm{Name: "a", Way: fewlabels.FineTune{}, Pretrain: "b"})
		}, `no pretraining "b", which arm "a" starts from`},
		{"groups on both sides", func(o *CurveOptions) { o.Test, o.Group = test, "person" }, "labels leak: a group is on both sides"},
		{"no such group", func(o *CurveOptions) { o.Group = "town" }, `no column "town"`},
		{"folder under a file", func(o *CurveOptions) { o.Dir = filepath.Join(block, "out") }, "not a directory"},
		{"page is a folder", func(o *CurveOptions) { o.Dir = pageIsFolder }, "is a folder, and is where a file of the report goes"},
		{"price without end", func(o *CurveOptions) { o.Price = math.Inf(1) }, "finite, got +Inf"},
		{"a single class", func(o *CurveOptions) { o.Rows = labelled(t, 0, 0, 0, 0, 0, 0) }, `class "even" has 0 rows with a label`},
		{"a class of one row", func(o *CurveOptions) { o.Rows = labelled(t, 0, 0, 0, 1, 0, 0) }, `class "even" has 1 row with a label; each needs two or more`},
		{"a class too many", func(o *CurveOptions) { o.Rows = labelled(t, 0, 1, 2, 0, 1, 2) }, "the label 2, but the task has 2 classes"},
		{"a class in one group", func(o *CurveOptions) { o.Rows, o.Group = labelled(t, 0, 1, 0, 1, 0, 0), "person" }, `class "even" has no row to learn from`},
		{"no labels", func(o *CurveOptions) { o.Rows = labelled(t, -1, -1, -1) }, `class "odd" has 0 rows with a label`},
		{"more folds than groups", func(o *CurveOptions) { o.Group, o.Folds = "person", 13 }, "12 groups cannot be divided into 13 folds: take fewer folds"},
		{"more folds than rows of a class", func(o *CurveOptions) { o.Rows, o.Folds = labelled(t, 0, 1, 0, 1, 0, 0), 3 }, "fold"},
		{"a column that the model lacks", func(o *CurveOptions) { o.Rows = people(t, 96, 1).Rename("x", "z") }, `the model takes a column "x" (f32[N 6]), and the rows have z, y, person`},
		{"a column of another shape", func(o *CurveOptions) { o.Rows = people(t, 96, 1).Reshape("x", 2, 3) }, `the model takes a column "x" of f32[6], and the rows have one of f32[2 3]`},
		{"test rows of another shape", func(o *CurveOptions) { o.Test = test.Reshape("x", 2, 3) }, `CurveOptions.Test: the model takes a column "x" of f32[6]`},
		{"no test labels", func(o *CurveOptions) { o.Test = dataset.All(test).Unlabel("y", nil) }, "none of the 48 test rows has a label"},
	} {
		o := smallOptions(t)
		c.change(&o)
		_, err := LabelCurve(t.Context(), smallModel, o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestMistakesByFlag: who came by a flag is told of that, not of an option in Go.
func TestMistakesByFlag(t *testing.T) {
	for _, c := range []struct {
		flags string
		want  string
	}{
		{"-draws=1", "--draws: the draws must be from 2 to 1000"},
		{"-folds=1", "--folds: the folds must be two or more"},
		{"-folds=60", "--folds: "},
		{"-counts=20,10", "--counts: the numbers of labels must be positive and ascend"},
		{"-counts=4,1000", "--counts: 1000 labels cannot be drawn stratified"},
		{"-drawn=odd", `--drawn: labels are drawn "stratified" or "balanced", got "odd"`},
		{"-metric=speed", "--metric: the metric is"},
		{"-label-price=-1", "--label-price: the price of a label must be zero or positive, and finite, got -1"},
		{"-label-price=NaN", "--label-price: the price of a label must be zero or positive, and finite, got NaN"},
		{"-active=disagreement", "--active: disagreement: it needs 2 classifiers"},
		{"-pretrain=magic", "--pretrain: report: the model has no pretraining"},
		{"-join=other=none.txt", `--join: predictions of "other": none.txt: `},
		{"-join=from scratch=none.txt", "--join: joined predictions need a name that no curve has"},
		{"-curve=" + filepath.Join("curve_test.go", "below"), "--curve: "},
	} {
		o := smallOptions(t)
		var f CurveFlags
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		f.Register(fs, "curve")
		if err := fs.Parse([]string{"-curve=" + o.Dir, "-draws=2", "-folds=2", "-counts=8", c.flags}); err != nil {
			t.Fatal(err)
		}
		if err := f.Run(t.Context(), io.Discard, smallModel, o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.flags, err, c.want)
		}
	}
	f := CurveFlags{Others: map[string]string{"Rows": "data"}}
	if got := f.said(wrongOption("Rows", "class %q has none", "a")).Error(); got != `--data: class "a" has none` {
		t.Error(got)
	}
}
