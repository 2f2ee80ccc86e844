package compiler

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// TestImageSumsKeepBits trains residual blocks without a normalisation, with their sums and
// Relus in the convolutions and as steps of their own: what is added forward, and the gradient
// along a shortcut, go into the stores of a convolution, and no bit changes.
func TestImageSumsKeepBits(t *testing.T) {
	y := spec.Input("x", 3, 11, 9).Then(spec.Conv(6, 3).Same(), spec.ReLU(),
		spec.Residual("r", spec.Conv(7, 3).Same(), spec.ReLU(), spec.Conv(6, 3).Same()), spec.ReLU(),
		spec.Residual("s", spec.Conv(9, 3).Same()).Shortcut(spec.Conv(9, 1)), spec.ReLU(), spec.Flatten(), spec.Dense(4))
	g, err := spec.NewModel("blocks", spec.MSE(y, spec.Input("y", 4))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	fused := func(g *ir.Graph, _ *state) error { return fuseBy(g, []fusion{fuseImageSum, fuseImageRelu}) }
	for _, store := range []bool{false, true} {
		o := Options{Rows: 19, StoreGrads: store}
		parts, whole := fusedBy(t, g, o, apart), fusedBy(t, g, o, fused)
		sums, relus := imageSums(whole)
		if sums != 4 || relus != 2 {
			t.Errorf("%d sums and %d Relus behind them are in convolutions, want 4 and 2\n%s", sums, relus, plan.Format(whole))
		}
		for _, workers := range []int{1, 3} {
			if !sameBits(steps(t, g, whole, 5, workers), steps(t, g, parts, 5, 1)) {
				t.Errorf("%d workers, stored %v: sums in convolutions give other bits", workers, store)
			}
		}
	}
}

// imageSums counts the convolutions of a plan that add something, row by row, and those of
// them that rectify it.
func imageSums(p *plan.Plan) (sums, relus int) {
	for i := range p.Steps {
		op, ok := p.Steps[i].Op.(ops.ConvLast)
		if !ok {
			continue
		}
		var in []ir.Type
		for _, b := range p.Steps[i].In {
			in = append(in, p.Buffers[b].Type)
		}
		if plus := op.Operands(in).Plus; plus >= 0 && p.Steps[i].Access[plus] == ir.Axis0 {
			sums++
			if op.Relu {
				relus++
			}
		}
	}
	return sums, relus
}
