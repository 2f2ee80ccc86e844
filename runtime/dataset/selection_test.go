package dataset

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// grouped is a table of n rows: x f32[2] = i, -i; y i64[] = label(i), group and time i64[].
func grouped(t testing.TB, n int, group, label, time func(i int) int64) *Table {
	t.Helper()
	tab := numbers(t, n, 3)
	for name, f := range map[string]func(int) int64{"group": group, "label": label, "time": time} {
		if f == nil {
			continue
		}
		v := make([]int64, n)
		for i := range v {
			v[i] = f(i)
		}
		more, err := NewTable(Data{Column: Column{Name: name, DType: I64}, I64: v})
		if err != nil {
			t.Fatal(err)
		}
		tab = tab.Join(more)
	}
	if tab.Err() != nil {
		t.Fatal(tab.Err())
	}
	return tab
}

// kinds of sources with the rows of a table, and those rows' numbers in what Numbers counts by.
func sources(tab *Table) map[string]Source {
	return map[string]Source{"table": tab, "source": plain{tab}, "many": &tableRows{tab}, "a view": tab.Select(numbered(tab.Len()))}
}

func numbered(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// A method of a Selection of any source chooses what that of a Table chooses.
func TestSelectionChoosesAsTable(t *testing.T) {
	tab := grouped(t, 120, func(i int) int64 { return int64(i*i) % 11 }, func(i int) int64 { return int64(i) % 4 }, func(i int) int64 { return int64(i * 37 % 120) })
	type chosen struct{ first, second Source }
	pair := func(a, b *Table) chosen { return chosen{a, b} }
	couple := func(a, b *Selection) chosen { return chosen{a, b} }
	for name, c := range map[string]struct {
		table func() chosen
		any   func(s *Selection) chosen
	}{
		"Split": {func() chosen { return pair(tab.Split(0.3, 1)) }, func(s *Selection) chosen { return couple(s.Split(0.3, 1)) }},
		"SplitBy": {func() chosen { return pair(tab.SplitBy("label", 0.3, 1)) },
			func(s *Selection) chosen { return couple(s.SplitBy("label", 0.3, 1)) }},
		"SplitByGroup": {func() chosen { return pair(tab.SplitByGroup("group", 0.6, 1)) },
			func(s *Selection) chosen { return couple(s.SplitByGroup("group", 0.6, 1)) }},
		"stratified groups": {func() chosen { return pair(tab.SplitByGroup("group", 0.6, 1, "label")) },
			func(s *Selection) chosen { return couple(s.SplitByGroup("group", 0.6, 1, "label")) }},
		"SplitGroups": {func() chosen { return pair(tab.SplitGroups("group", []int64{4, 1})) },
			func(s *Selection) chosen { return couple(s.SplitGroups("group", []int64{4, 1})) }},
		"SplitAt": {func() chosen { return pair(tab.SplitAt("time", 50)) }, func(s *Selection) chosen { return couple(s.SplitAt("time", 50)) }},
		"SplitByTime": {func() chosen { return pair(tab.SplitByTime("time", 0.2)) },
			func(s *Selection) chosen { return couple(s.SplitByTime("time", 0.2)) }},
		"draws": {func() chosen { return chosen{tab.Balanced("label", 12, 1), tab.Stratified("label", 13, 1)} },
			func(s *Selection) chosen { return chosen{s.Balanced("label", 12, 1), s.Stratified("label", 13, 1)} }},
		"AsTheyCome": {func() chosen { return chosen{tab.AsTheyCome("label", 7, 1), tab.AsTheyCome("label", 120, 1)} },
			func(s *Selection) chosen { return chosen{s.AsTheyCome("label", 7, 1), s.AsTheyCome("label", 120, 1)} }},
		"Select": {func() chosen { return chosen{tab.Select([]int{7, 7, 3}), tab.Head(5)} },
			func(s *Selection) chosen { return chosen{s.Select([]int{7, 7, 3}), s.Head(5)} }},
		"Unlabel": {func() chosen { return chosen{tab.Unlabel("y", tab.Select([]int{5, 2})), tab.Unlabel("y", nil)} },
			func(s *Selection) chosen { return chosen{s.Unlabel("y", s.Select([]int{5, 2})), s.Unlabel("y", nil)} }},
		"chosen twice": {func() chosen {
			return chosen{tab.Select([]int{9, 4, 8}).Select([]int{2, 0}), tab.Head(9).Unlabel("y", tab.Select([]int{1})).Head(3)}
		},
			func(s *Selection) chosen {
				return chosen{s.Select([]int{9, 4, 8}).Select([]int{2, 0}), s.Head(9).Unlabel("y", s.Select([]int{1})).Head(3)}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.table()
			for kind, src := range sources(tab) {
				got := c.any(All(src))
				for side, s := range map[string][2]Source{"first": {got.first, want.first}, "second": {got.second, want.second}} {
					sel, from := s[0].(*Selection), s[1].(*Table)
					if err := errors.Join(sel.Err(), from.Err()); err != nil {
						t.Fatal(kind, side, err)
					}
					h, err := Hash(sel)
					if err != nil {
						t.Fatal(err)
					}
					if w, err := from.Hash(); err != nil || h != w {
						t.Errorf("%s: the %s rows are not those of the table", kind, side)
					}
					if n := sel.Numbers(); name != "chosen twice" && name != "Unlabel" && (!slices.Equal(n, from.Rows()) || Chosen(from) != nil && !slices.Equal(Chosen(sel), Chosen(from))) {
						t.Errorf("%s, %s: numbers %v, chosen %v, want %v", kind, side, n, Chosen(sel), from.Rows())
					}
				}
			}
		})
	}
}

// Rows of a selection are read by all processors, and one by one.
func TestSelectionIsRead(t *testing.T) {
	tab := numbers(t, 211, 3)
	order := key.Perm(211)[:150]
	want := tab.Select(order)
	hash, err := want.Hash()
	if err != nil {
		t.Fatal(err)
	}
	processors(t, func(t *testing.T) {
		for name, src := range sources(tab) {
			s := All(src).Select(order)
			if h, err := Hash(s); err != nil || h != hash {
				t.Errorf("%s: the hash is %s, %v, want %s", name, h, err, hash)
			}
			if h, err := Hash(plain2{s}); err != nil || h != hash { // one row at a time
				t.Errorf("%s, row by row: the hash is %s, %v, want %s", name, h, err, hash)
			}
			b := batches(t, s, 17, true)
			got := []float32{}
			for batch, ok, err := b.Next(t.Context()); ok || err != nil; batch, ok, err = b.Next(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, batch.F32("x")...)
			}
			if !slices.Equal(got, want.Select(key.Derive(0).Perm(150)).F32("x")) {
				t.Errorf("%s: other batches", name)
			}
		}
	})
	b := batches(t, All(&tableRows{tab}).Select(order), 2, true)
	for range 10 {
		b.Next(t.Context())
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(50, func() {
		if _, ok, err := b.Next(ctx); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// What is chosen of grouped rows is grouped.
func TestGroupedBy(t *testing.T) {
	s := All(plain{grouped(t, 20, func(i int) int64 { return int64(i % 4) }, nil, nil)})
	g := s.GroupedBy("group")
	a, b := g.SplitByGroup("group", 0.5, 1)
	for name, x := range map[string]*Selection{"itself": g, "a part": a, "the rest": b, "rows": a.Select([]int{1}), "a head": b.Head(2), "unlabelled": g.Unlabel("y", nil).Head(3)} {
		if x.Err() != nil || GroupOf(x) != "group" {
			t.Errorf("%s is grouped by %q: %v", name, GroupOf(x), x.Err())
		}
	}
	if GroupOf(s) != "" || GroupOf(nil) != "" || GroupOf(numbers(t, 3, 3)) != "" || GroupOf(Mix(g, 1, g, 1)) != "" {
		t.Error("rows are grouped that do not say so")
	}
	for want, x := range map[string]*Selection{`GroupedBy: no column "z" of one i64 a row; the columns are x f32[2]`: s.GroupedBy("z"), `no column "x" of one`: s.GroupedBy("x"), "Head: n must": g.Head(0).GroupedBy("group")} {
		wantError(t, x.Err(), want)
		if GroupOf(x) != "" {
			t.Error("a mistake is grouped")
		}
	}
}

func TestWithout(t *testing.T) {
	tab := grouped(t, 9, func(i int) int64 { return int64(i) }, nil, nil)
	w := tab.Select([]int{4, 2}).Without("y", "group")
	if got := columnNames(w.Columns()); got != "x f32[2]" || !slices.Equal(w.F32("x"), []float32{4, -4, 2, -2}) || !slices.Equal(w.Rows(), []int{4, 2}) {
		t.Errorf("%s: %v, %v", got, w.F32("x"), w.Err())
	}
	if got := columnNames(tab.Columns()); got != "x f32[2], y i64[], group i64[]" || columnNames(tab.Without().Columns()) != got {
		t.Errorf("the original became %s", got)
	}
	wantError(t, tab.Without("y", "z").Err(), `Without: no column "z"`)
	wantError(t, tab.Without("y", "x", "group").Err(), "Without: no column is left of x f32[2], y i64[], group i64[]")
	wantError(t, (*Table)(nil).Without("y").Err(), "the table is nil")
	wantError(t, tab.Head(0).Without("y").Err(), "Head: n must be")
}

func TestSelectionMistakes(t *testing.T) {
	tab := numbers(t, 10, 3)
	broken := errors.New("the disk is gone")
	all := All(plain{tab})
	fails := All(many{plain: plain{numbers(t, 30, 3)}, how: "error"})
	first, second := fails.SplitBy("y", 0.5, 1)
	for _, c := range []struct {
		s     *Selection
		parts []string
	}{
		{All(nil), []string{"the source is nil"}},
		{All((*Table)(nil)), []string{"the table is nil"}},
		{(*Selection)(nil), []string{"the selection is nil"}},
		{All((*Selection)(nil)), []string{"the selection is nil"}},
		{All(tab.Head(99)), []string{"Head", "99"}},
		{All(Mix(tab, 1, tab, 2)), []string{"All: the source is a mix"}},
		{all.Select(nil), []string{"Select: no rows are named"}},
		{all.Select([]int{10}), []string{"no row 10 in a table of 10"}},
		{all.Head(0), []string{"Head: n must be from 1 to 10"}},
		{all.Balanced("z", 3, 1), []string{`Balanced: no column "z"; the columns are x f32[2], y i64[]`}},
		{all.Balanced("x", 3, 1), []string{`column "x" is f32[2]; one i64 a row is needed`}},
		{first, []string{"SplitBy: ", "the sensor is off"}},
		{second, []string{"SplitBy: ", "the sensor is off"}},
	} {
		wantError(t, c.s.Err(), c.parts...)
		if c.s.Len() != 0 || len(c.s.Columns()) != 0 {
			t.Errorf("%v: it has %d rows", c.s.Err(), c.s.Len())
		}
		// A mistake is kept through every method.
		a, b := c.s.Select([]int{0}).Head(1).Unlabel("y", nil).Balanced("y", 3, 1).Split(0.5, 1)
		for _, s := range []*Selection{a, b} {
			if s.Err() == nil || s.Err().Error() != c.s.Err().Error() {
				t.Errorf("%v became %v", c.s.Err(), s.Err())
			}
		}
		if _, err := Hash(c.s); err == nil {
			t.Error("it has a hash")
		}
	}
	if !errors.Is(All(mistaken{tab, broken}).Err(), broken) {
		t.Error("the source's own mistake is lost")
	}
	if err := all.Row(10, Row{}); err == nil {
		t.Error("there is a row 10 of 10")
	}
	for name, s := range map[string]BatchSource{"selection": all.Head(5), "all": all, "mix": Mix(tab, 1, tab, 1)} {
		for _, row := range []int{-1, s.Len()} {
			if err := s.Row(row, Row{}); err == nil {
				t.Errorf("%s: there is a row %d of %d", name, row, s.Len())
			}
		}
		wantError(t, s.Rows([]int{1}, Rows{}), "1 rows are asked for, and there are places for 0")
	}
	if got := Place(All(pathed{plain{tab}}).Select([]int{4, 2}), 1, "x"); got != `row 1: column "x" (of file2)` {
		t.Errorf("a row's place is %s", got)
	}
	file := numbers(t, 10, 3).readFrom("rows.csv")
	if got := Place(All(file).Select([]int{4, 2}), 1, "x"); got != `row 1: column "x" (row 2 of rows.csv)` {
		t.Errorf("a row's place is %s", got)
	}
}

// mistaken is a source with a mistake.
type mistaken struct {
	*Table
	err error
}

func (f mistaken) Err() error { return f.err }

// pathed has a file for each row.
type pathed struct{ plain }

func (pathed) Path(row int) string { return fmt.Sprintf("file%d", row) }

// No picture is decoded to choose by labels.
func TestPicturesAreNotDecoded(t *testing.T) {
	dir, _ := pets(t)
	p := images(t, dir)
	for name, s := range map[string]*Selection{"all": All(p), "some": All(p.Select([]int{2, 1, 0}))} {
		v, named, err := s.integers("y")
		want := collected(t, s).I64("y")
		if err != nil || !slices.Equal(v, want) {
			t.Errorf("%s: the labels are %v, %v, want %v", name, v, err, want)
		}
		if !strings.HasPrefix(named, `"y"`) {
			t.Errorf("the column is named %s", named)
		}
	}
	p.files.dir = "nowhere" // so that nothing can be decoded
	if s := All(p).AsTheyCome("y", 2, 1); s.Err() != nil {
		t.Error(s.Err())
	}
	if got, want := Chosen(All(p.Select([]int{2, 1, 0})).Select([]int{1, 2})), []int{1, 0}; !slices.Equal(got, want) {
		t.Errorf("chosen of chosen: %v, want %v", got, want)
	}
}

// alone tells whether two goroutines ask it at once.
type alone struct {
	plain
	inside, met *atomic.Int32
}

func (a alone) Row(i int, row Row) error {
	if a.inside.Add(1) > 1 {
		a.met.Add(1)
	}
	defer a.inside.Add(-1)
	runtime.Gosched()
	return a.plain.Row(i, row)
}

// A source that gives one row at a time is asked by one goroutine at a time, however many read what is made of it.
func TestOneAtATime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	src := alone{plain{numbers(t, 640, 3)}, new(atomic.Int32), new(atomic.Int32)}
	for name, s := range map[string]Source{
		"selection": All(src).Select(key.Perm(640)),
		"windows":   Windows(src, WindowOptions{Length: 2, Log: quietLog()}),
		"mix":       Mix(src, 32, numbers(t, 640, 3), 32),
	} {
		for range 5 {
			if _, err := Hash(s); err != nil {
				t.Fatal(err)
			}
			b := batches(t, s, 64, true)
			for _, ok, err := b.Next(t.Context()); ok || err != nil; _, ok, err = b.Next(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := src.met.Load(); n > 0 {
			t.Fatalf("%s: the source was asked by two at once %d times", name, n)
		}
	}
}
