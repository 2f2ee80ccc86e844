package bundle

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// The numbers of rows leave the record for a file of their own, each list once, and
// come back; the record itself stays as it was.
func TestChosenRowsInAFileOfTheirOwn(t *testing.T) {
	few, other := []int{3, 5, 8}, []int{1}
	record := func() engine.Record {
		return engine.Record{Seed: 1, Phases: []engine.Phase{
			{Name: "a", Chosen: few, Start: []engine.Start{{Pattern: "x"}, {Pattern: "y", Phases: []engine.Phase{{Name: "b"}, {Name: "c", Chosen: other}}}}},
			{Name: "d", Chosen: few, Recipe: &engine.Recipe{
				Data:  engine.Rows{Mix: []engine.Part{{Count: 2, Rows: engine.Rows{Chosen: few}}, {Count: 3, Rows: engine.Rows{Unlabelled: []dataset.Unlabelled{{Column: "y", Kept: other}}}}}},
				Valid: &engine.Rows{Chosen: other}}}}}
	}
	rec := record()
	bare, rows := split(rec)
	if d := cmp.Diff(record(), rec); d != "" {
		t.Errorf("the record was changed: %s", d)
	}
	want := []chosenList{{[]string{"/phases/0", "/phases/1", "/phases/1/recipe/data/mix/0"}, few},
		{[]string{"/phases/0/start/1/phases/1", "/phases/1/recipe/data/mix/1/unlabelled/0", "/phases/1/recipe/valid"}, other}}
	if d := cmp.Diff(want, rows.Lists); d != "" {
		t.Error(d)
	}
	b, err := encode(bare)
	if err != nil || strings.Contains(string(b), "chosen") || strings.Contains(string(b), "kept") {
		t.Errorf("training.json still has the rows: %s, %v", b, err)
	}
	if d := cmp.Diff(record(), rows.join(bare), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	rows.Lists[0].Phases[0] = "/phases/9/start" // a hostile file
	rows.join(bare)
}

// One number stands for all features where these are alike, be it the least, the
// greatest or both.
func TestRangeOfOneNumber(t *testing.T) {
	inputs := []*ir.Value{{Name: "x", Type: ir.T(ir.F32, ir.Rows(), ir.Fixed(3))}}
	like := verify.Set{Rows: 1, In: map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 3}, F32: []float32{1, 1, 1}}}}
	run := func(lo, hi []float64) []float32 {
		return spanned(inputs, map[string]span{"x": {lo, hi}}, like, ir.RowsOf(1), nil).In["x"].F32
	}
	want := run([]float64{0, 0, 0}, []float64{5, 6, 7})
	if d := cmp.Diff(want, run([]float64{0}, []float64{5, 6, 7})); d != "" {
		t.Error(d)
	}
	want = run([]float64{0, 0, 0}, []float64{7, 7, 7})
	if d := cmp.Diff(want, run([]float64{0}, []float64{7})); d != "" {
		t.Error(d)
	}
}

// Numbers that are not finite have a place in the record.
func TestRecordOfWhatIsNoNumber(t *testing.T) {
	rec := engine.Record{Metrics: engine.Metrics{"a": math.NaN(), "b": 2}, Columns: map[string]engine.Range{"x": {Min: engine.Numbers{math.Inf(-1), 0.5}, Max: engine.Numbers{math.NaN()}}},
		Phases: []engine.Phase{{Metrics: engine.Metrics{"c": math.Inf(1)}}}}
	b, err := encode(rec)
	if err != nil {
		t.Fatal(err)
	}
	var again engine.Record
	if err := decode(b, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rec, again, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`{"metrics":{"a":"much"}}`, `{"columns":{"x":{"min":["Inf"]}}}`} {
		if err := decode([]byte(bad), &again); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
