package active

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

var (
	some   = Data{8, "6eb87a5ead38c62d"}
	things = []string{"cat", "dog", "3"}
)

// answers writes a ranking of rows with these answers, and returns its path.
func answersOf(t *testing.T, of Data, rows []int, answers ...string) string {
	t.Helper()
	r := &Ranking{Of: of}
	for i, row := range rows {
		r.Rows = append(r.Rows, Ranked{Row: row, ID: "a, \"b\".png", Score: 1.5, Prediction: "dog", Probability: 0.25, Answer: answers[i]})
	}
	path := filepath.Join(t.TempDir(), "rank.csv")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMerge goes from a ranking to labels that a CSV reader reads, in several rounds.
func TestMerge(t *testing.T) {
	labels := filepath.Join(t.TempDir(), "labels.csv")
	first := answersOf(t, some, []int{6, 2, 4}, "dog", "", "0")
	if got, want := read(t, first), `rank,row,id,data,score,prediction,probability,label
1,6,"a, ""b"".png",8 rows 6eb87a5ead38c62d,1.5,dog,0.2500,dog
2,2,"a, ""b"".png",8 rows 6eb87a5ead38c62d,1.5,dog,0.2500,
3,4,"a, ""b"".png",8 rows 6eb87a5ead38c62d,1.5,dog,0.2500,0
`; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	m, err := Merge(first, labels, MergeOptions{Classes: things})
	if err != nil || m != (Merged{Added: 2, Empty: 1, Known: 2, Rows: 8}) {
		t.Fatalf("%+v %v", m, err)
	}
	if got, want := read(t, labels), "label (8 rows 6eb87a5ead38c62d)\n-1\n-1\n-1\n-1\n0\n-1\n1\n-1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// The number 3 is a name here. What is known stays, and what is said again changes nothing.
	if m, err = Merge(answersOf(t, some, []int{2, 4}, " 3 ", "cat"), labels, MergeOptions{Classes: things}); err != nil || m != (Merged{Added: 1, Same: 1, Known: 3, Rows: 8}) {
		t.Fatalf("%+v %v", m, err)
	}
	before := read(t, labels)
	if m, err = Merge(first, labels, MergeOptions{Classes: things}); err != nil || m.Added != 0 || read(t, labels) != before {
		t.Fatalf("%+v %v", m, err)
	}
	l, err := ReadLabels(labels)
	if err != nil || l.Of != some || !slices.Equal(l.Y, []int64{-1, -1, 2, -1, 0, -1, 1, -1}) || !slices.Equal(l.Known(), []int{2, 4, 6}) || !slices.Equal(l.Unknown(), []int{0, 1, 3, 5, 7}) {
		t.Errorf("%+v %v", l, err)
	}
	table, err := dataset.CSV(labels, dataset.CSVOptions{Groups: []dataset.CSVGroup{{Name: "y", Rest: true}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range table.F32("y") {
		if int64(y) != l.Y[i] {
			t.Errorf("row %d is %v as CSV, want %d", i, y, l.Y[i])
		}
	}
	if own, err := l.Table("y"); err != nil || !slices.Equal(own.I64("y"), l.Y) {
		t.Errorf("%v %v", own, err)
	}
	// A correction is one only if it is meant to be, and a ranking may say what labels there are.
	r := &Ranking{some, []Ranked{{Row: 4, ID: "x", Given: "cat", Prediction: "dog", Probability: 0.5, Answer: "dog"}}}
	wrong := filepath.Join(t.TempDir(), "doubt.csv")
	if err := r.Write(wrong); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, wrong), "rank,row,id,data,score,prediction,probability,given,label\n1,4,x,8 rows 6eb87a5ead38c62d,0,dog,0.5000,cat,dog\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if m, err = Merge(wrong, labels, MergeOptions{Classes: things, Correct: true}); err != nil || m != (Merged{Corrected: 1, Known: 3, Rows: 8}) {
		t.Fatalf("%+v %v", m, err)
	}
	if l, err = ReadLabels(labels); err != nil || l.Y[4] != 1 {
		t.Errorf("%+v %v", l, err)
	}
	// What a program for tables makes of numbers, and of the file. What the labels are of is known still.
	tabs := put(t, "rank.csv", "row\tlabel\tdata\tnote\n5.0\t0.0\t8 rows\t\n7\t03\t8 rows\tx\n0\t\t8 rows\t\n")
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(labels, link); err != nil {
		t.Fatal(err)
	}
	if m, err = Merge(tabs, link, MergeOptions{Classes: things}); err != nil || m != (Merged{Added: 2, Empty: 1, Known: 5, Rows: 8}) {
		t.Fatalf("%+v %v", m, err)
	}
	if l, err = ReadLabels(labels); err != nil || l.Of != some || l.Y[5] != 0 || l.Y[7] != 2 {
		t.Errorf("%+v %v", l, err)
	}
	if m, err = Merge(answersOf(t, some, []int{1, 0}, "cat", "dog"), labels, MergeOptions{Classes: things, Correct: true}); err != nil || m != (Merged{Added: 2, Known: 7, Rows: 8}) {
		t.Errorf("what corrects nothing is added: %+v %v", m, err)
	}
	// Labels of one's own, without the data in the heading, and what a spreadsheet makes of a ranking.
	mine := put(t, "labels.csv", "species\n-1\n1\n-1\n-1\n-1\n-1\n-1\n-1\n")
	sheet := put(t, "rank.csv", "\xef\xbb\xbfLabel;row;data;note\r\ndog;0;8 rows 6eb87a5ead38c62d;sure\r\n;;;\r\n;3;8 rows 6eb87a5ead38c62d;\r\n")
	if m, err = Merge(sheet, mine, MergeOptions{Classes: things}); err != nil || m != (Merged{Added: 1, Empty: 1, Known: 2, Rows: 8}) {
		t.Fatalf("%+v %v", m, err)
	}
	if got := read(t, mine); !strings.HasPrefix(got, "label (8 rows 6eb87a5ead38c62d)\n1\n1\n-1\n") {
		t.Errorf("%s", got)
	}
}

// TestUnmerged counts the answers that would be lost.
func TestUnmerged(t *testing.T) {
	l := NewLabels(some)
	l.Y[6], l.Y[4] = 1, 1
	path := answersOf(t, some, []int{6, 2, 4, 3}, "dog", "cat", "0", "")
	other := NewLabels(Data{8, "55e20ccc88de47a4"})
	other.Y = l.Y
	for _, c := range []struct {
		path    string
		l       *Labels
		classes []string
		want    int
	}{
		{path, l, things, 2}, {path, l, nil, 1}, {path, NewLabels(some), nil, 3}, {path, other, nil, 3},
		{path + "x", l, nil, 0},
	} {
		if n, err := Unmerged(c.path, c.l, c.classes); n != c.want || err != nil {
			t.Errorf("%s: %d %v, want %d", c.path, n, err, c.want)
		}
	}
	for _, text := range []string{"row,data,label\n3,8 rows,\"x\n", "a,b\n1,2\n", ""} {
		if _, err := Unmerged(put(t, "rank.csv", text), l, nil); err == nil {
			t.Errorf("%q was taken for a ranking", text)
		}
	}
}

// TestMergeRefuses says what is wrong, with line and row, and leaves the labels as they are.
func TestMergeRefuses(t *testing.T) {
	const head, data = "row,data,label\n", ",8 rows 6eb87a5ead38c62d,"
	had := "label (8 rows 6eb87a5ead38c62d)\n-1\n1\n-1\n-1\n-1\n-1\n-1\n-1\n"
	for _, c := range []struct {
		answers, labels string
		want            []string
	}{
		{head + "8" + data + "cat\n", had, []string{"line 2", `there is no row "8": the data have the rows 0 to 7`}},
		{head + "-1" + data + "cat\n", had, []string{"line 2", `there is no row "-1"`}},
		{head + "first" + data + "cat\n", had, []string{`there is no row "first"`}},
		{head + "3" + data + "cat\n3" + data + "cat\n", had, []string{"line 3", "row 3 is on line 2 too"}},
		{head + "3" + data + "bird\n", had, []string{"line 2: row 3", `"bird" is no class; there are cat, dog, 3`}},
		{head + "3" + data + "-1\n", had, []string{`"-1" is no class`}},
		{head + "3" + data + "7\n", had, []string{`"7" is no class`}},
		{head + "0" + data + "cat\n1" + data + "cat\n", had, []string{"line 3: row 1", `the answer is "cat", but`, `has "dog" already`}},
		{head + "3,9 rows 6eb87a5ead38c62d,cat\n", had, []string{"is of other data than", "9 rows and 8"}},
		{head + "3,8 rows 55e20ccc88de47a4,cat\n", had, []string{"is of other data than", "hashes 55e20ccc88de47a4 and 6eb87a5ead38c62d"}},
		{head + "3" + data + "cat\n4,8 rows 55e20ccc88de47a4,cat\n", had, []string{"line 3", "row 4 is of other data than the lines before"}},
		{head + "3,,cat\n", had, []string{"line 2", `its data are ""`}},
		{head + "3,999999999999999999 rows ab,cat\n", "", []string{"line 2", "its data are 999999999999999999 rows, more than the 268435456"}},
		{"\xff\xfer\x00o\x00", had, []string{"it is UTF-16", "save it as CSV in UTF-8"}},
		{head + "3.5" + data + "cat\n", had, []string{`there is no row "3.5"`}},
		{head + "3" + data + "cat\n", strings.Replace(had, "\n1\n", "\n1\n\n", 1), []string{"line 4 is empty: each row has a label, and -1 is none"}},
		{head + "3" + data + "cat\n", strings.Replace(had, "\n-1\n", "\n\n-1\n", 1), []string{"line 2 is empty"}},
		{head + "3,0 rows ab,cat\n", had, []string{`its data are "0 rows ab"`}},
		{"rank,row,data\n1,3" + data + "\n", had, []string{`no column "label"`, "label rank wrote"}},
		{head, had, []string{"there are no rows in it"}},
		{"row,data,label,Label\n3" + data + "cat,dog\n", had, []string{`columns 3 and 4 are both named "label"`}},
		{"", had, []string{"the file is empty"}},
		{head + "3" + data + "\"cat\n", had, []string{"line"}},
		{head + "3" + data + "cat\n", "label (9 rows 6eb87a5ead38c62d)\n-1\n", []string{"labels.csv", "the heading says 9 rows, but there are 1 labels"}},
		{head + "3" + data + "cat\n", "label\n-1\n-1\n", []string{"8 rows and 2"}},
		{head + "3" + data + "cat\n", "a,b\n1,2\n", []string{"labels.csv", "labels are one column, got 2"}},
		{head + "3" + data + "cat\n", "label\n0.5\n", []string{"line 2", `"0.5" is no label`}},
		{head + "3" + data + "cat\n", "label\n2147483648\n", []string{"line 2", `"2147483648" is no label`}},
		{head + "3" + data + "cat\n", "label\n-2\n", []string{"line 2", `"-2" is no label`}},
		{head + "3" + data + "cat\n", "label\n", []string{"there are no labels in it"}},
		{head + "3" + data + "cat\n", strings.Replace(had, "\n1\n", "\n3\n", 1), []string{"row 1 has the label 3, but the classes are 0 to 2"}},
	} {
		answers, labels := put(t, "rank.csv", c.answers), put(t, "labels.csv", c.labels)
		_, err := Merge(answers, labels, MergeOptions{Classes: things})
		if err == nil {
			t.Errorf("%q into %q was merged", c.answers, c.labels)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v, want %q", c.answers, err, w)
			}
		}
		if read(t, labels) != c.labels {
			t.Errorf("%q: the labels have changed", c.answers)
		}
	}
	good := answersOf(t, some, []int{1}, "cat")
	kept := put(t, "labels.csv", strings.Replace(had, "\n1\n", "\n-1\n", 1))
	if err := os.Chmod(kept, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(good, kept, MergeOptions{Classes: things}); err == nil || !strings.Contains(err.Error(), "it is read-only") {
		t.Errorf("a file that may only be read: %v", err)
	}
	big := put(t, "big.csv", "")
	if err := os.Truncate(big, maxFile+1); err != nil { // which takes no room
		t.Fatal(err)
	}
	if _, err := Merge(big, filepath.Join(t.TempDir(), "labels.csv"), MergeOptions{Classes: things}); err == nil || !strings.Contains(err.Error(), "big.csv: it has 1024 MB, more than the 1024 that are read") {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := Merge(good, filepath.Join(good, "labels.csv"), MergeOptions{Classes: things}); err == nil {
		t.Error("labels were written below a file")
	}
	if _, err := Merge(good, t.TempDir(), MergeOptions{Classes: things}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("labels in the place of a folder: %v", err)
	}
	if _, err := Merge(filepath.Join(t.TempDir(), "rank.csv"), filepath.Join(t.TempDir(), "labels.csv"), MergeOptions{Classes: things}); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Error(err)
	}
	if _, err := Merge(good, filepath.Join(t.TempDir(), "labels.csv"), MergeOptions{Classes: things[:1]}); err == nil || !strings.Contains(err.Error(), "two classes or more") {
		t.Error(err)
	}
	for _, rows := range [][]Ranked{nil, {{Row: 8}}, {{Row: -1}}, {{Row: 1}, {Row: 1}}} {
		if err := (&Ranking{some, rows}).Write(filepath.Join(t.TempDir(), "rank.csv")); err == nil {
			t.Errorf("%v was written", rows)
		}
	}
}

// TestAnswers: where all names are numbers, no number counts the names.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		answer  string
		classes []string
		want    int64
	}{
		{"2", []string{"1", "2", "3"}, 1}, {"0", []string{"1", "2", "3"}, -1}, {"2.0", []string{"1", "2", "3"}, 1}, {"2.5", []string{"1", "2", "3"}, -1},
		{"1", []string{"01", "02"}, 0}, {"1", []string{"1", "01"}, 0}, {"001", []string{"1", "01"}, -1}, {"2", []string{"cat", "dog", "3"}, 2},
		{"3", []string{"cat", "dog", "3"}, 2}, {"-1", []string{"cat", "dog"}, -1}, {"2", []string{"cat", "dog"}, -1}, {"", []string{"cat", "dog"}, -1}, {".0", []string{"cat", "dog"}, -1},
	} {
		if got := (answered{answer: c.answer}).class(c.classes); got != c.want {
			t.Errorf("%q of %q is %d, want %d", c.answer, c.classes, got, c.want)
		}
	}
}

// FuzzAnswers reads any bytes without harm, and answers only of rows that the data have.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("rank,row,id,data,score,prediction,probability,label\n1,6,x,8 rows 6e,1.5,dog,0.2500,dog\n"))
	f.Add([]byte("\xef\xbb\xbflabel;row;data\n;;\n\"a;1;2 rows"))
	f.Fuzz(func(t *testing.T, b []byte) {
		of, list, empty, err := decodeAnswers(bytes.NewReader(b))
		if err != nil {
			return
		}
		seen := map[int]bool{}
		for _, a := range list {
			if a.row < 0 || a.row >= of.Rows || seen[a.row] || a.answer == "" || a.line < 2 {
				t.Fatalf("%+v of %s", a, of)
			}
			seen[a.row] = true
		}
		if len(list)+empty == 0 {
			t.Fatal("nothing was read, and no error")
		}
	})
}

// FuzzLabels reads any bytes without harm, and what it reads is written and read again.
func FuzzLabels(f *testing.F) {
	f.Add([]byte("label (2 rows 6e)\n-1\n4\n"))
	f.Add([]byte("1\n2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLabels(bytes.NewReader(b))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "labels.csv")
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		again, err := ReadLabels(path)
		if err != nil || again.Of != l.Of || !slices.Equal(again.Y, l.Y) {
			t.Fatalf("%+v, and again %+v: %v", l, again, err)
		}
	})
}
