package dataset

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inferred is what Infer makes of a file of that name and text.
func inferred(t *testing.T, name, text string, options ...InferOption) (*Schema, *Table, error) {
	t.Helper()
	path := file(t, name, []byte(text))
	s, err := Infer(t.Context(), path, options...)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.Read(t.Context(), s.Records(path))
	if err != nil {
		t.Fatalf("what was inferred does not read the file: %v", err)
	}
	return s, rows, nil
}

// TestNumbersThatAreNone: what float32 does not have is never taken for a category, however often it comes, and neither are codes
// that Go would read as numbers taken for such.
func TestNumbersThatAreNone(t *testing.T) {
	for text, part := range map[string]string{
		"a,b\ninf,1\ninf,2\n-inf,3\n":           `line 2: column "a": "inf" is not finite; if that is no value`,
		"a,b\n1,1\ninf,2\n-inf,3\nInfinity,3\n": `line 3: column "a": "inf" is not finite, but others are numbers`,
		"a,b\n1e400,1\n1e401,2\n":               `line 2: column "a": 1e400 overflows float32`,
		"a,b\n1e39,1\n1e40,2\n1,3\n":            `line 2: column "a": 1e39 overflows float32`,
		"a,b\n1,1\n2,2\n1_0,3\n":                `line 4: column "a": "1_0" is not a number`,
		"a,b\n1,1\n2,2\n0x1p4,3\n":              `line 4: column "a": "0x1p4" is not a number`,
	} {
		_, _, err := inferred(t, "a.csv", text)
		wantError(t, err, "a.csv", part)
	}
	s, rows, err := inferred(t, "a.csv", "code,y\n1_2,1\n0x1p2,0\n1_2,0\n")
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Field("code"); f.Kind != Category || !slices.Equal(rows.I64("categorical"), []int64{3, 2, 3}) {
		t.Errorf("%+v, %v", f, rows.I64("categorical"))
	}
	_, err = (&Schema{Fields: []Field{{Name: "g", Kind: Group}}}).CSV(file(t, "g.csv", []byte("g\n1\n1_2\n")))
	wantError(t, err, "line 3", `"1_2" is not a whole number`)
}

// TestDeservesALook: fields that are easily something else than they seem have a note.
func TestDeservesALook(t *testing.T) {
	for text, want := range map[string]string{
		"zip,b\n80331,2\n01234,1\n":                       `"01234", as others, begins with 0; if these are codes, say Category.Of("zip")`,
		"id,b\n16777216,2\n20130102,1\n":                  `"20130102", as others, is a whole number that float32 may round`,
		"id,b\n99999999999999999999,2\n1,1\n":             `"99999999999999999999", as others, is a whole number`,
		"d,b\n01/02/2013,1\n01/13/2013,2\n01/02/2013,3\n": `"01/02/2013", as most, is text; Layout tells how dates are written`,
		"p;b\n1.234,56;2\n2.345,10;1\n1.234,56;7\n":       `"1.234,56", as most, is text`,
		"5.1,setosa\n4.9,setosa\n6.2,virginica\n":         "line 1 has numbers, but is taken for the names of the fields; NoHeader() takes it for data",
		"5.1,3.5\n4.9,3.0\n6.2,3.1\n":                     "line 1 is numbers, so it is taken for data",
		"a,b\n16777216,2\n-16777216,1\n":                  "",
		"a,b\n0,2\n0.5,1\n":                               "",
		"a,b\n10-19,2\n20-29,1\n":                         "",
	} {
		s, _, err := inferred(t, "a.csv", text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := s.Fields[0].Note; !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: the note is %q, want %q", text, got, want)
		}
	}
	s, rows, err := inferred(t, "a.csv", "sev,b\nnone,1\nmild,2\n,4\nnone,3\nsevere,3\n", Label.Of("sev"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Fields[0].Note; got != `"none", in 2 rows, is no label; Missing("", "sev") makes it one` || !slices.Equal(rows.I64("y"), []int64{-1, 0, -1, -1, 1}) {
		t.Errorf("%q, %v", got, rows.I64("y"))
	}
	if s, rows, err = inferred(t, "a.csv", "sev,b\nnone,1\nmild,2\n,4\nnone,3\nsevere,3\n", Label.Of("sev"), Missing("", "sev")); err != nil || s.Fields[0].Note != "" || !slices.Equal(rows.I64("y"), []int64{1, 0, -1, 1, 2}) {
		t.Errorf("%v, %v", err, s)
	}
}

// TestWholeNumbersWithDecimals: programs write 3 as 3.0 as soon as a value is missing, so both are one value.
func TestWholeNumbersWithDecimals(t *testing.T) {
	s, rows, err := inferred(t, "a.csv", "k,y,g,b\n3,1.0,007,1.5\n4,0.0,7,2.5\n3,1,8,1.5\n", Category.Of("k"), Label.Of("y"), Group.Of("g"))
	if err != nil {
		t.Fatal(err)
	}
	if got := rows.I64("y"); !slices.Equal(s.Classes(), []string{"0", "1"}) || !slices.Equal(got, []int64{1, 0, 1}) {
		t.Errorf("classes %q, labels %v", s.Classes(), got)
	}
	if got := rows.I64("group"); got[0] == got[1] { // 007 is not 7
		t.Errorf("groups %v", got)
	}
	s.Fields = slices.DeleteFunc(s.Fields, func(f Field) bool { return f.Kind == Group })
	later, err := s.CSV(file(t, "later.csv", []byte("k,y,b\n3.0,0,1\n4.00,1.0,1\n4.5,,1\n03,,1\n")))
	if err != nil {
		t.Fatal(err)
	}
	if c, y := later.I64("categorical"), later.I64("y"); !slices.Equal(c, []int64{2, 3, UnseenID, UnseenID}) || !slices.Equal(y, []int64{0, 1, -1, -1}) {
		t.Errorf("%v, %v", c, y)
	}
	given := &Schema{Fields: []Field{{Name: "k", Kind: Category, Values: []string{"3.0", "-4.0", "3.5", "v1.0"}}, {Name: "b", Kind: Number, Missing: []string{"-999.0", "0"}}}}
	rows, err = given.CSV(file(t, "given.csv", []byte("k,b\n3,-999\n-4,-999.0\n3.5,0.0\nv1,1\nv1.0,10\n")))
	if err != nil {
		t.Fatal(err)
	}
	if c, x := rows.I64("categorical"), rows.F32("numeric"); !slices.Equal(c, []int64{2, 3, 4, UnseenID, 5}) || !isNaN(x[0]) || !isNaN(x[1]) || !isNaN(x[2]) || x[3] != 1 || x[4] != 10 {
		t.Errorf("%v, %v", c, x)
	}
}

// TestTruthValues: pandas writes True to CSV files, and formats with truth values of their own give true.
func TestTruthValues(t *testing.T) {
	for _, text := range []string{"k,y,b\nTrue,FALSE,1\nFalse,TRUE,2\n", "k,y,b\ntrue,False,1\nfalse,true,2\nTrue,false,3\n"} {
		s, _, err := inferred(t, "a.csv", text, Label.Of("y"))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Classes()) != 2 || len(s.Field("k").Values) != 2 {
			t.Errorf("%v", s)
		}
		later, err := s.JSONL(file(t, "later.jsonl", []byte("{\"k\":true,\"y\":true,\"b\":1}\n{\"k\":false,\"y\":false,\"b\":1}\n{\"k\":\"truE\",\"y\":null,\"b\":1}\n")))
		if err != nil {
			t.Fatal(err)
		}
		if c, y := later.I64("categorical"), later.I64("y"); !slices.Equal(c, []int64{3, 2, 3}) || !slices.Equal(y, []int64{1, 0, -1}) {
			t.Errorf("%v, %v", c, y)
		}
	}
}

// TestHalfACharacter: half a character of UTF-16 does not take the comma or the end of the line after it.
func TestHalfACharacter(t *testing.T) {
	var b []byte
	for _, u := range []uint16{0xfeff, 'a', ',', 'b', '\n', 0xd800, ',', '1', '\n', 0xd83d, 0xde00, ',', '2', '\n', 0xdc00, ',', '3', '\n'} {
		b = append(b, byte(u), byte(u>>8))
	}
	s, rows, err := inferred(t, "a.csv", string(b))
	if err != nil || !slices.Equal(s.Field("a").Values, []string{"\ufffd", "\U0001f600"}) || !slices.Equal(rows.F32("numeric"), []float32{1, 2, 3}) {
		t.Error(s, err)
	}
}

// TestOtherFormats: a file of another kind says what it is and who reads it.
func TestOtherFormats(t *testing.T) {
	for text, part := range map[string]string{
		"PAR1\x15\x04\x15\x00\x15\x02L\x15\x00PAR1": "a Parquet file, which package runtime/dataset/parquet reads, and lamina if its name ends in .parquet",
		"PK\x03\x04\x14\x00\x06\x00\x08\x00":        "as .npz and .xlsx files are",
		"\x93NUMPY\x01\x00v\x00{'descr': '<f4'":     "an .npy file, which NPY reads",
		"[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]":     "it looks like JSON, not CSV",
		"\n {\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}":   "it looks like JSON, not CSV",
	} {
		path := file(t, "a.data", []byte(text))
		_, err := Infer(t.Context(), path)
		wantError(t, err, path, part)
		_, err = CSV(path)
		wantError(t, err, path, part)
	}
	_, err := Infer(t.Context(), file(t, "a.jsonl", []byte("{\"a\":1}\n{\"a\":NaN}\n")))
	wantError(t, err, "line 2", "neither NaN nor Infinity: write null")
	_, err = Infer(t.Context(), file(t, "a.jsonl", []byte("{\n\"a\":1}\n")))
	wantError(t, err, "line 1", "an object a line")
	_, err = CSV(file(t, "tabs.csv", []byte(strings.Repeat("\t", maxFields+1))), CSVOptions{Comma: '\t'})
	wantError(t, err, "line 1", "more than 131072 fields")
}

func TestSaysWhatToDo(t *testing.T) {
	_, _, err := inferred(t, "a.csv", "d,b\n2020-01-01,1\n2020-01-01 10:00:00,2\n2020-01-03,3\n")
	wantError(t, err, `line 3: column "d": "2020-01-01 10:00:00" has a time of day, and "2020-01-01" in line 2 has none`, `Category.Of("d")`)
	_, _, err = inferred(t, "a.csv", "d,b\n01/02/2013,1\n", Layout("dd/mm/yyyy", "d"))
	wantError(t, err, `field "d": its format "dd/mm/yyyy" is no layout of a date`)
	var b strings.Builder
	for i := range maxValues + 1 {
		fmt.Fprintf(&b, "v%d,1\n", i)
	}
	_, _, err = inferred(t, "a.csv", "c,b\n"+b.String(), Category.Of("c"))
	wantError(t, err, "a.csv", `column "c"`, "more than 65536 values", `Ignored.Of("c")`)
	for text, part := range map[string]string{"[]": "it is a JSON array", `{"fields":[{"name":1}]}`: "cannot be a JSON number", `{"fields":"a"}`: "fields cannot be a JSON string"} {
		_, err := ReadSchema(file(t, "schema.json", []byte(text)))
		wantError(t, err, "schema.json", part)
	}
}

type base struct{ A float64 }

// TestEmbedded: the fields of an embedded struct are not lost without a word.
func TestEmbedded(t *testing.T) {
	type with struct {
		base
		B float64
	}
	_, err := FromStructs([]with{{base{1}, 2}})
	wantError(t, err, "field base of", "is embedded, and not taken apart", `the tag "-"`)
	type without struct {
		base `lamina:"-"`
		B    float64
	}
	if rows, err := FromStructs([]without{{base{1}, 2}}); err != nil || !slices.Equal(rows.F32("numeric"), []float32{2}) {
		t.Error(rows, err)
	}
}

// TestClassOfTheSchema: a draw tells that rows lack a class that the schema has.
func TestClassOfTheSchema(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "k", Kind: Label, Values: []string{"a", "b", "c"}}, {Name: "x", Kind: Number}}}
	rows, err := s.CSV(file(t, "a.csv", []byte("k,x\na,1\nb,2\na,3\nb,4\n")))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"c", has no rows, and the schema has 3 classes`
	wantError(t, rows.Balanced("y", 2, 1).Err(), "class 2", want)
	wantError(t, rows.Stratified("y", 3, 1).Err(), "class 2", want)
	wantError(t, rows.AsTheyCome("y", 3, 1).Err(), "class 2", want)
	wantError(t, All(rows).Balanced("y", 2, 1).Err(), "class 2", want)
	wantError(t, rows.Rename("y", "z").Balanced("z", 2, 1).Err(), "class 2", want)
}

// TestSpoolOfOtherColumns: a stream that gives other columns than it declares leaves no folder.
func TestSpoolOfOtherColumns(t *testing.T) {
	rows := numbers(t, 10, 3)
	for _, other := range []Column{{Name: "z", DType: I64}, {Name: "x", DType: F32, Shape: []int{1000}}, {Name: "y", DType: F32}} {
		st := StreamOf(rows)
		st.Columns = []Column{other}
		st.Source = func(context.Context) (string, error) { return "other", nil }
		dir := filepath.Join(t.TempDir(), "rows")
		_, err := Spool(t.Context(), dir, st)
		wantError(t, err, "the stream declares the column "+other.String())
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is there", dir)
		}
	}
}

// counted are records without an end, of which it counts how many are taken.
type counted struct{ n int }

func (c *counted) Each(ctx context.Context, f func(Record) error) error {
	for ; ctx.Err() == nil; c.n++ {
		if err := f(Record{Names: []string{"a"}, AllNames: true, Fields: [][]byte{[]byte("1")}}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// TestToldAtOnce: a column that is not there is an error of the first record, and not of the last of too many.
func TestToldAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var in counted
	_, err := (&Schema{Fields: []Field{{Name: "b", Kind: Number}}}).Read(ctx, &in)
	wantError(t, err, `no column "b"`, `"a"`)
	if in.n > 0 {
		t.Errorf("%d records were taken", in.n)
	}
	_, err = InferRecords(ctx, &in, Ignored.Of("a"))
	wantError(t, err, "every field is ignored")
	if in.n > 0 {
		t.Errorf("%d records were taken", in.n)
	}
}

// TestFileOfABadValue: an error of a value that is read later names its file too.
func TestFileOfABadValue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rows")
	rows, err := Spool(t.Context(), dir, StreamOf(numbers(t, 10, 3)))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	path := rows.File("x")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0, 0, 0x80, 0x7f}, size-4); err != nil { // an infinity, the last of row 9
		t.Fatal(err)
	}
	for name, src := range map[string]Source{"spooled": rows, "one by one": plainFile{rows}, "mix": Mix(rows, 1, rows, 1)} {
		_, err = Collect(src)
		wantError(t, err, "row 9", `column "x"`, path, "+Inf")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// plainFile is a source of single rows that knows the file.
type plainFile struct{ of *Spooled }

func (p plainFile) Len() int                  { return p.of.Len() }
func (p plainFile) Columns() []Column         { return p.of.Columns() }
func (p plainFile) Row(i int, row Row) error  { return p.of.Row(i, row) }
func (p plainFile) File(column string) string { return p.of.File(column) }
