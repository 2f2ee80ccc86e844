package waves_test

import (
	"math"
	"slices"
	"testing"

	"example.com/extend/waves"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

func TestSource(t *testing.T) {
	const n = 200
	table, err := dataset.Collect(waves.Source{Count: n, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, clean := table.F32("x"), table.F32("clean")
	if len(x) != n*waves.Samples || len(clean) != len(x) {
		t.Fatalf("%d and %d values", len(x), len(clean))
	}
	spikes := 0
	for i := range x {
		if math.Abs(float64(clean[i])) > 1.5 {
			t.Fatalf("clean[%d] is %v", i, clean[i])
		}
		if x[i]-clean[i] > 2 {
			spikes++
		}
	}
	if share := float64(spikes) / float64(len(x)); share < 0.01 || share > 0.03 {
		t.Errorf("the share of spikes is %v, want about 0.02", share)
	}
	if slices.Equal(clean[:waves.Samples], clean[waves.Samples:2*waves.Samples]) {
		t.Error("two rows are equal")
	}
}

func TestSeeds(t *testing.T) {
	hash := func(seed uint64) string {
		h, err := dataset.Hash(waves.Source{Count: 10, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash(1) != hash(1) || hash(1) == hash(2) {
		t.Error("rows are no function of the seed")
	}
}

// one hides that a source gives many rows at once.
type one struct{ dataset.Source }

func TestRowsAreThoseOfRow(t *testing.T) {
	src := waves.Source{Count: 100, Seed: 3}
	many, err := dataset.Hash(src)
	if err != nil {
		t.Fatal(err)
	}
	if each, err := dataset.Hash(one{src}); err != nil || each != many {
		t.Errorf("one by one the rows hash to %s, %v, at once to %s", each, err, many)
	}
}
