package reproduce

import (
	"context"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestGenerated: generated rows are made again by what the record says of them, alone, chosen, without labels, mixed and joined.
func TestGenerated(t *testing.T) {
	strokes := synthetic.Strokes(200, 3, synthetic.StrokeOptions{Glyphs: 5})
	plain := strokes.Without("factors")
	table, err := dataset.Collect(strokes)
	if err != nil {
		t.Fatal(err)
	}
	digits, dir := dataset.Digits().Train, t.TempDir()
	joined := dataset.All(dataset.Concat(digits.Head(50), plain))
	for name, src := range map[string]dataset.Source{
		"as they are":           strokes,
		"without factors":       plain,
		"collected":             table,
		"chosen":                table.Select([]int{5, 3, 8}),
		"chosen and unlabelled": table.Without("factors").Unlabel("y", table.Head(3)).Head(100),
		"mixed":                 dataset.Mix(digits.Head(50), 2, plain, 3),
		"joined":                dataset.Concat(digits.Head(50), plain),
		"joined twice":          dataset.Concat(dataset.Concat(plain, digits.Head(50)), plain),
		"joined and collected":  must(dataset.Collect(dataset.Concat(digits.Head(50), plain))),
		"chosen of that":        must(dataset.Collect(dataset.Concat(digits.Head(50), plain))).Select([]int{60, 2}).Without("y"),
		"joined, unlabelled":    joined.Unlabel("y", joined.Select([]int{3})),
		"mixed and collected":   must(dataset.Collect(dataset.Mix(digits.Head(50), 2, plain, 3))),
		"spooled":               must(dataset.Spool(t.Context(), dir+"/plain", plain.Stream())),
		"collected and spooled": must(dataset.Spool(t.Context(), dir+"/table", dataset.StreamOf(table))),
		"joined and spooled":    must(dataset.Spool(t.Context(), dir+"/both", dataset.StreamOf(dataset.Concat(digits.Head(50), plain)))),
		"chosen of joined":      dataset.All(dataset.Concat(digits.Head(50), plain)).Select([]int{60, 2}),
	} {
		want, err := engine.RowsOf(src, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := &finder{ctx: t.Context(), found: map[string]dataset.Source{}}
		got, err := f.find(want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h, err := dataset.Hash(got); err != nil || h != want.Hash {
			t.Errorf("%s: the rows are others: %v", name, err)
		}
	}
	// What no record tells, such as other labels, is found if it is given, and named if it is not.
	other := joined.Relabel("y", make([]int64, 250))
	labelled, err := engine.RowsOf(other, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &finder{ctx: t.Context(), found: map[string]dataset.Source{}}
	if _, err := f.find(labelled); err == nil || !strings.Contains(err.Error(), "a program gave them other labels or columns, which the record does not have; give the rows as they were trained on") {
		t.Errorf("other labels: %v", err)
	}
	f = &finder{ctx: t.Context(), found: map[string]dataset.Source{}, tables: []*dataset.Table{must(dataset.Collect(other))}}
	if _, err := f.find(labelled); err != nil {
		t.Errorf("other labels, given: %v", err)
	}
	whole, err := engine.RowsOf(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	deep := engine.Rows{Rows: 2, Hash: "other", Concat: []engine.Rows{whole, whole}}
	for range 20 {
		deep = engine.Rows{Rows: 2, Hash: "other", Concat: []engine.Rows{deep, whole}}
	}
	for want, c := range map[string]struct {
		ctx  context.Context
		rows engine.Rows
	}{
		"give the data it was trained on":                        {t.Context(), engine.Rows{Rows: 200, Hash: "other", Generator: plain.Generator()}},
		"were generated: synthetic: no generator is named":       {t.Context(), engine.Rows{Rows: 5, Hash: "other", Generator: "dots rows=5"}},
		"only by the program that has it; give the rows":         {t.Context(), engine.Rows{Rows: 5, Hash: "other", Generator: "decoded rows=5 seed=1 decoder=0"}},
		"a record is trusted with 16777216":                      {t.Context(), engine.Rows{Rows: 5, Hash: "other", Generator: "waves rows=1000000000 seed=1"}},
		"context canceled":                                       {cancelled, engine.Rows{Rows: 5, Hash: "other", Generator: "strokes rows=16000000 seed=1"}},
		"a concatenation of 1 sources, 0 deep, where two are":    {t.Context(), engine.Rows{Rows: 2, Hash: "other", Concat: []engine.Rows{whole}}},
		"17 deep, where two are possible, and 16":                {t.Context(), deep},
		"source 1 of a concatenation is a mix":                   {t.Context(), engine.Rows{Rows: 2, Hash: "other", Concat: []engine.Rows{{Mix: []engine.Part{{}}}, whole}}},
		"its rows have the hash":                                 {t.Context(), engine.Rows{Rows: 2, Hash: "other", Chosen: []int{1 << 40}, Concat: []engine.Rows{whole, whole}}},
		"source 2 of the concatenation of its rows: its 3 rows,": {t.Context(), engine.Rows{Rows: 2, Hash: "other", Concat: []engine.Rows{whole, {Rows: 3, Hash: "none"}}}},
	} {
		f := &finder{ctx: c.ctx, found: map[string]dataset.Source{}}
		if _, err := f.find(c.rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
