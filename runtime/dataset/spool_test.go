package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/atomicfile"
)

func TestSpool(t *testing.T) {
	s := people()
	text := "who,id,age,city,born,seen,pet,left,pay,bonus,w,height\n"
	_, rows, _ := strings.Cut(peopleCSV, "\n")
	path := file(t, "people.csv.gz", zipped([]byte(text+strings.Repeat(rows, 2000))))
	table, err := s.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new", "spooled")
	ctx := context.Background()
	spool, err := Spool(ctx, dir, s.Stream(s.Records(path)))
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	want, err := table.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Hash(spool); err != nil || got != want {
		t.Errorf("the hash is %s, of a table %s: %v", got, want, err)
	}
	if got := SchemaOf(spool); got == nil || got.String() != s.String() || !spool.Columns()[0].Missing {
		t.Errorf("the schema is\n%v", got)
	}
	if got := spool.File("numeric"); got != filepath.Join(dir, "numeric.npy") {
		t.Errorf("numeric is in %s", got)
	}
	if f, err := NPY(filepath.Join(dir, "numeric.npy"), "numeric", NPYOptions{Missing: []string{"numeric"}}); err != nil || !sameBits(f.F32("numeric"), table.F32("numeric")) {
		t.Errorf("numeric.npy: %v", err)
	}
	// Batches have the same bits, also where a training goes on.
	a, err := NewBatches(table, 64, random.New(3), true)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBatches(spool, 64, random.New(3), true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, at := range []Position{{0, 0}, {0, 17}, {2, 93}} {
		if err := errors.Join(a.Seek(at.Epoch, at.Step), b.Seek(at.Epoch, at.Step)); err != nil {
			t.Fatal(err)
		}
		for {
			x, ok, err := a.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			y, also, err := b.Next(ctx)
			if err != nil || ok != also {
				t.Fatal(ok, also, err)
			}
			if !ok {
				break
			}
			if !slices.Equal(x.Index, y.Index) || !sameBits(x.F32("numeric"), y.F32("numeric")) || !slices.Equal(x.I64("y"), y.I64("y")) || !slices.Equal(x.I64("categorical"), y.I64("categorical")) {
				t.Fatalf("other rows from %v on", at)
			}
		}
	}
	// What is there is recognized: nothing is read but the file's hash.
	again := s.Stream(s.Records(path))
	again.Each = func(context.Context, func(Batch) error) error { return errors.New("read again") }
	second, err := Spool(ctx, dir, again)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Hash(second); err != nil || got != want {
		t.Errorf("opened again: %s, %v", got, err)
	}
	second.Close()
	// Another file and another schema are not.
	other := file(t, "people.csv", []byte(text+rows))
	_, err = Spool(ctx, dir, s.Stream(s.Records(other)))
	wantError(t, err, dir, "another source")
	s.Field("height").Kind = Ignored
	_, err = Spool(ctx, dir, s.Stream(s.Records(path)))
	wantError(t, err, dir, "another source, or by another schema")
	// The same of any source and of a sequence.
	for name, stream := range map[string]Stream{"source": StreamOf(table.Select([]int{4, 2})), "seq": Seq("two rows", slices.Values([]int{4, 2}), func(i int, row Row) { table.Row(i, row) }, table.Columns()...)} {
		sub, err := Spool(ctx, filepath.Join(t.TempDir(), name), stream)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Collect(sub)
		if err != nil || got.Len() != 2 || !sameBits(got.F32("numeric"), table.Select([]int{4, 2}).F32("numeric")) {
			t.Errorf("%s: %v", name, err)
		}
		if (name == "source") != (got.Schema() != nil) {
			t.Errorf("%s: schema %v", name, got.Schema())
		}
		sub.Close()
	}
}

// TestSpoolWhole: a folder appears whole or not at all, and what a killed writer left goes.
func TestSpoolWhole(t *testing.T) {
	ctx := context.Background()
	parent := t.TempDir()
	dir := filepath.Join(parent, "rows")
	col := Column{Name: "a name/with signs", DType: U8, Shape: []int{2}}
	stop := errors.New("stop")
	rows := func(n int, err error) Stream {
		s := Seq("bytes", func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}, func(i int, row Row) { row.U8(col.Name, byte(i), 7) }, col)
		each := s.Each
		s.Each = func(ctx context.Context, f func(Batch) error) error { return errors.Join(each(ctx, f), err) }
		return s
	}
	empty := func(what string) {
		t.Helper()
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) > 0 {
			t.Errorf("%s leaves %v, %v", what, entries, err)
		}
	}
	_, err := Spool(ctx, dir, rows(10000, stop))
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	wantError(t, err, dir, "is not written")
	empty("an error")
	_, err = Spool(ctx, dir, rows(0, nil))
	wantError(t, err, "no rows")
	empty("no rows")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Spool(cancelled, dir, rows(3, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	empty("the end of the context")
	// One folder of a writer that was killed, and one of a writer at work.
	dead, alive := filepath.Join(parent, ".rows.tmp-1"), filepath.Join(parent, ".rows.tmp-2")
	for _, d := range []string{dead, alive} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, spoolLock), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := atomicfile.Lock(filepath.Join(alive, spoolLock))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	s, err := Spool(ctx, dir, rows(5000, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := Collect(s)
	if err != nil || got.Len() != 5000 || got.U8(col.Name)[2*4999] != byte(4999%256) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("what was left is there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("what somebody writes is gone: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	// A folder of something else, and damage.
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "mine"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Spool(ctx, other, rows(3, nil))
	wantError(t, err, other, "holds no spooled rows")
	column := filepath.Join(dir, "column-0.npy")
	if err := os.Truncate(column, 5000); err != nil {
		t.Fatal(err)
	}
	_, err = Spool(ctx, dir, rows(5000, nil))
	wantError(t, err, column, "bytes of data")
	for text, part := range map[string]string{
		"":                    "unexpected end",
		"3":                   "cannot unmarshal",
		"{}":                  "form 0",
		`{"form":1}`:          "0 rows",
		`{"form":1,"rows":1}`: "no columns",
		`{"form":1,"rows":1,"columns":[{"name":"x","dtype":"f32","file":"../x.npy"}]}`:          "no file of the folder",
		`{"form":1,"rows":1,"columns":[{"name":"x","dtype":"f3","file":"x.npy"}]}`:              `type "f3"`,
		`{"form":1,"rows":1,"columns":[{"name":"x","dtype":"f32","file":"x.npy"}],"schema":{}}`: "schema",
	} {
		if _, err := parseSpool([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	if _, err := OpenSpool(filepath.Join(parent, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, err = Spool(ctx, dir, Stream{})
	wantError(t, err, "Spool", "no Each")
	_, err = Spool(ctx, filepath.Join(parent, "more"), (&Schema{Fields: []Field{{Name: "a", Kind: Number}}}).Stream(Structs(slices.Values([]struct{ A int }{{1}}))))
	wantError(t, err, "need a name")
}

// TestSpoolKnows: missing values come back, the last row and a single one too, and what is there is recognized by the name, the
// whole schema and what may be missing.
func TestSpoolKnows(t *testing.T) {
	ctx := context.Background()
	col := Column{Name: "x", DType: F32, Missing: true}
	sequence := func(c Column, n int) Stream {
		return Seq("x", func(yield func(int) bool) {
			for i := 0; i < n && yield(i); i++ {
			}
		}, func(i int, row Row) {
			x := float32(i)
			if i%2 == 0 {
				x = noValue
			}
			row.F32("x", x)
		}, c)
	}
	parent := t.TempDir()
	for _, n := range []int{1, partRows, partRows + 1} {
		s, err := Spool(ctx, filepath.Join(parent, fmt.Sprint(n)), sequence(col, n))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Collect(s)
		if err != nil || got.Len() != n || !isNaN(got.F32("x")[0]) || n > 1 && got.F32("x")[1] != 1 {
			t.Errorf("%d rows: %v", n, err)
		}
		s.Close()
	}
	dir := filepath.Join(parent, "1")
	_, err := Spool(ctx, dir, sequence(Column{Name: "x", DType: F32}, 1))
	wantError(t, err, dir, "another source, or by another schema")
	bad := sequence(Column{Name: "x", DType: F32}, 3)
	_, err = Spool(ctx, filepath.Join(parent, "bad"), bad)
	wantError(t, err, "row 0")
	_, err = Spool(ctx, filepath.Join(parent, "bad"), Seq("x", slices.Values([]float32{1, 2, noValue}), func(x float32, row Row) { row.F32("x", x) }, Column{Name: "x", DType: F32}))
	wantError(t, err, "row 2")
	described := filepath.Join(dir, spoolFile)
	b, err := os.ReadFile(described)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(described, []byte(strings.Replace(string(b), `"rows": 1`, `"rows": 2`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenSpool(dir)
	wantError(t, err, "x.npy", "it has 1 rows", "says 2")
	source := func(s *Schema, name ...string) string {
		got, err := s.Stream(oddRecords{}, name...).Source(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	s := people()
	was := source(s, "a")
	if source(s, "a") != was || source(s, "b") == was {
		t.Error("the name of records does not tell them apart")
	}
	slices.Reverse(s.Field("left").Values)
	if source(s, "a") == was {
		t.Error("the order of classes does not tell schemas apart")
	}
}

// TestSpoolBounded: rows of 64 MiB go to a folder, and come back, in a fraction of that memory.
func TestSpoolBounded(t *testing.T) {
	const rows, width, most = 1 << 18, 64, 24 << 20
	col := Column{Name: "x", DType: F32, Shape: []int{width}, Missing: true}
	greatest := uint64(0)
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		greatest = max(greatest, m.HeapAlloc)
	}
	runtime.GC()
	look()
	before := greatest
	var seq iter.Seq[int] = func(yield func(int) bool) {
		for i := range rows {
			if i%(rows/64) == 0 {
				look()
			}
			if !yield(i) {
				return
			}
		}
	}
	s, err := Spool(context.Background(), filepath.Join(t.TempDir(), "rows"), Seq("numbers", seq, func(i int, row Row) {
		x := row.F32Slice("x")
		for k := range x {
			x[k] = float32(i - k)
		}
		x[i%width] = float32(math.NaN())
	}, col))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	err = Each(context.Background(), s, 1000, func(b Batch) error {
		x := b.F32("x")
		for k, i := range b.Index {
			if !isNaN(x[k*width+i%width]) || x[k*width+(i+1)%width] != float32(i-(i+1)%width) {
				return fmt.Errorf("row %d: %v", i, x[k*width:(k+1)*width])
			}
		}
		n += b.Rows
		if n%(rows/64) < b.Rows {
			look()
		}
		return nil
	})
	if err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	if got := greatest - before; got > most {
		t.Errorf("%d MiB of memory for rows of %d MiB", got>>20, rows*width*4>>20)
	}
}
