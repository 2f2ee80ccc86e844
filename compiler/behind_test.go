package compiler

import (
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// denseAutoencoder is one of 300 columns, whose loss is a mean of row means.
func denseAutoencoder() *ir.Graph {
	b := ir.NewBuilder("dense")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(300)))
	layer := func(name string, x *ir.Value, from, to int) *ir.Value {
		b.Layer = name
		w := b.Param(name+"/w", ir.T(ir.F32, ir.Fixed(from), ir.Fixed(to)))
		return b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), b.Param(name+"/b", ir.T(ir.F32, ir.Fixed(to))))
	}
	h := b.Op(ops.Relu{}, layer("encoder", x, 300, 20))
	y := layer("decoder", h, 20, 300)
	b.Layer = "mse"
	e := b.Op(ops.Sub{}, y, x)
	rows := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, e, e))
	l := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, rows)
	l.Name = "loss"
	b.Output(l)
	return b.Graph
}

// TestDensePlan holds the plan of a large model of dense layers: the squared error goes
// behind its product, an update behind its gradient, which is of the task's own.
func TestDensePlan(t *testing.T) {
	g := denseAutoencoder()
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 64, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	holdPlan(t, "plan_dense.txt", tw.train)
}

// squaredErrors are models whose squared error takes the columns of a product: with rows
// that have weights, in panels, and of a rectified product.
func squaredErrors(t *testing.T) map[string]*ir.Graph {
	t.Helper()
	x, w := spec.Input("x", 300), spec.Input("w")
	wide := spec.Input("x", 512)
	all := map[string]*ir.Graph{}
	for name, loss := range map[string]*spec.Loss{
		"plain":     spec.MSE(x.Then(spec.Dense(70), spec.ReLU(), spec.Dense(300)), x),
		"rectified": spec.MSE(x.Then(spec.Dense(70), spec.ReLU(), spec.Dense(300), spec.ReLU()), x),
		"weighted":  spec.MSE(x.Then(spec.Dense(70), spec.ReLU(), spec.Dense(300)), x).WeightedBy(w),
		"panels":    spec.MSE(wide.Then(spec.Dense(70), spec.ReLU(), spec.Dense(512)), wide),
	} {
		g, err := spec.NewModel(name, loss).Graph()
		if err != nil {
			t.Fatal(err)
		}
		all[name] = g
	}
	return all
}

// TestColumnsAsTheyAreMade trains models with and without a squared error that takes
// columns as they are made, to the same bits.
func TestColumnsAsTheyAreMade(t *testing.T) {
	for name, g := range squaredErrors(t) {
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 600, spread: true})
		if err != nil {
			t.Fatal(err)
		}
		behind := func(s plan.Step) bool { return s.Behind }
		at := slices.IndexFunc(tw.train.Steps, behind)
		if at < 0 {
			t.Errorf("%s: no step takes columns as they are made\n%s", name, plan.Format(tw.train))
			continue
		}
		apart := *tw.train
		apart.Steps = slices.Clone(apart.Steps)
		apart.Steps[at].Behind = false
		var want []float32
		for i, c := range []struct {
			p       *plan.Plan
			workers int
		}{{&apart, 2}, {tw.train, 2}, {tw.train, 3}, {tw.train, 1}} {
			got, kernel := squaredSteps(t, g, c.p, at, c.workers)
			if fused := kernel == "squared_error_columns"; fused != (i > 0 && c.workers > 1) {
				t.Errorf("%s: the kernel is %s", name, kernel)
			}
			if i == 0 {
				want = got
			} else if !sameBits(got, want) {
				t.Errorf("%s: %d workers give other bits than the steps apart", name, c.workers)
			}
		}
	}
}

// squaredSteps returns what comes of three updates, and the kernel of a step. Every third
// row has the weight 0.
func squaredSteps(t *testing.T, g *ir.Graph, p *plan.Plan, step, workers int) ([]float32, string) {
	t.Helper()
	opt := optim.Adam(1e-2)
	var e *engine.Engine
	var s *engine.Store
	var out []float32
	for i, rows := range []int{140, 33, 7} {
		env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
		fed, _ := narrowed(randgraph.Feed(g, env, uint64(i)))
		if w := fed["w"]; w != nil {
			for r := range w.F32 {
				if w.F32[r] = 1 + float32(r%5); r%3 == 0 {
					w.F32[r] = 0
				}
			}
		}
		for _, in := range p.Inputs {
			if fed[in.Name] == nil { // the sum of the weights
				fed[in.Name] = &ir.Tensor{DType: ir.F32, F32: []float32{float32(rows)}}
			}
		}
		if e == nil {
			e, s = engineOf(t, p, fed, workers, opt.Slots()...)
		}
		if err := e.Run(fed, rows, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-2}); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Output("loss").F32[0])
	}
	return append(out, s.All()...), e.Kernel(step)
}
