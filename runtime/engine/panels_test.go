package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// TestNetGivesTheBitsOfItsPlan holds a Net, whose engines share what is derived from its
// weights, against an engine that runs the same plan on a store: widths of one column to
// several panels, each weight also transposed, a bias and a rectifier with and without.
func TestNetGivesTheBitsOfItsPlan(t *testing.T) {
	const in, rows = 19, 21
	for _, width := range []int{1, 5, 8, 30, 103, 128, 129, 144, 208, 213, 320} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			enc := spec.Sequential("encoder", spec.Dense(width), spec.ReLU(), spec.Dense(3), spec.Tanh())
			x := spec.Input("x", in)
			code := x.Then(enc).Named("code")
			back := code.Then(spec.Mirror("decoder", enc).Tied()).Named("back")
			g, _, err := spec.GraphOf("both", code, back)
			if err != nil {
				t.Fatal(err)
			}
			p, err := compiler.CompileGraph(g, compiler.Options{Rows: rows})
			if err != nil {
				t.Fatal(err)
			}
			e, s := start(t, p, 1, nil)
			params := map[string][]float32{}
			for _, name := range s.Names() {
				params[name] = s.Param(name)
			}
			n, err := engine.NewNet(g, p, params, engine.Record{})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []int{1, 2, rows} {
				feed := rowsOf(m, in)
				if err := e.Run(engine.Feed{"x": feed}, m, nil); err != nil {
					t.Fatal(err)
				}
				out, err := n.Run(context.Background(), map[string]*ir.Tensor{"x": feed})
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"code", "back"} {
					if !equal(out[name].F32, e.Output(name).F32) {
						t.Errorf("%d rows: %q has other bits", m, name)
					}
				}
			}
			want := 0
			if width > 128 { // the first weight, and the second one turned
				want = 2
			}
			if got := inPanels(p); got != want {
				t.Errorf("%d weights are in panels, want %d", got, want)
			}
			if !n.Shared() {
				t.Error("engines of the Net do not share what is derived from its weights")
			}
		})
	}
}

// inPanels counts the products that read panels.
func inPanels(p *plan.Plan) int {
	n := 0
	for i := range p.Steps {
		if _, ok := p.Steps[i].Op.(ops.GemmPanels); ok {
			n++
		}
	}
	return n
}
