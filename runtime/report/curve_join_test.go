package report

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// FuzzJoined: whatever the file is, it is read as predictions of all measured rows or refused.
func FuzzJoined(f *testing.F) {
	head := joinedFirst + "\nrows aa\ntest bb\n" + joinedNames + "\n"
	for _, s := range []string{"", head, head + "1,0,4,0,1\n1,0,4,2,0\n", head + "1,0,4,0,1\r\n1,0,4,2,0", head + "1,0,4,1,1\n", head + "9,9,9,9,9\n", head + "1,0,4,0,-1\n", head + strings.Repeat("1", 5000), "rows\x00"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "joined")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		r := &curving{hash: "aa", testHash: "bb", classes: 2, o: CurveOptions{Counts: []int{4}},
			cells: []*cell{{draw: 1, testRows: []int{0, 2}, y: []int64{1, 0}, groups: []int64{0, 0}}}}
		points, err := r.joined(Joined{Name: "other", File: path})
		if err != nil {
			return
		}
		rows := 0
		for _, of := range points[0].Confusion {
			for _, n := range of {
				rows += n
			}
		}
		if len(points) != 1 || rows != 2 {
			t.Errorf("%d points of %d rows", len(points), rows)
		}
	})
}

// sklearn returns the Python that make peer-sklearn installs, or skips the test.
func sklearn(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(root, ".cache", "peers", "sklearn", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Skip("no scikit-learn: make peer-sklearn installs it")
	}
	return python
}

// TestBoostedTrees runs the script beside the draws, of a table with holes and categories, by folds and on test rows, and
// joins what it predicts.
func TestBoostedTrees(t *testing.T) {
	python := sklearn(t)
	rows, net := machines(t)
	model, err := BundleModel(net, "code", "y", []string{"no", "yes"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []dataset.Source{nil, rows.Select(count(30))} {
		o := smallOptions(t)
		o.Rows, o.Test, o.Counts, o.Arms = rows, test, []int{20}, quickArms()
		if test != nil {
			o.Folds = 0
		}
		if _, err := LabelCurve(t.Context(), model, o); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(python, filepath.Join(o.Dir, "draws", "boosted_trees.py"))
		c.Env = append(os.Environ(), "OMP_NUM_THREADS=1") // threads that wait for each other take longer than one
		var told strings.Builder
		c.Stderr = &told
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, told.String())
		}
		file := filepath.Join(o.Dir, "trees.txt")
		if err := os.WriteFile(file, out, 0o666); err != nil {
			t.Fatal(err)
		}
		o.Joined = []Joined{{"trees", file}}
		curve, err := LabelCurve(t.Context(), model, o)
		if err != nil {
			t.Fatal(err)
		}
		if a := curve.Arm("trees").Last(); !(a.Mean < curve.Arm("majority class").Last().Mean) || a.AUROC != nil {
			t.Errorf("trees err on %v, the majority class on %v", a.Mean, curve.Arm("majority class").Last().Mean)
		}
		if told.Len() > 0 {
			t.Errorf("it says:\n%s", told.String())
		}
	}
}
