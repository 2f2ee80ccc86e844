package compiler

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// TestImageGradientsKeepBits trains residual blocks, two of which halve the image, with sums
// and masks of gradients in the convolutions and as steps of their own: no bit changes, and
// where two gradients meet the second is added in the first one's place.
func TestImageGradientsKeepBits(t *testing.T) {
	norm := func() spec.Layer { return spec.BatchNorm().Axis(0) }
	models := map[string]*spec.Value{
		"plain": spec.Input("x", 3, 11, 9).Then(spec.Conv(6, 3).Same(), spec.ReLU(),
			spec.Residual("r", spec.Conv(7, 3).Same(), spec.ReLU(), spec.Conv(6, 3).Same()), spec.ReLU(),
			spec.Residual("s", spec.Conv(9, 3).Same().Stride(2), spec.ReLU(), spec.Conv(9, 3).Same()).Shortcut(spec.Conv(9, 1).Stride(2)), spec.ReLU(),
			spec.Residual("t", spec.Conv(17, 3).Same().Stride(2)).Shortcut(spec.Conv(17, 1).Stride(2)), spec.ReLU(), spec.Flatten(), spec.Dense(4)),
		"normalised": spec.Input("x", 3, 12, 8).Then(spec.Conv(6, 3).Same(), norm(), spec.ReLU(),
			spec.Residual("r", spec.Conv(6, 3).Same(), norm(), spec.ReLU(), spec.Conv(6, 3).Same(), norm()), spec.ReLU(),
			spec.Residual("s", spec.Conv(9, 3).Same().Stride(2), norm(), spec.ReLU(), spec.Conv(9, 3).Same(), norm()).Shortcut(spec.Conv(9, 1).Stride(2), norm()), spec.ReLU(),
			spec.Residual("t", spec.Conv(17, 3).Same().Stride(2), norm()).Shortcut(spec.Conv(17, 1).Stride(2), norm()), spec.ReLU(), spec.Flatten(), spec.Dense(4)),
	}
	fused := func(g *ir.Graph, _ *state) error { return fuseBy(g, []fusion{fuseImageSum, fuseImageReluGrad}) }
	for name, y := range models {
		g, err := spec.NewModel("blocks", spec.MSE(y, spec.Input("y", 4))).Graph()
		if err != nil {
			t.Fatal(err)
		}
		for _, store := range []bool{false, true} {
			o := Options{Rows: 19, StoreGrads: store}
			parts, whole := fusedBy(t, g, o, apart), fusedBy(t, g, o, fused)
			masks, over, left := imageEnds(whole)
			if masks != 7 || over != 2 || left != 1 {
				t.Errorf("%s: %d masks and %d sums in place are in convolutions, %d masks are not; want 7, 2 and the one behind the dense layer\n%s", name, masks, over, left, plan.Format(whole))
			}
			for _, workers := range []int{1, 3} {
				if !sameBits(steps(t, g, whole, 5, workers), steps(t, g, parts, 5, 1)) {
					t.Errorf("%s, %d workers, stored %v: gradients in convolutions give other bits", name, workers, store)
				}
			}
		}
	}
}

// imageEnds counts the convolutions of a plan that mask their results, the transposed ones that
// add in the place of what they add, and the masks of images that are steps of their own.
func imageEnds(p *plan.Plan) (masks, over, left int) {
	for i := range p.Steps {
		s := &p.Steps[i]
		var in []ir.Type
		for _, b := range s.In {
			in = append(in, p.Buffers[b].Type)
		}
		switch op := s.Op.(type) {
		case ops.ConvLast:
			if op.Mask {
				masks++
			}
		case ops.ConvTransposeLast:
			if op.Mask {
				masks++
			}
			if plus := op.Operands(in).Plus; plus >= 0 && p.Buffers[p.Root(s.In[plus])].Offset == p.Buffers[p.Root(s.Out[0])].Offset {
				over++
			}
		case ops.ReluGrad:
			if in[0].Rank() == 4 {
				left++
			}
		}
	}
	return masks, over, left
}
