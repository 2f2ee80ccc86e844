package reproduce

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestRowsNotFound says what is there, what to give, and why chosen rows are not found in what they were chosen from. A record may
// be hostile.
func TestRowsNotFound(t *testing.T) {
	d := dataset.Digits()
	whole, err := dataset.Hash(d.Train)
	if err != nil {
		t.Fatal(err)
	}
	f := &finder{ctx: t.Context(), found: map[string]dataset.Source{}}
	if src, err := f.find(engine.Rows{Rows: d.Train.Len(), Hash: whole}); err != nil || src.Len() != d.Train.Len() {
		t.Errorf("all digits: %v", err)
	}
	known := engine.Rows{Rows: d.Train.Len(), Hash: whole}
	for want, rows := range map[string]engine.Rows{
		"give the data it was trained on, with the same columns":  {Rows: 5, Hash: "other"},
		"a record lists up to 65536 rows that were chosen":        {Rows: 1 << 17, Hash: "other"},
		"its 2 rows, of hash other":                               {Rows: 2, Hash: "other", Chosen: []int{-1, 1 << 40}, Unlabelled: []dataset.Unlabelled{{Column: "z", Kept: []int{1 << 40}}}, Columns: []string{"z"}},
		"a mix of 1 sources, where two are possible":              {Rows: 2, Hash: "other", Mix: []engine.Part{{Count: 1, Rows: known}}},
		"source 2 of the mix of its rows: its 3 rows":             {Rows: 2, Hash: "other", Mix: []engine.Part{{Count: 1, Rows: known}, {Count: 1, Rows: engine.Rows{Rows: 3, Hash: "none"}}}},
		"source 1 of a mix is a mix":                              {Rows: 2, Hash: "other", Mix: []engine.Part{{Count: 1, Rows: engine.Rows{Mix: []engine.Part{{}, {}}}}, {Count: 1, Rows: known}}},
		"a batch must have 1 to 1048576 rows of the first source": {Rows: 2, Hash: "other", Mix: []engine.Part{{Count: -1, Rows: known}, {Count: 1, Rows: known}}},
		"not other: the record contradicts itself":                {Rows: 2, Hash: "other", Mix: []engine.Part{{Count: 1, Rows: known}, {Count: 1, Rows: known}}},
	} {
		if _, err := f.find(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := f.find(engine.Rows{Rows: 5, Hash: "other"}); err == nil || strings.Contains(err.Error(), "a record lists") {
		t.Errorf("got %v", err)
	}
}
