package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

	turned, lines := wines(2, 300, 0, "land", "good", "sugar", "acid")
	a, j := write("turned.csv", turned), write("turned.jsonl", lines)
	bare, _ := wines(2, 300, 0, "sugar", "acid", "land")
	write("bare.csv", bare)
	want(0, "f32[300 2]", "encode", b, "--data", a, "--output", at("a.npy"))
	want(0, "f32[300 2]", "encode", b, "--data", j, "--output", at("j.npy"))
	want(0, "f32[300 2]", "encode", b, "--data", at("bare.csv"), "--output", at("bare.npy"))
	want(0, "f32[300 2]", "run", b, "--data", a, "--engine", "lamina", "--output", at("r.npy"))
	want(0, "f32[300 2]", "run", b, "--data", j, "--engine", "both", "--output", at("o.npy"))
	first, err := os.ReadFile(at("a.npy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"j.npy", "bare.npy", "r.npy"} {
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != string(first) {
			t.Errorf("%s differs from a.npy: %v", name, err)
		}
	}
	want(0, "accuracy", "evaluate", b, "--data", a)
	want(0, "accuracy", "evaluate", b, "--data", j, "--labels", "good")
	want(0, "0 of 5 places moved", "drift", b, "--data", a)
	moved, _ := wines(3, 300, 1, "acid", "sugar", "land")
	write("moved.csv", moved)
	want(1, "acid: the quartiles are", "drift", b, "--data", at("moved.csv"))
	var d evaluate.Drift
	status, out := lamina("drift", b, "--data", at("moved.csv"), "--json")
	if i := strings.LastIndex(out, "}"); status != 1 || json.Unmarshal([]byte(out[:i+1]), &d) != nil || d.Status != evaluate.Moved || d.Rows != 300 {
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
