package compiler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/plan"
)

// TestTwin compiles random models to both plans and checks what each has.
func TestTwin(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		g := randomModel(seed)
		for _, store := range []bool{false, true} {
			tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8, StoreGrads: store})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			updated := map[int]int{}
			for _, s := range tw.train.Steps {
				for i := range s.Out {
					if s.Param >= 0 {
						updated[s.Param+i]++
					}
				}
				if s.Update() == store && s.Param >= 0 {
					t.Errorf("seed %d: a parameter is updated %v where gradients are stored %v", seed, s.Update(), store)
				}
			}
			for i, seg := range tw.train.Segments {
				if updated[i] != 1 {
					t.Errorf("seed %d: parameter %q has %d updates", seed, seg.Name, updated[i])
				}
			}
			if got := ports(tw.train.Outputs); got != "loss" {
				t.Errorf("seed %d: the training plan has outputs %s", seed, got)
			}
			if got := ports(tw.eval.Outputs); got != "loss tap" {
				t.Errorf("seed %d: the evaluation plan has outputs %s", seed, got)
			}
			if tw.train.Loss < 0 || fmt.Sprint(tw.losses) != "[loss]" {
				t.Errorf("seed %d: losses are %v, watched %d", seed, tw.losses, tw.train.Loss)
			}
			if a, b := ports(tw.train.Inputs), ports(tw.eval.Inputs); a != "x y" || b != "x y" {
				t.Errorf("seed %d: inputs are %s and %s", seed, a, b)
			}
			for _, s := range tw.eval.Steps {
				if s.Param >= 0 || s.Op.Name() == "Bernoulli" {
					t.Errorf("seed %d: evaluation has a step of training", seed)
				}
			}
		}
	}
}

func ports(ps []plan.Port) string {
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// TestPlansDoNotDependOnOrder compiles with the nodes permuted before each pass
// and before the lowering.
func TestPlansDoNotDependOnOrder(t *testing.T) {
	form := func(seed, permute uint64) string {
		g := randomModel(seed)
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8, Permute: permute})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		return plan.Format(tw.train) + plan.Format(tw.eval)
	}
	for seed := uint64(1); seed <= 10; seed++ {
		want := form(seed, 0)
		for permute := uint64(1); permute <= 3; permute++ {
			if got := form(seed, permute); got != want {
				t.Fatalf("seed %d permutation %d:\n%s\nwant\n%s", seed, permute, got, want)
			}
		}
	}
}

// TestTiedDense looks at the plan of a dense layer and its tied twin: two Gemm
// chains and no transposed gradient.
func TestTiedDense(t *testing.T) {
	g := tiedAutoencoder()
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8})
	if err != nil {
		t.Fatal(err)
	}
	text := plan.Format(tw.train)
	count := map[string]int{}
	for _, s := range tw.train.Steps {
		if s.Op != nil {
			count[s.Op.Name()]++
		}
	}
	if count["MatMul"] != 0 || count["GemmRelu"] != 1 || count["GemmReluGrad"] != 1 || count["Gemm"] != 3 {
		t.Errorf("steps are %v\n%s", count, text)
	}
	// The square, its gradient, and the scale of that: 2 over the elements.
	if count["Add"] != 0 || count["Mul"] != 3 {
		t.Errorf("steps are %v\n%s", count, text)
	}
}
