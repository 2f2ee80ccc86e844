package dataset

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// shares returns, of each label, the fraction of its rows that a part has.
func shares(whole, part *Table, label string) map[int64]float64 {
	n, of := map[int64]float64{}, map[int64]float64{}
	for _, v := range whole.I64(label) {
		n[v]++
	}
	for _, v := range part.I64(label) {
		of[v]++
	}
	for v := range n {
		of[v] /= n[v]
	}
	return of
}

func TestSplitByGroup(t *testing.T) {
	uneven := func(i int) int64 { return int64(math.Sqrt(float64(i))) } // groups of 1, 3, 5, … rows
	ten := func(i int) int64 { return int64(i%10) - 3 }
	for name, c := range map[string]struct {
		group    func(int) int64
		rows     int
		fraction float64
		within   float64
	}{
		"ten groups of ten":     {ten, 100, 0.8, 1e-9},
		"half":                  {ten, 100, 0.5, 1e-9},
		"a few":                 {ten, 100, 0.1, 1e-9},
		"less than one":         {ten, 100, 0.01, 0.1},
		"more than all but one": {ten, 100, 0.999, 0.1},
		"uneven":                {uneven, 400, 0.7, 0.01},
		"two":                   {func(i int) int64 { return int64(i) / 30 }, 40, 0.7, 0.1},
		"each row a group":      {func(i int) int64 { return int64(-i) }, 50, 0.5, 1e-9},
	} {
		t.Run(name, func(t *testing.T) {
			tab := grouped(t, c.rows, c.group, func(i int) int64 { return int64(i) % 3 }, nil)
			seen := map[string]bool{}
			for seed := range uint64(8) {
				a, b := tab.SplitByGroup("group", c.fraction, seed)
				if a.Err() != nil {
					t.Fatal(a.Err())
				}
				if err := Disjoint("group", a, b); err != nil {
					t.Error(err)
				}
				if all := slices.Concat(a.Rows(), b.Rows()); len(all) != c.rows || !slices.IsSorted(a.Rows()) || !slices.IsSorted(b.Rows()) {
					t.Errorf("%d and %d of %d rows", a.Len(), b.Len(), c.rows)
				}
				if got := float64(a.Len()) / float64(c.rows); math.Abs(got-c.fraction) > c.within+1e-12 || a.Len() == 0 || b.Len() == 0 {
					t.Errorf("seed %d: the first part has %v of the rows, want %v", seed, got, c.fraction)
				}
				seen[fmt.Sprint(a.Rows())] = true
				again, _ := tab.SplitByGroup("group", c.fraction, seed)
				if !slices.Equal(again.Rows(), a.Rows()) {
					t.Error("it is not repeatable")
				}
			}
			if len(seen) < 2 && name != "two" {
				t.Error("all seeds draw the same groups")
			}
		})
	}
}

// Labels that only some groups have are shared out when asked for.
func TestSplitByGroupStratified(t *testing.T) {
	// Groups 0 to 19 of 10 rows; the rare label is in groups 0 to 4 only.
	tab := grouped(t, 200, func(i int) int64 { return int64(i / 10) }, func(i int) int64 {
		if i < 50 && i%2 == 0 {
			return 1
		}
		return 0
	}, nil)
	worst, plainly := 0.0, 0.0
	for seed := range uint64(20) {
		a, _ := tab.SplitByGroup("group", 0.6, seed, "label")
		b, _ := tab.SplitByGroup("group", 0.6, seed)
		if a.Err() != nil {
			t.Fatal(a.Err())
		}
		worst = max(worst, math.Abs(shares(tab, a, "label")[1]-0.6))
		plainly = max(plainly, math.Abs(shares(tab, b, "label")[1]-0.6))
		if n := a.Len(); n < 110 || n > 130 {
			t.Errorf("seed %d: %d of 200 rows in a part of 0.6", seed, n)
		}
	}
	if worst > 1e-9 || plainly < 0.1 {
		t.Errorf("of the rare label the part is off by %v, and by %v without stratification", worst, plainly)
	}
}

func TestSplitGroups(t *testing.T) {
	tab := grouped(t, 12, func(i int) int64 { return int64(i % 4) }, nil, nil)
	a, b := tab.SplitGroups("group", []int64{3, 0})
	if a.Err() != nil || !slices.Equal(a.Rows(), []int{0, 3, 4, 7, 8, 11}) || !slices.Equal(b.Rows(), []int{1, 2, 5, 6, 9, 10}) {
		t.Errorf("%v and %v, %v", a.Rows(), b.Rows(), a.Err())
	}
}

func TestSplitTimes(t *testing.T) {
	times := []int64{5, 1, 9, 5, 7, 1, 5, math.MaxInt64}
	tab := grouped(t, len(times), nil, nil, func(i int) int64 { return times[i] })
	before, after := tab.SplitAt("time", 5)
	if !slices.Equal(before.Rows(), []int{1, 5}) || !slices.Equal(after.Rows(), []int{0, 2, 3, 4, 6, 7}) {
		t.Errorf("before 5: %v, then %v", before.Rows(), after.Rows())
	}
	// In order: 1 1 5 5 5 7 9 max, so that a part may end after 2, 5, 6 and 7 rows.
	for fraction, want := range map[float64]int{0.01: 2, 0.25: 2, 0.4: 2, 0.5: 5, 0.6: 5, 0.74: 6, 0.9: 7, 0.99: 7} {
		before, after := tab.SplitByTime("time", fraction)
		if before.Err() != nil || before.Len() != want || after.Len() != 8-want {
			t.Errorf("the earliest %v are %d and %d rows, want %d: %v", fraction, before.Len(), after.Len(), want, before.Err())
			continue
		}
		if slices.Max(before.I64("time")) >= slices.Min(after.I64("time")) {
			t.Errorf("%v: %v are not before %v", fraction, before.I64("time"), after.I64("time"))
		}
	}
}

func TestDisjoint(t *testing.T) {
	tab := grouped(t, 30, func(i int) int64 { return int64(i % 5) }, nil, nil)
	a, b := tab.SplitGroups("group", []int64{1, 2})
	for name, err := range map[string]error{
		"two":     Disjoint("group", a, b),
		"sources": Disjoint("group", plain{a}, All(plain{b})),
		"three":   Disjoint("group", a, b.Head(2), tab.Select([]int{4})),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantError(t, Disjoint("group", tab, a), `Disjoint: "group" 1 is in rows 1, 6, 11, 16, 21 and 1 more of the first source and in rows 0, 2, 4, 6, 8 and 1 more of the second, and so is another value`)
	wantError(t, Disjoint("group", b, a, tab.Select([]int{1})), `1 is in rows 0, 2, 4, 6, 8 and 1 more of the second source and in row 0 of the third`)
	wantError(t, Disjoint("group", a, b, a.Head(1)), `of the first source and in row 0 of the third`)
	wantError(t, Disjoint("group", a), "two sources or more")
	wantError(t, Disjoint("group", a, nil), "the second source: the source is nil")
	wantError(t, Disjoint("z", a, b), `the first source: no column "z"`)
	wantError(t, Disjoint("x", a, b), `"x" is f32[2]; one i64 a row is needed`)
}

func TestSplitMistakes(t *testing.T) {
	tab := grouped(t, 12, func(i int) int64 { return int64(i % 4) }, func(int) int64 { return 7 }, func(i int) int64 { return int64(i) })
	for want, split := range map[string]func() (*Table, *Table){
		`SplitByGroup: the fraction must be between 0 and 1, got 1`:                     func() (*Table, *Table) { return tab.SplitByGroup("group", 1, 1) },
		`SplitByGroup: the fraction must be between 0 and 1, got NaN`:                   func() (*Table, *Table) { return tab.SplitByGroup("group", math.NaN(), 1) },
		`SplitByGroup: no column "person"; the columns are x f32[2]`:                    func() (*Table, *Table) { return tab.SplitByGroup("person", 0.5, 1) },
		`SplitByGroup: column "x" is f32[2]; one i64 a row is needed`:                   func() (*Table, *Table) { return tab.SplitByGroup("x", 0.5, 1) },
		`SplitByGroup: "label" is 7 in all rows, and one group cannot be on both sides`: func() (*Table, *Table) { return tab.SplitByGroup("label", 0.5, 1) },
		`SplitByGroup: labels are one column, got ["a" "b"]`:                            func() (*Table, *Table) { return tab.SplitByGroup("group", 0.5, 1, "a", "b") },
		`SplitByGroup: no column "a"`:                                                   func() (*Table, *Table) { return tab.SplitByGroup("group", 0.5, 1, "a") },
		`SplitGroups: no group is named`:                                                func() (*Table, *Table) { return tab.SplitGroups("group", nil) },
		`SplitGroups: "group" 2 is named twice`:                                         func() (*Table, *Table) { return tab.SplitGroups("group", []int64{2, 2}) },
		`SplitGroups: "group" is 9 in no row; it has 4 values from 0 to 3`:              func() (*Table, *Table) { return tab.SplitGroups("group", []int64{2, 9}) },
		`SplitGroups: all 4 values of "group" are named, so no row is left`:             func() (*Table, *Table) { return tab.SplitGroups("group", []int64{2, 1, 0, 3}) },
		`SplitAt: "time" is from 0 to 11, so no row is on one side of 0`:                func() (*Table, *Table) { return tab.SplitAt("time", 0) },
		`SplitAt: "time" is from 0 to 11, so no row is on one side of 12`:               func() (*Table, *Table) { return tab.SplitAt("time", 12) },
		`SplitAt: column "x" is f32[2]`:                                                 func() (*Table, *Table) { return tab.SplitAt("x", 12) },
		`SplitByTime: the fraction must be between 0 and 1, got -1`:                     func() (*Table, *Table) { return tab.SplitByTime("time", -1) },
		`SplitByTime: "label" is 7 in all rows, which cannot be on both sides`:          func() (*Table, *Table) { return tab.SplitByTime("label", 0.5) },
		`the table is nil`: func() (*Table, *Table) { return (*Table)(nil).SplitAt("time", 1) },
		`Head: n must be`:  func() (*Table, *Table) { return tab.Head(0).SplitByGroup("group", 0.5, 1) },
	} {
		a, b := split()
		wantError(t, a.Err(), want)
		wantError(t, b.Err(), want)
	}
}
