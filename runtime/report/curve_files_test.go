package report

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// quickArms are enough for what is no matter of learning.
func quickArms() []Arm {
	return []Arm{{Name: "majority class", Way: majority{}, Raw: true}, {Name: scratch, Way: fewlabels.FineTune{}}}
}

// predictions is a file of another tool that is always right.
func predictions(t *testing.T, rows *dataset.Table, o CurveOptions, change func(line []string) []string) string {
	t.Helper()
	hash, err := dataset.Hash(rows)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{joinedFirst, "rows " + hash, "test " + hash, joinedNames}
	for draw := 1; draw <= o.Draws; draw++ {
		for fold := 1; fold <= o.Folds; fold++ {
			x, err := dataset.ReadIndex(filepath.Join(o.Dir, "draws", fmt.Sprintf("draw%03d-fold%d-test.txt", draw, fold)))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range o.Counts {
				for _, row := range x.Rows {
					lines = append(lines, fmt.Sprintf("%d,%d,%d,%d,%d", draw, fold, n, row, rows.I64("y")[row]))
				}
			}
		}
	}
	if change != nil {
		lines = change(lines)
	}
	path := filepath.Join(t.TempDir(), "other.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestJoined: predictions of another tool stand beside the curves; those of other rows do not.
func TestJoined(t *testing.T) {
	o := smallOptions(t)
	o.Arms = quickArms()
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
		t.Fatal(err)
	}
	rows := o.Rows.(*dataset.Table)
	o.Joined = []Joined{{"oracle", predictions(t, rows, o, nil)}}
	c, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Arm("oracle"); a == nil || a.Kind != "joined" || a.Last().Mean != 0 || c.Best != "oracle" || !strings.Contains(c.Verdict[2], "another tool") {
		t.Errorf("the joined curve is %+v, the best %q", a, c.Best)
	}
	for _, bad := range []struct {
		name   string
		change func(lines []string) []string
		want   string
	}{
		{"other rows", func(l []string) []string { l[1] = "rows " + strings.Repeat("0", 64); return l }, "line 2: they are predictions of other rows: these rows have the hash"},
		{"other test rows", func(l []string) []string { l[2] = "test " + strings.Repeat("0", 64); return l }, "line 3: they are predictions of other rows: these test rows"},
		{"a row of the other fold", func(l []string) []string {
			f := strings.Split(l[len(l)-1], ",")
			for row := range rows.Len() { // one that fold 2 is not measured on
				if !slices.ContainsFunc(l, func(s string) bool { return strings.HasPrefix(s, "2,2,24,"+fmt.Sprint(row)+",") }) {
					f[3] = fmt.Sprint(row)
				}
			}
			l[len(l)-1] = strings.Join(f, ",")
			return l
		}, "is not measured on in draw 2, fold 2: they are predictions of other rows"},
		{"twice", func(l []string) []string { return append(l, l[len(l)-1]) }, "comes twice in draw 2, fold 2"},
		{"missing", func(l []string) []string { return l[:len(l)-1] }, "there is no prediction of row"},
		{"no class", func(l []string) []string { l[4] = "1,1,8," + strings.Split(l[4], ",")[3] + ",2"; return l }, "line 5: 2 is not one of the classes, 0 to 1"},
		{"no number", func(l []string) []string { l[5] = "1,1,8,x,0"; return l }, `line 6: "x" is no number`},
		{"other form", func(l []string) []string { return l[1:] }, "line 1 must be"},
	} {
		o.Joined[0].File = predictions(t, rows, o, bad.change)
		if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: error %v, want %q", bad.name, err, bad.want)
		}
	}
	o.Joined[0].File = filepath.Join(t.TempDir(), "none")
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestFolderOfAnotherCurve: points are not taken for those of other rows or settings.
func TestFolderOfAnotherCurve(t *testing.T) {
	o := smallOptions(t)
	o.Arms = quickArms()
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(o *CurveOptions)
		want   string
	}{
		{"other rows", func(o *CurveOptions) { o.Rows = people(t, 96, 2) }, "has points of another curve (rows: "},
		{"other seed", func(o *CurveOptions) { o.Seed++ }, `(seed: "3" then, "4" now)`},
		{"a ship in the place of what is no bundle", func(o *CurveOptions) { o.Ship = o.Dir }, "Ship: bundle: "},
		{"other way", func(o *CurveOptions) { o.Arms[1].Way = fewlabels.Probe{} }, "was measured when"},
	} {
		other := o
		other.Arms = quickArms()
		c.change(&other)
		if _, err := LabelCurve(t.Context(), smallModel, other); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	point, err := filepath.Glob(filepath.Join(o.Dir, "points", "draw001-fold1-000008-*.json"))
	if err != nil || len(point) == 0 {
		t.Fatal(err)
	}
	if err := os.WriteFile(point[0], []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "is no point of a curve") {
		t.Errorf("a damaged point: %v", err)
	}
}

// TestFolderOfOthers: a file that no curve has made is not written over.
func TestFolderOfOthers(t *testing.T) {
	o := smallOptions(t)
	if err := os.WriteFile(filepath.Join(o.Dir, "report.csv"), []byte("mine\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "report.csv is there and is of no label curve") {
		t.Errorf("error %v", err)
	}
}

// TestOtherPretraining: points are not taken for those of other losses or weights of the same name.
func TestOtherPretraining(t *testing.T) {
	o := smallOptions(t)
	o.Arms = append(quickArms(), Arm{Name: "denoising", Way: fewlabels.FineTune{}, Pretrain: "denoising"})
	o.Counts = []int{8}
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
		t.Fatal(err)
	}
	other := func() Model {
		m := smallModel()
		x := m.Task.Input
		m.Pretrain[0] = Losses("denoising", nil, spec.MSE(x.Then(spec.MaskingNoise(0.4), m.Task.Encoder, spec.Dense(6)), x))
		return m
	}
	if _, err := LabelCurve(t.Context(), other, o); err == nil || !strings.Contains(err.Error(), `was measured when "denoising" was`) {
		t.Errorf("other losses: %v", err)
	}
	if a, b := Given("b", train.Untrained(1, smallModel().Task.Code)).Is, Given("b", train.Untrained(2, smallModel().Task.Code)).Is; a == b || a == "" {
		t.Errorf("other weights: %s and %s", a, b)
	}
}

// TestChooserOfOtherCounts: rows that were chosen on the way to a number of labels are not
// taken for those of another way there.
func TestChooserOfOtherCounts(t *testing.T) {
	o := smallOptions(t)
	asked := 0
	o.Arms = append(quickArms(), Arm{Name: "active", Way: fewlabels.FineTune{}, Choose: &Chooser{Name: "first", Choose: func(_ context.Context, _ *fewlabels.Learned, _ *engine.Net, _, _ dataset.Source, n int, _ uint64) ([]int, error) {
		asked++
		return count(n), nil
	}}})
	for _, c := range []struct {
		counts []int
		asked  int
	}{{[]int{8, 12, 16}, 8}, {[]int{12, 16}, 4}, {[]int{12, 16}, 0}} {
		asked, o.Counts = 0, c.counts
		if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
			t.Fatal(err)
		}
		if asked != c.asked {
			t.Errorf("%v: it was asked %d times, want %d", c.counts, asked, c.asked)
		}
	}
}

// TestChooser: labels beyond the first draw are those that were chosen, and labels of the rest are hidden.
func TestChooser(t *testing.T) {
	o := smallOptions(t)
	o.Counts = []int{8, 12, 16}
	asked := 0
	o.Arms = append(quickArms(), Arm{Name: "active", Way: fewlabels.FineTune{}, Choose: &Chooser{Name: "first", Choose: func(_ context.Context, l *fewlabels.Learned, code *engine.Net, labelled, rest dataset.Source, n int, _ uint64) ([]int, error) {
		asked++
		y, err := dataset.All(rest).I64("y")
		if err != nil {
			return nil, err
		}
		for _, k := range y {
			if k != -1 {
				t.Error("a label of the rest is seen")
			}
		}
		if l == nil || code.Err() != nil || labelled.Len()+n > 16 || n != 4 {
			t.Errorf("%d labels, %d asked for", labelled.Len(), n)
		}
		return []int{3, 2, 1, 0}, nil
	}}})
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
		t.Fatal(err)
	}
	if asked != 8 { // twice in each of four folds
		t.Errorf("it was asked %d times", asked)
	}
	files, _ := filepath.Glob(filepath.Join(o.Dir, "draws", "chosen-active-*-000016.txt"))
	if len(files) != 4 {
		t.Errorf("the chosen rows are in %v", files)
	}
	o.Dir = t.TempDir()
	o.Arms[2].Choose.Choose = func(context.Context, *fewlabels.Learned, *engine.Net, dataset.Source, dataset.Source, int, uint64) ([]int, error) {
		return []int{0, 0, 1, 2}, nil
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "chose it twice") {
		t.Errorf("a row that is chosen twice: %v", err)
	}
}

// TestShip: with test rows and groups; the bundle of the best net holds and has the estimate.
func TestShip(t *testing.T) {
	orttest.Runtime(t)
	o := smallOptions(t)
	o.Test, o.Folds = people(t, 120, 2), 0
	o.Counts = []int{8, 24, 80}
	o.Price = 0.25
	o.Ship, o.Runtime, o.Needs = filepath.Join(t.TempDir(), "best"), ort.Runtime(), ort.Check
	c, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := bundle.Verify(t.Context(), o.Ship, ort.Runtime())
	if err != nil || verdict.Status != bundle.Holds {
		t.Fatalf("%+v %v", verdict, err)
	}
	net, err := bundle.Open(t.Context(), o.Ship)
	if err != nil {
		t.Fatal(err)
	}
	e := net.Record().Estimate
	if a := c.Arm(c.Shipped); e == nil || a == nil || e.Mean != a.Last().Mean || e.Labels != 80 || e.Measured != "test rows" || e.Low > e.Mean {
		t.Errorf("shipped %q with the estimate %+v", c.Shipped, e)
	}
	if page := new(bytes.Buffer); c.Page().Render(page) != nil || !strings.Contains(page.String(), "20.00") {
		t.Error("the page does not say what 80 labels cost")
	}
	o.Ship = filepath.Join(o.Dir, "report.json", "below")
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a bundle below a file: %v", err)
	}
}

// TestGroups: the worst group is one of people, and nobody is on both sides.
func TestGroups(t *testing.T) {
	o := smallOptions(t)
	o.Arms, o.Group = quickArms(), "person"
	c, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Arms[1].Worst; w == nil || w.Rows < 1 || w.Rows > 10 || w.Error <= 0 {
		t.Errorf("the worst group is %+v", w)
	}
	person := o.Rows.(*dataset.Table).I64("person")
	for _, draw := range []string{"draw001-fold1", "draw002-fold2"} {
		in := map[int64]bool{}
		for k, name := range []string{"-test.txt", "-000024.txt"} {
			x, err := dataset.ReadIndex(filepath.Join(o.Dir, "draws", draw+name))
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range x.Rows {
				if k == 0 {
					in[person[row]] = true
				} else if in[person[row]] {
					t.Fatalf("%s: person %d is on both sides", draw, person[row])
				}
			}
		}
	}
}

// TestStrategies: what package active has chooses labels for a curve, if one classifier is enough for it.
func TestStrategies(t *testing.T) {
	o := smallOptions(t)
	o.Counts, o.Arms = []int{8, 12}, quickArms()
	for _, name := range []string{"margin", "coreset", "random"} {
		s, err := active.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		c := ByStrategy(s)
		o.Arms = append(o.Arms, Arm{Name: name, Way: fewlabels.FineTune{}, Choose: &c})
	}
	curve, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	if a := curve.Arms[len(curve.Arms)-1]; a.Name != "random" || len(a.Points) != 2 {
		t.Errorf("%+v", a)
	}
	votes, err := active.Parse("disagreement")
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	c := ByStrategy(votes)
	o.Arms = append(quickArms(), Arm{Name: "votes", Way: fewlabels.FineTune{}, Choose: &c})
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !strings.Contains(err.Error(), "disagreement: it needs 2 classifiers") {
		t.Errorf("got %v", err)
	}
}
