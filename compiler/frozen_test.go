package compiler

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

func flops(p *plan.Plan) (total int64) {
	for i := range p.Steps {
		f, _ := p.Cost(i)
		total += f
	}
	return total
}

// TestFrozenCost measures that below the lowest layer that is trained nothing
// runs backward: of three layers as wide as each other, each product costs one
// unit forward and, where it is needed, one for its weights and one for its input.
func TestFrozenCost(t *testing.T) {
	const width, rows = 64, 32
	unit := float64(2 * rows * width * width)
	layers := func(frozen ...string) (products float64, p *Program) {
		x := spec.Input("x", width)
		y := x.Then(spec.Dense(width).Named("a"), spec.Tanh(), spec.Dense(width).Named("b"), spec.Tanh(), spec.Dense(width).Named("c"))
		set := map[string]bool{}
		for _, l := range frozen {
			set[l+"/w"], set[l+"/b"] = true, true
		}
		p, err := Compile(spec.NewModel("m", spec.MSE(y, x)), Options{Rows: rows, Frozen: set})
		if err != nil {
			t.Fatal(err)
		}
		return float64(flops(p.Train)) / unit, p
	}
	for _, c := range []struct {
		frozen  []string
		want    float64 // products
		updates int
	}{
		{nil, 8, 6}, // three forward, three weights, two inputs
		{[]string{"a"}, 6, 4},
		{[]string{"a", "b"}, 4, 2},
		{[]string{"b", "c"}, 6, 2}, // the gradient must pass both
		{[]string{"c"}, 7, 4},
	} {
		got, p := layers(c.frozen...)
		if got < c.want || got > c.want+0.5 { // the rest is biases, activations and the loss
			t.Errorf("frozen %v: the plan costs %.2f products, want %v", c.frozen, got, c.want)
		}
		updates := 0
		for _, s := range p.Train.Steps {
			if s.Param >= 0 {
				updates++
				for _, l := range c.frozen {
					if name := p.Train.Segments[s.Param].Name; strings.HasPrefix(name, l+"/") {
						t.Errorf("frozen %v: %s is updated", c.frozen, name)
					}
				}
			}
		}
		if updates != c.updates || len(p.Train.Segments) != 6 {
			t.Errorf("frozen %v: %d updates of %d parameters, want %d of 6", c.frozen, updates, len(p.Train.Segments), c.updates)
		}
		if note := "of 6 parameters are frozen"; strings.Contains(p.Explain(), note) != (c.frozen != nil) {
			t.Errorf("frozen %v: Explain says %q wrongly", c.frozen, note)
		}
	}
}

func TestFrozenUnknown(t *testing.T) {
	x := spec.Input("x", 2)
	_, err := Compile(spec.NewModel("m", spec.MSE(x.Then(spec.Dense(2)), x)), Options{Rows: 1, Frozen: map[string]bool{"dense2/w": true}})
	if err == nil || !strings.Contains(err.Error(), `"dense2/w" is neither a parameter nor a state of model "m"`) {
		t.Errorf("got %v", err)
	}
}
