package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func inferText(t *testing.T, name, text string, options ...InferOption) (*Schema, error) {
	t.Helper()
	return Infer(context.Background(), file(t, name, []byte(text)), options...)
}

func TestInfer(t *testing.T) {
	var b strings.Builder
	b.WriteString(",age,city,born,seen,zip,left,pay,same,none,id,count,mixed,when\n")
	for i := range 50 {
		fmt.Fprintf(&b, "%d,%d,%s,2000-01-%02d,2000-01-01 %02d:00,%d,%s,%d.5,7,NA,user-%d,%d,%s,%d\n", i, 20+i%7, []string{"Rome", "Bern", ""}[i%3], i%28+1, i%24, 8000+i%3*40,
			[]string{"no", "yes"}[i%2], i, i, i+1, []string{"a", "b", "17"}[i%3], 1000+i)
	}
	s, err := inferText(t, "people.csv", b.String(), Category.Of("zip"), Label.Of("left"), Target.Of("pay"), Time.Of("when"), Unit("CHF", "pay"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Kind: Ignored, Note: "the first and without a name, so taken for an index"},
		{Name: "age", Kind: Number},
		{Name: "city", Kind: Category, Values: []string{"Bern", "Rome"}},
		{Name: "born", Kind: Date, Format: isoDate},
		{Name: "seen", Kind: Date, Format: isoTime},
		{Name: "zip", Kind: Category, Values: []string{"8000", "8040", "8080"}},
		{Name: "left", Kind: Label, Values: []string{"no", "yes"}},
		{Name: "pay", Kind: Target, Unit: "CHF"},
		{Name: "same", Kind: Number, Note: `every value is "7"`},
		{Name: "none", Kind: Ignored, Note: "no row has a value"},
		{Name: "id", Kind: Ignored, Note: `text of 50 values in 50 rows, as names are; Category.Of("id") takes it`},
		{Name: "count", Kind: Number, Note: `numbers the rows from 1 on; Ignored.Of("count") leaves it out`},
		{Name: "mixed", Kind: Category, Values: []string{"17", "a", "b"}, Note: "16 of 50 values are numbers"},
		{Name: "when", Kind: Time},
	}
	if diff := cmp.Diff(want, s.Fields); diff != "" {
		t.Error(diff)
	}
	if s.Comma != "" || s.Decimal != "" || s.NoHeader {
		t.Errorf("%+v", s)
	}
	table, err := s.CSV(file(t, "people.csv", []byte(b.String())))
	if err != nil || table.Len() != 50 {
		t.Errorf("%d rows, %v", table.Len(), err)
	}
}

// TestInferMissing: a spelling that the user names stands for no value, in the fields that are named or in all, and no
// longer do the usual ones.
func TestInferMissing(t *testing.T) {
	const text = "a,b\n1,oops\noops,x\n2,NA\n"
	for _, c := range []struct {
		options []InferOption
		want    [][]string // values of each category; nil for numbers
	}{
		{[]InferOption{Missing("oops", "a")}, [][]string{nil, {"oops", "x"}}},
		{[]InferOption{Missing("oops")}, [][]string{nil, {"NA", "x"}}},
		{[]InferOption{Missing("oops"), Missing("NA")}, [][]string{nil, {"x"}}},
	} {
		s, err := inferText(t, "f.csv", text, append(c.options, Category.Of("b"))...)
		if err != nil {
			t.Error(err)
			continue
		}
		for i, f := range s.Fields {
			if !slices.Equal(f.Values, c.want[i]) {
				t.Errorf("%v of %+v", f.Values, s.Fields)
			}
		}
		table, err := s.CSV(file(t, "f.csv", []byte(text)))
		if err != nil {
			t.Error(err)
			continue
		}
		if x := table.F32("numeric"); x[0] != 1 || x[1] == x[1] || x[2] != 2 {
			t.Errorf("%v", x)
		}
	}
}

// TestInferOptions: one spelling of no value for all fields, and numbers that name categories in their order.
func TestInferOptions(t *testing.T) {
	s, err := inferText(t, "zips.csv", "zip,pet,id\n10,cat,0\n9,-99,1\n-99,dog,2\n200,NA,3\n", Category.Of("zip"), Missing("-99"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{{Name: "zip", Kind: Category, Values: []string{"9", "10", "200"}, Missing: []string{"-99"}},
		{Name: "pet", Kind: Category, Values: []string{"NA", "cat", "dog"}, Missing: []string{"-99"}},
		{Name: "id", Kind: Number, Missing: []string{"-99"}, Note: `numbers the rows from 0 on; Ignored.Of("id") leaves it out`}}
	if diff := cmp.Diff(want, s.Fields); diff != "" {
		t.Error(diff)
	}
	for rows, notes := range map[string]bool{"0\n1\n": false, "0\n1\n2\n": true} {
		if s, err = inferText(t, "few.csv", "id\n"+rows); err != nil || (s.Fields[0].Note != "") != notes {
			t.Errorf("%q: %+v, %v", rows, s, err)
		}
	}
	_, err = inferText(t, "quoted.csv", "a,b\n\"1,5\",x\n", Comma(","))
	wantError(t, err, "line 2", `"a"`, "is a number only if its comma begins the decimals")
}

// TestInferForms: separators and signs before decimals are recognized, or refused with what to say.
func TestInferForms(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		options    []InferOption
		want       Schema
	}{
		"semicolons":       {text: "a;b\n1,5;x\n2;y\n", want: Schema{Comma: ";", Decimal: ","}},
		"semicolons alone": {text: "a;b\n1.5;x\n2;y\n", want: Schema{Comma: ";"}},
		"tabs":             {text: "a\tb\n1.5\tx\n2\ty\n", want: Schema{Comma: "\t"}},
		"bars":             {text: "a|b\n1.5|x\n2|y\n", options: []InferOption{Comma("|")}, want: Schema{Comma: "|"}},
		"quoted":           {text: "a,b\n\"1,5\",x\n2,y\n", options: []InferOption{DecimalComma()}, want: Schema{Decimal: ","}},
		"no header":        {text: "1.5,x\n2,y\n", options: []InferOption{NoHeader()}, want: Schema{NoHeader: true}},
		"JSONL":            {file: "f.jsonl.gz", text: "{\"a\":1.5,\"b\":\"x\"}\n{\"b\":\"y\",\"a\":2}\n"},
	} {
		path := c.file
		data := []byte(c.text)
		if path == "" {
			path = "f.csv"
		} else {
			data = zipped(data)
		}
		path = file(t, path, data)
		s, err := Infer(context.Background(), path, c.options...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Comma != c.want.Comma || s.Decimal != c.want.Decimal || s.NoHeader != c.want.NoHeader {
			t.Errorf("%s: %+v", name, s)
		}
		table, err := s.Read(context.Background(), s.Records(path))
		if err != nil || !slices.Equal(table.F32("numeric"), []float32{1.5, 2}) || !slices.Equal(table.I64("categorical"), []int64{2, 3}) {
			t.Errorf("%s: %v, %v, %v", name, table.F32("numeric"), table.I64("categorical"), err)
		}
	}
}

func TestInferRefuses(t *testing.T) {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for _, c := range []struct {
		text    string
		options []InferOption
		parts   []string
	}{
		{"", nil, []string{"empty"}},
		{"a,b\n", nil, []string{"no rows"}},
		{"a,b\n1,2\n3\n", nil, []string{"line 3", "another number of fields"}},
		{"a,a\n1,2\n", nil, []string{"line 1", "two fields", `"a"`}},
		{"a,,b\n1,2,3\n", nil, []string{"no name"}},
		{"a,b\n1,x\n2,x\noops,x\n", nil, []string{"line 4", `column "a"`, `"oops" is not a number`, `Missing("oops", "a")`, `Category.Of("a")`}},
		{"a,b\n1,x\n2,x\ninf,x\n", nil, []string{"line 4", `column "a"`, `"inf" is not finite`}},
		{"a,b\n1,x\n2,x\n1e99,x\n", nil, []string{"line 4", `column "a"`, "overflows"}},
		{"a,b\n2013-01-01,x\n2013-01-02,x\n2013-01-32,x\n", nil, []string{"line 4", `column "a"`, `"2013-01-32" is no date`}},
		{"a,b\n2013-01-01,x\n2013-01-02 10:00,x\n2013-01-31,x\n", nil, []string{`column "a"`, "time of day"}},
		{"a,b\n\"1,5\",x\n2,y\n", nil, []string{"line 2", `column "a"`, `"1,5"`, "DecimalComma()"}},
		{"a;b\n1,5;x\n2.5;y\n", nil, []string{"line 2", `column "a"`, `"1,5" has a comma`, `"2.5" in line 3`, "DecimalComma()"}},
		{"a;b\n1,5;2.5\n2;3\n", nil, []string{"line 2", `column "a"`, `column "b" has numbers with a point`}},
		{"a;b\n1,5;2.5\n2;3\n", []InferOption{DecimalComma()}, []string{`column "b"`, "point"}},
		{"a,b\n1,2\n", []InferOption{Label.Of("c")}, []string{`no field is named "c"`, `"a", "b"`}},
		{"a,b\n1,2\n", []InferOption{Label.Of("a"), Target.Of("a")}, []string{`"a" is to be a label and a target`}},
		{"a,b\n1,\n", []InferOption{Label.Of("b")}, []string{`"b"`, "no row has a value"}},
		{"a,b\n1,x\n", []InferOption{Target.Of("b")}, []string{"line 2", `"b"`, `"x" is not a number`}},
		{"a,b\n1,x\n2,\n", []InferOption{Group.Of("b")}, []string{`"b"`, "1 of 2 rows have no value"}},
		{"a,b\n1,1.5\n", []InferOption{Time.Of("b")}, []string{`"b"`, "neither ISO dates nor whole numbers"}},
		{"a,b\n1,01.02.2013\n2,40.02.2013\n", []InferOption{Layout("02.01.2006", "b")}, []string{"line 3", `"b"`, `"40.02.2013" is no date`}},
		{"a,b\n1,x\n", []InferOption{Unit("m", "b")}, []string{`"b"`, `unit "m"`}},
		{"a,b\n1,\n", []InferOption{Ignored.Of("a")}, []string{"every field is ignored"}},
		{"a,b\n1,x\n", []InferOption{Comma("xx")}, []string{"Comma"}},
		{"a,b\n" + many(maxValues+1, func(i int) string { return fmt.Sprintf("1,%d\n", i) }), []InferOption{Label.Of("b")}, []string{`"b"`, "more than 65536 values", "Target"}},
	} {
		_, err := inferText(t, "data.csv", c.text, c.options...)
		if err != nil && strings.Contains(err.Error(), "Infer: ") {
			wantError(t, err, c.parts...)
			continue
		}
		wantError(t, err, append(c.parts, "data.csv")...)
	}
	_, err := inferText(t, "data.jsonl", "{\"a\":1,\"b\":[1]}")
	wantError(t, err, "data.jsonl", "line 1", `"b"`, "a list or an object")
	if s, err := inferText(t, "data.jsonl", "{\"a\":1,\"b\":[1]}", Ignored.Of("b")); err != nil || s.Field("b").Kind != Ignored {
		t.Errorf("%v, %v", s, err)
	}
}

// TestInferBounded: a text of many values is not kept.
func TestInferBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,b\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "%d,text %d\n", i%3, i/2)
	}
	path := file(t, "data.csv", []byte(b.String()))
	s, err := Infer(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Field("b"); f.Kind != Ignored || !strings.Contains(f.Note, "more than 1000 values") {
		t.Errorf("%+v", f)
	}
	if s, err = Infer(context.Background(), path, Category.Of("b")); err != nil || len(s.Field("b").Values) != 2500 {
		t.Errorf("%v", err)
	}
	in := tallies{o: newInference(nil), name: map[string]bool{}}
	for i := range 5000 {
		if err := in.add(Record{Names: []string{"b"}, Fields: [][]byte{fmt.Appendf(nil, "text %d", i)}}); err != nil {
			t.Fatal(err)
		}
		if len(in.of[0].texts) > categoryValues || in.kept != len(in.of[0].texts) {
			t.Fatalf("%d values are kept, %d counted", len(in.of[0].texts), in.kept)
		}
	}
	if in.kept != 0 || in.bytes != 0 {
		t.Errorf("%d values of %d bytes are left", in.kept, in.bytes)
	}
}

// TestLiterals: codes such as 12_34 are texts, not numbers as in Go's source, wherever fields are read.
func TestLiterals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "codes.csv")
	if err := os.WriteFile(path, []byte("code,n\n12_34,1\n12_35,2\n12_34,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Infer(t.Context(), path)
	if err != nil || s.Field("code").Kind != Category || s.Field("n").Kind != Number {
		t.Errorf("%v, %v", s, err)
	}
	for _, text := range []string{"12_34", "-1_0.5", "0x1_0p3", "1e1_0"} {
		b := []byte(text)
		if v, f := parseFloat32(b, '.'); f != isText {
			t.Errorf("%s is the number %v", text, v)
		}
		if v, err := parseWhole(b); err == nil {
			t.Errorf("%s is the whole number %d", text, v)
		}
		if isNumber(b) {
			t.Errorf("%s is a number", text)
		}
	}
}
