package consumers_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/consumer"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const trained = `day,age,plan,city,paid,rooms,left
2024-01-31,41.5,basic,Köln,True,3,no
2024-02-29,NA,pro,"Paris, Texas",False,4,yes
2024-06-01,29,,Köln,True,4,no
2023-12-31,,basic,Oslo,False,3,yes
`

// Other columns in another order, an unseen text, one that is missing, and a field that training had not.
const used = `city,more,plan,day,age,paid,rooms
Oslo,1,pro,2025-03-30,18,true,3.0
Atlantis,2,none,2024-12-25,,FALSE,3.10
"Paris, Texas",3,basic,?,77.25,False,4
`

// TestTable: a consumer maps the texts of new rows by the schema in training.json, and has the outputs that Lamina has.
func TestTable(t *testing.T) {
	consumer.Python(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := file("trained.csv", trained)
	schema, err := dataset.Infer(t.Context(), path, dataset.Label.Of("left"), dataset.Category.Of("rooms"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := schema.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	cards := schema.Cardinalities()
	numeric, categorical := spec.Input("numeric", len(schema.Numeric())).Optional(), spec.Categories("categorical", cards...)
	h := spec.Concat(0, numeric.Then(spec.FillMissing().Indicator()).Then(spec.Standardise()), categorical.Then(spec.OneHotIDs(cards...)))
	logits := h.Then(spec.Dense(2)).Named("logits")
	fit, err := train.Fit(t.Context(), spec.NewModel("left", spec.CrossEntropy(logits, spec.Labels("y", 2))), rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "bundle")
	if _, err := bundle.Write(t.Context(), out, fit.Net(logits), rows, orttest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	net, err := bundle.Open(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	now := file("used.csv", used)
	again, err := net.Record().Schema.Inputs().CSV(now)
	if err != nil {
		t.Fatal(err)
	}
	want, err := net.Over(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	status, text := consumer.Run(t, consumer.Python(t), consumer.Script(t, "table.py"), out, now)
	var got struct{ Logits [][]float64 }
	if err := json.Unmarshal([]byte(text), &got); status != 0 || err != nil || len(got.Logits) != 3 {
		t.Fatalf("exit status %d, %v:\n%s", status, err, text)
	}
	for i, x := range want.F32("logits") {
		if y := got.Logits[i/2][i%2]; !(math.Abs(float64(x)-y) <= 1e-4*(1+math.Abs(y))) {
			t.Errorf("row %d, class %d: %v in Python, %v in Go", i/2, i%2, y, x)
		}
	}
	status, text = consumer.Run(t, consumer.Python(t), consumer.Script(t, "table.py"), out, file("other.csv", strings.Replace(used, "plan", "tariff", 1)))
	if status != 2 || !strings.Contains(text, "there is no column plan") {
		t.Errorf("exit status %d:\n%s", status, text)
	}

	for was, is := range map[string]string{"18": "1_8", "77.25": "inf", "2024-12-25": "20241225", "basic,?,": "basic,"} {
		path := file("wrong.csv", strings.Replace(used, was, is, 1))
		if _, err := schema.Inputs().CSV(path); err == nil {
			t.Errorf("%s: Go reads it", is)
		}
		if status, text := consumer.Run(t, consumer.Python(t), consumer.Script(t, "table.py"), out, path); status != 2 || !strings.Contains(text, "wrong.csv: line ") {
			t.Errorf("%s: exit status %d:\n%s", is, status, text)
		}
	}

	// C++ has the model alone: numbers by the names of their places, and texts.
	names := append(schema.Numeric(), schema.Categorical()...)
	lines := []string{strings.Join(names, ",")}
	for i := range 2 { // the third has a comma in a text, for which that program has no quotes
		var line []string
		for _, x := range again.F32("numeric")[i*len(schema.Numeric()):][:len(schema.Numeric())] {
			text := ""
			if x == x {
				text = strconv.FormatFloat(float64(x), 'g', -1, 32)
			}
			line = append(line, text)
		}
		lines = append(lines, strings.Join(append(line, [][]string{{"pro", "Oslo", "true", "3.0"}, {"", "Atlantis", "FALSE", "3.10"}}[i]...), ","))
	}
	cpp := filepath.Join(consumer.CPP(t), "table")
	status, text = consumer.Run(t, cpp, filepath.Join(out, "model.onnx"), file("cpp.csv", strings.Join(lines, "\n")+"\n"))
	fields := strings.Fields(text)
	if status != 0 || len(fields) != 4 {
		t.Fatalf("exit status %d:\n%s", status, text)
	}
	for i, f := range fields {
		x := float64(want.F32("logits")[i])
		if y, err := strconv.ParseFloat(f, 64); err != nil || !(math.Abs(x-y) <= 1e-4*(1+math.Abs(y))) {
			t.Errorf("row %d, class %d: %s in C++, %v in Go", i/2, i%2, f, x)
		}
	}
	place := slices.Index(names, "age")
	for is, says := range map[string]string{"18abc": "18abc is not a finite number", "inf": "inf is not", "0x12": "0x12 is not", `"18"`: "no fields in quotes"} {
		wrong := strings.Split(lines[1], ",")
		wrong[place] = is
		status, text := consumer.Run(t, cpp, filepath.Join(out, "model.onnx"), file("cpp.csv", lines[0]+"\n"+strings.Join(wrong, ",")+"\n"))
		if status != 2 || !strings.Contains(text, says) {
			t.Errorf("%s: exit status %d:\n%s", is, status, text)
		}
	}
	lines[0] = strings.Replace(lines[0], "age", "years", 1)
	status, text = consumer.Run(t, cpp, filepath.Join(out, "model.onnx"), file("cpp.csv", strings.Join(lines, "\n")))
	if status != 2 || !strings.Contains(text, "there is no column age") {
		t.Errorf("exit status %d:\n%s", status, text)
	}
}
