package compiler

import (
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// fusedBy returns the training plan of g with these fusions in place of all.
func fusedBy(t *testing.T, g *ir.Graph, o Options, run func(*ir.Graph, *state) error) *plan.Plan {
	t.Helper()
	var rows []pass
	for _, p := range passes() {
		if p.name == "fuse" {
			p.run = run
		}
		rows = append(rows, p)
	}
	h, _ := g.Clone()
	h.Outputs = []*ir.Value{h.Value(lossName)}
	s := &state{opt: o, planned: true, loss: lossName, rows: rows}
	if err := s.run(h, front); err != nil {
		t.Fatal(err)
	}
	p, err := s.finish(h, lowerOptions{capacity: o.capacity(h), segments: segmentsOf(g), train: true, storeGrads: o.StoreGrads, loss: lossName, spread: o.spread})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apart(*ir.Graph, *state) error { return nil }

// joined is fuse but for sums of products, which round less often.
func joined(g *ir.Graph, _ *state) error {
	if err := fuseBy(g, []fusion{fuseGemm, fuseBias, fuseRelu, fuseReluGrad}); err != nil {
		return err
	}
	if err := fuseSquaredError(g); err != nil {
		return err
	}
	return fuseWeightedError(g)
}

// TestFusionKeepsBits trains with and without fused steps.
func TestFusionKeepsBits(t *testing.T) {
	for seed := range uint64(16) {
		g := fusible(t, seed)
		if seed >= 12 {
			g = fusibleWeighted(t, int(seed))
		}
		for _, store := range []bool{false, true} {
			o := Options{Rows: 19, StoreGrads: store, spread: seed%3 != 0}
			parts := fusedBy(t, g, o, apart)
			whole := fusedBy(t, g, o, joined)
			if len(whole.Steps) >= len(parts.Steps) {
				t.Fatalf("seed %d: %d steps of %d", seed, len(whole.Steps), len(parts.Steps))
			}
			for _, workers := range []int{1, 2, 3, 7} {
				if !sameBits(steps(t, g, whole, seed, workers), steps(t, g, parts, seed, 1)) {
					t.Errorf("seed %d, %d workers, stored %v: fused steps give other bits\n%s", seed, workers, store, plan.Format(whole))
				}
			}
		}
	}
}

// fusible is a random model, or one as a user declares it.
func fusible(t *testing.T, seed uint64) *ir.Graph {
	if seed%2 == 1 {
		return randomModel(seed)
	}
	x := spec.Input("x", 5+int(seed))
	h := x.Then(spec.Dense(7), spec.ReLU())
	side := h.Then(spec.Dense(4), spec.ReLU(), spec.Dense(3))
	y := h.Then(spec.Dense(6), spec.ReLU(), spec.Dense(5+int(seed)))
	losses := []*spec.Loss{spec.MSE(y, x), spec.MSE(side, spec.Input("y", 3)).Weight(0.25)}
	if seed == 2 {
		losses = append(losses, spec.MAE(y, x))
	}
	g, err := spec.NewModel(fmt.Sprintf("fusible%d", seed), losses...).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// fusibleWeighted is a model whose squared error has weights of the rows.
func fusibleWeighted(t *testing.T, width int) *ir.Graph {
	x := spec.Input("x", width)
	y := x.Then(spec.Dense(7), spec.ReLU(), spec.Dense(width))
	g, err := spec.NewModel("weighted", spec.MSE(y, x).WeightedBy(spec.Input("w"))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}
