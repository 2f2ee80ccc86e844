package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

var nested = dataset.Ignored.Of("list", "group")

// TestPyarrow reads what pyarrow wrote.
func TestPyarrow(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join("testdata", "table.parquet")
	got := map[string][]string{}
	err := Records(path).(dataset.Chooser).Only(func(name string) bool { return name != "list" && name != "group" }).Each(ctx, func(r dataset.Record) error {
		if !r.AllNames {
			t.Error("a Parquet file has no names but those of its schema")
		}
		for i, name := range r.Names {
			text := "none"
			if r.Fields[i] != nil {
				text = string(r.Fields[i])
			}
			got[name] = append(got[name], text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"whole": {"1", "none", "-3"}, "byte": {"200", "7", "none"}, "great": {"18446744073709551615", "0", "1"},
		"float": {"1.5", "none", "none"}, "double": {"0.1", "-2e+30", "none"}, "half": {"0.5", "none", "-2"},
		"truth": {"true", "false", "none"}, "text": {"é", "", "none"}, "coded": {"a", "b", "a"}, "price": {"12.34", "-0.05", "none"},
		"day":    {"2000-02-29", "1969-12-31", "none"},
		"moment": {"2013-01-01T10:00:00.25Z", "none", "1969-12-31T23:59:59Z"}, "local": {"2013-01-01T10:00:00Z", "none", "none"},
		"clock": {"3600.5", "none", "1"}, "list": {"none", "none", "none"}, "group": {"none", "none", "none"}, "nothing": {"none", "none", "none"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s, err := Infer(ctx, path, nested, dataset.Category.Of("text"), dataset.Target.Of("double"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]dataset.Kind{}
	for _, f := range s.Fields {
		kinds[f.Name] = f.Kind
	}
	if diff := cmp.Diff(map[string]dataset.Kind{"whole": "number", "byte": "number", "great": "number", "float": "number", "double": "target", "half": "number", "truth": "category",
		"text": "category", "coded": "category", "price": "number", "day": "date", "moment": "date", "local": "date", "clock": "number", "list": "ignored", "group": "ignored", "nothing": "ignored"}, kinds); diff != "" {
		t.Error(diff)
	}
	rows, err := Read(ctx, s, path)
	if err != nil {
		t.Fatal(err)
	}
	if y := rows.F32("target"); y[0] != 0.1 || y[1] != -2e30 || !math.IsNaN(float64(y[2])) || rows.File("target") != path {
		t.Errorf("target %v of %s", y, rows.File("target"))
	}
	spool, err := dataset.Spool(ctx, filepath.Join(t.TempDir(), "rows"), s.Stream(Records(path)))
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	a, _ := rows.Hash()
	if b, err := dataset.Hash(spool); err != nil || a != b {
		t.Errorf("spooled rows have hash %s, not %s: %v", b, a, err)
	}
}

type row struct {
	N    int32   `parquet:"n"`
	Text *string `parquet:"text,optional,dict"`
	X    float64 `parquet:"x"`
}

// written is a file of n rows in groups of 1,000.
func written(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(1000), parquet.Compression(&parquet.Snappy))
	for i := range n {
		r := row{N: int32(i), X: float64(i) / 4}
		if i%3 > 0 {
			text := fmt.Sprint("t", i%3)
			r.Text = &text
		}
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func save(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var schema = &dataset.Schema{Fields: []dataset.Field{{Name: "x", Kind: dataset.Number}, {Name: "text", Kind: dataset.Category, Values: []string{"t1", "t2"}}, {Name: "n", Kind: dataset.Time}}}

// TestGroups: rows come in order through groups of rows and pages.
func TestGroups(t *testing.T) {
	const n = 3500
	rows, err := Read(context.Background(), schema, save(t, written(t, n)))
	if err != nil {
		t.Fatal(err)
	}
	x, c, at := rows.F32("numeric"), rows.I64("categorical"), rows.I64("time")
	if rows.Len() != n {
		t.Fatalf("%d rows", rows.Len())
	}
	for i := range n {
		want := int64(dataset.MissingID)
		if i%3 > 0 {
			want = int64(i%3) + 1
		}
		if x[i] != float32(i)/4 || c[i] != want || at[i] != int64(i) {
			t.Fatalf("row %d: %v, %v, %v", i, x[i], c[i], at[i])
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, schema, save(t, written(t, n))); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestRefused(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join("testdata", "table.parquet")
	_, err := Infer(ctx, path)
	wantError(t, err, path, `column "list" is nested (a list)`, "take its parts out")
	_, err = Infer(ctx, path, dataset.Ignored.Of("list"))
	wantError(t, err, path, `column "group" is nested (a group)`)
	_, err = Read(ctx, &dataset.Schema{Fields: []dataset.Field{{Name: "list", Kind: dataset.Number}}}, path)
	wantError(t, err, path, `"list" is nested`)
	_, err = Read(ctx, &dataset.Schema{Fields: []dataset.Field{{Name: "wholes", Kind: dataset.Number}}}, path)
	wantError(t, err, path, `no column "wholes"`, `"whole"`)
	_, err = Read(ctx, &dataset.Schema{Fields: []dataset.Field{{Name: "coded", Kind: dataset.Number}}}, path)
	wantError(t, err, path, "row 0", `column "coded"`, `"a" is not a number`)
	whole := written(t, 50)
	_, err = Read(ctx, schema, save(t, whole[:len(whole)-1]))
	wantError(t, err, "f.parquet", "cut short")
	_, err = Read(ctx, schema, save(t, whole[:5]))
	wantError(t, err, "f.parquet", "not a Parquet file")
	_, err = Read(ctx, schema, save(t, []byte("n,text,x\n1,t1,2\n3,t2,4\n")))
	wantError(t, err, "f.parquet", "not a Parquet file", "begins with")
	// The length of the description, of which the module would take memory.
	_, err = Read(ctx, schema, save(t, slices.Concat(whole[:len(whole)-8], []byte{0xff, 0xff, 0xff, 0xff}, whole[len(whole)-4:])))
	wantError(t, err, "f.parquet", "damaged: its description is said to have 4294967295 bytes")
	_, err = Read(ctx, schema, save(t, slices.Concat(whole[:200], whole[260:])))
	wantError(t, err, "f.parquet", "damaged")
	_, err = Read(ctx, schema, save(t, written(t, 0)))
	wantError(t, err, "no rows")
	if _, err = Read(ctx, schema, "no/such.parquet"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	// A panic of the caller is the caller's.
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("the panic was %v", p)
		}
	}()
	_ = Records(save(t, whole)).Each(ctx, func(dataset.Record) error { panic("mine") })
}

// TestConverted: files without logical types say by older ones what their values mean, and a NaN of any width is no value.
func TestConverted(t *testing.T) {
	none := thrift.Null[deprecated.ConvertedType]{}
	of := thrift.New[deprecated.ConvertedType]
	int96 := func(nanos uint64, day uint32) parquet.Value {
		return parquet.Int96Value(deprecated.Int96{uint32(nanos), uint32(nanos >> 32), day})
	}
	const day = 24 * 3600 * 1_000_000_000
	for _, c := range []struct {
		converted thrift.Null[deprecated.ConvertedType]
		of        parquet.Type
		v         parquet.Value
		want      string
	}{
		{of(deprecated.TimestampMillis), parquet.Int64Type, parquet.Int64Value(1500), "1970-01-01T00:00:01.5Z"},
		{of(deprecated.TimestampMicros), parquet.Int64Type, parquet.Int64Value(-1), "1969-12-31T23:59:59.999999Z"},
		{of(deprecated.TimeMillis), parquet.Int32Type, parquet.Int32Value(1500), "1.5"},
		{of(deprecated.TimeMicros), parquet.Int64Type, parquet.Int64Value(1500), "0.0015"},
		{of(deprecated.Date), parquet.Int32Type, parquet.Int32Value(-1), "1969-12-31"},
		{of(deprecated.Uint32), parquet.Int32Type, parquet.Int32Value(-1), "4294967295"},
		{of(deprecated.Uint64), parquet.Int64Type, parquet.Int64Value(-1), "18446744073709551615"},
		{of(deprecated.Decimal), parquet.Int32Type, parquet.Int32Value(-5), "-0.05"},
		{of(deprecated.Decimal), parquet.Int64Type, parquet.Int64Value(1200), "12.00"},
		{of(deprecated.Decimal), parquet.ByteArrayType, parquet.ByteArrayValue([]byte{0x7f}), "1.27"},
		{of(deprecated.Decimal), parquet.ByteArrayType, parquet.ByteArrayValue([]byte{0xff, 0x7e}), "-1.30"},
		{none, parquet.Int96Type, int96(5*day/4, 2440588), "1970-01-02T06:00:00Z"},
		{none, parquet.Int96Type, int96(0, 2440587), "1969-12-31T00:00:00Z"},
		{none, parquet.DoubleType, parquet.DoubleValue(math.NaN()), "none"},
		{none, parquet.FloatType, parquet.FloatValue(float32(math.NaN())), "none"},
		{none, parquet.ByteArrayType, parquet.ByteArrayValue(make([]byte, maxText)), strings.Repeat("\x00", maxText)},
		{none, parquet.ByteArrayType, parquet.ByteArrayValue(make([]byte, maxText+1)), "a text has more than 1 MiB"},
	} {
		k, err := kindOf(c.of, &format.SchemaElement{ConvertedType: c.converted, Scale: thrift.New(int32(2))})
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if b, err := (&column{kind: k}).text(c.v); err != nil {
			got = err.Error()
		} else if b != nil {
			got = string(b)
		}
		if got != c.want {
			t.Errorf("%v as %v is %.40q, want %.40q", c.v.Kind(), c.converted, got, c.want)
		}
	}
	halves := &column{kind: kind{physical: parquet.FixedLenByteArray, meaning: half}}
	if b, err := halves.text(parquet.FixedLenByteArrayValue([]byte{0x00, 0x7e})); b != nil || err != nil {
		t.Errorf("half a NaN is %q, %v", b, err)
	}
}

// TestMeanings: units of time, great numbers, NaN, and the columns behind one of several parts, as this module writes them; the
// row of a mistake is counted over groups of rows.
func TestMeanings(t *testing.T) {
	type pair struct {
		A, B int32
	}
	type meant struct {
		Great uint32  `parquet:"great"`
		Milli int32   `parquet:"milli,time(millisecond)"`
		Nano  int64   `parquet:"nano,time(nanosecond)"`
		Group pair    `parquet:"group"`
		X     float64 `parquet:"x"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[meant](&b, parquet.MaxRowsPerRowGroup(2))
	if _, err := w.Write([]meant{{4294967295, 1500, 1500, pair{7, 8}, math.NaN()}, {1, 0, 0, pair{7, 8}, 2.5}, {2, 1, 1, pair{7, 8}, 3.5}, {3, 2, 2, pair{}, 1e300}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := save(t, b.Bytes())
	var got []string
	err := Records(path).(dataset.Chooser).Only(func(name string) bool { return name != "group" }).Each(t.Context(), func(r dataset.Record) error {
		got = append(got, string(bytes.Join(r.Fields, []byte(" "))))
		return nil
	})
	if want := []string{"4294967295 1.5 1.5e-06  ", "1 0 0  2.5", "2 0.001 1e-09  3.5", "3 0.002 2e-09  1e+300"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	_, err = Read(t.Context(), &dataset.Schema{Fields: []dataset.Field{{Name: "x", Kind: dataset.Number}}}, path)
	wantError(t, err, path, "row 3", `column "x"`)
}

// TestCutShort: a file that ends too early is an error wherever it ends.
func TestCutShort(t *testing.T) {
	whole := written(t, 50)
	for n := range len(whole) {
		f := &file{}
		if err := f.decode(context.Background(), bytes.NewReader(whole[:n]), int64(n), func(dataset.Record) error { return nil }); err == nil {
			t.Fatalf("%d of %d bytes are accepted", n, len(whole))
		}
	}
}

func parser(b []byte) error {
	f := &file{}
	return f.decode(context.Background(), bytes.NewReader(b), int64(len(b)), func(dataset.Record) error { return nil })
}

// TestHostile: damaged files neither panic nor take memory without bound.
func TestHostile(t *testing.T) {
	table, err := os.ReadFile(filepath.Join("testdata", "table.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	hostile.Corpus(t, hostile.Parser{Seeds: [][]byte{written(t, 20), written(t, 1500), table}, Parse: func(b []byte) error {
		f := &file{wanted: func(name string) bool { return name != "list" && name != "group" }}
		return f.decode(context.Background(), bytes.NewReader(b), int64(len(b)), func(dataset.Record) error { return nil })
	}})
}

func FuzzParquet(f *testing.F) {
	f.Add(written(f, 5))
	f.Fuzz(func(t *testing.T, b []byte) { _ = parser(b) })
}
