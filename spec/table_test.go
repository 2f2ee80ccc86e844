package spec_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestNewTable: the row, the losses and the contributions are there for numbers, for categories and for both.
func TestNewTable(t *testing.T) {
	for name, c := range map[string]struct {
		k      int
		cards  []int
		inputs int
		row    string
		losses int
		why    string
	}{
		"both":       {3, []int{4, 6}, 2, "f32[N 14]", 2, "f32[N 5]"},
		"numbers":    {3, nil, 1, "f32[N 6]", 1, "f32[N 3]"},
		"a category": {0, []int{4}, 1, "f32[N 4]", 1, "f32[N 1]"},
	} {
		table := spec.NewTable(c.k, c.cards...)
		enc, head := spec.Sequential("encoder", spec.Dense(4), spec.ReLU()), spec.Dense(1).Named("head")
		code := table.Row.Then(spec.MaskingNoise(0.2), enc)
		losses := table.Reconstruction(code)
		if got := table.Row.Type().String(); got != c.row || len(losses) != c.losses {
			t.Errorf("%s: the row is %s, %d losses", name, got, len(losses))
		}
		m := spec.NewModel("columns", losses...)
		if err := m.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		score := spec.Layers(enc, head, spec.Sigmoid(), spec.Sum(0))
		g, _, err := spec.GraphOf("ship", table.Row.Then(score).Named("score"), table.Contributions(8, score))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inputs := 0
		for _, v := range g.Inputs {
			if v.Kind == ir.InputValue {
				inputs++
			}
		}
		if out := g.Outputs[1]; out.Name != "contributions" || out.Type.String() != c.why || inputs != c.inputs {
			t.Errorf("%s: %d inputs, %s %s", name, inputs, out.Type, out.Name)
		}
	}
	if err := spec.NewTable(0).Row.Err(); err == nil || !strings.Contains(err.Error(), "table_test.go:") {
		t.Errorf("a table of no columns: %v", err)
	}
}

// TestNewTableNumbers: what each place of the row is, what it is fitted to, which column a place of it adds to, and what the
// losses compare with, of two numbers and two categories.
func TestNewTableNumbers(t *testing.T) {
	nan := math.NaN()
	in := map[string]*ir.Tensor{"numeric": f64([]int{3, 2}, 0.5, nan, nan, -200, 3, 200), "categorical": {DType: ir.I64, Shape: []int{3, 2}, I64: []int64{1, 5, 1, 2, 3, 5}},
		"clipquantiles1/low": f64([]int{2}, -100, -100), "clipquantiles1/high": f64([]int{2}, 100, 100), "standardise1/mean": f64([]int{2}, 0, 0), "standardise1/deviation": f64([]int{2}, 1, 1)}
	for place := range 12 {
		table := spec.NewTable(2, 4, 6)
		why := table.Contributions(4, spec.Layers(spec.Slice(0, place, place+1), spec.Sum(0)))
		got := shippedValues(t, 3, in, table.Row.Then(spec.Reshape(12)).Named("row"), why)
		row := got["row"].F64
		for r, want := range [][]float64{{0.5, 0, 0, 1}, {0, -100, 1, 0}, {3, 100, 0, 0}} {
			sameNumbers(t, "numbers of the row", row[12*r:12*r+4], want...)
		}
		sameNumbers(t, "the same ids", row[4:8], row[16:20]...)
		sameNumbers(t, "the same ids", row[8:12], row[32:36]...)
		if row[4] == row[28] || row[8] == row[20] {
			t.Errorf("other ids are embedded as %v and %v", row[4:12], row[28:36])
		}
		column := place % 2
		if place >= 4 {
			column = 1 + place/4
		}
		want := make([]float64, 3*4)
		for r := range 3 {
			want[4*r+column] = row[12*r+place]
		}
		sameNumbers(t, fmt.Sprint("contributions of place ", place), got["contributions"].F64, want...)
	}
	table := spec.NewTable(2, 4, 6)
	text, err := spec.FunctionText("row", table.Row)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fitted(quantile(0.01), 1, numeric)", "fitted(quantile(0.99), 1, numeric)", "fitted(mean, 1, ", "fitted(deviation, 1, "} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	m := spec.NewModel("m", table.Reconstruction(table.Row)...)
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Params {
		if in[v.Name] == nil { // weights, which are 0
			in[v.Name] = ir.NewTensor(ir.F64, v.Type.Shape.At(ir.RowsOf(3))...)
		}
	}
	in["ids/b"].F64[3], in["ids/b"].F64[4+5] = 1, 2 // in one row of three, and in two
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(x)) }
	got := evaluate(t, m, 3, in)
	sameNumbers(t, "numbers", got["loss/mse1"].F64, (0.5*0.5+100*100+3*3+100*100)/4)
	sameNumbers(t, "ids", got["loss/binarycrossentropy1"].F64, (softplus(1)-1./3+softplus(2)-2*2./3+8*math.Ln2)/10)
}
