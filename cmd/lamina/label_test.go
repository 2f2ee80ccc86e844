package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/report"
)

// readCSV returns the lines of a file as columns by name.
func readCSV(t *testing.T, path string) (lines []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range all[1:] {
		x := map[string]string{}
		for i, v := range rec {
			x[all[0][i]] = v
		}
		lines = append(lines, x)
	}
	return lines
}

// answer fills in the labels of a ranking.
func answer(t *testing.T, path string, label func(row int) string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(f).ReadAll()
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range all[1:] {
		row, err := strconv.Atoi(rec[1])
		if err != nil {
			t.Fatal(err)
		}
		rec[len(rec)-1] = label(row)
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := csv.NewWriter(out).WriteAll(all); err != nil {
		t.Fatal(err)
	}
}

// TestLabel goes from no labels to some, by rounds of rank, answers and merge, and evaluates by them.
func TestLabel(t *testing.T) {
	dir, rows := heads(t), petals(150, 9)
	files(t, dir, rows)
	at := func(name string) string { return filepath.Join(dir, name) }
	ok := func(args ...string) string {
		t.Helper()
		r := lamina(t, nil, append([]string{"label"}, args...)...)
		if r.Status != 0 {
			t.Fatalf("%v: %s", args, r.Stderr)
		}
		return r.Stdout
	}
	y, names := rows.I64("y"), []string{"setosa", "versicolor", "virginica"}
	if out := ok("rank", "--by", "random", "--data", at("x.npy"), "--count", "30", "--seed", "4", "--out", at("rank.csv")); !strings.Contains(out, "30 of 150 rows without a label, by random") {
		t.Error(out)
	}
	first := readCSV(t, at("rank.csv"))
	if len(first) != 30 || first[0]["rank"] != "1" || first[0]["id"] != "x.npy#"+first[0]["row"] || first[0]["prediction"] != "" || first[0]["label"] != "" || !strings.HasPrefix(first[0]["data"], "150 rows ") {
		t.Errorf("%v", first[0])
	}
	answer(t, at("rank.csv"), func(row int) string {
		if row%5 == 0 {
			return ""
		}
		return names[y[row]]
	})
	out := ok("merge", at("rank.csv"), "--into", at("labels.csv"), "--classes", "setosa, versicolor,virginica")
	if !containsAll(out, "labels added, 0 known already", "of 150 rows have a label") {
		t.Error(out)
	}
	l, err := active.ReadLabels(at("labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range l.Known() {
		if l.Y[i] != y[i] {
			t.Errorf("row %d has the label %d, want %d", i, l.Y[i], y[i])
		}
	}
	known := len(l.Known())
	if e, _ := said(t, at("classifier"), "--data", at("x.npy"), "--labels", at("labels.csv")); e.Rows != known || e.Without != 150-known {
		t.Errorf("evaluate sees %d rows with a label and %d without, want %d", e.Rows, e.Without, known)
	}

	// The order is that of the package, of the rows that have no label.
	net, err := bundle.Open(t.Context(), at("two"))
	if err != nil {
		t.Fatal(err)
	}
	pool := &active.Pool{Rows: 150 - known, Members: make([][]float64, 1)}
	unknown := l.Unknown()
	if pool.Members[0], pool.Classes, err = active.Probabilities(t.Context(), net, "species", rows.Select(unknown)); err != nil {
		t.Fatal(err)
	}
	if pool.Codes, err = active.CodesOf(t.Context(), net, "logits", rows.Select(unknown)); err != nil {
		t.Fatal(err)
	}
	if pool.Known, err = active.CodesOf(t.Context(), net, "logits", rows.Select(l.Known())); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"margin", "entropy", "coreset", "margin+coreset"} {
		ok("rank", at("two"), "--by", by, "--data", at("x.npy"), "--labelled", at("labels.csv"), "--count", "12", "--out", at("next.csv"), "--output", "species", "--code", "logits")
		s, err := active.Parse(by)
		if err != nil {
			t.Fatal(err)
		}
		picks, err := s.Order(t.Context(), pool, 12)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range readCSV(t, at("next.csv")) {
			p, _ := strconv.ParseFloat(x["probability"], 64)
			if x["row"] != strconv.Itoa(unknown[picks[i].Row]) || x["score"] != fmt.Sprintf("%.6g", picks[i].Score) || !slices.Contains(names, x["prediction"]) || !(p > 1./3 && p <= 1) {
				t.Errorf("%s, line %d: %v, want row %d with %v", by, i+1, x, unknown[picks[i].Row], picks[i].Score)
			}
		}
	}
	// A table whose labels are a column, several bundles, JSON.
	var report struct{ Rows, Labelled, Written int }
	if err := json.Unmarshal([]byte(ok("rank", at("classifier"), at("two"), "--output", "species", "--by", "disagreement", "--data", at("x.npy"), "--count", "5", "--out", at("two.csv"), "--json")), &report); err != nil || report.Rows != 150 || report.Written != 5 || report.Labelled != 0 {
		t.Errorf("%+v %v", report, err)
	}
	if r := lamina(t, nil, "label", "rank", at("classifier"), "--data", at("petals.csv"), "--labelled", "species", "--out", at("all.csv")); !strings.Contains(r.Stderr, "there are no unlabelled rows: all 150 have a label") {
		t.Errorf("%s", r.Stderr)
	}

	// A second round adds to the first, by the bundle's classes and numbers.
	answer(t, at("next.csv"), func(row int) string { return strconv.Itoa(int(y[row])) })
	if out = ok("merge", at("next.csv"), "--into", at("labels.csv"), "--bundle", at("classifier")); !strings.Contains(out, fmt.Sprintf("12 labels added, 0 known already, 0 without an answer; %d of 150", known+12)) {
		t.Error(out)
	}

	// Labels that were made wrong are doubted, and corrected.
	wrong := slices.Clone(y)
	for _, i := range []int{7, 50, 90} {
		wrong[i] = (wrong[i] + 1) % 3
	}
	writeFile(t, at("wrong.npy"), []int{150}, wrong)
	var said struct {
		Rows     int
		Doubtful []doubted
	}
	for _, args := range [][]string{{}, {"--bundle", at("logits")}, {"--groups", at("groups.npy")}} {
		groups := make([]int64, 150)
		for i := range groups {
			groups[i] = int64(i / 3)
		}
		writeFile(t, at("groups.npy"), []int{150}, groups)
		args = append([]string{"doubt", "--data", at("x.npy"), "--labels", at("wrong.npy"), "--json", "--out", at("doubt.csv")}, args...)
		if err := json.Unmarshal([]byte(ok(args...)), &said); err != nil || said.Rows != 150 || len(said.Doubtful) < 3 || len(said.Doubtful) > 60 {
			t.Errorf("%v: %+v %v", args, said, err)
		}
		if lines := readCSV(t, at("doubt.csv")); len(lines) != len(said.Doubtful) || lines[0]["given"] == "" || lines[0]["prediction"] == lines[0]["given"] {
			t.Errorf("%v: %v", args, lines)
		}
	}
	if out = ok("doubt", "--data", at("x.npy"), "--labels", at("wrong.npy"), "--classes", "a,b,c"); !containsAll(out, "of 150 labels are contradicted by probes of the other folds (5)", "row  id  ", "x.npy#") {
		t.Error(out)
	}
}

// TestLabelPictures ranks a folder of PNG files and draws them with their numbers.
func TestLabelPictures(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		sub := filepath.Join(dir, "photos", []string{"a", "b"}[i%2])
		if err := os.MkdirAll(sub, 0o777); err != nil {
			t.Fatal(err)
		}
		img := image.NewGray(image.Rect(0, 0, 5, 4))
		img.Set(i%5, 0, color.Gray{Y: 200})
		f, err := os.Create(filepath.Join(sub, fmt.Sprintf("%d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	rank, sheet := filepath.Join(dir, "rank.csv"), filepath.Join(dir, "sheet.png")
	args := []string{"label", "rank", "--by", "random", "--data", filepath.Join(dir, "photos"), "--count", "4", "--out", rank, "--sheet", sheet}
	if r := lamina(t, nil, args...); r.Status != 0 || !strings.Contains(r.Stdout, "their pictures") {
		t.Fatalf("%s%s", r.Stdout, r.Stderr)
	}
	ids := map[string]string{"0": "a/0.png", "1": "a/2.png", "2": "a/4.png", "3": "b/1.png", "4": "b/3.png", "5": "b/5.png"}
	lines := readCSV(t, rank)
	for _, x := range lines {
		if ids[x["row"]] != x["id"] {
			t.Errorf("row %s is %s, want %s", x["row"], x["id"], ids[x["row"]])
		}
	}
	f, err := os.Open(sheet)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() != 4*(15+6)+6 {
		t.Errorf("%v %v", img, err)
	}
	// Another picture, and the answers are of other data.
	answer(t, rank, func(int) string { return "1" })
	labels := filepath.Join(dir, "labels.csv")
	if r := lamina(t, nil, "label", "merge", rank, "--into", labels, "--classes", "2"); r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "photos", "a", "note.txt"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, args...), "rank.csv: it has 4 answers that these labels do not have", "lamina label merge", "another --out")
	if err := os.Remove(rank); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, args...); r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	answer(t, rank, func(int) string { return "1" })
	commandtest.WantError(t, lamina(t, nil, "label", "merge", rank, "--into", labels, "--classes", "2"), "is of other data than", "hashes")
}

// TestLabelRefuses says what is wrong with flags, files and bundles.
func TestLabelRefuses(t *testing.T) {
	dir, rows := heads(t), petals(30, 9)
	files(t, dir, rows)
	at := func(name string) string { return filepath.Join(dir, name) }
	text := func(name, s string) string {
		if err := os.WriteFile(at(name), []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	half := writeFile(t, at("half.npy"), []int{30}, append(make([]float32, 29), 0.5))
	minus := writeFile(t, at("minus.npy"), []int{30}, append(make([]int64, 29), -2))
	short := writeFile(t, at("short.npy"), []int{29}, make([]int64, 29))
	blank := writeFile(t, at("blank.npy"), []int{30}, slices.Repeat([]int64{-1}, 30))
	x, ranked := at("x.npy"), text("ranked.csv", "row,data,label\n3,30 rows ab,1\n")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"frob"}, []string{"there are rank, merge and doubt"}},
		{[]string{"rank", at("classifier")}, []string{"which rows? give --data FILE"}},
		{[]string{"rank", at("classifier"), "--data", x, "--by", "frob"}, []string{`--by: active: there is no strategy "frob"`, "margin, entropy"}},
		{[]string{"rank", at("classifier"), "--data", x, "--by", "dropout"}, []string{"a bundle has no Dropout any more", "from Go"}},
		{[]string{"rank", at("classifier"), "--data", x, "--by", "disagreement"}, []string{"compares several bundles: give two or more, got 1"}},
		{[]string{"rank", "--data", x}, []string{"--by margin needs a bundle; only random does without"}},
		{[]string{"rank", at("two"), at("two"), "--data", x, "--by", "coreset"}, []string{"looks at the codes of one bundle, got 2"}},
		{[]string{"rank", at("classifier"), "--data", x, "--by", "coreset"}, []string{"classifier: --by coreset needs codes", "--code NAME"}},
		{[]string{"rank", at("logits"), "--data", x}, []string{"logits: --by margin needs probabilities", "--output NAME"}},
		{[]string{"rank", at("logits"), "--data", x, "--output", "logits"}, []string{"which are no probabilities: add a Softmax"}},
		{[]string{"rank", at("logits"), "--data", x, "--output", "z"}, []string{`--output z: the outputs are "logits" (f32[N 3])`}},
		{[]string{"rank", at("two"), "--data", x, "--by", "coreset", "--code", "z"}, []string{`--code z: the outputs are "species"`}},
		{[]string{"rank", at("classifier"), "--data", x, "--count", "31"}, []string{"--count must be from 1 to 30, the rows without a label, got 31"}},
		{[]string{"rank", at("classifier"), "--data", x, "--count", "0"}, []string{"--count must be from 1 to 30"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", short}, []string{"--labelled", "there are 29 labels, but 30 rows"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", half}, []string{"labels are one whole number for each row"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", minus}, []string{"the label of row 29 is -2"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", at("y.npy")}, []string{"there are no unlabelled rows: all 30 have a label"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", at("no.npy")}, []string{"--labelled", "there is neither such a file nor such a column"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", x}, []string{"it cannot be an output too"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", blank, "--out", blank}, []string{`it is read as "labelled"`}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", ranked}, []string{"ranked.csv: it has 1 answer that these labels do not have"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", text("torn.csv", "row,data,label\n3,30 rows ab,\"1\n")}, []string{"torn.csv: what is there would be lost"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", at("petals.csv")}, []string{"petals.csv: what is there would be lost", "it has no column"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", dir}, []string{"not a regular file"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", filepath.Join(x, "rank.csv")}, []string{"rank.csv"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", at("r.png"), "--sheet", at("r.png")}, []string{"another one than --sheet"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", at("r.csv"), "--sheet", at("r.png")}, []string{"the rows are no pictures", "--size HxW"}},
		{[]string{"rank", at("classifier"), "--data", x, "--out", at("r.csv"), "--sheet", at("r.png"), "--size", "2"}, []string{"--size must be a height and a width"}},
		{[]string{"rank", at("nothing"), "--data", x}, []string{"nothing"}},
		{[]string{"merge", ranked}, []string{"which labels? give --into"}},
		{[]string{"merge", ranked, "--into", at("l.csv")}, []string{"which classes are there?"}},
		{[]string{"merge", ranked, "--into", at("l.csv"), "--classes", "1"}, []string{"--classes must be from 2 to 4096"}},
		{[]string{"merge", ranked, "--into", at("l.csv"), "--classes", "a,b,a"}, []string{`the name "a" is empty or comes twice`}},
		{[]string{"merge", ranked, "--into", at("l.csv"), "--classes", "2", "--bundle", at("classifier")}, []string{"given twice"}},
		{[]string{"merge", ranked, "--into", at("l.csv"), "--bundle", at("numbers")}, []string{"says which classes there are: give --classes"}},
		{[]string{"merge", ranked, "--into", ranked, "--classes", "2"}, []string{"it cannot be an output too"}},
		{[]string{"merge", ranked, "--into", text("l9.csv", "label (9 rows ab)\n-1\n"), "--classes", "2"}, []string{"l9.csv", "the heading says 9 rows"}},
		{[]string{"merge", text("rows.csv", "row,data,label\n30,30 rows ab,1\n"), "--into", at("l.csv"), "--classes", "2"}, []string{"line 2", `there is no row "30"`}},
		{[]string{"merge", text("class.csv", "row,data,label\n3,30 rows ab,2\n"), "--into", at("l.csv"), "--classes", "2"}, []string{"line 2: row 3", `"2" is no class`}},
		{[]string{"merge", at("no.csv"), "--into", at("l.csv"), "--classes", "2"}, []string{"there is no such file"}},
		{[]string{"doubt", "--data", x}, []string{"which labels? give --labels FILE"}},
		{[]string{"doubt", "--labels", at("y.npy")}, []string{"which rows? give --data FILE"}},
		{[]string{"doubt", "--data", x, "--labels", short}, []string{"--labels", "there are 29 labels, but 30 rows"}},
		{[]string{"doubt", "--data", x, "--labels", writeFile(t, at("zero.npy"), []int{30}, make([]int64, 30))}, []string{"30 rows have a label, and of fewer than two classes"}},
		{[]string{"doubt", "--data", x, "--labels", writeFile(t, at("many.npy"), []int{30}, append(make([]int64, 29), 1<<31))}, []string{"there is the label 2147483648; at most 4096 classes"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--folds", "20"}, []string{"take fewer folds"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--bundle", at("classifier")}, []string{"it has no codes", "--code NAME"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--classes", "a,b"}, []string{"there is the label 2, but the classes are"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--out", at("y.npy")}, []string{"it cannot be an output too"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--groups", short}, []string{"--groups", "there are 29 labels"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--groups", at("y.npy"), "--out", at("y.npy")}, []string{"it cannot be an output too"}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--groups", blank, "--out", blank}, []string{`it is read as "groups"`}},
		{[]string{"doubt", "--data", x, "--labels", at("y.npy"), "--schema", x}, []string{"--schema: it is for a table that no bundle reads"}},
		{[]string{"doubt", "--data", x, "--labels", text("theirs.csv", "label (30 rows ab)\n"+strings.Repeat("0\n1\n", 15))}, []string{"--labels", "its heading says that it is of other data: 30 rows ab, and --data are 30 rows"}},
		{[]string{"rank", at("classifier"), "--data", x, "--labelled", at("theirs.csv")}, []string{"--labelled", "its heading says that it is of other data"}},
		{[]string{"doubt", "--data", text("rare.csv", "a,b,y\n1,u,red\n2,u,red\n3,v,blue\n4,v,blue\n"), "--labels", "y", "--folds", "3"}, []string{`"blue" has 2 labels: fewer than the 3 folds; "red" has 2 labels`, "take fewer folds"}},
		{[]string{"doubt", "--data", at("rare.csv"), "--labels", "y", "--folds", "2", "--groups", "b"}, []string{`"red" has 2 labels: all are of one group`}},
		{[]string{"doubt", "--data", at("rare.csv"), "--labels", "z"}, []string{`no field is named "z"`}},
		{[]string{"doubt", "--data", at("rare.csv"), "--labels", "y", "--classes", "p,q"}, []string{"--classes", "are names already: blue, red"}},
		{[]string{"doubt", "--data", at("rare.csv"), "--labels", "b", "--schema", text("s.json", `{"fields":[{"name":"a","kind":"number"},{"name":"b","kind":"category","values":["u","v"]}]}`)}, []string{`has "b" as a category, and not as a label`}},
	} {
		commandtest.WantError(t, lamina(t, nil, append([]string{"label"}, c.args...)...), c.want...)
	}
	for _, name := range []string{"l.csv", "r.csv", "r.png"} {
		if _, err := os.Stat(at(name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestLabelDoubtColumn does not show the probes the column of labels that they are to predict.
func TestLabelDoubtColumn(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("a,b,y\n")
	for i := range 60 {
		y := i % 2
		if i == 20 || i == 41 {
			y = 1 - y
		}
		fmt.Fprintf(&b, "%d,%d,%d\n", 10*(i%2)+i%5, i%7-10*(i%2), y)
	}
	data, doubt := filepath.Join(dir, "rows.csv"), filepath.Join(dir, "doubt.csv")
	if err := os.WriteFile(data, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, "label", "doubt", "--data", data, "--labels", "y", "--out", doubt); !strings.Contains(r.Stdout, "2 of 60 labels are contradicted") {
		t.Fatalf("%s%s", r.Stdout, r.Stderr)
	}
	// Corrections that were not merged yet are not written over.
	answer(t, doubt, func(row int) string { return strconv.Itoa(row % 2) })
	commandtest.WantError(t, lamina(t, nil, "label", "doubt", "--data", data, "--labels", "y", "--out", doubt), "doubt.csv: it has 2 answers that these labels do not have")
	answer(t, doubt, func(row int) string { return strconv.Itoa(1 - row%2) })
	if r := lamina(t, nil, "label", "doubt", "--data", data, "--labels", "y", "--out", doubt); r.Status != 0 {
		t.Error(r.Stderr)
	}
}

// TestLabelDoubtTable reads a table without a bundle: categories, values and labels that are missing, groups that are a field, and
// a class that nobody can know of.
func TestLabelDoubtTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("kind,size,when,team,name,answer\n")
	for i := range 120 {
		y := i % 3
		size := strconv.Itoa(10*(i%2) + i%5)
		if i%3 == 2 && i%2 == 0 {
			size = ""
		}
		answer := []string{"red", "green", "blue"}[y]
		switch i {
		case 7, 50, 81:
			answer = []string{"red", "green", "blue"}[(y+1)%3]
		case 20:
			answer = "bleu"
		case 33:
			answer = ""
		}
		fmt.Fprintf(&b, "%s,%s,2024-01-%02d,t%d,n%d,%s\n", []string{"a", "b", "c"}[y], size, 1+i%28, i/6, i, answer)
	}
	data := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(data, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	var said struct {
		Rows     int
		Doubtful []doubted
		LeftOut  []rareOne `json:"left_out"`
	}
	for _, more := range [][]string{nil, {"--groups", "team"}} {
		r := lamina(t, nil, append([]string{"label", "doubt", "--data", data, "--labels", "answer", "--json"}, more...)...)
		if err := json.Unmarshal([]byte(r.Stdout), &said); err != nil {
			t.Fatalf("%v: %v: %s", more, err, r.Stderr)
		}
		var rows []int
		for _, d := range said.Doubtful {
			rows = append(rows, d.Row)
		}
		slices.Sort(rows)
		if !slices.Equal(rows, []int{7, 50, 81}) || said.Doubtful[0].ID[:9] != "rows.csv#" || said.Rows != 118 {
			t.Errorf("%v: %+v", more, said)
		}
		if want := []rareOne{{"bleu", 1, "fewer than the 5 folds"}}; !slices.Equal(said.LeftOut, want) {
			t.Errorf("%v: left out %v, want %v", more, said.LeftOut, want)
		}
	}
	// What a category is worth is seen only if each of its values counts by itself, and what is to be said is not looked at.
	out := filepath.Join(t.TempDir(), "doubt.csv")
	r := lamina(t, nil, "label", "doubt", "--data", data, "--labels", "answer", "--out", out)
	if !containsAll(r.Stdout, "3 of 118 labels are contradicted", "left out: 1 label of bleu", "correct answer where one is wrong") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
	// Whole numbers as labels, of which -1 is none.
	minus := filepath.Join(t.TempDir(), "minus.csv")
	if err := os.WriteFile(minus, []byte("a,y\n1,0\n2,0\n8,1\n9,1\n5,-1\n6,-1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, "label", "doubt", "--data", minus, "--labels", "y", "--folds", "2"); !strings.Contains(r.Stdout, "0 of 4 labels are contradicted") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
}

// TestLabelCodes: a probe sees each value of a category by itself, and where a number is missing.
func TestLabelCodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte("a,k\n1,u\n,v\n3,u\n4,w\n5,v\n6,u\n7,w\n8,v\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := inferred(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := bySchema(t.Context(), s, path)
	if err != nil {
		t.Fatal(err)
	}
	set, ids := &evaluate.Set{}, rows.I64(s.Column(dataset.Category))
	if err := rawCodes(set, rows, s); err != nil || set.Dim != 2+s.Cardinalities()[0] || len(ids) != 8 {
		t.Fatalf("%d numbers a row, %d ids, %v\n%s", set.Dim, len(ids), err, s)
	}
	for i, id := range ids {
		x := set.X[i*set.Dim:][:set.Dim]
		if lacks := i == 1; lacks != (x[0] != x[0]) || lacks != (x[1] == 1) || !lacks && x[0] != float64(i+1) {
			t.Errorf("row %d: %v", i, x)
		}
		for k, v := range x[2:] {
			if (v == 1) != (int64(k) == id) || v != 0 && v != 1 {
				t.Errorf("row %d, whose category is %d: %v", i, id, x)
			}
		}
	}
}

// TestLabelColumns: labels and groups that are columns of the data are none of what a probe looks at.
func TestLabelColumns(t *testing.T) {
	rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32}, F32: []float32{1, 2}},
		dataset.Data{Column: dataset.Column{Name: "g", DType: dataset.I64}, I64: []int64{7, 8}})
	if err != nil {
		t.Fatal(err)
	}
	r := &labelRows{Table: rows}
	if list, err := r.wholeNumbers("groups", "g", nil); err != nil || !slices.Equal(list, []int64{7, 8}) || !slices.Equal(columnNames(r.Table), []string{"x"}) {
		t.Errorf("%v of %v, %v", list, columnNames(r.Table), err)
	}
}

// TestLabelThenCurve goes from no label by rank, answers and merge to a label curve of the merged labels, of a table and of pictures;
// more labels make another curve.
func TestLabelThenCurve(t *testing.T) {
	orttest.Runtime(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	table := "heat,kind\n"
	if err := os.Mkdir(at("photos"), 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		table += fmt.Sprintf("%d,%s\n", i%7, []string{"a", "b"}[i%2])
		img := image.NewGray(image.Rect(0, 0, 6, 6))
		for p := range img.Pix {
			img.Pix[p] = uint8(200*(i%2) + p)
		}
		f, err := os.Create(at(fmt.Sprintf("photos/%02d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("rows.csv"), []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
	names := []string{"no", "yes"}
	for _, data := range []string{"rows.csv", "photos"} {
		labels, rank, curve := at(data+"-labels.csv"), at(data+"-rank.csv"), ""
		for round := range 2 {
			args := []string{"label", "rank", "--by", "random", "--data", at(data), "--out", rank}
			if round > 0 {
				args = append(args, "--labelled", labels, "--count", "8")
			}
			if r := lamina(t, nil, args...); r.Status != 0 {
				t.Fatal(r.Stderr)
			}
			answer(t, rank, func(row int) string { return names[row%2] })
			if r := lamina(t, nil, "label", "merge", rank, "--into", labels, "--classes", "no,yes"); r.Status != 0 {
				t.Fatal(r.Stderr)
			}
			before := curve
			curve = at(fmt.Sprintf("%s-curve%d", data, round))
			args = []string{"report", "label-curve", "--data", at(data), "--labels", labels, "--classes", "no,yes", "--draws", "2", "--folds", "2", "--counts", "4", "--pretrain", "none", "--active", "none", "--out"}
			if r := lamina(t, nil, append(args, curve)...); r.Status != 0 {
				t.Fatalf("%s%s", r.Stdout, r.Stderr)
			}
			var c report.Curve
			b, err := os.ReadFile(filepath.Join(curve, "report.json"))
			if err == nil {
				err = json.Unmarshal(b, &c)
			}
			if err != nil || c.Labelled != 20+8*round || c.Rows != 40 || !slices.Equal(c.Classes, names) {
				t.Errorf("%s, round %d: %d of %d rows have a label, the classes are %v; %v", data, round, c.Labelled, c.Rows, c.Classes, err)
			}
			if round > 0 {
				if r := lamina(t, nil, append(args, before)...); r.Status != 2 || !containsAll(r.Stderr, "has points of another curve", "take another folder") {
					t.Errorf("%d: %s", r.Status, r.Stderr)
				}
			} else if data == "photos" {
				break
			}
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"its heading says that it is of other data", []string{"--data", at("rows.csv"), "--labels", at("photos-labels.csv")}},
		{"has the label 1, and 1 class have a name", []string{"--data", at("rows.csv"), "--labels", at("rows.csv-labels.csv"), "--classes", "no"}},
		{"there are 40 labels, but 20 rows", []string{"--data", func() string {
			path := at("half.csv")
			if err := os.WriteFile(path, []byte(strings.Join(strings.SplitAfter(table, "\n")[:21], "")), 0o666); err != nil {
				t.Fatal(err)
			}
			return path
		}(), "--labels", at("rows.csv-labels.csv")}},
	} {
		commandtest.WantError(t, lamina(t, nil, append([]string{"report", "label-curve", "--out", at("no")}, c.args...)...), c.want)
	}
}

// TestLabelReadme runs the commands of the README of runtime/active.
func TestLabelReadme(t *testing.T) {
	if ran := runPage(t, "active"); ran != 5 {
		t.Errorf("the README has %d commands of bin/lamina", ran)
	}
}
