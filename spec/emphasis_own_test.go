package spec_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// halving is a noise of another module: elements are halved where masking noise of a
// quarter would set them to 0.
type halving struct {
	Stream uint64 `attr:"stream"`
}

func (halving) Name() string                          { return "Halving" }
func (halving) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (o halving) WithStream(s uint64) ir.Op           { o.Stream = s; return o }
func (halving) TrainingOnly() bool                    { return true }
func (halving) Corrupts() float64                     { return 0.25 }
func (o halving) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	half := b.Const(in[0].Type.DType, 0.5)
	kept := b.Op(ops.MaskingNoise{Rate: 0.25, Stream: o.Stream}, in[0])
	return []*ir.Value{b.Op(ops.Mul{}, b.Op(ops.Add{}, in[0], kept), half)}
}

type halvingLayer struct{ spec.Base }

func (*halvingLayer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(halving{}, x[0])
}

// TestEmphasisOfOwnNoise emphasises what a noise of another module corrupts: both draw
// from one stream, and neither is part of what ships.
func TestEmphasisOfOwnNoise(t *testing.T) {
	x := spec.Input("x", 6)
	noisy := x.Then(&halvingLayer{spec.Here("halving")})
	y := noisy.Then(spec.Dense(6)).Named("y")
	m := spec.NewModel("m", spec.MSE(y, x).Emphasis(noisy, 1, 0))
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	var noise, emphasis uint64
	for _, n := range g.Nodes {
		switch op := n.Op.(type) {
		case halving:
			noise = op.Stream
		case ops.Emphasis:
			emphasis = op.Stream
			if op.Rate != 0.25 {
				t.Errorf("Emphasis has the rate %v", op.Rate)
			}
		}
	}
	if noise == 0 || noise != emphasis {
		t.Errorf("the noise draws from stream %d, Emphasis from %d", noise, emphasis)
	}
}
