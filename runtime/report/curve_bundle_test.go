package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// machines is a table with holes and categories, and the function that a training on it ships: two codes of its columns.
func machines(t *testing.T) (*dataset.Table, *engine.Net) {
	t.Helper()
	type row struct {
		Heat, Load float64
		Kind       string
		Bad        string
	}
	var rows []row
	for i := range 60 {
		r := row{Heat: float64(i % 7), Load: float64(100 + i%5), Kind: []string{"a", "b", "c"}[i%3], Bad: "no"}
		if i%6 == 1 {
			r.Load = math.NaN()
		}
		if i%7 > 3 {
			r.Bad = "yes"
		}
		rows = append(rows, r)
	}
	table, err := dataset.FromStructs(rows, dataset.Label.Of("Bad"))
	if err != nil {
		t.Fatal(err)
	}
	schema := table.Schema()
	x := spec.NewTable(len(schema.Numeric()), schema.Cardinalities()...)
	code := x.Row.Then(spec.Dense(4), spec.ReLU())
	fit, err := train.Fit(t.Context(), spec.NewModel("columns", x.Reconstruction(code)...), table, train.Options{Optimizer: optim.Adam(0.01), Batch: 20, Epochs: 2})
	if err != nil {
		t.Fatal(err)
	}
	return table, fit.Net(code.Named("code"), code.Then(spec.Scale(2)).Named("double"))
}

// TestBundleModel: the function of a bundle of a table, with holes and categories, is measured from scratch, as it is and by
// probes; what was said of its training does not get lost on the way, and strategies choose for it too.
func TestBundleModel(t *testing.T) {
	rows, net := machines(t)
	model, err := BundleModel(net, "code", "y", []string{"no", "yes"})
	if err != nil {
		t.Fatal(err)
	}
	if text := model().Text; !strings.Contains(text, `numeric = "any or none"`) || !strings.Contains(text, `= "fitted(mean`) {
		t.Errorf("the text says nothing of what may be missing, or of what is fitted:\n%s", text)
	}
	margin, err := active.Parse("margin")
	if err != nil {
		t.Fatal(err)
	}
	o := smallOptions(t)
	o.Rows, o.Counts, o.Choosers = rows, []int{6, 10}, []Chooser{ByStrategy(margin)}
	c, err := LabelCurve(t.Context(), model, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range c.Arms {
		names = append(names, a.Name)
		if strings.HasPrefix(a.Name, "bundle") != a.Before {
			t.Errorf("%s: Before is %v", a.Name, a.Before)
		}
	}
	want := []string{"majority class", "logistic regression", "nearest neighbour", scratch, "bundle", "bundle + pseudo-labels", "bundle + labels by margin", "bundle, linear probe", "bundle, neighbours"}
	if !slices.Equal(names, want) {
		t.Errorf("the curves are %q, want %q", names, want)
	}
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "is not known here") || len(c.Pretrained) > 0 {
		t.Errorf("notes %q, pretrainings %+v", c.Notes, c.Pretrained)
	}
	for _, bad := range []struct{ output, want string }{
		{"", `it has code, double, and "" was named`},
		{"other", `it has code, double, and "other" was named`},
	} {
		if _, err := BundleModel(net, bad.output, "y", []string{"no", "yes"}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("output %q: error %v, want %q", bad.output, err, bad.want)
		}
	}
	if _, err := begun("", nil); err == nil || !strings.Contains(err.Error(), "lacks recipes") {
		t.Errorf("a record without recipes: %v", err)
	}
}
