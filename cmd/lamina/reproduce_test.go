package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestReproduceData reads what --data may name, and refuses the rest.
func TestReproduceData(t *testing.T) {
	dir := t.TempDir()
	npy := func(name string, shape []int, v []float32) string {
		var b bytes.Buffer
		if err := npywrite.Begin[float32](&b, shape); err != nil {
			t.Fatal(err)
		}
		if err := npywrite.Append(&b, v); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x, y := npy("x.npy", []int{3, 2}, make([]float32, 6)), npy("y.npy", []int{3, 1}, make([]float32, 3))
	tables, err := tablesOf(t.Context(), "x="+x+",target="+y, nil)
	if err != nil || len(tables) != 1 || len(tables[0].Columns()) != 2 || tables[0].Len() != 3 {
		t.Errorf("got %v, %v", tables, err)
	}
	csv := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(csv, []byte("a,class,b\n1,0,2\n3,1,4\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{csv: "[x f32[3]]", "class=" + csv: "[x f32[2] y i64[]]"} {
		if tables, err := tablesOf(t.Context(), arg, nil); err != nil || fmt.Sprint(tables[0].Columns()) != want {
			t.Errorf("%s: got %v, %v, want %s", arg, tables, err, want)
		}
	}
	schema := filepath.Join(dir, "schema.json")
	if err := (&dataset.Schema{Fields: []dataset.Field{{Name: "b", Kind: dataset.Number}, {Name: "class", Kind: dataset.Label, Values: []string{"1", "0"}}}}).WriteFile(schema); err != nil {
		t.Fatal(err)
	}
	lines := filepath.Join(dir, "rows.jsonl")
	if err := os.WriteFile(lines, []byte(`{"class":0,"b":2}`+"\n"+`{"b":4,"class":"1"}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{csv, lines} {
		if tables, err := tablesOf(t.Context(), schema+"="+path, nil); err != nil || fmt.Sprint(tables[0].Columns(), tables[0].F32("numeric"), tables[0].I64("y")) != "[numeric f32[1] y i64[]] [2 4] [1 0]" {
			t.Errorf("%s by a schema: %v, %v", path, tables, err)
		}
	}
	for arg, want := range map[string]string{
		"klass=" + csv: `"klass"`,
		x:              "COLUMN=NAME.npy", dir: "train-images", filepath.Join(dir, "no.csv"): "there is no file", "x=" + x + ",x=" + y: "x",
	} {
		if _, err := tablesOf(t.Context(), arg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", arg, err, want)
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"reproduce", "--quiet", dir}, &out, &errs); code != 2 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
