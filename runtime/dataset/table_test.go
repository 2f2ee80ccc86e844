package dataset

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// numbers is a table of n rows: x f32[2] = i, -i; y i64[] = i mod classes.
func numbers(t testing.TB, n, classes int) *Table {
	t.Helper()
	x, y := make([]float32, 2*n), make([]int64, n)
	for i := range n {
		x[2*i], x[2*i+1], y[i] = float32(i), -float32(i), int64(i%classes)
	}
	tab, err := NewTable(
		Data{Column: Column{Name: "x", DType: F32, Shape: []int{2}}, F32: x},
		Data{Column: Column{Name: "y", DType: I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// plain hides a table behind the three methods.
type plain struct{ t *Table }

func (p plain) Len() int                 { return p.t.Len() }
func (p plain) Columns() []Column        { return p.t.Columns() }
func (p plain) Row(i int, row Row) error { return p.t.Row(i, row) }

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	if len(err.Error()) > 500 {
		t.Errorf("an error of %d bytes: %.200s", len(err.Error()), err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func TestSelection(t *testing.T) {
	tab := numbers(t, 100, 4)
	if got := tab.Head(3).F32("x"); !slices.Equal(got, []float32{0, 0, 1, -1, 2, -2}) {
		t.Errorf("Head: %v", got)
	}
	s := tab.Select([]int{5, 3, 5})
	if got := s.F32("x"); !slices.Equal(got, []float32{5, -5, 3, -3, 5, -5}) {
		t.Errorf("Select: %v", got)
	}
	if got := s.Select([]int{1}).Rows(); !slices.Equal(got, []int{3}) {
		t.Errorf("Rows of a selection of a selection: %v", got)
	}
	if got := s.Head(2).I64("y"); !slices.Equal(got, []int64{1, 3}) {
		t.Errorf("Head of a selection: %v", got)
	}
	r := tab.Rename("x", "image").Reshape("image", 1, 2, 1)
	if got := r.Columns()[0].String(); got != "image f32[1 2 1]" || r.Err() != nil {
		t.Errorf("Rename and Reshape: %s, %v", got, r.Err())
	}
	if got := tab.Columns()[0].String(); got != "x f32[2]" {
		t.Errorf("the original became %s", got)
	}
	if got := tab.Float("y", 0.5).Head(4).F32("y"); !slices.Equal(got, []float32{0, 0.5, 1, 1.5}) {
		t.Errorf("Float: %v", got)
	}
	j := tab.Select([]int{7, 8}).Join(tab.Head(2).Rename("x", "x2").Rename("y", "y2"))
	if got := j.F32("x"); len(j.Columns()) != 4 || !slices.Equal(got, []float32{7, -7, 8, -8}) {
		t.Errorf("Join: %v, %v, %v", j.Columns(), got, j.Err())
	}
}

func TestBalanced(t *testing.T) {
	tab := numbers(t, 103, 4)
	small, large := tab.Balanced("y", 20, 1), tab.Balanced("y", 60, 1)
	counts := map[int64]int{}
	for _, y := range small.I64("y") {
		counts[y]++
	}
	for c := range int64(4) {
		if counts[c] != 5 {
			t.Errorf("class %d has %d rows of 20, want 5", c, counts[c])
		}
	}
	if !slices.IsSorted(small.Rows()) || !slices.Equal(small.Rows(), tab.Balanced("y", 20, 1).Rows()) {
		t.Error("the draw is not in order, or not repeatable")
	}
	for _, r := range small.Rows() {
		if !slices.Contains(large.Rows(), r) {
			t.Errorf("row %d of the small draw is not in the large one", r)
		}
	}
	if slices.Equal(small.Rows(), tab.Balanced("y", 20, 2).Rows()) {
		t.Error("seed 2 drew the rows of seed 1")
	}
	// Each class has a draw of its own: rows of two classes do not stand at the same places.
	even := numbers(t, 100, 2)
	part, _ := even.SplitBy("y", 0.2, 1)
	for name, drawn := range map[string]*Table{"Balanced": even.Balanced("y", 20, 1), "Stratified": even.Stratified("y", 20, 1), "SplitBy": part} {
		var places [2][]int
		for _, r := range drawn.Rows() {
			places[r%2] = append(places[r%2], r/2)
		}
		if len(places[0]) != 10 || slices.Equal(places[0], places[1]) {
			t.Errorf("%s drew the places %v of class 0, %v of class 1", name, places[0], places[1])
		}
	}
}

func TestSplit(t *testing.T) {
	tab := numbers(t, 101, 4)
	for name, split := range map[string]func(float64, uint64) (*Table, *Table){
		"Split":   tab.Split,
		"SplitBy": func(f float64, s uint64) (*Table, *Table) { return tab.SplitBy("y", f, s) },
	} {
		a, b := split(0.8, 3)
		if a.Err() != nil || b.Err() != nil {
			t.Fatal(a.Err(), b.Err())
		}
		all := append(a.Rows(), b.Rows()...)
		slices.Sort(all)
		if len(slices.Compact(all)) != 101 {
			t.Errorf("%s: the parts have %d different rows of 101", name, len(slices.Compact(all)))
		}
		if n := a.Len(); n < 79 || n > 82 {
			t.Errorf("%s: %d of 101 rows in a part of 0.8", name, n)
		}
		c, _ := split(0.8, 3)
		if !slices.Equal(a.Rows(), c.Rows()) {
			t.Errorf("%s is not repeatable", name)
		}
		if c, _ = split(0.8, 4); slices.Equal(a.Rows(), c.Rows()) {
			t.Errorf("%s: seed 4 draws the rows of seed 3", name)
		}
	}
	_, rest := tab.SplitBy("y", 0.8, 3)
	counts := make([]int, 4)
	for _, y := range rest.I64("y") {
		counts[y]++
	}
	if !slices.Equal(counts, []int{5, 5, 5, 5}) {
		t.Errorf("SplitBy leaves %v of each class", counts)
	}
	if few, rest := numbers(t, 9, 1).Split(0.01, 1); few.Len() != 1 || rest.Len() != 8 {
		t.Errorf("a hundredth of nine rows: %d and %d", few.Len(), rest.Len())
	}
	one, rest := numbers(t, 2, 1).Split(0.999, 1)
	if one.Len() != 1 || rest.Len() != 1 {
		t.Errorf("a split of two rows: %d and %d", one.Len(), rest.Len())
	}
}

func TestTableMistakes(t *testing.T) {
	tab := numbers(t, 10, 3)
	first, _ := tab.Split(1, 0)
	byX, _ := tab.SplitBy("x", 0.5, 0)
	lonely, _ := tab.Head(4).SplitBy("y", 0.5, 0)
	for _, c := range []struct {
		t     *Table
		parts []string
	}{
		{tab.Rename("z", "w"), []string{"Rename", `no column "z"`, "x f32[2], y i64[]"}},
		{tab.Rename("x", "y"), []string{"Rename", "taken"}},
		{tab.Rename("x", ""), []string{"Rename", "empty"}},
		{tab.Reshape("x", 3), []string{"Reshape", "f32[2], 2 wide", "f32[3], 3 wide"}},
		{tab.Reshape("x", -1), []string{"[-1]", "must be positive"}},
		{tab.Reshape("x", math.MaxInt, 2), []string{"values a row"}},
		{tab.Float("x", 1), []string{"Float"}},
		{tab.Head(11), []string{"Head", "1 to 10", "11"}},
		{tab.Head(0), []string{"Head"}},
		{tab.Select(nil), []string{"Select", "no rows are named"}},
		{tab.Select([]int{10}), []string{"no row 10 in a table of 10"}},
		{tab.Balanced("x", 3, 0), []string{"one i64 a row is needed"}},
		{tab.Balanced("z", 3, 0), []string{`no column "z"`}},
		{tab.Balanced("y", 4, 0), []string{"multiple of the 3 classes", "4"}},
		{tab.Balanced("y", -3, 0), []string{"multiple of the 3 classes"}},
		{tab.Balanced("y", 12, 0), []string{"need 4 of each class", `"y" is 1 in 3 rows only`}},
		{first, []string{"Split", "between 0 and 1"}},
		{byX, []string{"SplitBy", `column "x" is f32[2]; one i64 a row is needed`}},
		{lonely, []string{"SplitBy", "one row only"}},
		{tab.Join(tab), []string{`two columns are named "x"`}},
		{tab.Join(tab.Head(2)), []string{"Join", "as many rows"}},
		{tab.Join(nil), []string{"Join"}},
	} {
		wantError(t, c.t.Err(), c.parts...)
		// The mistake stays, whatever is done next, and reaches whoever reads.
		next := c.t.Head(1).Rename("x", "y").Reshape("x", 2).Select([]int{0}).Balanced("y", 3, 0).Float("y", 1).Join(tab)
		wantError(t, next.Err(), c.parts...)
		_, err := Collect(next)
		wantError(t, err, c.parts...)
		if next.Len() != 0 || next.F32("x") != nil {
			t.Error("a table with a mistake shows rows")
		}
	}
}

func TestNewTableMistakes(t *testing.T) {
	x := func(shape []int, v ...float32) Data {
		return Data{Column: Column{Name: "x", DType: F32, Shape: shape}, F32: v}
	}
	y := func(v ...int64) Data { return Data{Column: Column{Name: "y", DType: I64}, I64: v} }
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		data  []Data
		parts []string
	}{
		{nil, []string{"empty", "no columns"}},
		{[]Data{x(nil)}, []string{"empty", "no rows"}},
		{[]Data{x([]int{2}, 1, 2, 3)}, []string{`"x"`, "2 wide", "3 values"}},
		{[]Data{x(nil, 1, 2), y(1)}, []string{`"y" has 1 rows`, `"x" has 2`}},
		{[]Data{x(nil, 1), x(nil, 1)}, []string{"two columns"}},
		{[]Data{x([]int{0}, 1)}, []string{"must be positive"}},
		{[]Data{{Column: Column{Name: "x", DType: "f64"}}}, []string{`"f64"`, "f32, i64 or u8"}},
		{[]Data{{Column: Column{DType: F32}}}, []string{"no name"}},
		{[]Data{x([]int{2}, 1, 2, 3, nan)}, []string{"row 1", `"x"`, "NaN at 1"}},
		{[]Data{x(nil, 1, inf)}, []string{"row 1", `"x"`, "-Inf"}},
	} {
		_, err := NewTable(c.data...)
		wantError(t, err, c.parts...)
	}
	_, err := NewTable()
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("%v is not ErrEmpty", err)
	}
}

type reading struct {
	channels [3]float32
	state    int64
}

func TestFrom(t *testing.T) {
	readings := []reading{{[3]float32{1, 2, 3}, 4}, {[3]float32{5, 6, 7}, 8}}
	tab := From(readings, func(r reading, row Row) {
		row.F32("x", r.channels[:]...)
		row.I64("state", r.state)
	})
	if tab.Err() != nil {
		t.Fatal(tab.Err())
	}
	if got := newWriter(tab.cols).names(); got != "x f32[3], state i64[]" {
		t.Errorf("columns %s", got)
	}
	if got := tab.F32("x"); !slices.Equal(got, []float32{1, 2, 3, 5, 6, 7}) || !slices.Equal(tab.I64("state"), []int64{4, 8}) {
		t.Errorf("values %v, %v", got, tab.I64("state"))
	}
	declared := From(readings, func(r reading, row Row) { copy(row.F32Slice("x"), r.channels[:]) },
		Column{Name: "x", DType: F32, Shape: []int{1, 3}})
	if got := declared.F32("x"); !slices.Equal(got, tab.F32("x")) {
		t.Errorf("in place: %v, %v", got, declared.Err())
	}
}

// TestFromAsksOnce fills rows from a stream, which has each of them once.
func TestFromAsksOnce(t *testing.T) {
	for name, cols := range map[string][]Column{"learned": nil, "declared": {{Name: "x", DType: F32}, {Name: "y", DType: I64}}} {
		next := 0
		tab := From(make([]struct{}, 4), func(_ struct{}, row Row) {
			row.F32("x", float32(next))
			row.I64("y", int64(10*next))
			next++
		}, cols...)
		if x, y := tab.F32("x"), tab.I64("y"); !slices.Equal(x, []float32{0, 1, 2, 3}) || !slices.Equal(y, []int64{0, 10, 20, 30}) || next != 4 {
			t.Errorf("%s: %v and %v of %d calls, %v", name, x, y, next, tab.Err())
		}
	}
}

func TestFromMistakes(t *testing.T) {
	rows := []int{0, 1, 2}
	for _, c := range []struct {
		fill  func(int, Row)
		parts []string
	}{
		{func(i int, r Row) { r.F32("x", make([]float32, 2+i/2)...) }, []string{"row 2", `"x" is f32[2], 2 wide, got 3 values`}},
		{func(i int, r Row) { r.F32([]string{"x", "z"}[i/2], 1) }, []string{"row 2", `no column "z"`, "x f32[]"}},
		{func(i int, r Row) {
			if i == 2 {
				r.I64("x", 1)
			} else {
				r.F32("x", 1)
			}
		}, []string{"row 2", `"x" is f32[], got i64`}},
		{func(i int, r Row) {
			r.F32("x", 1)
			if i < 2 {
				r.F32("z", 1)
			}
		}, []string{"row 2", `"z" was not written`}},
		{func(i int, r Row) { r.F32("x", 1); r.F32("x", 1) }, []string{"row 0", `"x" was written twice`}},
		{func(i int, r Row) { r.F32("x", 1, float32(math.Log(float64(i-2)))) }, []string{"row 0", `"x"`, "NaN"}},
		{func(i int, r Row) { r.F32("x") }, []string{"row 0", `"x" has no values`}},
		{func(i int, r Row) { r.F32Slice("x") }, []string{"declare the column"}},
		{func(i int, r Row) {}, []string{"no columns"}},
		{func(i int, r Row) { r.F32("x", 1); _ = rows[i+1] }, []string{"row 2", "panicked", "out of range"}},
	} {
		wantError(t, From(rows, c.fill).Err(), c.parts...)
	}
	wantError(t, From([]int{}, func(int, Row) {}).Err(), "empty")
	wantError(t, From[int](rows, nil).Err(), "panicked")
	var zero Row
	zero.F32("x", 1)
	if zero.F32Slice("x") != nil || zero.I64Slice("x") != nil || zero.Err() != nil {
		t.Error("the zero Row does something")
	}
}

func TestHashAndRanges(t *testing.T) {
	tab := numbers(t, 20, 3)
	h := func(s Source) string {
		t.Helper()
		v, err := Hash(s)
		if err != nil || len(v) != 64 {
			t.Fatalf("%q, %v", v, err)
		}
		return v
	}
	want := h(tab)
	swapped := &Table{n: tab.n, cols: []column{tab.cols[1], tab.cols[0]}}
	whole := make([]int, 20)
	for i := range whole {
		whole[i] = i
	}
	for name, s := range map[string]Source{"source": plain{tab}, "columns swapped": swapped, "selection of all": tab.Select(whole)} {
		if h(s) != want {
			t.Errorf("%s: another hash", name)
		}
	}
	whole[0], whole[1] = 1, 0
	changed := numbers(t, 20, 3)
	changed.cols[0].f32[7]++
	for name, s := range map[string]Source{
		"row fewer": tab.Head(19), "renamed": tab.Rename("x", "z"), "reshaped": tab.Reshape("x", 1, 2),
		"rows swapped": tab.Select(whole), "value changed": changed,
	} {
		if h(s) == want {
			t.Errorf("%s: the same hash", name)
		}
	}
	for _, s := range []Source{tab, plain{tab}} {
		r, err := Ranges(s)
		if err != nil || len(r) != 2 || !slices.Equal(r[0].Min, []float64{0, -19}) || !slices.Equal(r[0].Max, []float64{19, 0}) ||
			r[1].Column != "y" || r[1].Max[0] != 2 {
			t.Errorf("ranges %v, %v", r, err)
		}
	}
	_, err := Hash(tab.Head(0))
	wantError(t, err, "Head")
	_, err = Ranges(nil)
	wantError(t, err, "nil")
}

func TestDigits(t *testing.T) {
	d := Digits()
	for _, c := range []struct {
		t   *Table
		per int
	}{{d.Train, 800}, {d.Test, 200}} {
		if c.t.Err() != nil {
			t.Fatal(c.t.Err())
		}
		counts := make([]int, 10)
		for _, y := range c.t.I64("y") {
			counts[y]++
		}
		for digit, n := range counts {
			if n != c.per {
				t.Errorf("%d rows of digit %d, want %d", n, digit, c.per)
			}
		}
		r, err := c.t.Ranges()
		if err != nil || slices.Min(r[0].Min) != 0 || slices.Max(r[0].Max) != 1 {
			t.Errorf("pixels do not span [0, 1]: %v", err)
		}
		if got := c.t.Columns()[0].String(); got != "x f32[784]" {
			t.Errorf("column %s", got)
		}
	}
	if n := d.Train.Balanced("y", 600, 1).Len(); n != 600 {
		t.Errorf("Balanced gives %d rows", n)
	}
}
