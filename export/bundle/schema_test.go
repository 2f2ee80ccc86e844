package bundle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// loans are lines of a file, with holes and a number that depends on the others.
func loans(seed uint64, rows int, shift float64, cities ...string) string {
	var b strings.Builder
	b.WriteString("income,debt,city,late\n")
	key := random.New(seed)
	for i := range rows {
		k := key.Derive(uint64(i))
		income, late := 3+k.Normal(0)+shift, "no"
		debt := fmt.Sprint(income/2 + 0.1*k.Normal(1))
		if k.Float64(2) < 0.1 {
			debt = "NA"
		}
		if k.Float64(3) < 0.3 {
			late = "yes"
		}
		fmt.Fprintf(&b, "%v,%s,%s,%s\n", income, debt, cities[k.Uint64N(4, uint64(len(cities)))], late)
	}
	return b.String()
}

func readLoans(t *testing.T, schema *dataset.Schema, text string) (*dataset.Table, *dataset.Schema) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "loans.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if schema == nil {
		var err error
		if schema, err = dataset.Infer(t.Context(), path, dataset.Label.Of("late"), dataset.Unit("k€", "income")); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := schema.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	return rows, schema
}

// TestSchemaShips: the schema of the training rows, the names of the classes and what the columns and outputs were like go with
// the bundle; anomalies have a score, a flag and what each column adds, which onnxruntime computes too; what is damaged is refused.
func TestSchemaShips(t *testing.T) {
	all, schema := readLoans(t, nil, loans(1, 700, 0, "Oslo", "Bonn", "Lyon"))
	rows, held := all.Split(0.7, 1)
	cards := schema.Cardinalities()
	numeric, categorical := spec.Input("numeric", 2).Optional(), spec.Categories("categorical", cards...)
	scaled := numeric.Then(spec.Standardise())
	h := spec.Concat(0, scaled.Then(spec.FillMissing().With(0).Indicator()), categorical.Then(spec.OneHotIDs(cards...))).Then(spec.Dense(6), spec.Tanh())
	y, logits := h.Then(spec.Dense(2).Named("numbers")), h.Then(spec.Dense(cards[0]).Named("ids"))
	late := h.Then(spec.Dense(2).Named("late"))
	numbers, ids := spec.ColumnErrors(y, scaled), spec.CategoryErrors(logits, categorical, cards...)
	contributions := spec.Concat(0, numbers, ids).Named("contributions")
	score := contributions.Then(spec.Sum(0)).Named("score")
	m := spec.NewModel("loans", spec.MSE(y, scaled), spec.NewLoss("categories", ids), spec.CrossEntropy(late, spec.Labels("y", 2)))
	fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 4, Batch: 50})
	if err != nil {
		t.Fatal(err)
	}
	alarm, err := evaluate.FalseAlarms(t.Context(), fit.Net(score), held, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	net := fit.Net(score, score.Then(spec.Above(alarm.Threshold)).Named("anomaly"), contributions)
	if rec := net.Record(); rec.Schema == nil || !slices.Equal(rec.Classes, []string{"no", "yes"}) {
		t.Fatalf("the record has the classes %q and the schema\n%s", rec.Classes, rec.Schema)
	}
	dir := filepath.Join(t.TempDir(), "loans")
	if _, err := bundle.Write(t.Context(), dir, net, held, orttest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	o, err := bundle.Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Net.Record().Schema; got.String() != schema.String() || got.Fields[0].Unit != "k€" {
		t.Errorf("the schema is\n%s", got)
	}
	out, err := o.Net.Over(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range out.F32("score") {
		sum := float32(0)
		for _, c := range out.F32("contributions")[3*i:][:3] {
			sum += c
		}
		if c := out.F32("contributions")[3*i+1]; held.F32("numeric")[0] != 0 && c < 0 || s < sum-1e-4*sum || s > sum+1e-4*sum {
			t.Fatalf("row %d: the score is %v, and the contributions add up to %v", i, s, sum)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	var file onnxpb.ModelProto
	if err := file.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	has := map[string]string{}
	for _, p := range file.MetadataProps {
		has[p.Key] = p.Value
	}
	if got, want := has["lamina.columns"], `{"categorical":[{"name":"city","values":["Oslo","Bonn","Lyon"]}],"numeric":[{"name":"income","unit":"k€"},{"name":"debt"}],"y":[{"name":"late","values":["no","yes"]}]}`; !sameNames(got, want) {
		t.Errorf("lamina.columns is %s", got)
	}
	if has["lamina.classes"] != `["no","yes"]` {
		t.Errorf("lamina.classes is %s", has["lamina.classes"])
	}

	if o.Reference == nil || o.Reference.Of != held.Len() {
		t.Fatalf("the reference is %+v", o.Reference)
	}
	for text, moved := range map[string]string{
		loans(3, 1000, 0, "Oslo", "Bonn", "Lyon"):                 "",
		loans(4, 1000, 2, "Oslo", "Bonn", "Lyon"):                 "income: the quartiles",
		loans(5, 1000, 0, "Oslo", "Bonn", "Lyon", "Rome", "Cork"): "city: ",
	} {
		now, _ := readLoans(t, o.Net.Record().Schema, text)
		d, err := o.Reference.Compare(t.Context(), o.Net, now, evaluate.DriftOptions{})
		if err != nil || (d.Status == evaluate.Moved) != (moved != "") || !strings.Contains(strings.Join(d.Moved, "\n"), moved) {
			t.Errorf("%q: %+v, %v", moved, d.Moved, err)
		}
	}

	forge := func(dir string) { rehash(t, dir, func(name string) string { return sum(t, dir, name) }) }
	for name, c := range map[string]struct{ file, from, to, says string }{
		"a field twice":      {"training.json", `"name": "debt"`, `"name": "income"`, `field 0 has that name too`},
		"no kind":            {"training.json", `"kind": "category"`, `"kind": "colour"`, `its kind is "colour"`},
		"an unknown name":    {"training.json", `"kind": "category"`, `"sort": "category"`, `unknown field "sort"`},
		"counts":             {"drift.json", `"rows": 210`, `"rows": 209`, "their counts do not"},
		"more rows":          {"drift.json", `"rows": 210`, `"rows": 2100000`, "too many rows"},
		"another place":      {"drift.json", `"value": "score"`, `"value": "scored"`, "its places are not those of the function"},
		"no JSON":            {"drift.json", `{`, `[`, "drift.json"},
		"another format":     {"drift.json", `"format": 1`, `"format": 9`, "format 9 is not 1"},
		"an id out of order": {"drift.json", `"ids": [2`, `"ids": [9`, "the ids do not ascend"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.CopyFS(bad, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(bad, c.file))
			if err != nil || !strings.Contains(string(b), c.from) {
				t.Fatalf("%s has no %s: %v\n%.2000s", c.file, c.from, err, b)
			}
			put(t, bad, c.file, []byte(strings.Replace(string(b), c.from, c.to, 1)))
			if _, err := bundle.Load(t.Context(), bad); !errors.Is(err, bundle.ErrDiffers) {
				t.Errorf("with the hash of before: %v", err)
			}
			forge(bad)
			if _, err := bundle.Load(t.Context(), bad); !errors.Is(err, bundle.ErrUnreadable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("with its own hash: %v, want %q", err, c.says)
			}
		})
	}
	if err := os.Remove(filepath.Join(dir, "drift.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Load(t.Context(), dir); err == nil {
		t.Error("a bundle without the drift.json that it lists is opened")
	}
}

// sameNames compares JSON in which the values of categories are in any order.
func sameNames(a, b string) bool {
	sorted := func(s string) string {
		var v map[string][]struct {
			Name, Unit string
			Values     []string
		}
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			return err.Error()
		}
		for _, c := range v["categorical"] {
			slices.Sort(c.Values)
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return sorted(a) == sorted(b)
}
