package compiler

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// turnable is a model with weight gradients whose columns fill no whole vectors:
// one of a weight used twice, and one between others of the other kind.
func turnable(t *testing.T) *ir.Graph {
	t.Helper()
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(70), spec.ReLU())
	x := spec.Input("x", 110)
	y := x.Then(enc, spec.Mirror("decoder", enc).Tied(), spec.Dense(110))
	g, err := spec.NewModel("turnable", spec.MSE(y, x)).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// turned counts the steps whose kernel turns its product, and the updates that take
// theirs turned.
func turned(t *testing.T, p *plan.Plan, fed engine.Feed) (products, updates int) {
	t.Helper()
	e, _ := engineOf(t, p, fed, 1, "m", "v")
	for id := range p.Steps {
		switch {
		case !strings.Contains(e.Kernel(id), "turned"):
		case p.Steps[id].Update():
			updates++
		default:
			products++
		}
	}
	return products, updates
}

// twinsOf counts the parameters that a plan keeps transposed too.
func twinsOf(p *plan.Plan) int {
	n := 0
	for i := range p.Buffers {
		if strings.HasSuffix(p.Buffers[i].Name, ".T") {
			n++
		}
	}
	return n
}

// TestTurnedGradients trains by plans of many rows, whose weight gradients are
// made turned and whose weights have twins, and of few, whose products turn rows.
func TestTurnedGradients(t *testing.T) {
	g := turnable(t)
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, 1))
	for _, store := range []bool{false, true} {
		few, err := compileTwin(g, segmentsOf(g), Options{Rows: 19, StoreGrads: store})
		if err != nil {
			t.Fatal(err)
		}
		many, err := compileTwin(g, segmentsOf(g), Options{Rows: 150, StoreGrads: store})
		if err != nil {
			t.Fatal(err)
		}
		a, none := turned(t, few.train, fed)
		b, updates := turned(t, many.train, fed)
		if a != 0 || b != 4 || none != 0 || store == (updates == 2) {
			t.Fatalf("%d and %d products are turned, want 0 and 4, and %d and %d updates take theirs so (gradients stored: %v)", a, b, none, updates, store)
		}
		if a, b := twinsOf(few.train), twinsOf(many.train); a != 0 || b != 3 {
			t.Fatalf("%d and %d weights have twins, want 0 and 3\n%s", a, b, plan.Format(many.train))
		}
		want := steps(t, g, few.train, 3, 1)
		for _, workers := range []int{1, 2, 3, 7} {
			for _, grain := range []int{0, 5, 48, 1000} {
				p := many.train
				if grain > 0 {
					p = cutBy(p, grain)
				}
				if !sameBits(steps(t, g, p, 3, workers), want) {
					t.Errorf("stored %v, %d workers, tasks of %d: turned products give other bits", store, workers, grain)
				}
			}
		}
		if store {
			a, b := inParts(t, g, few.train), inParts(t, g, many.train)
			for name, w := range a {
				if !sameBits(b[name], w) {
					t.Errorf("the gradient of %s in parts has other bits", name)
				}
			}
		}
	}
}

// inParts returns the gradients of two runs of five rows, the second continuing
// the first.
func inParts(t *testing.T, g *ir.Graph, p *plan.Plan) map[string][]float32 {
	t.Helper()
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(5), UpdateRows: 10}, 8))
	e, s := engineOf(t, p, fed, 2)
	for i := range 2 {
		if err := e.Run(fed, 5, &engine.Update{UpdateRows: 10, FirstRow: 5 * i, Accumulate: i > 0}); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string][]float32{}
	for _, name := range s.Names() {
		out[name] = s.Grad(name)
	}
	return out
}

// TestTurnedRows holds products whose right operand is taken transposed against the
// reference: of few rows, which the kernel turns, and of many.
func TestTurnedRows(t *testing.T) {
	g, err := ir.Parse(`products (f32[N 24] x, f32[40 24] w, f32[40] b, f32[N 40] c, f32[N 40] y) => (plain, bias, relu, chain, mask, both) {
	f32[N 40] plain = Gemm<transB = true>(x, w)
	f32[N 40] bias = Gemm<transB = true>(x, w, b)
	f32[N 40] relu = GemmRelu<transB = true>(x, w, b)
	f32[N 40] chain = Gemm<transB = true>(x, w, c)
	f32[N 40] mask = GemmReluGrad<transB = true>(x, w, y)
	f32[N 40] both = GemmReluGrad<transB = true>(x, w, y, c)
}
`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{1, 9, 12, 15, 16, 40} {
		env := ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
		fed, oracle := narrowed(randgraph.Feed(g, &env, 3))
		for _, x := range fed {
			for i, v := range x.F32 {
				x.F32[i] = float32(math.Round(float64(v)*8) / 8) // whose products are exact, and their sums
			}
		}
		vals, err := ir.Evaluate(g, &env, oracle)
		if err != nil {
			t.Fatal(err)
		}
		p, err := lower(g, lowerOptions{capacity: ir.RowsOf(rows + 3)})
		if err != nil {
			t.Fatal(err)
		}
		for _, grain := range []int{1, 7, 15, 100} {
			e, _ := engineOf(t, cutBy(p, grain), fed, 2)
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			for _, v := range g.Outputs {
				if d := differs(e.Output(v.Name), vals[v]); d != "" {
					t.Errorf("%d rows, tasks of %d: %s: %s", rows, grain, v.Name, d)
				}
			}
		}
	}
}
