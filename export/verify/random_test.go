package verify_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// randomGraph is a chain of layers with branches, residuals, tied and shared
// weights, normalisations and joins.
func randomGraph(seed uint64) *ir.Graph {
	r := rand.New(rand.NewPCG(seed, 9))
	b := ir.NewBuilder(fmt.Sprintf("random%d", seed))
	x := b.Input("x", rows(3+r.IntN(60)))
	if r.IntN(2) == 0 {
		z := b.Input("z", rows(1+r.IntN(9)))
		b.Layer = "join"
		x = b.Op(ops.Concat{Axis: 1}, x, z)
	}
	acts := []ir.Op{ops.Relu{}, ops.Sigmoid{}, ops.Tanh{}, ops.Elu{Alpha: 1}, ops.Selu{}, ops.Gelu{}, ops.Softplus{},
		ops.LeakyRelu{Alpha: 0.2}, ops.Softmax{Axis: 1}, ops.LogSoftmax{Axis: 1}}
	var weight *ir.Value
	for i := range 2 + r.IntN(7) {
		name := fmt.Sprintf("block%d", i)
		switch k := r.IntN(7); {
		case k == 0 && weight != nil && weight.Type.Last() == x.Type.Last(): // tied
			b.Layer = name + "/tied"
			x = b.Op(ops.MatMul{}, x, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, weight))
		case k == 1: // residual
			y := dense(b, name+"/inner", x, x.Type.Last())
			y = b.Op(acts[r.IntN(8)], y)
			b.Layer = name + "/add"
			x = b.Op(ops.Add{}, x, y)
		case k == 2: // unit length
			b.Layer = name + "/norm"
			n := b.Op(ops.Sqrt{}, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1), Keep: true}, b.Op(ops.Mul{}, x, x)))
			x = b.Op(ops.Div{}, x, b.Op(ops.Max{}, n, b.Const(ir.F32, 1e-12)))
		case k == 3: // mean 0
			b.Layer = name + "/center"
			x = b.Op(ops.Sub{}, x, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1), Keep: true}, x))
		default:
			x = dense(b, name+"/dense", x, 2+r.IntN(50))
			weight = b.Graph.Params[len(b.Graph.Params)-2]
			b.Layer = name + "/act"
			x = b.Op(acts[r.IntN(len(acts))], x)
		}
		if r.IntN(4) == 0 {
			y := b.Op(ops.Identity{}, x)
			output(b, y, fmt.Sprintf("tap%d", i))
		}
	}
	b.Layer = "out"
	output(b, b.Op(ops.Mul{}, x, b.Const(ir.F32, 0.5)), "out")
	if err := b.Err(); err != nil {
		panic(err)
	}
	return b.Graph
}

// TestRandomModels holds files of random graphs against the reference.
func TestRandomModels(t *testing.T) {
	rt := orttest.Runtime(t)
	tightest := 0.0
	for seed := range uint64(60) {
		g := randomGraph(seed)
		p := weights(g, seed)
		m, err := onnxexport.Build(g, p, onnxexport.Options{})
		if err != nil {
			t.Fatal(seed, err)
		}
		r, err := verify.Verify(t.Context(), verify.Subject{Graph: g, Params: p, Model: m.Bytes, Taps: m.Taps,
			Sets: []verify.Set{uniform(g, 5, seed)}}, rt)
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if r.Sets[0].Undetermined > 0 {
			t.Errorf("seed %d: the bound leaves %d ordinary elements open", seed, r.Sets[0].Undetermined)
		}
		if r.Tolerance > 0 {
			tightest = max(tightest, r.WorstAbs/r.Tolerance)
		}
	}
	if tightest == 0 || tightest > 1 {
		t.Errorf("the differences come to %.2f of the bound", tightest)
	}
	t.Logf("the differences come to %.2f of the bound", tightest)
}
