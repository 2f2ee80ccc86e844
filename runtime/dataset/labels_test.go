package dataset

import (
	"maps"
	"math"
	"slices"
	"testing"
)

// uneven is a table whose classes have 60, 30, 9 and 1 rows, and 20 rows have no label.
func uneven(t testing.TB) *Table {
	return grouped(t, 120, nil, func(i int) int64 {
		switch j := i * 7 % 120; {
		case j < 60:
			return 0
		case j < 90:
			return 1
		case j < 99:
			return 2
		case j < 100:
			return 3
		}
		return -1
	}, nil)
}

func counts(t *Table, label string) map[int64]int {
	n := map[int64]int{}
	for _, v := range t.I64(label) {
		n[v]++
	}
	return n
}

func TestStratified(t *testing.T) {
	tab := uneven(t)
	for n, want := range map[int][4]int{4: {1, 1, 1, 1}, 10: {5, 3, 1, 1}, 40: {23, 12, 4, 1}, 99: {59, 30, 9, 1}, 100: {60, 30, 9, 1}} {
		got := counts(tab.Stratified("label", n, 1), "label")
		for c, w := range want {
			if d := got[int64(c)] - w; d < -1 || d > 1 {
				t.Errorf("%d rows have %v of the classes, want %v", n, got, want)
				break
			}
		}
		if got[-1] != 0 {
			t.Errorf("%d rows without a label were drawn", got[-1])
		}
	}
	// Sainte-Laguë of 60, 28 and 12 rows, worked out by hand; of equals the first class has more.
	for _, c := range []struct {
		rows [3]int
		n    int
		want map[int64]int
	}{{[3]int{60, 28, 12}, 6, map[int64]int{0: 3, 1: 2, 2: 1}}, {[3]int{60, 28, 12}, 7, map[int64]int{0: 4, 1: 2, 2: 1}}, {[3]int{9, 9, 9}, 4, map[int64]int{0: 2, 1: 1, 2: 1}}, {[3]int{9, 9, 9}, 5, map[int64]int{0: 2, 1: 2, 2: 1}}} {
		of := grouped(t, c.rows[0]+c.rows[1]+c.rows[2], nil, func(i int) int64 {
			switch {
			case i < c.rows[0]:
				return 0
			case i < c.rows[0]+c.rows[1]:
				return 1
			}
			return 2
		}, nil)
		if got := counts(of.Stratified("label", c.n, 1), "label"); !maps.Equal(got, c.want) {
			t.Errorf("%d of %v rows are %v, want %v", c.n, c.rows, got, c.want)
		}
	}
	var last *Table
	for n := 4; n <= 100; n++ {
		now := tab.Stratified("label", n, 5)
		if now.Len() != n || !slices.IsSorted(now.Rows()) || len(slices.Compact(now.Rows())) != n {
			t.Fatalf("%d rows: %v, %v", n, now.Rows(), now.Err())
		}
		if last != nil {
			for _, r := range last.Rows() {
				if !slices.Contains(now.Rows(), r) {
					t.Fatalf("row %d is in the draw of %d, not of %d", r, n-1, n)
				}
			}
		}
		last = now
	}
	if slices.Equal(tab.Stratified("label", 40, 1).Rows(), tab.Stratified("label", 40, 2).Rows()) {
		t.Error("seed 2 drew the rows of seed 1")
	}
}

func TestAsTheyCome(t *testing.T) {
	tab := uneven(t)
	small, large := tab.AsTheyCome("label", 10, 1), tab.AsTheyCome("label", 60, 1)
	if small.Len() != 10 || !slices.IsSorted(small.Rows()) || counts(large, "label")[-1] != 0 {
		t.Errorf("%v, %v", small.Rows(), small.Err())
	}
	for _, r := range small.Rows() {
		if !slices.Contains(large.Rows(), r) {
			t.Errorf("row %d of the small draw is not in the large one", r)
		}
	}
	// Each row with a label is as likely as any other, so class 0 has 60 of 100.
	sum := 0
	for seed := range uint64(400) {
		sum += counts(tab.AsTheyCome("label", 10, seed), "label")[0]
	}
	if mean := float64(sum) / 400; math.Abs(mean-6) > 0.3 { // four deviations of the mean
		t.Errorf("of 10 rows %v are of the class with 6 of 10", mean)
	}
	if all := tab.AsTheyCome("label", 100, 1); all.Len() != 100 {
		t.Error(all.Err())
	}
}

// Rows without a label are of no class.
func TestBalancedLeavesOutWhatHasNoLabel(t *testing.T) {
	tab := uneven(t)
	got := counts(tab.Select(tab.Stratified("label", 99, 1).Rows()).Balanced("label", 4, 1), "label")
	if want := counts(tab.Balanced("label", 4, 1), "label"); got[-1] != 0 || want[-1] != 0 || want[3] != 1 || len(want) != 4 {
		t.Errorf("%v, %v", got, want)
	}
}

func TestUnlabel(t *testing.T) {
	tab := uneven(t)
	keep := tab.Balanced("label", 4, 1)
	few := tab.Unlabel("label", keep)
	for i, v := range few.I64("label") {
		if want, kept := tab.I64("label")[i], slices.Contains(keep.Rows(), i); kept && v != want || !kept && v != -1 {
			t.Errorf("row %d has the label %d, it was %d", i, v, want)
		}
	}
	if few.Len() != 120 || &few.F32("x")[0] != &tab.F32("x")[0] {
		t.Error("other columns were copied")
	}
	// Rows of a part are meant by what they are, not by where they stand.
	if turned := tab.Select([]int{9, 0}); !slices.Equal(turned.Unlabel("label", turned).I64("label"), []int64{1, 0}) {
		t.Errorf("rows 9 and 0 keep %v", turned.Unlabel("label", turned).I64("label"))
	}
	part := tab.Select([]int{3, 50, 3, 7})
	for name, got := range map[string][]int64{
		"chosen from the part": part.Unlabel("label", part.Select([]int{0})).I64("label"),
		"chosen from all":      part.Unlabel("label", tab.Select([]int{3})).I64("label"),
		"chosen twice":         part.Unlabel("label", part.Select([]int{0, 2, 0})).I64("label"),
		"by a selection": func() []int64 {
			s := All(plain{tab})
			return collected(t, s.Select([]int{3, 50, 3, 7}).Unlabel("label", s.Select([]int{3}))).I64("label")
		}(),
	} {
		if want := tab.I64("label")[3]; !slices.Equal(got, []int64{want, -1, want, -1}) {
			t.Errorf("%s: the labels are %v", name, got)
		}
	}
	if got := tab.Unlabel("label", nil).I64("label"); slices.Max(got) != -1 {
		t.Error("a label was kept")
	}
	s := All(plain{tab})
	if v, _, err := s.Unlabel("label", s.Balanced("label", 4, 1)).integers("label"); err != nil || !slices.Equal(v, few.I64("label")) {
		t.Errorf("by a selection the labels are %v, %v", v, err)
	}
}

func TestDrawMistakes(t *testing.T) {
	tab := uneven(t)
	gap := grouped(t, 12, func(i int) int64 { return int64(i%3) * 2 }, func(i int) int64 { return int64(i) - 3 }, func(int) int64 { return -1 })
	for want, draw := range map[string]func() *Table{
		`Stratified: 3 rows are fewer than the 4 classes of "label"`:                 func() *Table { return tab.Stratified("label", 3, 1) },
		`Stratified: 101 rows are wanted, but "label" is a label in 100 only`:        func() *Table { return tab.Stratified("label", 101, 1) },
		`Stratified: class 1 of "group" has no rows, and labels go up to 4`:          func() *Table { return gap.Stratified("group", 3, 1) },
		`Stratified: row 0: "label" is -3; labels count from 0, and -1 is none`:      func() *Table { return gap.Stratified("label", 3, 1) },
		`Stratified: "time" is -1, no label, in all 12 rows`:                         func() *Table { return gap.Stratified("time", 3, 1) },
		`Stratified: no column "z"`:                                                  func() *Table { return tab.Stratified("z", 3, 1) },
		`Stratified: column "x" is f32[2]; one i64 a row is needed`:                  func() *Table { return tab.Stratified("x", 3, 1) },
		`Stratified: -5 rows are fewer than the 4 classes`:                           func() *Table { return tab.Stratified("label", -5, 1) },
		`AsTheyCome: 0 rows are fewer than the 4 classes of "label"`:                 func() *Table { return tab.AsTheyCome("label", 0, 1) },
		`AsTheyCome: 101 rows are wanted, but "label" is a label in 100 only`:        func() *Table { return tab.AsTheyCome("label", 101, 1) },
		`AsTheyCome: class 1 of "group" has no rows`:                                 func() *Table { return gap.AsTheyCome("group", 3, 1) },
		`Balanced: class 1 of "group" has no rows, and labels go up to 4`:            func() *Table { return gap.Balanced("group", 3, 1) },
		`Balanced: 8 rows need 2 of each class, but "label" is 3 in 1 rows only`:     func() *Table { return tab.Balanced("label", 8, 1) },
		`Unlabel: row 5 of the data is to keep its label, and is not one of these 2`: func() *Table { return tab.Select([]int{7, 3}).Unlabel("label", tab.Head(6).Select([]int{3, 5})) },
		`Unlabel: the rows to keep are not chosen from this table`:                   func() *Table { return tab.Unlabel("label", uneven(t).Head(2)) },
		`Select: no row 120`:            func() *Table { return tab.Unlabel("label", tab.Select([]int{120})) },
		`Unlabel: no column "z"`:        func() *Table { return tab.Unlabel("z", nil) },
		`Unlabel: column "x" is f32[2]`: func() *Table { return tab.Unlabel("x", nil) },
		`the table is nil`:              func() *Table { return (*Table)(nil).Unlabel("y", nil) },
		`Head: n must be`:               func() *Table { return tab.Head(0).AsTheyCome("y", 1, 1) },
	} {
		wantError(t, draw().Err(), want)
	}
	all := All(plain{tab})
	for want, draw := range map[string]func() *Selection{
		`Unlabel: row 5 of the data is to keep its label, and is not one of these 2`: func() *Selection { return all.Select([]int{7, 3}).Unlabel("label", all.Select([]int{3, 5})) },
		`Unlabel: the rows to keep are not chosen from these`:                        func() *Selection { return all.Unlabel("label", All(plain{tab}).Head(2)) },
		`Select: no row 120`: func() *Selection { return all.Unlabel("label", all.Select([]int{120})) },
		`Unlabel: no column "z"; the columns are x f32[2]`:      func() *Selection { return all.Unlabel("z", nil) },
		`Unlabel: column "x" is f32[2]; labels are one i64 a r`: func() *Selection { return all.Unlabel("x", nil) },
	} {
		wantError(t, draw().Err(), want)
	}
}
