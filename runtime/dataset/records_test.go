package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

const peopleCSV = `who,id,age,city,born,seen,pet,left,pay,bonus,w,height
anne,x1,41,Rome,2000-02-29,2013-01-01T10:00:00Z,cat,yes,80.5,,1,1.7
carl,x2,NA,Paris,,2013-01-01 10:00:00+01:00,-99,,,3,0.5,
bob,x3,-1.5,,1999-12-31,2013-01-01T10:00,NA,no,1e3,?,2,2
`

func wantTable(t *testing.T, name string, got *Table, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	nan := noValue
	day := func(month, weekday float64) []float32 {
		sin := func(x float64) float32 { return float32(math.Sin(2 * math.Pi * x)) }
		cos := func(x float64) float32 { return float32(math.Cos(2 * math.Pi * x)) }
		return []float32{sin(month), cos(month), sin(weekday), cos(weekday)}
	}
	numeric := slices.Concat([]float32{41, 2000}, day((1+28./29)/12, 1./7), []float32{1.7}, []float32{nan, nan, nan, nan, nan, nan, nan},
		[]float32{-1.5, 1999}, day((11+30./31)/12, 4./7), []float32{2})
	for name, want := range map[string][]float32{"numeric": numeric, "target": {80.5, nan, nan, 3, 1000, nan}, "weight": {1, 0.5, 2}} {
		if got := got.F32(name); !sameBits(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string][]int64{"categorical": {3, 2, 0, 1, 1, 0}, "y": {1, -1, 0}, "group": {0, -5376921299727985929, 1}, "time": {1357034400, 1357030800, 1357034400}} {
		if got := got.I64(name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got.Schema() == nil || got.Select([]int{1}).Rename("y", "z").Schema() == nil || SchemaOf(Until(context.Background(), got)) == nil {
		t.Errorf("%s: the table does not know its schema", name)
	}
}

func TestSchemaCSV(t *testing.T) {
	s := people()
	got, err := s.CSV(file(t, "people.csv", []byte(peopleCSV)))
	wantTable(t, "CSV", got, err)
	got, err = s.CSV(file(t, "people.csv.gz", zipped([]byte("\xef\xbb\xbf"+strings.ReplaceAll(peopleCSV, "\n", "\r\n")))))
	wantTable(t, "gzip", got, err)
	// Columns in another order, and more of them.
	var turned strings.Builder
	for line := range strings.Lines(peopleCSV) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		slices.Reverse(f)
		turned.WriteString("more," + strings.Join(f, ",") + "\n")
	}
	got, err = s.CSV(file(t, "people.csv", []byte(turned.String())))
	wantTable(t, "turned", got, err)
	s.Comma, s.Decimal = ";", ","
	european := strings.NewReplacer(",", ";", ".", ",").Replace(peopleCSV)
	got, err = s.CSV(file(t, "people.csv", []byte(european)))
	wantTable(t, "semicolons", got, err)
	s.NoHeader = true
	for i, name := range strings.Split("who,id,age,city,born,seen,pet,left,pay,bonus,w,height", ",") {
		s.Field(name).Name = fmt.Sprint(i)
	}
	_, rows, _ := strings.Cut(european, "\n")
	got, err = s.CSV(file(t, "people.csv", []byte(rows)))
	wantTable(t, "no header", got, err)
}

func TestSchemaJSONL(t *testing.T) {
	s := people()
	path := file(t, "people.jsonl", []byte(`{"who":"anne","id":["x1"],"age":41,"city":"\u0052ome","born":"2000-02-29","seen":"2013-01-01T10:00:00Z","pet":"cat","left":"yes","pay":80.5,"bonus":null,"w":1,"height":1.7}
{"w": 0.5 , "bonus": 3, "pet":-99, "left":null, "seen":"2013-01-01 10:00:00+01:00","city":"Paris","who":"carl","more":{"a":"}]"}}

{"who":"bob","age":-1.5,"born":"1999-12-31","seen":"2013-01-01T10:00","pet":"NA","left":"no","pay":1e3,"w":2,"height":2}`))
	got, err := s.JSONL(path)
	wantTable(t, "JSONL", got, err)
}

// TestSchemaCSVParts: rows come in the order of the file, however many take it apart, as text numbers say.
func TestSchemaCSVParts(t *testing.T) {
	var b strings.Builder
	b.WriteString("n,text\n")
	const n = 60000
	for i := range n {
		fmt.Fprintf(&b, "%d,\"a\n%d\"\n", i, i%3)
	}
	s := &Schema{Fields: []Field{{Name: "n", Kind: Number}, {Name: "text", Kind: Category, Values: []string{"a\n0", "a\n1", "a\n2"}}}}
	path := file(t, "rows.csv", []byte(b.String()))
	for _, processors := range []int{1, 2, 5} {
		was := runtime.GOMAXPROCS(processors)
		got, err := s.CSV(path)
		runtime.GOMAXPROCS(was)
		if err != nil {
			t.Fatal(err)
		}
		x, c := got.F32("numeric"), got.I64("categorical")
		if got.Len() != n {
			t.Fatalf("%d rows", got.Len())
		}
		for i := range n {
			if x[i] != float32(i) || c[i] != int64(i%3+firstID) {
				t.Fatalf("row %d of %d processors: %v, %v", i, processors, x[i], c[i])
			}
		}
	}
	// The first mistake of each column is told, whoever finds it.
	bad := strings.Replace(strings.Replace(b.String(), "\n59999,", "\nlate,", 1), "\n50,", "\nearly,", 1)
	_, err := s.CSV(file(t, "rows.csv", []byte(bad)))
	wantError(t, err, "rows.csv", "line 102", `column "n"`, `"early" is not a number`)
	a, c := newEncoder(s, '.'), newEncoder(s, '.')
	for _, e := range []*encoder{a, c} {
		if err := e.bind([]string{"n", "text"}); err != nil {
			t.Fatal(err)
		}
	}
	a.add([][]byte{[]byte("early"), nil}, 3)
	c.add([][]byte{[]byte("late"), nil}, 9)
	for _, both := range [][]*encoder{{a, c}, {c, a}} {
		if err := mistakes(both...); err == nil || !strings.Contains(err.Error(), "line 3") || strings.Contains(err.Error(), "late") {
			t.Errorf("of two mistakes the first is %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Read(ctx, s.Records(path)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	calls := 0
	stop := errors.New("stop")
	if err := s.stream(context.Background(), s.Records(path), func(part) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestValues: a text is the value whose bytes it has, and none else; in a file that is not UTF-8 also the one that Latin-1 makes of it.
func TestValues(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "c", Kind: Category, Values: []string{"a", "a\x00", "Köln", "Köln am Rhein"}}}}
	got, err := s.JSONL(file(t, "values.jsonl", []byte(`{"c":"a\u0000"}
{"c":"a"}
{"c":"\u0000a"}
{"c":"A"}
`)))
	if err != nil || !slices.Equal(got.I64("categorical"), []int64{3, 2, 0, 0}) {
		t.Errorf("%v", err)
	}
	got, err = s.CSV(file(t, "values.csv", []byte("c\nK\xf6ln\nK\xf6ln am Rhein\nK\xf6n\n")))
	if err != nil || !slices.Equal(got.I64("categorical"), []int64{4, 5, 0}) {
		t.Errorf("Latin-1: %v", err)
	}
}

// TestBadRecords: what a file may have wrong is told with file, line and column.
func TestBadRecords(t *testing.T) {
	schema := func(fields ...Field) *Schema { return &Schema{Fields: fields} }
	number, other := Field{Name: "a", Kind: Number}, Field{Name: "b", Kind: Number}
	word := Field{Name: "c", Kind: Category, Values: []string{"x"}}
	day := Field{Name: "d", Kind: Date, Format: isoDate}
	german := Field{Name: "d", Kind: Date, Format: "02.01.2006"}
	class := Field{Name: "y", Kind: Label, Values: []string{"no", "yes"}}
	weight, group, when := Field{Name: "w", Kind: Weight}, Field{Name: "g", Kind: Group}, Field{Name: "t", Kind: Time}
	for _, c := range []struct {
		s     *Schema
		text  string
		parts []string
	}{
		{schema(number), "", []string{"empty"}},
		{schema(number), "\n", []string{"no header"}},
		{schema(number), "a\n", []string{"no rows"}},
		{schema(number, other), "a;b\n1;2\n", []string{"line 1", "one field only", `Comma`, `";"`}},
		{schema(number, other), "a,b\n\"1,5\",2\n", []string{"line 2", `column "a"`, `"1,5" is not a number`, "decimals begin with a comma"}},
		{schema(number), "a\nInf\n", []string{"line 2", `"a"`, "not finite"}},
		{schema(number), "a\n1e39\n", []string{"line 2", `"a"`, "overflows"}},
		{schema(number, other), "a,b\n1,2\n3\n", []string{"line 3", "another number of fields", "1, not 2"}},
		{schema(number, other), "a,b\n1,2,3\n", []string{"line 2", "another number of fields"}},
		{schema(number), "a,a\n1,2\n", []string{"line 1", "two fields", `"a"`}},
		{schema(number, other, word), "a,B,d\n1,2,3\n", []string{"line 1", `no column "b", "c"`, `"B", "d" instead`, "renamed"}},
		{schema(number, class), "a\n1\n", []string{`no column "y"`, "Schema.Inputs"}},
		{schema(number, other, word), "a,b,c\nx,1,x\n2,z,y\n", []string{`line 2: column "a", a number: "x" is not a number`, `line 3: column "b"`, `"z"`}},
		{schema(day), "d\n2013-02-29\n", []string{"line 2", `"d"`, `"2013-02-29" is no date as YYYY-MM-DD`}},
		{schema(day), "d\n2013-02-28\n28.02.2013\n", []string{"line 3", `"28.02.2013" is no date`}},
		{schema(german), "d\n28.02.2013\n2013-02-28\n", []string{"line 3", "no date as 02.01.2006"}},
		{schema(number, class), "a,y\n1,maybe\n", []string{"line 2", `"y"`, `"maybe" is none of the classes "no", "yes"`}},
		{schema(number, weight), "a,w\n1,\n", []string{"line 2", `"w"`, "no weight"}},
		{schema(number, weight), "a,w\n1,-2\n", []string{"line 2", `"w"`, "negative"}},
		{schema(number, weight), "a,w\n1,-0.5\n", []string{"line 2", `"w"`, "negative"}},
		{schema(number, group), "a,g\n1,9007199254740992.0\n", []string{"line 2", `"g"`, `"9007199254740992.0" is not a whole number`}},
		{schema(number, group), "a,g\n1,\n", []string{"line 2", `"g"`, "no group"}},
		{schema(number, group), "a,g\n1,anne\n", []string{"line 2", `"g"`, `"anne" is not a whole number`}},
		{schema(number, when), "a,t\n1,NA\n", []string{"line 2", `"t"`, "no time"}},
		{schema(number, word), "a,c\n\"1\n\n\",2\nz,x\n", []string{"line 5", `"a"`, `"z"`}},
		{schema(word, number), "c,a\n\"1\n\n\",z\n", []string{"line 4", `"a"`, `"z"`}},
		{schema(number), "a\n\"1\n2\n", []string{"line 2", `a " that does not end`}},
		{schema(number), "a\n1\"2\n", []string{"line 2", `bare "`}},
		{schema(word), "c\n" + strings.Repeat("x", maxField+1) + "\n", []string{"line 2", "more than 1 MiB"}},
		{schema(number), "a\n" + strings.Repeat("1", 1000) + "\n", []string{"line 2", "overflows", "…"}},
		{schema(number), "\xff\xfe\x00\x00a\x00", []string{"UTF-32"}},
		{schema(number), "\x1f\x8b\x08nonsense", []string{"gzip"}},
		{schema(number), string(zipped([]byte("a\n1\n2\n"))[:20]), []string{"damaged"}},
		{schema(Field{Name: "a", Kind: "nmber"}), "a\n1\n", []string{"schema", `field "a"`, "nmber"}},
	} {
		_, err := c.s.CSV(file(t, "data.csv", []byte(c.text)))
		if c.s.Check() == nil {
			c.parts = append(c.parts, "data.csv")
		}
		wantError(t, err, c.parts...)
	}
	for text, parts := range map[string][]string{
		"":                                    {"empty"},
		"\n":                                  {"no rows"},
		"[{\"a\":1}]":                         {"line 1", "an object a line"},
		"{\"a\":1}\n3\n":                      {"line 2", `"3" is no JSON object`},
		"{\"a\":1}\n{\"a\":}\n":               {"line 2", "no JSON object"},
		"{\"a\":1}\n{\"a\":1":                 {"line 2", "no JSON object"},
		"{\"a\":1}\n{\"a\":1} x":              {"line 2", "no JSON object"},
		"{\"a\":1}\n{\"a\":[1]}":              {"line 2", `"a"`, "a list or an object"},
		"{\"a\":1}\n{\"a\":{\"b\":1}}":        {"line 2", `"a"`, "a list or an object"},
		"{\"a\":1,\"a\":2}":                   {"line 1", "two fields", `"a"`},
		"{\"a\":1}\n\n{\"a\":\"x\"}":          {"line 3", `"a"`, `"x" is not a number`},
		"{\"a\":1}\n{\"c\":2}\n{\"a\":\"x\"}": {"line 3", `"a"`, `"x" is not a number`},
		"{\"a\":true}":                        {"line 1", `"a"`, `"true" is not a number`},
		"{\"a\":1e99}":                        {"line 1", `"a"`, "overflows"},
		"{\"b\":1}":                           {`no column "a"`, `"b" instead`},
		"{\"a\":\"" + strings.Repeat("1", maxField) + "\"}": {"line 1", `"a"`, "more than 1 MiB"},
	} {
		_, err := schema(number).JSONL(file(t, "data.jsonl", []byte(text)))
		wantError(t, err, append(parts, "data.jsonl")...)
	}
	_, err := schema(number).CSV("no/such.csv")
	wantError(t, err, "there is no file")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
}

// TestDecodersAllocateNothing: a field of a line takes no memory of its own.
func TestDecodersAllocateNothing(t *testing.T) {
	s := people()
	e := newEncoder(s, '.')
	lines := newCSVLines(",", 0)
	names := strings.Split(strings.SplitN(peopleCSV, "\n", 2)[0], ",")
	if err := e.bind(names); err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(peopleCSV, "\n")
	data := []byte(strings.Repeat(rows, 50))
	add := func() {
		lines.begin(csvBlock{data, 1})
		for {
			ok, err := lines.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			e.add(lines.fields, lines.first)
		}
	}
	add()
	per := testing.AllocsPerRun(5, func() {
		e.rows = 0
		for i := range e.cols {
			e.cols[i].f32, e.cols[i].i64 = e.cols[i].f32[:0], e.cols[i].i64[:0]
		}
		add()
	})
	if err := mistakes(e); err != nil {
		t.Fatal(err)
	}
	if per > 0 {
		t.Errorf("%v allocations for 150 lines", per)
	}
}

func TestDates(t *testing.T) {
	for text, want := range map[string]int64{
		"1970-01-01T00:00:00Z": 0, "2013-01-01T10:00:00Z": 1357034400, "2013-01-01 10:00": 1357034400, "2013-01-01T10:00:00.25+0530": 1357014600,
		"1969-12-31t23:59:59z": -1, "0001-01-01T00:00:00Z": -62135596800, "2000-02-29T23:59:59-11:30": 951910199,
	} {
		c, err := parseDate([]byte(text), isoTime)
		if err != nil || c.unix() != want {
			t.Errorf("%s is %d, want %d: %v", text, c.unix(), want, err)
		}
	}
	for _, text := range []string{"", "2013", "2013-01-01", "2013-01-01T", "2013-01-01T24:00", "2013-13-01T00:00", "2013-01-01T10:60", "2013-01-01T10:00:60", "2013-01-01T10:00:00.",
		"2013-01-01T10:00:00+", "2013-01-01T10:00:00+1", "2013-01-01T10:00:00+99:00", "2013-01-01T10:00:00+01:60", "2013-01-01T10:00:00Zx", "2013-1-1T10:00", "2013-04-31 10:00", "x013-04-30 10:00"} {
		if _, err := parseDate([]byte(text), isoTime); err == nil {
			t.Errorf("%q is a date", text)
		}
	}
	// The day of the week, and what a noon in spring is.
	monday, _ := parseDate([]byte("2024-04-01"), isoDate)
	parts := make([]float32, 7)
	monday.parts(parts)
	if want := []float32{2024, 1, 0, 0, 1}; math.Abs(float64(parts[1]-want[1])) > 1e-6 || math.Abs(float64(parts[2])) > 1e-6 || parts[0] != want[0] || parts[3] != 0 || parts[4] != 1 {
		t.Errorf("a Monday in April is %v, want %v", parts, want)
	}
	noon, _ := parseDate([]byte("2024-04-04 12:00"), isoTime)
	if noon.parts(parts); noon.weekday() != 3 || parts[6] != -1 {
		t.Errorf("a noon is %v, weekday %d", parts, noon.weekday())
	}
	evening, _ := parseDate([]byte("2024-04-04 18:00:30"), isoTime)
	if evening.parts(parts); parts[5] != float32(math.Sin(2*math.Pi*64830/86400)) {
		t.Errorf("half a minute after six is %v", parts)
	}
	if c, err := parseDate([]byte("28.02.13 17:30"), "02.01.06 15:04"); err != nil || c.hour != 17 || c.year != 2013 || !hasClock("02.01.06 15:04") || hasClock("02.01.2006") {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestNumbers: short numbers, which are read without strconv, have the same bits.
func TestNumbers(t *testing.T) {
	for _, text := range []string{"0", "-0", "+1", "1.5", ".5", "5.", "-.25", "16777215", "16777216", "16777217", "0.1", "0.3", "3.14159265", "123456.7", "0.000001", "0.0000000001", ".00000000001", "0.00000000001", "00000000012",
		"1e5", "-2.5e-3", "9.999999", "1677721.5", "33554431"} {
		want, fault := parseAnyFloat32([]byte(text), '.')
		if fault != 0 {
			t.Fatal(text, fault)
		}
		got, fault := parseFloat32([]byte(text), '.')
		if fault != 0 || math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("%s is %v, strconv has %v: %v", text, got, want, fault)
		}
		if comma, fault := parseFloat32([]byte(strings.Replace(text, ".", ",", 1)), ','); fault != 0 || math.Float32bits(comma) != math.Float32bits(want) {
			t.Errorf("%s with a comma is %v, want %v: %v", text, comma, want, fault)
		}
	}
	key := random.New(1)
	for i := range 20000 {
		text := strconv.FormatUint(key.Uint64(uint64(i))>>(24+i%40), 10)
		if at := i % 9; at < len(text) {
			text = text[:at] + "." + text[at:]
		}
		want, fault := parseAnyFloat32([]byte(text), '.')
		if got, also := parseFloat32([]byte(text), '.'); math.Float32bits(got) != math.Float32bits(want) || fault != 0 || also != 0 {
			t.Fatalf("%s is %v, strconv has %v", text, got, want)
		}
	}
	for _, text := range []string{"", "-", ".", "1.2.3", "1,5", "--1", "1 2", "inf", "nan", "1e", "x", "0x1p-2", "0X1P4", "1_0", "1_0.5", "-1_000"} {
		if v, fault := parseFloat32([]byte(text), '.'); fault == 0 {
			t.Errorf("%q is %v", text, v)
		}
	}
	for _, text := range []string{"1.5", "1,5,", "1.000,5"} {
		if v, fault := parseFloat32([]byte(text), ','); fault == 0 {
			t.Errorf("%q with a comma is %v", text, v)
		}
	}
}

func FuzzSchemaCSV(f *testing.F) {
	f.Add(peopleCSV)
	f.Add("age;city\n1,5;Rome\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := people().Records("f.csv").(*csvFile)
		r.text = &text
		rows := 0
		if err := people().inOrder(context.Background(), r, '.', func(p part) error { rows += p.rows; return nil }); err == nil && rows == 0 {
			t.Fatal("no rows")
		}
		fuzzInfer(t, "f.csv", text)
	})
}

func FuzzJSONL(f *testing.F) {
	f.Add("{\"a\":1,\"b\":\"x\"}\n{\"b\":null}\n")
	f.Add("{\"a\":[{\"b\":\"]}\"}],\"\\u0061\":true}")
	f.Fuzz(func(t *testing.T, text string) { fuzzInfer(t, "f.jsonl", text) })
}

// fuzzInfer infers the schema of a file: if there is one, it is good, and reads the file.
func fuzzInfer(t *testing.T, name, text string) {
	s, err := inferFile(context.Background(), textFile{path: name, limit: maxFile, text: &text}, newInference(nil))
	if err != nil {
		return
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	rows, decimal := 0, byte('.')
	r := s.Records(name)
	switch f := r.(type) {
	case *csvFile:
		f.text, decimal = &text, s.decimal()
	case *jsonlFile:
		f.text = &text
	}
	if err := s.inOrder(context.Background(), r, decimal, func(p part) error { rows += p.rows; return nil }); err != nil || rows == 0 {
		t.Fatalf("the schema\n%s does not read its own file: %d rows, %v", s, rows, err)
	}
}

// oddRecords are records that somebody else made.
type oddRecords []Record

func (o oddRecords) Each(_ context.Context, do func(Record) error) error {
	for _, r := range o {
		if err := do(r); err != nil {
			return err
		}
	}
	return nil
}

// TestRecordsOfOthers: records that are shorter or longer than their names are no reason to panic.
func TestRecordsOfOthers(t *testing.T) {
	ctx := context.Background()
	a, w := []byte("1"), []byte("2")
	s := &Schema{Fields: []Field{{Name: "a", Kind: Number}, {Name: "w", Kind: Weight}}}
	names := []string{"a", "w"}
	rows, err := s.Read(ctx, oddRecords{{Names: names, Fields: [][]byte{a, w}}})
	if err != nil || rows.Len() != 1 {
		t.Errorf("%v", err)
	}
	_, err = s.Read(ctx, oddRecords{{Names: names, Fields: [][]byte{a, w}}, {Names: names, Fields: [][]byte{a}, Line: 7}})
	wantError(t, err, "line 7", `"w"`, "no weight")
	_, err = s.Read(ctx, oddRecords{{Names: names[:1], Fields: [][]byte{a}, Line: 7}})
	wantError(t, err, `no column "w"`)
	_, err = s.Read(ctx, oddRecords{{Names: names[:1], Fields: [][]byte{a}, Line: 7}, {Names: names, Fields: [][]byte{a, w}, Line: 8}})
	wantError(t, err, "line 7", `"w"`, "no weight")
	// Rows without lines are counted from the first one on.
	late := make(oddRecords, partRows+2)
	for i := range late {
		late[i] = Record{Names: names, Fields: [][]byte{a, w}}
	}
	late[partRows+1].Fields = [][]byte{a, []byte("-1")}
	_, err = s.Read(ctx, late)
	wantError(t, err, fmt.Sprintf("row %d", partRows+1), `"w"`, "negative")
	_, err = InferRecords(ctx, oddRecords{{Names: names[:1], Fields: [][]byte{a, w}}})
	wantError(t, err, "2 fields, but 1 names")
	_, err = InferRecords(ctx, oddRecords{{Names: []string{"a", "a"}, Fields: [][]byte{a, w}}})
	wantError(t, err, `two fields are named "a"`)
	_, err = InferRecords(ctx, oddRecords{})
	wantError(t, err, "no rows")
}
