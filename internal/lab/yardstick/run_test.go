package yardstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// fixed is a recipe that measures nothing.
type fixed struct {
	Number float64 `json:"number"`
	runs   *int
}

func (f fixed) measure(_ context.Context, in *input) (numbers, error) {
	*f.runs++
	return numbers{value: f.Number + float64(in.seed), also: map[string]float64{"train": 10 * float64(in.seed)}}, nil
}

// A cell that has a result is not run again, unless its settings, its seeds or the
// data are other ones, or one says so; seeds are summed up by their median.
func TestRunKeeps(t *testing.T) {
	runs := 0
	c := Cell{Name: "pca30", Metric: "m", Published: 5, Target: 4, Seeds: 3, how: fixed{3, &runs}}
	o := Options{Digits: &dataset.Split{}, Data: "rows", Machine: "here", Results: filepath.Join(t.TempDir(), "results")}
	check := func(c Cell, o Options, want int) Result {
		t.Helper()
		runs = 0
		list, err := Run(t.Context(), []Cell{c}, o)
		if err != nil {
			t.Fatal(err)
		}
		if runs != want {
			t.Errorf("%d trainings, want %d", runs, want)
		}
		return list[0]
	}
	r := check(c, o, 3)
	if r.Value != 4 || r.Std != 1 || r.Also["train"] != 10 || !*r.Reached || len(r.Values) != 3 || r.Date == "" {
		t.Errorf("result %+v", r)
	}
	// A number that is no real cell's is not written; this one has a real name.
	if again := check(c, o, 0); again.Value != r.Value || !reflect.DeepEqual(again.Values, r.Values) {
		t.Errorf("kept %+v, was %+v", again, r)
	}
	other := c
	other.how = fixed{3.5, &runs}
	if r := check(other, o, 3); *r.Reached {
		t.Error("4.5 reaches 4")
	}
	other.Seeds = 1
	check(other, o, 1)
	more := o
	more.Data = "other rows"
	check(other, more, 1)
	more.Again = true
	check(other, more, 1)

	bad := c
	bad.how = fixed{math.NaN(), &runs}
	if _, err := Run(t.Context(), []Cell{bad}, o); err == nil || !strings.Contains(err.Error(), "pca30") {
		t.Errorf("a NaN is a result: %v", err)
	}
	if err := os.WriteFile(filepath.Join(o.Results, "pca30.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), []Cell{c}, o); err == nil || !strings.Contains(err.Error(), "pca30.json") {
		t.Errorf("a damaged file of results: %v", err)
	}
}

// hook is a recipe that does something.
type hook struct {
	Number float64 `json:"number"`
	do     func() error
}

func (h hook) measure(context.Context, *input) (numbers, error) {
	return numbers{value: h.Number}, h.do()
}

// What a cell left in the work folder stays until its result is in a file, or until
// all are measured where none is kept; a folder that cannot hold results is told
// before anything is measured.
func TestRunLosesNothing(t *testing.T) {
	runs := 0
	o := Options{Digits: &dataset.Split{}, Data: "rows", Results: filepath.Join(t.TempDir(), "results"), Work: t.TempDir()}
	there := func(want int) {
		t.Helper()
		found, _ := filepath.Glob(filepath.Join(o.Work, "*", "seed*", "outcome.json"))
		if len(found) != want {
			t.Errorf("outcomes %v, want %d", found, want)
		}
	}
	spoil := func() error { // the results' place is gone while the cell is measured
		return errors.Join(os.RemoveAll(o.Results), os.WriteFile(o.Results, nil, 0o600))
	}
	if _, err := Run(t.Context(), []Cell{{Name: "pca30", Seeds: 1, how: hook{1, spoil}}}, o); err == nil || !strings.Contains(err.Error(), "results") {
		t.Errorf("error is %v", err)
	}
	there(1)
	if _, err := Run(t.Context(), []Cell{{Name: "ae30/rbm", Seeds: 1, how: fixed{2, &runs}}}, o); err == nil || runs != 0 {
		t.Errorf("%d runs without a place for results: %v", runs, err)
	}

	o.Results, o.Work = "", t.TempDir()
	cells := []Cell{{Name: "pca30", Seeds: 2, how: fixed{2, &runs}}, {Name: "ae30/rbm", Seeds: 1, how: hook{1, func() error { return errors.New("killed") }}}}
	if _, err := Run(t.Context(), cells, o); err == nil || runs != 2 {
		t.Errorf("%d runs: %v", runs, err)
	}
	there(2)
	cells[1].how = hook{1, func() error { return nil }}
	list, err := Run(t.Context(), append(cells, cells[0]), o)
	if err != nil || runs != 2 || len(list) != 2 || list[0].Value != 2.5 {
		t.Errorf("%d runs, %v: %v", runs, list, err)
	}
	there(0)
}

// Within leaves what took longer for later, and says how long that was; what is kept takes no time.
func TestRunWithin(t *testing.T) {
	dir, runs := t.TempDir(), 0
	old := `[{"name": "ae30/rbm", "value": 2, "seeds": 3, "wall_s": 1200, "settings": {}, "data": "rows"}]`
	if err := os.WriteFile(filepath.Join(dir, "ae30.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	cells := []Cell{{Name: "ae30/rbm", Seeds: 3, how: fixed{2, &runs}}, {Name: "pca30", Seeds: 1, how: fixed{2, &runs}}}
	later := map[string]time.Duration{}
	o := Options{Digits: &dataset.Split{}, Data: "rows", Results: dir, Within: time.Hour,
		Later: func(cell string, about time.Duration) { later[cell] = about }}
	if list, err := Run(t.Context(), cells, o); err != nil || len(list) != 1 || list[0].Name != "pca30" || runs != 1 || len(later) != 1 || later["ae30/rbm"] != time.Hour {
		t.Errorf("%d runs, later %v, %v: %v", runs, later, list, err)
	}
	o.Within, o.Again, runs = 61*time.Minute, true, 0
	if list, err := Run(t.Context(), cells, o); err != nil || len(list) != 2 || runs != 4 {
		t.Errorf("%d runs of 4, %v: %v", runs, list, err)
	}
	o.Within, o.Again, runs = time.Nanosecond, false, 0
	if list, err := Run(t.Context(), cells, o); err != nil || len(list) != 2 || runs != 0 {
		t.Errorf("%d runs of what is kept, %v: %v", runs, list, err)
	}
}

// A kept result is compared with what is published and aimed at now.
func TestKeptIsDeclaredAnew(t *testing.T) {
	dir := t.TempDir()
	old := `[{"name": "pca30", "metric": "m", "value": 13.5, "published": 1, "target": 2, "reached": false, "differs": "d", "seeds": 1, "settings": {"components": 30}, "data": "rows"}]`
	if err := os.WriteFile(filepath.Join(dir, "pca30.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Run(t.Context(), Find("pca30"), Options{Digits: &dataset.Split{}, Data: "rows", Results: dir})
	if err != nil {
		t.Fatal(err)
	}
	if r, c := list[0], Find("pca30")[0]; r.Value != 13.5 || float64(r.Published) != c.Published || float64(r.Target) != c.Target || !*r.Reached || r.Metric != c.Metric || r.Differs != c.Differs {
		t.Errorf("kept %+v", r)
	}
}

// stopper ends a context after some epochs.
type stopper struct {
	left *int
	stop context.CancelFunc
}

func (s stopper) Report(e train.Event) {
	if e.Done != nil {
		if *s.left--; *s.left == 0 {
			s.stop()
		}
	}
}
func (stopper) Close() {}

// A cell that was interrupted in the middle of a phase goes on, counts the seconds
// of both runs, and gives the bits of one that was not; nothing is left of its work.
func TestRunResumes(t *testing.T) {
	how := greedy{"auto-associator", []int{16, 8}, 50, descent{Epochs: 2, Rate: 0.1, Batch: 20}, descent{Epochs: 3, Rate: 0.1, Batch: 20}}
	c := Cell{Name: "bengio2007/x", Seeds: 2, how: how}
	o := Options{Digits: few(200, 100), Data: "few"}
	whole, err := Run(t.Context(), []Cell{c}, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Work = t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	left := 10 // of 7 + 7
	o.Progress = func() train.Reporter { return stopper{&left, stop} }
	if _, err := Run(ctx, []Cell{c}, o); !errors.Is(err, train.ErrInterrupted) {
		t.Fatalf("not interrupted: %v", err)
	}
	found, _ := filepath.Glob(filepath.Join(o.Work, "*", "seed1", "seconds.json"))
	if len(found) != 1 {
		t.Fatalf("no seconds in %s: %v", o.Work, found)
	}
	if err := os.WriteFile(found[0], []byte("1000"), 0o600); err != nil {
		t.Fatal(err)
	}
	epochs := 0
	o.Progress = func() train.Reporter { return stopper{&epochs, stop} }
	parts, err := Run(t.Context(), []Cell{c}, o)
	if err != nil {
		t.Fatal(err)
	}
	if -epochs > 5 {
		t.Errorf("%d epochs after the interruption, want at most 5", -epochs)
	}
	if !reflect.DeepEqual(parts[0].Values, whole[0].Values) || !reflect.DeepEqual(parts[0].Also, whole[0].Also) {
		t.Errorf("interrupted %v %v, whole %v %v", parts[0].Values, parts[0].Also, whole[0].Values, whole[0].Also)
	}
	if parts[0].WallS < 500 {
		t.Errorf("%v seconds: the first run's are not counted", parts[0].WallS)
	}
	if rest, _ := os.ReadDir(o.Work); len(rest) != 0 {
		t.Errorf("left: %v", rest)
	}
}

// Every cell is declared whole: a name of its own, something to compare with,
// settings that encode.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rows() {
		if r.Source == "" || r.Metric == "" || r.Differs == "" || len(Find(r.Name)) != len(r.Cells) {
			t.Errorf("row %+v", r)
		}
		for _, c := range r.Cells {
			if seen[c.Name] || RowOf(c.Name) != r.Name || len(r.Cells) > 1 && len(Find(c.Name)) != 1 {
				t.Errorf("cell %q", c.Name)
			}
			seen[c.Name] = true
			if r.Apart && c.Target == 0 && (len(r.Cells) > 1 || r.Within) && c.Seeds > 0 {
				// Its cells, or the ways within one, are compared with each other.
			} else if c.Published == 0 && c.Target == 0 || c.Target == 0 && !r.Ordered || c.Seeds < 1 {
				t.Errorf("%s has nothing to compare with", c.Name)
			}
			var settings map[string]any
			if err := json.Unmarshal(c.Settings(), &settings); err != nil || len(settings) == 0 {
				t.Errorf("%s: settings %s: %v", c.Name, c.Settings(), err)
			}
		}
		if r.Ordered {
			for i, c := range r.Cells[1:] {
				if c.Published < r.Cells[i].Published {
					t.Errorf("%s: the published numbers are not in order", r.Name)
				}
			}
		}
	}
	if Find("frob") != nil {
		t.Error("Find finds what is not there")
	}
	if got := interval(11.28, 50000); math.Abs(got-0.277) > 1e-3 {
		t.Errorf("the interval of 11.28 is %v", got)
	}
}

func TestTable(t *testing.T) {
	yes, no := true, false
	all := map[string]Result{
		"pca30":      {Name: "pca30", Value: 13.866, Published: 13.87, Target: 13.87, Reached: &yes, Seeds: 1, WallS: 12.34, Machine: "here", Date: "2026-01-02"},
		"keras-tied": {Name: "keras-tied", Value: 0.0158, Target: 0.015, Reached: &no, Seeds: 5, Std: 0.0001, WallS: 6.3, WallPub: 25.5, Machine: "here", Date: "2026-01-03"},
	}
	for i, c := range Find("bengio2007") {
		all[c.Name] = Result{Name: c.Name, Value: float64(i + 1), Published: Maybe(c.Published), Also: map[string]float64{"train": 0}, AlsoPub: c.Also, Seeds: 1, Machine: "there", Date: "2026-01-03"}
	}
	got := Table(all)
	for _, want := range []string{"| `pca30` | 13.87 | 13.87 | ≤ 13.87 | 12 |\n", "0.0158 (median of 5 seeds, deviation 0.0001) | ≤ 0.0150, missed | 6.3; Keras 25.5 |",
		"| 1.90 (train 0.0040, valid 1.80) | ", "(train 0)", "The order is that of the paper.", "Measured on here, 2026-01-02.", "Measured on there, 2026-01-03."} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	cells := Find("bengio2007")
	x := all[cells[0].Name]
	x.Value = 99
	all[x.Name] = x
	_, first, _ := strings.Cut(cells[1].Name, "/")
	if want := "The order is not that of the paper; ours is " + first; !strings.Contains(Table(all), want) {
		t.Errorf("no %q in\n%s", want, Table(all))
	}
	page := []byte("a\n" + begin + "old\n" + end + "b\n")
	out, err := Place(page, all)
	if err != nil || string(out) != fmt.Sprintf("a\n%s\n%s\n%sb\n", begin, Table(all), end) {
		t.Errorf("placed %q, %v", out, err)
	}
	if _, err := Place([]byte("a"), all); err == nil {
		t.Error("a page without a place")
	}
}
