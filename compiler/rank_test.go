package compiler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// denseOn is two dense layers with Relu and a squared error on values of this
// shape.
func denseOn(s ir.Shape) *ir.Graph {
	b := ir.NewBuilder("dense")
	x := b.Input("x", ir.T(ir.F32, s...))
	d := s[len(s)-1]
	h := x
	for i, to := range []ir.Dim{ir.Fixed(96), d} {
		w := b.Param(fmt.Sprintf("w%d", i), ir.T(ir.F32, h.Type.Shape[len(s)-1], to))
		c := b.Param(fmt.Sprintf("b%d", i), ir.T(ir.F32, to))
		h = b.Op(ops.Relu{}, b.Op(ops.Add{}, b.Op(ops.MatMul{}, h, w), c))
	}
	e := b.Op(ops.Sub{}, h, x)
	l := b.Op(ops.ReduceMean{Axes: firstAxes(len(s))}, b.Op(ops.Mul{}, e, e))
	l.Name = lossName
	b.Output(l)
	return b.Graph
}

// TestRankThree: a dense layer on [N T d] has the phases, the groups and the
// kernels of one on [N*T d].
func TestRankThree(t *testing.T) {
	n, d := ir.Rows(), ir.Fixed(64)
	form := func(s ir.Shape, o Options) string {
		g := denseOn(s)
		tw, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		in := engine.Feed{}
		for _, v := range g.Params {
			in[v.Name] = ir.NewTensor(ir.F32, v.Type.Shape.Lengths()...)
		}
		e, _ := engineOf(t, tw.train, in, 2, optim.SGD(0).Slots()...)
		var w strings.Builder
		for i, ph := range tw.train.Phases {
			fmt.Fprintln(&w, "phase", i)
			for _, g := range ph.Groups {
				var kernels []string
				for _, id := range g.Steps {
					kernels = append(kernels, e.Kernel(id))
				}
				if slices.Contains(kernels, "reference") {
					t.Errorf("a step has no kernel:\n%s", plan.Explain(tw.train, e.Kernel))
				}
				fmt.Fprintln(&w, g.Length, g.Grain, kernels)
			}
		}
		return w.String()
	}
	matrix := form(ir.Shape{times(16, n), d}, Options{Rows: 32})
	if got := form(ir.Shape{n, ir.Fixed(16), d}, Options{Rows: 32}); got != matrix {
		t.Errorf("on [N 16 64]:\n%s\non [16*N 64]:\n%s", got, matrix)
	}
	nt, _ := ir.Mul(n, ir.Of("T"))
	o := Options{Rows: 32, Lengths: map[string]int{"T": 16}}
	matrix = form(ir.Shape{nt, d}, o)
	if got := form(ir.Shape{n, ir.Of("T"), d}, o); got != matrix {
		t.Errorf("on [N T 64]:\n%s\non [N*T 64]:\n%s", got, matrix)
	}
}

// BenchmarkRank compares training steps of dense layers on three axes with those
// on two.
func BenchmarkRank(b *testing.B) {
	n, d := ir.Rows(), ir.Fixed(256)
	nt, _ := ir.Mul(n, ir.Of("T"))
	for _, s := range []ir.Shape{{times(16, n), d}, {n, ir.Fixed(16), d}, {nt, d}, {n, ir.Of("T"), d}} {
		b.Run(s.String(), func(b *testing.B) {
			g := denseOn(s)
			tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 64, Lengths: map[string]int{"T": 16}})
			if err != nil {
				b.Fatal(err)
			}
			at := tw.train.Capacity
			store := engine.NewStore(tw.train.Segments, nil)
			e, err := engine.New(tw.train, store, engine.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			fed := engine.Feed{"x": ir.NewTensor(ir.F32, s.At(at)...)}
			u := &engine.Update{Opt: optim.SGD(0), T: 1, Rate: 0.1}
			for b.Loop() {
				if err := e.RunAt(fed, at, u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
