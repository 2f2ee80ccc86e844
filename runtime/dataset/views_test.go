package dataset

import (
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// viewRows is a table of n pictures 1x4x4, labels, and a column of its own.
func viewRows(t *testing.T, n int) *Table {
	t.Helper()
	x, y := make([]float32, 16*n), make([]int64, n)
	for i := range x {
		x[i] = float32(i%97) / 97
	}
	for i := range y {
		y[i] = int64(i % 3)
	}
	table, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{1, 4, 4}}, F32: x}, Data{Column: Column{Name: "y", DType: I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// single hides that a source is a table, and gives its rows one by one.
type single struct{ Source }

// TestViewsOfAnySource: the views of a source are those of its table.
func TestViewsOfAnySource(t *testing.T) {
	table := viewRows(t, 30)
	want := table.Views("x", "x", "other")
	for name, got := range map[string]*Selection{
		"a table":    All(table).Views("x", "x", "other"),
		"one by one": All(single{table}).Views("x", "x", "other"),
		"a choice":   All(table).Select([]int{3, 1, 3}).Views("x", "x", "other"),
	} {
		if err := got.Err(); err != nil {
			t.Fatal(err)
		}
		made, err := Collect(got)
		if err != nil {
			t.Fatal(err)
		}
		of := want
		if made.Len() == 3 {
			of = want.Select([]int{3, 1, 3})
		}
		for _, c := range []string{"x", "other"} {
			if !slices.Equal(made.F32(c), of.F32(c)) {
				t.Errorf("%s: column %s differs", name, c)
			}
		}
		if !slices.Equal(made.I64("y"), of.I64("y")) {
			t.Errorf("%s: labels differ", name)
		}
	}
	for want, s := range map[string]*Selection{
		`no column "z"`:     All(table).Views("z", "a"),
		"needs the names":   All(table).Views("x"),
		`"y"`:               All(table).Views("x", "y"),
		"the source is nil": All(nil).Views("x", "a"),
	} {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestRelabel: labels are replaced or added, and rows may be joined after another source's.
func TestRelabel(t *testing.T) {
	table := viewRows(t, 6)
	bare := All(table.Without("y"))
	labels := []int64{2, -1, 0, 0, 1, 2}
	for name, s := range map[string]*Selection{"replaced": All(table).Relabel("y", labels), "added": bare.Relabel("y", labels), "one by one": All(single{table}).Relabel("y", labels)} {
		made, err := Collect(s)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(made.I64("y"), labels) || !slices.Equal(made.F32("x"), table.F32("x")) {
			t.Errorf("%s: the rows are %v", name, made.I64("y"))
		}
		if y, err := s.Select([]int{4, 0}).I64("y"); err != nil || !slices.Equal(y, []int64{1, 2}) {
			t.Errorf("%s: labels of a choice are %v, %v", name, y, err)
		}
		hot, err := Collect(s.Select([]int{4, 0}).OneHot("y", 3, "t"))
		if err != nil || !slices.Equal(hot.F32("t"), []float32{0, 1, 0, 0, 0, 1}) {
			t.Errorf("%s: as probabilities %v, %v", name, hot.F32("t"), err)
		}
	}
	both, err := Collect(Concat(table.Head(2), bare.Select([]int{5})))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(both.I64("y"), []int64{0, 1, -1}) || !slices.Equal(both.F32("x")[32:], table.F32("x")[80:]) {
		t.Errorf("joined rows have the labels %v", both.I64("y"))
	}
	for want, err := range map[string]error{
		"a label for each of the 6 rows, got 1": All(table).Relabel("y", []int64{1}).Err(),
		"the label of row 0 is -2":              All(table).Select([]int{0}).Relabel("y", []int64{-2}).Err(),
		`column "x" is f32`:                     All(table).Relabel("x", labels).Err(),
		"label -1 is not from 0 to 2":           All(table).Relabel("y", labels).OneHot("y", 3, "t").Err(),
		"Concat: column x f32[1 4 4] is in the": Concat(table, table.Without("x")).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestChangedRowsInAnyOrder: rows with views, labels and probabilities besides are the right ones in whatever order they are
// read, with columns of every type, and know what group they are of.
func TestChangedRowsInAnyOrder(t *testing.T) {
	const n = 60 // so that batches come into memory that others left
	x, u, k, g := make([]float32, n), make([]uint8, n), make([]int64, n), make([]int64, n)
	labels, numbers := make([]int64, n), make([]int, n)
	for i := range n {
		x[i], u[i], k[i], g[i], labels[i], numbers[i] = float32(i), uint8(100+i), int64(1000+i), int64(i/2), int64(i*i%7%3), n-1-i
	}
	table, err := NewTable(Data{Column: Column{Name: "x", DType: F32}, F32: x}, Data{Column: Column{Name: "u", DType: U8}, U8: u},
		Data{Column: Column{Name: "k", DType: I64}, I64: k}, Data{Column: Column{Name: "g", DType: I64}, I64: g})
	if err != nil {
		t.Fatal(err)
	}
	given := slices.Clone(labels)
	s := All(table).GroupedBy("g").Views("x", "x", "x2").Views("u", "u", "u2").Views("k", "k", "k2").Relabel("y", given).OneHot("y", 3, "p")
	given[0] = 7 // is its own
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []*Selection{s, All(table).GroupedBy("g").Views("x", "x"), All(table).GroupedBy("g").Relabel("y", labels)} {
		if part.Group() != "g" {
			t.Errorf("the rows %v are of the group %q", part.Columns(), part.Group())
		}
	}
	b, err := NewBatches(s.Select(numbers), 5, random.New(7), true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Epoch(0); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for {
		part, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		for j, at := range part.Index {
			i := numbers[at]
			hot := []float32{0, 0, 0}
			hot[labels[i]] = 1
			if part.F32("x")[j] != x[i] || part.F32("x2")[j] != x[i] || part.U8("u")[j] != u[i] || part.U8("u2")[j] != u[i] || part.I64("k")[j] != k[i] ||
				part.I64("k2")[j] != k[i] || part.I64("y")[j] != labels[i] || !slices.Equal(part.F32("p")[3*j:3*j+3], hot) {
				t.Errorf("row %d is %v %v, %v %v, %v %v, label %v of %v", i, part.F32("x")[j], part.F32("x2")[j], part.U8("u")[j], part.U8("u2")[j], part.I64("k")[j], part.I64("k2")[j],
					part.I64("y")[j], part.F32("p")[3*j:3*j+3])
			}
			seen++
		}
	}
	if seen != n {
		t.Errorf("%d rows", seen)
	}
	for _, column := range []string{"k", "k2", "y"} { // also of views under other names
		of := map[string][]int64{"k": k, "k2": k, "y": labels}[column]
		got, err := s.I64(column)
		if err != nil || !slices.Equal(got, of) {
			t.Errorf("column %s is %v, %v", column, got, err)
			continue
		}
		got[0] = -5 // is the caller's
		if again, err := s.I64(column); err != nil || again[0] != of[0] {
			t.Errorf("column %s was changed by who read it", column)
		}
	}
}

// epochOf returns the columns of an epoch of augmented rows, in the order of the rows.
func epochOf(t *testing.T, src Source, a *Augmentation, batch, epoch int, names ...string) map[string][]float32 {
	t.Helper()
	b, err := NewBatches(src, batch, random.New(7), true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Augment(a, random.New(8)); err != nil {
		t.Fatal(err)
	}
	if err := b.Epoch(epoch); err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for _, n := range names {
		out[n] = make([]float32, 16*src.Len())
	}
	for {
		part, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		for k, row := range part.Index {
			for _, n := range names {
				copy(out[n][16*row:], part.F32(n)[16*k:][:16])
			}
		}
	}
}

// TestAnd: each column is changed in its own way, whatever the other is, by draws of the row
// and the epoch alone.
func TestAnd(t *testing.T) {
	rows := viewRows(t, 40).Views("x", "x", "strong")
	weak, strong := Augment("x").Shift(1), Augment("strong").Rotate(90).Erase(0.8)
	both := weak.And(strong)
	if err := both.Err(); err != nil {
		t.Fatal(err)
	}
	first := epochOf(t, rows, both, 8, 0, "x", "strong")
	for name, other := range map[string]map[string][]float32{
		"batches of another size": epochOf(t, rows, both, 40, 0, "x", "strong"),
		"not a table":             epochOf(t, All(single{rows}), both, 8, 0, "x", "strong"),
	} {
		if !slices.Equal(first["x"], other["x"]) || !slices.Equal(first["strong"], other["strong"]) {
			t.Errorf("%s: views differ", name)
		}
	}
	onlyWeak := epochOf(t, rows, weak, 8, 0, "x", "strong")
	if !slices.Equal(first["x"], onlyWeak["x"]) {
		t.Error("a second augmentation changes the draws of the first")
	}
	if slices.Equal(first["strong"], onlyWeak["strong"]) || slices.Equal(first["x"], first["strong"]) {
		t.Error("the second column is not changed in its own way")
	}
	if later := epochOf(t, rows, both, 8, 1, "x", "strong"); slices.Equal(first["strong"], later["strong"]) {
		t.Error("another epoch has the same view")
	}
	text := both.String()
	again, err := ParseAugmentation(text)
	if err != nil || again.String() != text || text != "shift=1,of=x;rotate=90,erase=0.8,of=strong" {
		t.Errorf("the text form is %q, read as %q: %v", text, again, err)
	}
	if third := both.And(Augment("a").Shift(2).And(Augment("b").Shift(3))); third.String() != text+";shift=2,of=a;shift=3,of=b" {
		t.Errorf("four of them are %q", third)
	}
	if of := weak.Of("a", "b"); of.String() != "shift=1,of=a+b" || weak.String() != "shift=1,of=x" {
		t.Errorf("of other columns it is %q, and was %q", of, weak)
	}
	if n := len(both.Only()); n != 3 {
		t.Errorf("Only returns %d, want 3", n)
	}
	for want, a := range map[string]*Augmentation{
		"must name its columns":     Augment("x").Shift(1).And(Augment().Shift(1)),
		`column "x" is in two`:      Augment("x").Shift(1).And(Augment("x").Erase(1)),
		"Mixup mixes whole rows":    weak.And(Augment("strong").Mixup(0.4)),
		"the augmentation is nil":   weak.And(nil),
		"the pixels must be from 0": weak.And(Augment("strong").Shift(-1)),
	} {
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := ParseAugmentation("shift=1,of=x;shift=1"); err == nil || !strings.Contains(err.Error(), "must name its columns") {
		t.Errorf("error %v", err)
	}
}

// TestSignals: each change of signals does what it says.
func TestSignals(t *testing.T) {
	key := func(i uint64) random.Key { return random.New(3).Derive(i) }
	p := picture{channels: 2, height: 1, width: 10}
	signal := func() []float32 {
		v := make([]float32, 20)
		for i := range v {
			v[i] = float32(i + 1)
		}
		return v
	}
	shifts, lengths, ends := map[int]bool{}, map[int]bool{}, map[int]bool{}
	for i := range uint64(300) {
		v := signal()
		if err := (&timeShift{2}).paint(key(i), p, values{f32: v}); err != nil {
			t.Fatal(err)
		}
		by := 5 - (int(v[4])) // where the fifth step came from
		shifts[by] = true
		for s := range 10 {
			want := float32(min(max(s-by, 0), 9) + 1)
			if v[s] != want || v[10+s] != want+10 {
				t.Fatalf("moved by %d: %v", by, v)
			}
		}
		v = signal()
		if err := (&timeMask{0.3}).paint(key(i), p, values{f32: v}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for s := range 10 {
			if (v[s] == 0) != (v[10+s] == 0) {
				t.Fatalf("channels are masked at different steps: %v", v)
			}
			if v[s] == 0 {
				n++
				ends[s] = true
			}
		}
		lengths[n] = true
		v = signal()
		if err := (&gain{0.5}).paint(key(i), p, values{f32: v}); err != nil {
			t.Fatal(err)
		}
		a, b := v[0], v[10]/11
		for s := range 10 {
			if diff := v[s]/float32(s+1) - a; diff > 1e-6 || diff < -1e-6 || a < 0.5 || a > 1.5 {
				t.Fatalf("one channel has factors %v and %v", a, v[s]/float32(s+1))
			}
		}
		if a == b {
			t.Fatal("both channels have one factor")
		}
	}
	if len(shifts) != 5 || len(lengths) != 4 || len(ends) != 10 {
		t.Errorf("distances %v, lengths %v, masked steps %v, want 5, 4 and 10 of them", shifts, lengths, ends)
	}
	const n = 20000
	v := make([]float32, n)
	if err := (&hiss{0.5}).paint(key(0), picture{channels: 1, height: 1, width: n}, values{f32: v}); err != nil {
		t.Fatal(err)
	}
	sum, square := 0.0, 0.0
	for _, x := range v {
		sum, square = sum+float64(x)/n, square+float64(x)*float64(x)/n
	}
	if sum > 0.02 || sum < -0.02 || square < 0.24 || square > 0.26 {
		t.Errorf("noise has the mean %v and the variance %v, want 0 and 0.25", sum, square)
	}
	rows, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{2, 8}}, F32: make([]float32, 32)})
	if err != nil {
		t.Fatal(err)
	}
	for want, a := range map[string]*Augmentation{
		"is for signals":              Augment("x").Gain(0.1),
		"8 steps are not less than":   Augment("x").Shape(2, 1, 8).TimeShift(8),
		"steps must be zero or more":  Augment("x").TimeShift(-1),
		"the share must be":           Augment("x").TimeMask(2),
		"the standard deviation must": Augment("x").Hiss(-1),
	} {
		if err := a.Check(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	a := Augment("x").Shape(2, 1, 8).TimeShift(2).TimeMask(0.2).Gain(0.1).Hiss(0.05)
	if err := a.Check(rows); err != nil {
		t.Error(err)
	}
	if again, err := ParseAugmentation(a.String()); err != nil || again.String() != a.String() {
		t.Errorf("%q is read as %q, %v", a, again, err)
	}
}
