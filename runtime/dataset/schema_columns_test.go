package dataset

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestRenamedColumns: a column that is renamed for training is so too where its schema reads another file, from a file of its own,
// without answers, and after further edits.
func TestRenamedColumns(t *testing.T) {
	const text = "age,city,left,pay\n1,Bern,no,5\n2,Rome,yes,6\n3,Bern,no,7\n"
	schema, err := inferText(t, "people.csv", text, Label.Of("left"), Target.Of("pay"), Category.Of("city"))
	if err != nil {
		t.Fatal(err)
	}
	rows := must(schema.CSV(file(t, "people.csv", []byte(text))))
	named := rows.Rename("numeric", "a").Rename("a", "x").Rename("categorical", "ids").Rename("y", "class").Head(2)
	if named.Err() != nil {
		t.Fatal(named.Err())
	}
	s := named.Schema()
	if want := map[string]string{"numeric": "x", "categorical": "ids", "y": "class"}; !reflect.DeepEqual(s.Renamed, want) || s.Column(Date) != "x" || s.Column(Target) != "target" || s.Column(Ignored) != "" {
		t.Errorf("renamed: %v", s.Renamed)
	}
	if schema.Renamed != nil || rows.Schema().Renamed != nil {
		t.Error("the schema that read the rows was changed")
	}
	path := filepath.Join(t.TempDir(), "schema.json")
	if err := s.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	s = must(ReadSchema(path))
	again := must(s.CSV(file(t, "again.csv", []byte(text))))
	want := "x f32[1], ids i64[1], class i64[], target f32[1]"
	if got := columnNames(again.Columns()); got != want {
		t.Errorf("the columns are %s, want %s", got, want)
	}
	if h, err := again.Head(2).Hash(); err != nil || h != must(named.Hash()) {
		t.Errorf("the rows are others, %v", err)
	}
	bare := must(s.Inputs().CSV(file(t, "bare.csv", []byte("city,age\nBern,4\n"))))
	if got := columnNames(bare.Columns()); got != "x f32[1], ids i64[1]" || bare.F32("x")[0] != 4 || bare.I64("ids")[0] != again.I64("ids")[0] {
		t.Errorf("without answers: %s", got)
	}
	if got := columnNames(named.Without("class").Schema().Columns()); got != "x f32[1], ids i64[1], target f32[1]" {
		t.Errorf("without labels: %s", got)
	}
	if back := named.Rename("x", "numeric").Rename("ids", "categorical").Rename("class", "y"); len(back.Schema().Renamed) != 0 {
		t.Errorf("back again: %v", back.Schema().Renamed)
	}
	for want, renamed := range map[string]map[string]string{
		`it renames "z", which is no column of a schema; these are numeric, categorical, y,`: {"z": "x"},
		`it renames "numeric" to ""`:     {"numeric": ""},
		`it renames two columns to "y"`:  {"numeric": "y"},
		`it renames two columns to "id"`: {"numeric": "id", "categorical": "id"},
	} {
		c := schema.Clone()
		c.Renamed = renamed
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
