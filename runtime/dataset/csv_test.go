package dataset

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
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
		Groups: []CSVGroup{{Name: "left", Fields: []string{"c"}}, {Name: "right", Fields: []string{"b", "a"}}}, Comma: ';'})
	if err != nil {
		t.Fatal(err)
	}
	if got := tab.F32("right"); !slices.Equal(got, []float32{2.5, 1, 50, -4}) || !slices.Equal(tab.F32("left"), []float32{3, 6}) {
		t.Errorf("%v, %v", got, tab.F32("left"))
	}
}

// TestCSVRest: a column takes the fields that no other one does, and is what there is
// without groups if there are no others.
func TestCSVRest(t *testing.T) {
	path := file(t, "data.csv", []byte(",a,weight,b,class,c\n0,1,2,3,0,4\n1,5,6,7,1,8\n"))
	tab, err := CSV(path, Skip("c"), CSVOptions{Label: "class", Groups: []CSVGroup{{Name: "x", Rest: true}, {Name: "w", Fields: []string{"weight"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if x, w := tab.F32("x"), tab.F32("w"); !slices.Equal(x, []float32{1, 3, 5, 7}) || !slices.Equal(w, []float32{2, 6}) {
		t.Errorf("x is %v, w is %v", x, w)
	}
	whole, err := CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := CSV(path, CSVOptions{Groups: []CSVGroup{{Name: "x", Rest: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := whole.F32("x"), rest.F32("x"); !slices.Equal(a, b) {
		t.Errorf("without groups %v, with the rest %v", a, b)
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
		{"a,b\n1,1e39\n", CSVOptions{}, []string{"line 2", `"b"`, "1e39 overflows float32"}},
		{"a,b\n1,two\n", CSVOptions{}, []string{"line 2", `"b"`, `"two" is not a number`}},
		{"a,b\n1," + strings.Repeat("x", 100000) + "\n", CSVOptions{}, []string{"line 2", "xxx…"}},
		{"a,b\n\"1\n\n\",2\n3,x\n", CSVOptions{}, []string{"line 5", `"b"`}},
		{"a,b\n1,\"2\n", CSVOptions{}, []string{"line", "\""}},
		{"a,a\n1,2\n", CSVOptions{}, []string{"line 1", "two fields", `"a"`}},
		{"a,b\n1,2.5\n", CSVOptions{Label: "b"}, []string{"line 2", `"b"`, `"2.5" is not a whole number`}},
		{"a,b\n1,2\n", CSVOptions{Label: "c"}, []string{`no field is named "c"`, "a, b"}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: []string{"z"}}}}, []string{`no field is named "z"`}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: nil}}}, []string{`"x" has no fields`}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{Name: "x", Rest: true}, {Name: "z", Rest: true}}}, []string{`"z" is to be the rest`}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: []string{"a"}, Rest: true}}}, []string{`"x" is to be the rest`}},
		{"a,b\n1,2\n", CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: []string{"a", "b"}}, {Name: "z", Rest: true}}}, []string{`"z" has no fields`}},
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
		tab, _, err := decodeCSV(strings.NewReader(text), CSVOptions{Label: label})
		if err != nil {
			return
		}
		if tab.Len() == 0 || len(tab.F32("x")) != tab.Len()*tab.Columns()[0].Width() {
			t.Fatalf("%d rows, %d values", tab.Len(), len(tab.F32("x")))
		}
	})
}

// said is a log of what CSV decides.
type said struct{ strings.Builder }

func (s *said) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(&s.Builder, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key != slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestCSVHeader(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		o       CSVOptions
		options []CSVOption
		x       []float32
		y       []int64
		said    string
	}{
		"names":              {text: "a,b\n1,2\n3,4\n", x: []float32{1, 2, 3, 4}},
		"numbers":            {text: "5.1,3.5\n4.9,3.0\n", x: []float32{5.1, 3.5, 4.9, 3}, said: "taken for data"},
		"one line":           {text: "5.1,3.5", x: []float32{5.1, 3.5}, said: "taken for data"},
		"label by place":     {text: "5.1,3.5,0\n4.9,3.0,1\n", o: CSVOptions{Label: "2"}, x: []float32{5.1, 3.5, 4.9, 3}, y: []int64{0, 1}, said: "taken for data"},
		"years":              {text: "2019,2020\n1,2\n", options: []CSVOption{Header()}, x: []float32{1, 2}},
		"years by name":      {text: "2019,2020\n1,2\n", o: CSVOptions{Label: "2020"}, x: []float32{1}, y: []int64{2}, said: "taken for the names"},
		"some numbers":       {text: "name,2020\n1,2\n", x: []float32{1, 2}, said: "taken for the names"},
		"no header":          {text: "1,2\n3,4\n", options: []CSVOption{NoHeader()}, x: []float32{1, 2, 3, 4}},
		"numbered":           {text: "0,1,2\n5,6,1\n7,8,0\n", o: CSVOptions{Label: "2"}, x: []float32{5, 6, 7, 8}, y: []int64{1, 0}, said: "numbers the fields"},
		"numbered, index":    {text: ",0,1\n0,5,6\n1,7,8\n", x: []float32{5, 6, 7, 8}, said: "numbers the fields"},
		"numbered, no names": {text: "0,1,2\n5,6,7\n", options: []CSVOption{NoHeader()}, x: []float32{0, 1, 2, 5, 6, 7}},
		"two numbers":        {text: "0,1\n5,6\n", x: []float32{0, 1, 5, 6}, said: "taken for data"},
		"index":              {text: ",a,y\n0,1,0\n1,3.5,1\n", o: CSVOptions{Label: "y"}, x: []float32{1, 3.5}, y: []int64{0, 1}, said: "taken for an index"},
		"index out of order": {text: ",a\n17,1\n3,2\n", x: []float32{1, 2}, said: "taken for an index"},
		"index of texts":     {text: "Unnamed: 0,a\nanne,1\nbob,2\n", x: []float32{1, 2}, said: "taken for an index"},
		"index skipped":      {text: ",a\n0,1\n1,2\n", options: []CSVOption{Skip("")}, x: []float32{1, 2}},
		"index named":        {text: "id,a\n1,4\n2,5\n3,6\n", x: []float32{1, 4, 2, 5, 3, 6}, said: `Skip(\"id\")`},
		"index of no header": {text: "0,4\n1,5\n2,6\n", x: []float32{0, 4, 1, 5, 2, 6}, said: `Skip(\"0\")`},
		"no index":           {text: "id,a\n1,4\n3,5\n2,6\n", x: []float32{1, 4, 3, 5, 2, 6}},
		"text skipped":       {text: "date,a\n2024-01-01,4\n2024-01-02,5\n", options: []CSVOption{Skip("date")}, x: []float32{4, 5}},
		"place skipped":      {text: "anne,4\nbob,5\n", options: []CSVOption{NoHeader(), Skip("0")}, x: []float32{4, 5}},
		"two skipped":        {text: ",a,\n1,4,\n2,5,\n", options: []CSVOption{Skip("")}, x: []float32{4, 5}},
		"groups":             {text: ",a,b\n0,1,2\n", o: CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: []string{"b", "a"}}}}, x: []float32{2, 1}},
		"options first":      {text: "i,a\n7,1\n", options: []CSVOption{Skip("i"), CSVOptions{}}, x: []float32{1}},
		"float labels":       {text: "a,y\n1,2.0\n1,-3\n1,1e1\n", o: CSVOptions{Label: "y"}, x: []float32{1, 1, 1}, y: []int64{2, -3, 10}},
	} {
		var s said
		c.o.Log = s.log()
		tab, err := CSV(file(t, "data.csv", []byte(c.text)), append([]CSVOption{c.o}, append(c.options, csvOption(func(o *CSVOptions) { o.Log = s.log() }))...)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(tab.F32("x"), c.x) || !slices.Equal(tab.I64("y"), c.y) {
			t.Errorf("%s: %v, %v", name, tab.F32("x"), tab.I64("y"))
		}
		if got := s.String(); !strings.Contains(got, c.said) || c.said == "" && got != "" {
			t.Errorf("%s: it says %q, want %q", name, got, c.said)
		}
	}
}

func TestCSVHeaderMistakes(t *testing.T) {
	for text, c := range map[string]struct {
		options []CSVOption
		parts   []string
	}{
		"1,2\n3,4\n":                  {[]CSVOption{CSVOptions{Label: "y"}}, []string{`no field is named "y"`, "taken for data", `to "1"`}},
		",a\n0.5,1\n":                 {nil, []string{"line 2", "no name", `"0.5" is not a whole number`}},
		"a,,b\n1,2,3\n":               {nil, []string{"line 1: field 1 has no name", `Skip("")`}},
		"a,b\n1,2\n":                  {[]CSVOption{Skip("c")}, []string{`no field is named "c"`, "Skip", "a, b"}},
		"a,b,c\n1,2,3\n":              {[]CSVOption{CSVOptions{Label: "c"}, Skip("c")}, []string{`"c" is left out by Skip`}},
		"a;b\n1;2\n":                  {nil, []string{"one field only", `Comma`, `";"`}},
		"a\tb\n1\t2\n":                {nil, []string{"one field only", `"\t"`}},
		"a,y\n1,cat\n":                {[]CSVOption{CSVOptions{Label: "y"}}, []string{"line 2", `label "y"`, `"cat" is not a whole number`, "number the classes"}},
		"a,y\n1,0.5\n":                {[]CSVOption{CSVOptions{Label: "y"}}, []string{`"0.5" is not a whole number`}},
		"a,y\n1,9007199254740993.0\n": {[]CSVOption{CSVOptions{Label: "y"}}, []string{"is not a whole number"}},
		"a,y\n1,1e300\n":              {[]CSVOption{CSVOptions{Label: "y"}}, []string{`"1e300" is not a whole number`}},
		"a,y\n1,\n":                   {[]CSVOption{CSVOptions{Label: "y"}}, []string{`"" is not a whole number`}},
		"\xff\xfea\x00,":              {nil, []string{"truncated"}},
		"\xff\xfe\x00\x00a\x00":       {nil, []string{"UTF-32"}},
		"a,b\n1,\x00\n":               {nil, []string{"zero bytes"}},
		"\x1f\x8b\x08nonsense":        {nil, []string{"gzip"}},
	} {
		_, err := CSV(file(t, "data.csv", []byte(text)), c.options...)
		wantError(t, err, append(c.parts, "data.csv")...)
	}
}

// TestCSVEncodings reads one table in every form.
func TestCSVEncodings(t *testing.T) {
	const text = "größe,b,label\n1,2,0\n3.5,-4e2,1\n"
	wide := func(order binary.AppendByteOrder, s string) (b []byte) {
		for _, u := range utf16.Encode([]rune(s)) {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	long := "größe,b,label\n" + strings.Repeat("1,2,0\n3.5,-4e2,1\n", 20000)
	for name, c := range map[string]struct {
		file []byte
		rows int
	}{
		"plain":       {[]byte(text), 2},
		"BOM":         {[]byte("\xef\xbb\xbf" + text), 2},
		"CRLF":        {[]byte(strings.ReplaceAll(text, "\n", "\r\n")), 2},
		"CR":          {[]byte(strings.ReplaceAll(text, "\n", "\r")), 2},
		"Latin-1":     {[]byte(strings.NewReplacer("ö", "\xf6", "ß", "\xdf").Replace(text)), 2},
		"gzip":        {zipped([]byte(text)), 2},
		"UTF-16":      {wide(binary.LittleEndian, "\ufeff"+text), 2},
		"UTF-16 big":  {wide(binary.BigEndian, "\ufeff"+text), 2},
		"UTF-16 bare": {wide(binary.LittleEndian, text), 2},
		"big, bare":   {wide(binary.BigEndian, text), 2},
		"UTF-16 long": {wide(binary.BigEndian, "\ufeff"+long), 40000},
		"both":        {zipped(wide(binary.LittleEndian, "\ufeff"+long)), 40000},
	} {
		var s said
		tab, err := CSV(file(t, "data.csv", c.file), CSVOptions{Groups: []CSVGroup{{Name: "x", Fields: []string{"größe", "b"}}}, Label: "label", Log: s.log()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x, y := tab.F32("x"), tab.I64("y")
		if tab.Len() != c.rows || !slices.Equal(x[len(x)-4:], []float32{1, 2, 3.5, -400}) || !slices.Equal(y[:2], []int64{0, 1}) {
			t.Errorf("%s: %d rows, %v, %v", name, tab.Len(), x[:4], y[:2])
		}
		if name == "Latin-1" != strings.Contains(s.String(), "Latin-1") {
			t.Errorf("%s: it says %q", name, s.String())
		}
	}
}
