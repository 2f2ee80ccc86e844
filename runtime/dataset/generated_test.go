package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// made is a source that says what generated it.
type made struct{ *Table }

func (made) Generator() string { return "made rows=4" }

func counting(t *testing.T, from, n int, columns ...Data) *Table {
	t.Helper()
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(from + i)
	}
	d, err := NewTable(append([]Data{{Column: Column{Name: "x", DType: F32}, F32: x}}, columns...)...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestConcat: rows come one after the other, and a label that one source lacks is -1.
func TestConcat(t *testing.T) {
	labelled := counting(t, 0, 3, Data{Column: Column{Name: "y", DType: I64}, I64: []int64{7, 8, 9}})
	c := Concat(labelled, counting(t, 10, 2))
	d, err := Collect(c)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(d.F32("x"), d.I64("y")) != "[0 1 2 10 11] [7 8 9 -1 -1]" {
		t.Errorf("%v %v", d.F32("x"), d.I64("y"))
	}
	three := Concat(c, counting(t, 20, 1))
	if d, err = Collect(All(three).Select([]int{5, 0, 4})); err != nil || fmt.Sprint(d.F32("x"), d.I64("y")) != "[20 0 11] [-1 7 -1]" {
		t.Errorf("%v: %v %v", err, d.F32("x"), d.I64("y"))
	}
	if got := Concatenated(Until(t.Context(), three)); len(got) != 2 || got[0] != Source(c) || Concatenated(labelled) != nil || BatchRows(three) != 0 || Drawn(three) != "" {
		t.Errorf("its sources are %v", got)
	}
	// An epoch is all rows once, shuffled together.
	b, err := NewBatches(three, 4, random.New(1), true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var x []float32
	for {
		batch, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		x = append(x, batch.F32("x")...)
	}
	if slices.Sort(x); fmt.Sprint(x) != "[0 1 2 10 11 20]" {
		t.Errorf("an epoch has %v", x)
	}
	for want, err := range map[string]error{
		"Concat: the second source: no rows":                                                      Concat(labelled, &Table{err: fmt.Errorf("dataset: no rows")}).Err(),
		"Concat: the first source is a mix":                                                       Concat(Mix(labelled, 1, labelled, 1), labelled).Err(),
		"Concat: column z f32[] is in the first source only, and rows of the second have no":      Concat(counting(t, 0, 1, Data{Column: Column{Name: "z", DType: F32}, F32: []float32{1}}), labelled).Err(),
		"the concatenation is nil":                                                                (*Concatenation)(nil).Err(),
		"dataset: Concat: column \"x\" is f32[] in the first source and f32[1] in the second: th": Concat(labelled, counting(t, 0, 3).Reshape("x", 1)).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	bad := Concat(nil, labelled)
	if _, err := Collect(bad); err == nil || bad.Len() != 0 || bad.Columns() != nil || bad.Schema() != nil {
		t.Errorf("a mistake can be read: %v", err)
	}
}

// TestSyntheticShare: which share of the rows a generator made is known however the rows were collected, chosen, edited and joined.
func TestSyntheticShare(t *testing.T) {
	gen, real := made{counting(t, 10, 4)}, counting(t, 0, 12)
	table, err := Collect(gen)
	if err != nil {
		t.Fatal(err)
	}
	both, err := Collect(Concat(real, gen))
	if err != nil {
		t.Fatal(err)
	}
	label, dir := counting(t, 0, 3).Rename("x", "z"), t.TempDir()
	lab := func(rows *Table) *Table {
		y := make([]int64, rows.Len())
		return rows.Join(must(NewTable(Data{Column: Column{Name: "y", DType: I64}, I64: y})))
	}
	for name, c := range map[string]struct {
		src  Source
		want float64
	}{
		"real":                      {real, 0},
		"generated":                 {gen, 1},
		"cancellable":               {Until(t.Context(), gen), 1},
		"collected":                 {table, 1},
		"chosen and edited":         {table.Select([]int{3, 1, 0}).Rename("x", "w").Join(label).Without("z"), 1},
		"a selection":               {All(gen).Select([]int{1}), 1},
		"mixed":                     {Mix(real, 30, gen, 10), 0.25},
		"mixed, cancellable":        {Until(t.Context(), Mix(table, 30, real, 10)), 0.75},
		"concatenated":              {Concat(real, gen), 0.25},
		"twice":                     {Concat(Concat(real, gen), table), 0.4},
		"chosen of a concatenation": {All(Concat(real, gen)).Select([]int{0, 13, 14, 15}), 0.75},
		"collected concatenation":   {both, 0.25},
		"chosen of that":            {both.Select([]int{15, 14, 0, 13}).Head(3).Join(label), 2. / 3},
		"all of that":               {All(both.Select([]int{15, 0})), 0.5},
		"mixed of that":             {Mix(both, 8, real, 8), 0.125},
		"a mistake":                 {Mix(nil, 1, gen, 1), 0},
		"unlabelled":                {All(Concat(lab(real), lab(table))).Unlabel("y", nil), 0.25},
		"other labels":              {All(Concat(real, gen)).Relabel("y", make([]int64, 16)).Views("x", "a", "b"), 0.25},
		"one-hot":                   {All(Concat(lab(real), lab(table))).OneHot("y", 3, "t"), 0.25},
		"a collected mixture":       {must(Collect(Mix(real, 30, gen, 10))), 0.25},
		"spooled":                   {must(Spool(t.Context(), dir+"/all", StreamOf(gen))), 1},
		"opened":                    {must(OpenSpool(dir + "/all")), 1},
		"spooled, there already":    {must(Spool(t.Context(), dir+"/all", StreamOf(gen))), 1},
		"spooled concatenation":     {must(Spool(t.Context(), dir+"/both", StreamOf(Concat(real, gen)))), 0.25},
		"chosen of spooled":         {All(must(Spool(t.Context(), dir+"/both", StreamOf(Concat(real, gen))))).Select([]int{0, 15}), 0.5},
		"spooled mixture":           {must(Spool(t.Context(), dir+"/mix", StreamOf(Mix(real, 30, gen, 10)))), 0.25},
		"spooled real rows":         {must(Spool(t.Context(), dir+"/real", StreamOf(real))), 0},
	} {
		if got := SyntheticShare(c.src); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := Concatenated(both.Select([]int{2})); len(got) != 2 || got[0] != Source(real) || got[1] != Source(gen) {
		t.Errorf("the table was collected of %v", got)
	}
	if GeneratorOf(table.Head(2)) != "made rows=4" || GeneratorOf(All(table)) != "made rows=4" || GeneratorOf(both) != "" || GeneratorOf(nil) != "" || GeneratorOf((*Table)(nil)) != "" {
		t.Error("what generated rows is lost, or said of others")
	}
}
