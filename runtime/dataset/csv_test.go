package dataset

import (
	"slices"
	"strings"
	"testing"
)

func TestCSV(t *testing.T) {
	text := "\xef\xbb\xbfa,b, c,class\r\n1,2.5,3,0\r\n-4, 5e1 ,\"6\",1\n"
	tab, err := CSV(file(t, "data.csv", []byte(text)), CSVOptions{Label: "class"})
	if err != nil {
		t.Fatal(err)
	}
	if got := tab.F32("x"); !slices.Equal(got, []float32{1, 2.5, 3, -4, 50, 6}) || !slices.Equal(tab.I64("y"), []int64{0, 1}) {
		t.Errorf("%v, %v", got, tab.I64("y"))
	}
	tab, err = CSV(file(t, "data.csv", []byte(strings.ReplaceAll(text, ",", ";"))), CSVOptions{
		Groups: []CSVGroup{{"left", []string{"c"}}, {"right", []string{"b", "a"}}}, Comma: ';'})
	if err != nil {
		t.Fatal(err)
	}
	if got := tab.F32("right"); !slices.Equal(got, []float32{2.5, 1, 50, -4}) || !slices.Equal(tab.F32("left"), []float32{3, 6}) {
		t.Errorf("%v, %v", got, tab.F32("left"))
	}
}

func TestBadCSV(t *testing.T) {
	for _, c := range []struct {
		text  string
		o     CSVOptions
		parts []string
	}{
		{"", CSVOptions{}, []string{"empty"}},
		{"\n\n", CSVOptions{}, []string{"empty", "no header"}},
		{"a,b\n", CSVOptions{}, []string{"empty", "no rows"}},
		{"a,b\n1,2\n3\n", CSVOptions{}, []string{"line 3", "another number of fields"}},
		{"a,b\n1,2\n3,4,5\n", CSVOptions{}, []string{"line 3", "another number of fields"}},
		{"a,b\n1,2\n3,\n", CSVOptions{}, []string{"line 3", `"b"`, "empty"}},
		{"a,b\n1,NaN\n", CSVOptions{}, []string{"line 2", `"b"`, "not finite"}},
		{"a,b\n1,-inf\n", CSVOptions{}, []string{"line 2", `"b"`, "not finite"}},
		{"a,b\n1,1e39\n", CSVOptions{}, []string{"line 2", `"b"`, "not finite in float32"}},
		{"a,b\n1,two\n", CSVOptions{}, []string{"line 2", `"b"`, `"two" is not a number`}},
		{"a,b\n1," + strings.Repeat("x", 100000) + "\n", CSVOptions{}, []string{"line 2", "xxx…"}},
		{"a,b\n\"1\n\n\",2\n3,x\n", CSVOptions{}, []string{"line 5", `"b"`}},
		{"a,b\n1,\"2\n", CSVOptions{}, []string{"line", "\""}},
		{"a,a\n1,2\n", CSVOptions{}, []string{"line 1", "two fields", `"a"`}},
		{"a,b\n1,2.5\n", CSVOptions{Label: "b"}, []string{"line 2", `"b"`, `"2.5" is not a whole number`}},
		{"a,b\n1,2\n", CSVOptions{Label: "c"}, []string{`no field is named "c"`, "a, b"}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{"x", []string{"z"}}}}, []string{`no field is named "z"`}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{"x", nil}}}, []string{`"x" has no fields`}},
		{"a\n1\n", CSVOptions{Label: "a"}, []string{`"x" has no fields`}},
		{"a,b\n1,2\n", CSVOptions{Comma: '\n'}, []string{"delimiter"}},
	} {
		_, err := CSV(file(t, "data.csv", []byte(c.text)), c.o)
		wantError(t, err, append(c.parts, "data.csv")...)
	}
	for _, comma := range []rune{',', ';', '→'} {
		for n, want := range map[int]string{1<<17 - 1: "two fields are named", 1 << 17: "more than 131072 fields"} {
			_, err := CSV(file(t, "wide.csv", []byte("x"+strings.Repeat(string(comma), n))), CSVOptions{Comma: comma})
			wantError(t, err, want)
		}
	}
	_, err := CSV("no/such.csv", CSVOptions{})
	wantError(t, err, "there is no file")
}

func FuzzCSV(f *testing.F) {
	f.Add("a,b,y\n1,2,3\n4,5,6\n", "y")
	f.Add("a;b\n\"1\n\";2\n", "")
	f.Add("a,b\n1\n", "b")
	f.Fuzz(func(t *testing.T, text, label string) {
		tab, err := decodeCSV(strings.NewReader(text), CSVOptions{Label: label})
		if err != nil {
			return
		}
		if tab.Len() == 0 || len(tab.F32("x")) != tab.Len()*tab.Columns()[0].Width() {
			t.Fatalf("%d rows, %d values", tab.Len(), len(tab.F32("x")))
		}
	})
}
