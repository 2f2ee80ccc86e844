package compiler

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// normalized is a Dense layer, a normalisation and a Relu with its mean square.
func normalized() *ir.Graph {
	b := ir.NewBuilder("normalized")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(6)))
	row := ir.T(ir.F32, ir.Fixed(5))
	b.Layer = "dense"
	h := b.Op(ops.MatMul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(6), ir.Fixed(5))))
	b.Layer = "norm"
	h = b.Op(ops.LayerNorm{Axis: 1, Epsilon: 1e-3}, h, b.Param("scale", row), b.Param("bias", row))
	h = b.Op(ops.Relu{}, h)
	l := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, h, h))
	l.Name = "loss"
	b.Output(l)
	return b.Graph
}

// TestNormSums checks that the gradients along scale and bias are one step, that each
// stays a chain over all parts of an update, whether the other is trained or not, and
// that they are made by a kernel.
func TestNormSums(t *testing.T) {
	for frozen, want := range map[string]string{"": "NormSums<bias = true>", "bias": "NormSums<bias = false>", "scale": "ContinueSum"} {
		g := normalized()
		o := Options{Rows: 12, StoreGrads: true, spread: true}
		if frozen != "" {
			o.Frozen = map[string]bool{frozen: true}
		}
		tw, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		text := plan.Format(tw.train)
		if !strings.Contains(text, want) || strings.Count(text, "NormSums")+strings.Count(text, "ContinueSum") != 1 {
			t.Errorf("%q frozen: the plan wants one %s:\n%s", frozen, want, text)
		}
		env := &ir.Env{Binding: ir.RowsOf(12), UpdateRows: 12}
		fed, _ := narrowed(randgraph.Feed(g, env, 3))
		e, s := engineOf(t, tw.train, fed, 2)
		for i := range tw.train.Steps {
			if e.Kernel(i) == "reference" {
				t.Errorf("%q frozen: step %d has no kernel", frozen, i)
			}
		}
		if err := e.Run(fed, 12, &engine.Update{}); err != nil {
			t.Fatal(err)
		}
		whole := map[string][]float32{}
		for _, name := range s.Names() {
			whole[name] = append([]float32{}, s.Grad(name)...)
		}
		for _, cut := range [][2]int{{0, 5}, {5, 6}, {6, 12}} {
			n := cut[1] - cut[0]
			part := engine.Feed{"x": {DType: ir.F32, Shape: []int{n, 6}, F32: fed["x"].F32[6*cut[0] : 6*cut[1]]}}
			if err := e.Run(part, n, &engine.Update{UpdateRows: 12, FirstRow: cut[0], Accumulate: cut[0] > 0}); err != nil {
				t.Fatal(err)
			}
		}
		for name, w := range whole {
			if name != frozen && !sameBits(s.Grad(name), w) {
				t.Errorf("%q frozen: the gradient of %s is %v in parts, %v in one go", frozen, name, s.Grad(name), w)
			}
		}
	}
}
