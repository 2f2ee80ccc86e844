package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// people is a schema with a field of every kind.
func people() *Schema {
	return &Schema{Fields: []Field{
		{Name: "id", Kind: Ignored, Note: "text of 4 values"},
		{Name: "age", Kind: Number, Unit: "years"},
		{Name: "city", Kind: Category, Values: []string{"Bern", "Rome"}},
		{Name: "born", Kind: Date, Format: isoDate},
		{Name: "seen", Kind: Time, Format: isoTime},
		{Name: "pet", Kind: Category, Values: []string{"cat"}, Missing: []string{"-99", "nil"}},
		{Name: "left", Kind: Label, Values: []string{"no", "yes"}},
		{Name: "pay", Kind: Target, Unit: "kCHF"},
		{Name: "bonus", Kind: Target},
		{Name: "w", Kind: Weight},
		{Name: "who", Kind: Group, Values: []string{"anne", "bob"}},
		{Name: "height", Kind: Number},
	}}
}

func TestSchemaColumns(t *testing.T) {
	s := people()
	var got []string
	for _, c := range s.Columns() {
		text := c.String()
		if c.Missing {
			text += " missing"
		}
		got = append(got, text)
	}
	want := []string{"numeric f32[7] missing", "categorical i64[2]", "y i64[]", "target f32[2] missing", "weight f32[]", "group i64[]", "time i64[]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := s.Cardinalities(); !slices.Equal(got, []int{4, 3}) {
		t.Errorf("cardinalities %v", got)
	}
	if got := s.Numeric(); !slices.Equal(got, []string{"age", "born.year", "born.month.sin", "born.month.cos", "born.weekday.sin", "born.weekday.cos", "height"}) {
		t.Errorf("numeric %v", got)
	}
	if got := s.Categorical(); !slices.Equal(got, []string{"city", "pet"}) {
		t.Errorf("categorical %v", got)
	}
	if got := s.Targets(); !slices.Equal(got, []string{"pay", "bonus"}) {
		t.Errorf("targets %v", got)
	}
	if got := s.Classes(); !slices.Equal(got, []string{"no", "yes"}) {
		t.Errorf("classes %v", got)
	}
	if got := len(s.Inputs().Columns()); got != 2 {
		t.Errorf("%d columns of inputs", got)
	}
	s.Clone().Field("city").Values[0] = "Paris"
	if s.Field("city").Values[0] != "Bern" {
		t.Error("a clone shares values")
	}
}

// TestSchemaFile: what is written is read back.
func TestSchemaFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "people.json")
	s := people()
	s.Comma, s.Decimal, s.NoHeader = ";", ",", true
	if err := s.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSchema(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Error(diff)
	}
	text := s.String()
	for _, part := range []string{"age     number    years", "city    category  Bern, Rome", "text of 4 values", `";"`} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	_, err = ReadSchema(filepath.Join(t.TempDir(), "no.json"))
	wantError(t, err, "there is no file")
	if err := os.WriteFile(path, []byte(`{"fields":[{"name":"a","kind":"nmber"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ReadSchema(path)
	wantError(t, err, path, `field "a" (number 0)`, `"nmber"`, "number, category")
	s.Fields[1].Kind = "nmber"
	wantError(t, s.WriteFile(path), `field "age" (number 1)`)
}

func TestBadSchema(t *testing.T) {
	var none *Schema
	wantError(t, none.Check(), "nil")
	for text, parts := range map[string][]string{
		`{}`:                       {"no fields"},
		`{"fields":[]}`:            {"no fields"},
		`{"field":[]}`:             {"unknown field"},
		`{"fields":[{"nam":"a"}]}`: {"unknown field", "nam"},
		`[]`:                       {"it is a JSON array"},
		`{"fields":[{"name":"a","kind":"number"},{"name":"a","kind":"date","format":"2006-01-02"}]}`: {`field "a" (number 1)`, "field 0 has that name"},
		`{"fields":[{"name":"","kind":"number"}]}`:                                                   {"(number 0)", "no name"},
		`{"fields":[{"name":"a","kind":"ignored"}]}`:                                                 {"every field is ignored"},
		`{"fields":[{"name":"a","kind":"category"}]}`:                                                {`"a"`, "without values"},
		`{"fields":[{"name":"a","kind":"label"}]}`:                                                   {`"a"`, "name the classes"},
		`{"fields":[{"name":"a","kind":"number","values":["b"]}]}`:                                   {`"a"`, "cannot have values"},
		`{"fields":[{"name":"a","kind":"category","values":["b","b"]}]}`:                             {`"a"`, `"b" comes twice`},
		`{"fields":[{"name":"a","kind":"category","values":["b "]}]}`:                                {`"b "`, "blank"},
		`{"fields":[{"name":"a","kind":"category","values":["NA"]}]}`:                                {`"NA"`, "no value"},
		`{"fields":[{"name":"a","kind":"category","values":["c"],"missing":["c"]}]}`:                 {`"c"`, "no value"},
		`{"fields":[{"name":"a","kind":"category","values":["b"],"unit":"m"}]}`:                      {`"a"`, `unit "m"`},
		`{"fields":[{"name":"a","kind":"date"}]}`:                                                    {`"a"`, "without a format"},
		`{"fields":[{"name":"a","kind":"date","format":"day"}]}`:                                     {`"a"`, `"day" is no layout`},
		`{"fields":[{"name":"a","kind":"date","format":"15:04"}]}`:                                   {`"a"`, "no layout of a date"},
		`{"fields":[{"name":"a","kind":"date","format":"2006"}]}`:                                    {`"a"`, "year, month and day"},
		`{"fields":[{"name":"a","kind":"number","format":"2006-01-02"}]}`:                            {`"a"`, "cannot have a format"},
		`{"fields":[{"name":"a","kind":"weight"},{"name":"b","kind":"weight"}]}`:                     {`field "b" (number 1)`, `so is "a"`},
		`{"fields":[{"name":"a","kind":"number"}],"comma":"ab"}`:                                     {"Comma"},
		`{"fields":[{"name":"a","kind":"number"}],"comma":"\n"}`:                                     {"Comma"},
		`{"fields":[{"name":"a","kind":"number"}],"decimal":";"}`:                                    {"decimal"},
	} {
		err := json.Unmarshal([]byte(text), new(Schema))
		if err == nil {
			t.Errorf("%s is accepted", text)
			continue
		}
		wantError(t, err, append(parts, "schema")...)
	}
}

// FuzzSchema: what is accepted is written and read back as it was.
func FuzzSchema(f *testing.F) {
	b, err := json.Marshal(people())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add(`{"fields":[{"name":"a","kind":"number"}],"comma":";","decimal":","}`)
	f.Fuzz(func(t *testing.T, text string) {
		s := new(Schema)
		if json.Unmarshal([]byte(text), s) != nil {
			return
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again := new(Schema)
		if err := json.Unmarshal(b, again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := json.Marshal(again); err != nil || string(c) != string(b) {
			t.Fatalf("%s became %s: %v", b, c, err)
		}
		_ = s.String()
		if err := checkColumns(s.Columns()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSchemaOf: the schema is found through what rows are chosen, cut and mixed by, and what a table loses it loses too.
func TestSchemaOf(t *testing.T) {
	schema := &Schema{Fields: []Field{{Name: "x", Kind: Number}, {Name: "y", Kind: Label, Values: []string{"a", "b"}}, {Name: "device", Kind: Group}}}
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte("x,y,device\n1,a,0\n2,b,0\n3,a,1\n4,b,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := schema.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	chosen := All(rows.Select([]int{3, 0, 1}))
	plain := From(make([]struct{}, 4), func(_ struct{}, row Row) {
		row.F32("numeric", 1)
		row.I64("y", 0)
		row.I64("group", 0)
	}, rows.Columns()...)
	for name, src := range map[string]Source{
		"selection":        chosen.Head(2),
		"windows":          Windows(rows, WindowOptions{Length: 2, Recording: "group"}),
		"unlabelled":       chosen.Unlabel("y", nil),
		"mix":              Mix(rows, 1, plain, 2),
		"mix, the second":  Mix(plain, 1, rows, 2),
		"a table's choice": rows.Head(2),
	} {
		if got := SchemaOf(src); got == nil || got.String() != schema.String() {
			t.Errorf("%s: the schema is %v", name, got)
		}
	}
	other := schema.Clone()
	other.Field("y").Values = []string{"b", "a"}
	turned, err := other.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := SchemaOf(Mix(turned, 1, rows, 2)); got == nil || !slices.Equal(got.Classes(), []string{"b", "a"}) {
		t.Errorf("a mix of two schemas has that of the second: %v", got)
	}
	if got := SchemaOf(Mix(plain, 1, plain, 2)); got != nil {
		t.Errorf("a mix without any: %v", got)
	}
	less := rows.Without("y", "group")
	if got := less.Schema(); len(got.Fields) != 1 || got.Fields[0].Name != "x" || got.Check() != nil {
		t.Errorf("without the label and the group it is\n%s", got)
	}
	if got := less.Join(plain.Without("numeric", "group").Rename("y", "z")).Without("numeric").Schema(); got != nil {
		t.Errorf("nothing is left, but it is\n%s", got)
	}
}
