package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// mixed is 7 rows with labels, whose x begins with 100, and 20 without, as sources of every kind.
func mixed(t testing.TB) (labelled, unlabelled *Table) {
	t.Helper()
	few := numbers(t, 7, 3)
	for i := range few.F32("x") {
		few.F32("x")[i] += 100
	}
	rest := numbers(t, 20, 3)
	x, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{2}}, F32: rest.F32("x")})
	if err != nil {
		t.Fatal(err)
	}
	return few, x
}

// mixedRows returns the rows of epochs [from,to) of a mix, batch by batch, checking their values.
func mixedRows(t *testing.T, m *Mixture, k random.Key, size, from, step, to int) (rows [][]int) {
	t.Helper()
	b, err := NewBatches(m, size, k, true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for epoch := from; epoch < to; epoch++ {
		if err := b.Seek(epoch, step); err != nil {
			t.Fatal(err)
		}
		step = 0
		for {
			batch, ok, err := b.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			x, y := batch.F32("x"), batch.I64("y")
			for i, r := range batch.Index {
				wantX, wantY := float32(r-7), int64(-1)
				if r < 7 {
					wantX, wantY = float32(100+r), int64(r%3)
				}
				if x[2*i] != wantX || y[i] != wantY {
					t.Fatalf("row %d has x %v and y %d, want %v and %d", r, x[2*i], y[i], wantX, wantY)
				}
			}
			rows = append(rows, slices.Clone(batch.Index))
		}
	}
	return rows
}

func TestMix(t *testing.T) {
	few, rest := mixed(t)
	m := Mix(few, 3, rest, 8)
	if m.Err() != nil || m.Len() != 27 || columnNames(m.Columns()) != "x f32[2], y i64[]" || BatchRows(m) != 11 || Drawn(m) != "3 of 7 rows and 8 of 20" {
		t.Fatalf("%d rows of %v in batches of %d, %q: %v", m.Len(), m.Columns(), BatchRows(m), Drawn(m), m.Err())
	}
	const epochs = 35 // of 3 batches: 105 of them take 3 from 7 rows 45 times over, and 8 from 20 rows 42 times
	want := mixedRows(t, m, key, 11, 0, 0, epochs)
	if len(want) != 3*epochs {
		t.Fatalf("%d batches in %d epochs", len(want), epochs)
	}
	var first, second []int
	for i, batch := range want {
		if len(batch) != 11 {
			t.Fatalf("batch %d has %d rows", i, len(batch))
		}
		first, second = append(first, batch[:3]...), append(second, batch[3:]...)
	}
	// Each source is gone through again and again, each time whole and in another order.
	for i, c := range []struct {
		rows   []int
		lo, hi int
	}{{first, 0, 7}, {second, 7, 27}} {
		n := c.hi - c.lo
		for at := 0; at+n <= len(c.rows); at += n {
			pass := slices.Sorted(slices.Values(c.rows[at : at+n]))
			if pass[0] != c.lo || pass[n-1] != c.hi-1 || len(slices.Compact(pass)) != n {
				t.Fatalf("the %s source: pass %d has the rows %v", ordinal(i), at/n, pass)
			}
			for j, r := range key.Derive(uint64(i), uint64(at/n)).Perm(n) {
				if c.rows[at+j] != c.lo+r {
					t.Fatalf("the %s source: pass %d is in another order", ordinal(i), at/n)
				}
			}
		}
	}
	// The same from any position, kind of source and number of goroutines, and for batches of several.
	processors(t, func(t *testing.T) {
		for name, m := range map[string]*Mixture{
			"tables": m, "sources": Mix(plain{few}, 3, plain{rest}, 8), "many": Mix(&tableRows{few}, 3, &tableRows{rest}, 8),
			"selections": Mix(All(plain{few}), 3, rest.Select(numbered(20)), 8),
		} {
			for _, at := range []Position{{0, 0}, {2, 1}, {4, 2}, {33, 0}} {
				got := mixedRows(t, m, key, 11, at.Epoch, at.Step, at.Epoch+2)
				from := 3*at.Epoch + at.Step
				if !slices.EqualFunc(got, want[from:3*(at.Epoch+2)], slices.Equal) {
					t.Errorf("%s: other rows from %+v on", name, at)
				}
			}
			double := mixedRows(t, m, key, 22, 0, 0, 1)
			if len(double) != 2 || !slices.Equal(double[0], slices.Concat(want[0], want[1])) || !slices.Equal(double[1], want[2]) {
				t.Errorf("%s: two batches at a time are others", name)
			}
		}
	})
	if got := mixedRows(t, m, key.Derive(1), 11, 0, 0, 3); slices.EqualFunc(got, want[:9], slices.Equal) {
		t.Error("another key draws the same rows")
	}
	// What reads all rows gets each once, and in order.
	all := collected(t, m)
	if got := all.F32("x"); len(got) != 54 || got[0] != 100 || got[14] != 0 || got[52] != 19 {
		t.Errorf("collected: %v", got)
	}
	if got := all.I64("y"); !slices.Equal(got[:7], few.I64("y")) || slices.Max(got[7:]) != -1 {
		t.Errorf("labels: %v", got)
	}
	h, err := Hash(m)
	if w, werr := all.Hash(); err != nil || werr != nil || h != w {
		t.Errorf("the hash is %s, and collected %s", h, w)
	}
	if h2, err := Hash(Until(t.Context(), m)); err != nil || h2 != h {
		t.Errorf("until a context's end the hash is %s, %v", h2, err)
	}
	if h2, err := Hash(plain2{m}); err != nil || h2 != h {
		t.Errorf("row by row the hash is %s, %v", h2, err)
	}
	if BatchRows(Until(t.Context(), m)) != 11 || BatchRows(few) != 0 || Drawn(All(few)) != "" {
		t.Error("a source with an end is no mix any more, or one that is none is")
	}
	if got := Place(m, 9, "x"); got != `row 2 of the second source of the mix: column "x"` {
		t.Errorf("a place is %s", got)
	}
	if got := Place(Mix(few.readFrom("few.csv"), 1, rest, 1), 3, "y"); got != `row 3 of the first source of the mix: column "y" (of few.csv)` {
		t.Errorf("a place is %s", got)
	}
}

// TestMixOfMissing: a column that may be missing has no values in the rows of a source that lacks it, and may be missing in the mix
// if it may in one of the sources.
func TestMixOfMissing(t *testing.T) {
	may := Column{Name: "w", DType: F32, Missing: true}
	x := Column{Name: "x", DType: F32}
	nan := x
	nan.Missing = true
	a := must(NewTable(Data{Column: x, F32: []float32{1, 2}}, Data{Column: may, F32: []float32{3, noValue}}))
	b := must(NewTable(Data{Column: nan, F32: []float32{4, noValue, 6}}))
	for want, m := range map[string]*Mixture{
		"[1 2 4 NaN 6] [3 NaN NaN NaN NaN]": Mix(a, 1, b, 2),
		"[4 NaN 6 1 2] [NaN NaN NaN 3 NaN]": Mix(plain{b}, 1, plain{a}, 2),
	} {
		if m.Err() != nil {
			t.Fatal(m.Err())
		}
		for _, c := range m.Columns() {
			if !c.Missing {
				t.Errorf("column %s may not be missing in the mix", c)
			}
		}
		all := collected(t, m)
		if got := fmt.Sprint(all.F32("x"), all.F32("w")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		whole, err := NewBatches(m, m.batchRows(), key, true)
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		for range 2 { // in memory that was used before
			if err := whole.Epoch(0); err != nil {
				t.Fatal(err)
			}
			for batch, ok, err := whole.Next(t.Context()); ok || err != nil; batch, ok, err = whole.Next(t.Context()) {
				if rows := all.Select(batch.Index); err != nil || fmt.Sprint(batch.F32("w")) != fmt.Sprint(rows.F32("w")) {
					t.Fatalf("rows %v: %v, %v", batch.Index, batch.F32("w"), err)
				}
			}
		}
	}
}

// A source may have fewer rows than a batch takes, and a mix of one batch is an epoch.
func TestMixOfFewRows(t *testing.T) {
	few, rest := mixed(t)
	m := Mix(few, 16, rest, 50)
	rows := mixedRows(t, m, key, 66, 0, 0, 7)
	if len(rows) != 7 {
		t.Fatalf("%d batches", len(rows))
	}
	n := map[int]int{}
	for _, batch := range rows {
		for _, r := range batch {
			n[r]++
		}
	}
	for r := range 27 { // 112 of 7, and 350 of 20
		if want := map[bool]int{true: 16, false: 17}[r < 7]; n[r] != want && n[r] != want+1 {
			t.Errorf("row %d came %d times, want %d", r, n[r], want)
		}
	}
}

// Batches of a position that no training reaches are no panic.
func TestMixFarAway(t *testing.T) {
	few, rest := mixed(t)
	m := Mix(few, 3, rest, 8)
	for _, epoch := range []int{1 << 30, math.MaxInt} {
		rows := make([]int, m.epochRows())
		m.arrange(key, epoch, rows, make([]int, len(rows)))
		for _, r := range rows {
			if r < 0 || r >= 27 {
				t.Fatalf("epoch %d has row %d", epoch, r)
			}
		}
	}
}

func TestMixMistakes(t *testing.T) {
	few, rest := mixed(t)
	weights := must(NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{2}}, F32: make([]float32, 4)}, Data{Column: Column{Name: "w", DType: F32}, F32: make([]float32, 2)}))
	pixels := must(NewTable(Data{Column: Column{Name: "x", DType: U8, Shape: []int{2}}, U8: make([]uint8, 4)}))
	for want, m := range map[string]*Mixture{
		"Mix: a batch must have 1 to 1048576 rows of the first source, got 0":               Mix(few, 0, rest, 8),
		"Mix: a batch must have 1 to 1048576 rows of the second source, got 1048577":        Mix(few, 1, rest, 1<<20+1),
		"Mix: the first source: the source is nil":                                          Mix(nil, 1, rest, 1),
		"Mix: the second source: the table is nil":                                          Mix(few, 1, (*Table)(nil), 1),
		"Mix: the second source: the data are empty":                                        Mix(few, 1, plain{&Table{}}, 1),
		"Mix: the second source is a mix itself":                                            Mix(few, 1, Mix(few, 1, rest, 1), 1),
		"Mix: the first source is a mix itself":                                             Mix((*Mixture)(nil), 1, rest, 1),
		`column "x" is f32[2] in the first source and f32[1 2] in the second: they must be`: Mix(few, 1, rest.Reshape("x", 1, 2), 1),
		`column "x" is f32[2] in the first source and u8[2] in the second`:                  Mix(few, 1, pixels, 1),
		`column w f32[] is in the second source only, and rows of the first have no value`:  Mix(few, 1, weights, 1),
		`column w f32[] is in the first source only, and rows of the second have no value`:  Mix(weights, 1, few, 1),
		"the mixture is nil": nil,
	} {
		wantError(t, m.Err(), want)
		if m.Len() != 0 || m.Columns() != nil || BatchRows(m) != 0 || Drawn(m) != "" {
			t.Errorf("%s: it has rows", want)
		}
		_, err := NewBatches(m, 11, key, true)
		wantError(t, err, want)
		_, err = Hash(m)
		wantError(t, err, want)
	}
	if err := Mix(few, 1, plain{&Table{}}, 1).Err(); !errors.Is(err, ErrEmpty) {
		t.Errorf("%v is not ErrEmpty", err)
	}
	for _, size := range []int{1, 10, 12, 256} {
		_, err := NewBatches(Mix(few, 3, rest, 8), size, key, true)
		wantError(t, err, "the batch must be a multiple of the 11 rows that are mixed (3 of 7 rows and 8 of 20)", fmt.Sprintf("got %d", size))
	}
	// A bad row is named by its source and its number there.
	m := Mix(few, 3, many{plain: plain{numbers(t, 40, 3)}, how: "infinite"}, 8)
	_, err := Collect(m)
	wantError(t, err, `the second source of the mix: row 22: column "x" has +Inf at 1`)
	_, err = Collect(Mix(few, 3, many{plain: plain{numbers(t, 40, 3)}, how: "no row"}, 8))
	wantError(t, err, `the second source of the mix: row 22: column "x" was not written`)
	_, err = Collect(Mix(many{plain: plain{numbers(t, 40, 3)}, how: "panic"}, 3, few, 8))
	wantError(t, err, `panicked: the sensor is gone`)
}

// A row that comes again is augmented anew, and each occurrence of it the same from any position and by any number of
// goroutines.
func TestMixIsAugmented(t *testing.T) {
	few, rest := pictures(t, 5, false, 1, 6, 6), pictures(t, 40, false, 1, 6, 6)
	m := Mix(few, 4, rest, 8)
	a := Augment("x").Shift(2).Noise(0.1)
	read := func(from, step, to int) map[Position][]string {
		t.Helper()
		b, err := NewBatches(m, 12, key, true)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Augment(a, key.DeriveString("augment")); err != nil {
			t.Fatal(err)
		}
		out := map[Position][]string{}
		for epoch := from; epoch < to; epoch++ {
			if err := b.Seek(epoch, step); err != nil {
				t.Fatal(err)
			}
			step = 0
			for {
				at := b.Position()
				batch, ok, err := b.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				x := batch.F32("x")
				for i, r := range batch.Index {
					out[at] = append(out[at], fmt.Sprint(r, x[36*i:36*i+36]))
				}
			}
		}
		return out
	}
	want := read(0, 0, 4)
	seen := map[string]int{}
	for _, rows := range want {
		for _, s := range rows {
			if seen[s]++; seen[s] > 1 {
				t.Fatalf("an occurrence of a row is augmented as another one: %.40s", s)
			}
		}
	}
	for _, n := range []int{1, 3} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			for at, rows := range read(1, 2, 4) {
				if !slices.Equal(rows, want[at]) {
					t.Errorf("%d goroutines: %+v is augmented in another way", n, at)
				}
			}
		}()
	}
	// Mixup too takes other partners each time.
	a = Augment("x").Mixup(1)
	clear(seen)
	n := 0
	for _, rows := range read(0, 0, 4) {
		for _, s := range rows {
			seen[s]++
			n++
		}
	}
	if len(seen) < n-n/20 { // some are mixed with themselves
		t.Errorf("%d occurrences of rows are mixed in %d ways", n, len(seen))
	}
}

func TestMixAllocatesNothing(t *testing.T) {
	few, rest := numbers(t, 100, 3), numbers(t, 40000, 3)
	b := batches(t, Mix(few, 1, &tableRows{rest}, 2), 3, true)
	for range 10 {
		b.Next(t.Context())
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(200, func() {
		if _, ok, err := b.Next(ctx); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}
