package report

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/spec"
)

// TestDefaultModels: each kind of rows gets a model that learns, and a pretraining that runs.
func TestDefaultModels(t *testing.T) {
	digits := dataset.Digits().Train.Head(120)
	names := strings.Split("0,1,2,3,4,5,6,7,8,9", ",")
	type machine struct {
		Heat float64
		Kind string
		Bad  string
	}
	var machines []machine
	for i := range 60 {
		m := machine{float64(i % 7), "ab"[i%2 : i%2+1], "no"}
		if i%7 > 3 {
			m.Bad = "yes"
		}
		machines = append(machines, m)
	}
	table, err := dataset.FromStructs(machines, dataset.Label.Of("Bad"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		rows    *dataset.Table
		classes []string
		want    []string // in the text
		kinds   int
	}{
		{"table", table, []string{"no", "yes"}, []string{"spec.NewTable(1, 4)", "Reconstruction"}, 1},
		{"flat", digits, names, []string{`spec.Input("x", 784)`, "Tied()"}, 2},
		{"pictures", digits.Reshape("x", 1, 28, 28), names, []string{`spec.Input("x", 1, 28, 28)`, "spec.Conv(32, 3)"}, 2},
		{"windows", digits.Reshape("x", 4, 196), names, []string{`spec.Input("x", 4, 196)`, "Axis(0)"}, 2},
	} {
		model, err := DefaultModel(c.rows, "y", c.classes)
		if err != nil {
			t.Fatal(c.name, err)
		}
		m := model()
		for _, want := range c.want {
			if !strings.Contains(m.Text, want) {
				t.Errorf("%s: the text lacks %q:\n%s", c.name, want, m.Text)
			}
		}
		if len(m.Pretrain) != c.kinds {
			t.Errorf("%s: %d pretrainings", c.name, len(m.Pretrain))
		}
		o := smallOptions(t)
		for _, p := range m.Pretrain {
			m := model()
			p, err := m.pretraining(p.Name)
			if err != nil {
				t.Fatal(err)
			}
			po := o.Pretrain(1)
			po.Epochs = 1
			from, err := p.Train(t.Context(), m.Task, c.rows, po)
			if err != nil {
				t.Fatalf("%s: %s: %v", c.name, p.Name, err)
			}
			to := o.Train(1)
			to.InitFrom, to.Epochs = from, 1
			learned, err := fewlabels.FineTune{}.Train(t.Context(), m.Task, c.rows.Head(40), nil, to)
			if err != nil {
				t.Fatalf("%s: %s: %v", c.name, p.Name, err)
			}
			if report := learned.Result.InitReports(); len(report) != 1 || len(report[0].Loaded) == 0 {
				t.Errorf("%s: %s: the net starts from %v", c.name, p.Name, report)
			}
		}
		if _, err := m.raw(c.rows); err != nil {
			t.Errorf("%s: the columns as they are: %v", c.name, err)
		}
	}
	if _, err := DefaultModel(people(t, 12, 1), "z", names); err != nil {
		t.Error(err)
	}
	if _, err := WithPretrainings(smallModel, "magic"); err == nil || !strings.Contains(err.Error(), `no pretraining "magic"; it has denoising`) {
		t.Errorf("an unknown pretraining: %v", err)
	}
}

// TestScalesOfControls: what a net fits to the rows is not taken for what a control fits under the same name.
func TestScalesOfControls(t *testing.T) {
	model := func() Model {
		m := smallModel()
		x := spec.Input("x", 6)
		m.Task.Input, m.Task.Code = x, x.Then(spec.Standardise(), m.Task.Encoder)
		m.Task.Logits, m.Pretrain = m.Task.Code.Then(spec.Dense(2).Named("second")), nil
		return m
	}
	o := smallOptions(t)
	o.Counts, o.Unseen = []int{8}, true
	if _, err := LabelCurve(t.Context(), model, o); err != nil {
		t.Fatal(err)
	}
}

// TestColumnWithFewValues: a column that has no value in a few labelled rows is scaled by those of
// all rows that train.
func TestColumnWithFewValues(t *testing.T) {
	type row struct {
		A, B float64
		Yes  string
	}
	var rows []row
	for i := range 80 {
		r := row{A: float64(i), B: math.NaN(), Yes: "no"}
		if i%10 == 0 {
			r.B = float64(i)
		}
		if i%2 == 0 {
			r.Yes = "yes"
		}
		rows = append(rows, r)
	}
	table, err := dataset.FromStructs(rows, dataset.Label.Of("Yes"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := DefaultModel(table, "y", []string{"no", "yes"})
	if err != nil {
		t.Fatal(err)
	}
	o := smallOptions(t)
	o.Rows, o.Counts, o.Draws, o.Unseen = table, []int{2, 4}, 3, true
	if _, err := LabelCurve(t.Context(), model, o); err != nil {
		t.Fatal(err)
	}
}

// TestDefaultCurves measures rows of numbers and windows that are not from 0 to 1, whose nets fit a scale that the
// controls lack.
func TestDefaultCurves(t *testing.T) {
	for _, shape := range [][]int{{6}, {2, 3}} {
		rows := people(t, 60, 1).Reshape("x", shape...)
		model, err := DefaultModel(rows, "y", []string{"no", "yes"}, "person")
		if err != nil {
			t.Fatal(err)
		}
		o := smallOptions(t)
		o.Rows, o.Counts, o.Unseen = rows, []int{8}, true
		c, err := LabelCurve(t.Context(), model, o)
		if err != nil {
			t.Fatalf("%v: %v", shape, err)
		}
		if c.Arm("logistic regression") == nil || c.Arm("denoising") == nil {
			t.Errorf("%v: the curves are %+v", shape, c.Arms)
		}
	}
}

// TestTextModel: a model in text form is pretrained and measured like one of Go.
func TestTextModel(t *testing.T) {
	m := smallModel()
	m.Task.Logits.Named("logits")
	text, err := spec.NewModel("small", spec.CrossEntropy(m.Task.Logits, spec.Labels("y", 2).Optional())).Text()
	if err != nil {
		t.Fatal(err)
	}
	model, err := TextModel(text, "y", m.Task.Classes)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	o := smallOptions(t)
	o.Counts, o.Unseen = []int{8}, true
	c, err := LabelCurve(t.Context(), model, o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Arm("denoising") == nil || c.Arm("nearest neighbour") == nil {
		t.Errorf("the curves are %+v", c.Arms)
	}
	for _, bad := range []struct{ text, want string }{
		{"lamina 2\n", "text form"},
		{strings.ReplaceAll(text, "logits", "scores"), "must have the outputs code and logits"},
	} {
		if _, err := TextModel(bad.text, "y", m.Task.Classes); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("error %v, want %q", err, bad.want)
		}
	}
	if _, err := TextModel(text, "y", []string{"a", "b", "c"}); err == nil || !strings.Contains(err.Error(), "there are 3 classes") {
		t.Errorf("another number of classes: %v", err)
	}
}
