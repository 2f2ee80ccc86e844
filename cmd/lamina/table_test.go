package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// wines are lines of a table with its columns in an order, and as JSON.
func wines(seed uint64, rows int, shift float64, order ...string) (csv, jsonl string) {
	var b, j strings.Builder
	b.WriteString(strings.Join(order, ",") + "\n")
	key := random.New(seed)
	for i := range rows {
		k := key.Derive(uint64(i))
		class := k.Uint64N(0, 2)
		row := map[string]any{"acid": k.Normal(1) + float64(class) + shift, "sugar": k.Normal(2), "land": []string{"Baden", "Rioja", "Jura"}[k.Uint64N(3, 3)], "good": []string{"no", "yes"}[class]}
		if k.Uint64N(4, 8) == 0 {
			row["sugar"] = nil
		}
		var line []string
		for _, name := range order {
			v := row[name]
			if v == nil {
				v = ""
			}
			line = append(line, fmt.Sprint(v))
		}
		fmt.Fprintln(&b, strings.Join(line, ","))
		one, _ := json.Marshal(row)
		j.Write(append(one, '\n'))
	}
	return b.String(), j.String()
}

// parquetOf is JSON lines of wines as a Parquet file.
func parquetOf(t *testing.T, lines string) string {
	t.Helper()
	type wine struct {
		Land  string   `parquet:"land,dict"`
		Sugar *float64 `parquet:"sugar,optional"`
		Good  string   `parquet:"good"`
		Acid  float64  `parquet:"acid"`
		Tags  []string `parquet:"tags,list"` // which no schema has
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[wine](&b, parquet.MaxRowsPerRowGroup(128))
	for line := range strings.Lines(lines) {
		row := wine{Tags: []string{"a", "b"}}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]wine{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTableVerbs: the verbs read rows by the schema of the bundle, whatever the format and the order of the columns, say one clear
// error if columns have changed, and drift exits with its statuses.
func TestTableVerbs(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	text, _ := wines(1, 400, 0, "acid", "sugar", "land", "good")
	path := write("wines.csv", text)
	schema, err := dataset.Infer(t.Context(), path, dataset.Label.Of("good"), dataset.Unit("g/l", "acid"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := schema.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	cards := schema.Cardinalities()
	numeric, categorical := spec.Input("numeric", 2).Optional(), spec.Categories("categorical", cards...)
	logits := spec.Concat(0, numeric.Then(spec.FillMissing()), categorical.Then(spec.OneHotIDs(cards...))).Then(spec.Dense(2)).Named("logits")
	fit, err := train.Fit(t.Context(), spec.NewModel("wines", spec.CrossEntropy(logits, spec.Labels("y", 2))), rows, train.Options{Optimizer: optim.Adam(5e-2), Epochs: 5, Batch: 50})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), at("bundle"), fit.Net(logits), rows, rt); err != nil {
		t.Fatal(err)
	}
	score, three := logits.Then(spec.Softmax(-1), spec.Slice(0, 1, 2), spec.Sum(0)).Named("score"), spec.Concat(0, logits, logits.Then(spec.Slice(0, 0, 1))).Named("three")
	if _, err := bundle.Write(t.Context(), at("score"), fit.Net(score, three), rows, rt); err != nil {
		t.Fatal(err)
	}
	lamina := func(args ...string) (status int, out string) {
		var b strings.Builder
		status = run(args, &b, &b)
		return status, b.String()
	}
	want := func(status int, text string, args ...string) {
		t.Helper()
		got, out := lamina(args...)
		if got != status || !strings.Contains(out, text) {
			t.Errorf("lamina %s: status %d, want %d and %q in\n%s", strings.Join(args, " "), got, status, text, out)
		}
	}
	b := at("bundle")
	want(0, "acid", "inspect", b)
	want(0, "g/l", "inspect", b)
	want(0, "Rioja", "inspect", b)

	// the rows are read by the schema of the bundle, or by one that is given
	_, lines := wines(1, 400, 0, "acid", "sugar", "land", "good")
	if err := schema.WriteFile(at("schema.json")); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{path, write("wines.jsonl", lines), at("schema.json") + "=" + path} {
		want(0, "reproduced: 1 phase, 40 updates", "reproduce", b, "--quiet", "--data", data)
	}
	bare, _ := wines(1, 400, 0, "acid", "sugar", "land")
	want(2, `by the schema of the bundle: `, "reproduce", b, "--quiet", "--data", write("unlabelled.csv", bare))

	turned, lines := wines(2, 300, 0, "land", "good", "sugar", "acid")
	a, j := write("turned.csv", turned), write("turned.jsonl", lines)
	packed := parquetOf(t, lines)
	p := write("turned.parquet", packed)
	bare, _ = wines(2, 300, 0, "sugar", "acid", "land")
	write("bare.csv", bare)
	want(0, "f32[300 2]", "encode", b, "--data", a, "--output", at("a.npy"))
	want(0, "f32[300 2]", "encode", b, "--data", j, "--output", at("j.npy"))
	want(0, "f32[300 2]", "encode", b, "--data", p, "--output", at("p.npy"))
	want(0, "f32[300 2]", "encode", b, "--data", at("bare.csv"), "--output", at("bare.npy"))
	want(0, "f32[300 2]", "run", b, "--data", a, "--engine", "lamina", "--output", at("r.npy"))
	want(0, "f32[300 2]", "run", b, "--data", p, "--engine", "lamina", "--output", at("q.npy"))
	want(0, "f32[300 2]", "run", b, "--data", j, "--engine", "both", "--output", at("o.npy"))
	first, err := os.ReadFile(at("a.npy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"j.npy", "p.npy", "bare.npy", "r.npy", "q.npy"} {
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != string(first) {
			t.Errorf("%s differs from a.npy: %v", name, err)
		}
	}
	want(0, "accuracy", "evaluate", b, "--data", a)
	want(0, "accuracy", "evaluate", b, "--data", j, "--labels", "good")
	want(0, "0 of 5 places moved", "drift", b, "--data", a)
	_, ofCSV := lamina("evaluate", b, "--data", a)
	if status, out := lamina("evaluate", b, "--data", p); status != 0 || strings.ReplaceAll(out, ".parquet", ".csv") != ofCSV {
		t.Errorf("status %d, of Parquet:\n%s\nof CSV:\n%s", status, out, ofCSV)
	}
	want(0, "0 of 5 places moved", "drift", b, "--data", p)
	moved, _ := wines(3, 300, 1, "acid", "sugar", "land")
	write("moved.csv", moved)
	want(1, "acid: the quartiles are", "drift", b, "--data", at("moved.csv"))
	var d evaluate.Drift
	status, out := lamina("drift", b, "--data", at("moved.csv"), "--json", "--least", "0", "--level", "0.001")
	if i := strings.LastIndex(out, "}"); status != 1 || json.Unmarshal([]byte(out[:i+1]), &d) != nil || d.Status != evaluate.Moved || d.Rows != 300 || d.Least != 0 || d.Level != 0.001 {
		t.Errorf("status %d: %+v", status, d)
	}
	want(1, `land: `, "drift", b, "--data", write("new.csv", strings.Replace(strings.ReplaceAll(bare, "Rioja", "Tokaj"), "Baden", "Eger", 40)))
	status, out = lamina("drift", b, "--data", at("new.csv"), "--json")
	tokaj := dataset.TextCount{Text: "Tokaj", Rows: strings.Count(bare, "Rioja")}
	d = evaluate.Drift{}
	if i := strings.LastIndex(out, "}"); status != 1 || json.Unmarshal([]byte(out[:i+1]), &d) != nil {
		t.Fatalf("status %d: %s", status, out)
	}
	named := fmt.Sprintf("; new: \"Tokaj\" %d times, \"Eger\" 40 times", tokaj.Rows)
	for _, p := range d.Places {
		unseen := p.Name == "land"
		if unseen != (len(p.Unseen) == 2 && p.Unseen[0] == tokaj) || unseen != strings.HasSuffix(p.Says, named) {
			t.Errorf("%s: %q, %v", p.Name, p.Says, p.Unseen)
		}
	}
	if k := slices.IndexFunc(d.Moved, func(s string) bool { return strings.HasPrefix(s, "land") }); k < 0 || !strings.HasSuffix(d.Moved[k], named) {
		t.Errorf("moved: %q", d.Moved)
	}

	// Rows without a label are none, whatever is measured; the label's classes are those of the output.
	labelled, _ := wines(2, 300, 0, "acid", "sugar", "land", "good")
	write("labelled.csv", labelled)
	blank := strings.Replace(strings.Replace(labelled, ",no\n", ",\n", 30), ",yes\n", ",\n", 10)
	var m evaluate.Measured
	_, out = lamina("evaluate", at("score"), "--data", write("blank.csv", blank), "--output", "score", "--kind", "numbers", "--json", "--draws", "20")
	if err := json.Unmarshal([]byte(out), &m); err != nil || len(m.Numbers) != 1 || m.Numbers[0].Rows != 260 {
		t.Errorf("260 rows have a label: %v\n%s", err, out)
	}
	want(2, `output "three" has 3 numbers a row, but the label has 2 classes`, "evaluate", at("score"), "--data", a, "--output", "three")
	_, out = lamina("evaluate", b, "--data", at("bare.csv"))
	if !strings.Contains(out, `there is no column "good"`) || strings.Contains(out, "which the schema lacks") {
		t.Errorf("rows without a label: %s", out)
	}
	want(2, `there is no column "acid"`, "drift", b, "--data", write("acidless.csv", strings.Replace(labelled, "acid", "Säure", 1)))
	_, out = lamina("drift", b, "--data", at("acidless.csv"))
	if !strings.Contains(out, `but "Säure" instead`) {
		t.Errorf("a label is no column that the schema lacks: %s", out)
	}

	few, _ := wines(4, 20, 0, "acid", "sugar", "land")
	want(2, "there are 20 rows", "drift", b, "--data", write("few.csv", few))
	want(2, "--level", "drift", b, "--data", a, "--level", "2")

	cut, old := write("cut.parquet", packed[:len(packed)/2]), write("old.parquet", strings.ReplaceAll(packed, "sugar", "Sugar"))
	for _, verb := range []string{"encode", "run", "evaluate", "drift"} {
		args := []string{verb, b}
		if verb == "encode" || verb == "run" {
			args = append(args, "--output", at("none.npy"))
		}
		want(2, cut+": cut short", append(args, "--data", cut)...)
		want(2, old+`: there is no column "sugar", but "Sugar", "tags" instead`, append(args, "--data", old)...)
		if verb == "encode" || verb == "run" {
			want(2, "without INPUT=", append(args, "--data", "numeric="+p, "--data", "categorical="+p)...)
		}
	}
	want(2, "--labels land: the schema of the bundle has that column as a category", "evaluate", b, "--data", p, "--labels", "land")
	want(2, "a Parquet file", "encode", b, "--data", write("packed.csv", packed), "--output", at("none.npy"))
	renamed := write("renamed.csv", strings.Replace(strings.Replace(bare, "sugar", "Zucker", 1), "land", "Land", 1))
	for _, verb := range []string{"encode", "run", "evaluate", "drift"} {
		args := []string{verb, b, "--data", renamed}
		if verb == "encode" || verb == "run" {
			args = append(args, "--output", at("none.npy"))
		}
		if verb == "evaluate" {
			args = append(args, "--labels", at("a.npy"))
		}
		want(2, `there is no column "sugar", "land", but "Zucker", "Land" instead`, args...)
	}
	want(2, "give either --input or --data", "encode", b, "--data", a, "--input", a, "--output", at("none.npy"))
	want(2, "give either --input or --data", "run", b, "--data", a, "--input", "numeric="+a, "--output", at("none.npy"))
	if err := os.Remove(filepath.Join(b, "drift.json")); err != nil {
		t.Fatal(err)
	}
	want(2, "drift.json", "drift", b, "--data", a)
}

// TestReadTable: of the fields that are no inputs only what is asked for is read, by its name or that of its column.
func TestReadTable(t *testing.T) {
	schema := &dataset.Schema{Fields: []dataset.Field{{Name: "acid", Kind: dataset.Number}, {Name: "good", Kind: dataset.Label, Values: []string{"no", "yes"}}, {Name: "price", Kind: dataset.Target},
		{Name: "land", Kind: dataset.Category, Values: []string{"Jura"}}, {Name: "rating", Kind: dataset.Target}, {Name: "w", Kind: dataset.Weight}, {Name: "who", Kind: dataset.Group}}}
	path := filepath.Join(t.TempDir(), "wines.csv")
	if err := os.WriteFile(path, []byte("rating,price,good,land,acid\n5,1.5,yes,Jura,3\n6,2.5,no,Baden,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readTable(t.Context(), schema, path, "acid"); err == nil || !strings.Contains(err.Error(), "--labels acid: ") {
		t.Errorf("an input as labels: %v", err)
	}
	for labels, want := range map[string]string{"": "", "good": "i64[] [1 0]", "y": "i64[] [1 0]", "price": "f32[1] [1.5 2.5]", "rating": "f32[1] [5 6]", "target": "f32[2] [1.5 5 2.5 6]"} {
		rows, truth, err := readTable(t.Context(), schema, path, labels)
		if err != nil {
			t.Errorf("%q: %v", labels, err)
			continue
		}
		got := ""
		if truth != nil {
			c := truth.Columns()[0]
			got = strings.TrimPrefix(c.String(), truthColumn+" ") + " "
			if c.DType == dataset.I64 {
				got += fmt.Sprint(truth.I64(truthColumn))
			} else {
				got += fmt.Sprint(truth.F32(truthColumn))
			}
		}
		if got != want || fmt.Sprint(rows.Columns()) != "[numeric f32[1] categorical i64[1]]" || rows.Len() != 2 {
			t.Errorf("%q: %s, want %s, beside %v", labels, got, want, rows.Columns())
		}
	}
}

// TestFittedRows: integers become the bytes that an input takes, and rows have its shape.
func TestFittedRows(t *testing.T) {
	rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.I64, Shape: []int{4}}, I64: []int64{0, 1, 2, 255}})
	if err != nil {
		t.Fatal(err)
	}
	in := &ir.Value{Name: "x", Type: ir.T(ir.U8, ir.Rows(), ir.Fixed(2), ir.Fixed(2))}
	if got, err := fitted(rows, []*ir.Value{in}); err != nil || fmt.Sprint(got.Columns()) != "[x u8[2 2]]" || fmt.Sprint(got.U8("x")) != "[0 1 2 255]" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTruth: what is true of rows is whole numbers where it can be, and what is measured follows from it and the output.
func TestTruth(t *testing.T) {
	of := func(d dataset.Data) *evaluated {
		d.Name = truthColumn
		truth, err := dataset.NewTable(d)
		if err != nil {
			t.Fatal(err)
		}
		return &evaluated{truth: truth}
	}
	floats := func(v ...float32) *evaluated {
		return of(dataset.Data{Column: dataset.Column{DType: dataset.F32}, F32: v})
	}
	ints := func(v ...int64) *evaluated {
		return of(dataset.Data{Column: dataset.Column{DType: dataset.I64}, I64: v})
	}
	pairs := func(v ...int64) *evaluated {
		return of(dataset.Data{Column: dataset.Column{DType: dataset.I64, Shape: []int{2}}, I64: v})
	}
	for _, c := range []struct {
		e     *evaluated
		want  string
		whole bool
	}{
		{floats(0, 1, -1), "[0 1 -1]", true}, {floats(0, 1, 0.5), "[]", false}, {floats(1 << 20), "[1048576]", true}, {floats(1 << 25), "[]", false},
		{of(dataset.Data{Column: dataset.Column{DType: dataset.U8}, U8: []uint8{0, 255}}), "[0 255]", true}, {ints(7), "[7]", true},
	} {
		if got, whole := c.e.whole(); fmt.Sprint(got) != c.want || whole != c.whole {
			t.Errorf("%v, %v, want %s", got, whole, c.want)
		}
	}
	names := []string{"no", "yes"}
	x := &ir.Value{Name: "x", Type: ir.T(ir.F32, ir.Rows())}
	sigmoid := &ir.Value{Name: "p", Type: x.Type}
	sigmoid.Def = &ir.Node{Op: ops.Sigmoid{}, In: []*ir.Value{x}, Out: []*ir.Value{sigmoid}}
	for _, c := range []struct {
		e     *evaluated
		out   *ir.Value
		width int
		kind  evaluate.Kind
		scale evaluate.Scale
		named bool
	}{
		{ints(0, 1), x, 1, evaluate.Anomalies, "", true}, {ints(0, evaluate.None), x, 1, evaluate.Anomalies, "", true}, {ints(0, 2), x, 1, evaluate.Numbers, "", false},
		{ints(0, -2), x, 1, evaluate.Numbers, "", false}, {ints(0, 1), sigmoid, 1, evaluate.Classes, evaluate.Probabilities, true}, {floats(0.5, 1), sigmoid, 1, evaluate.Numbers, "", false},
		{ints(0, 1), x, 2, evaluate.Classes, evaluate.Logits, true}, {pairs(0, 1), x, 2, evaluate.Labels, evaluate.Logits, true}, {pairs(0, 2), x, 2, evaluate.Numbers, "", false},
	} {
		o := evaluate.Outputs{Width: c.width, Scores: []float64{3, 5}}
		if err := c.e.decide(&o, c.out, names, evaluateFlags{}); err != nil || o.Kind != c.kind || o.Scale != c.scale || (o.Names != nil) != c.named {
			t.Errorf("%+v, %v, want %s %s", o, err, c.kind, c.scale)
		}
	}
}

// TestTableVerbsRenamed: columns that were renamed for the model are read from texts under the names of training.
func TestTableVerbsRenamed(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "wines.csv")
	text, _ := wines(1, 200, 0, "acid", "sugar", "land", "good")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	schema, err := dataset.Infer(t.Context(), path, dataset.Label.Of("good"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := schema.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	rows = rows.Rename("numeric", "x").Rename("categorical", "land").Rename("y", "class")
	cards := schema.Cardinalities()
	logits := spec.Concat(0, spec.Input("x", 2).Optional().Then(spec.FillMissing()), spec.Categories("land", cards...).Then(spec.OneHotIDs(cards...))).Then(spec.Dense(2)).Named("logits")
	fit, err := train.Fit(t.Context(), spec.NewModel("wines", spec.CrossEntropy(logits, spec.Labels("class", 2))), rows, train.Options{Optimizer: optim.Adam(5e-2), Epochs: 2, Batch: 50})
	if err != nil {
		t.Fatal(err)
	}
	b := filepath.Join(dir, "bundle")
	if _, err := bundle.Write(t.Context(), b, fit.Net(logits), rows, rt); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"f32[200 2]", []string{"encode", b, "--data", path, "--output", filepath.Join(dir, "a.npy")}},
		{"f32[200 2]", []string{"run", b, "--data", path, "--engine", "both", "--output", filepath.Join(dir, "r.npy")}},
		{"accuracy", []string{"evaluate", b, "--data", path}},
		{"accuracy", []string{"evaluate", b, "--data", path, "--labels", "class"}},
		{"0 of 5 places moved", []string{"drift", b, "--data", path}},
		{"reproduced: 1 phase", []string{"reproduce", b, "--quiet", "--data", path}},
		{"sugar", []string{"inspect", b}},
	} {
		var out strings.Builder
		if status := run(c.args, &out, &out); status != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("lamina %s: status %d, want %q in\n%s", strings.Join(c.args, " "), status, c.want, out.String())
		}
	}
}
