package compiler

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// batched is a model with statistics of the batch in two places, one of them of the
// channels of images, with their running ones.
func batched() *ir.Graph {
	b := ir.NewBuilder("batched")
	channel := func(name string, n int) (p, s []*ir.Value) {
		t := ir.T(ir.F32, ir.Fixed(n))
		for _, of := range []string{"mean", "variance"} {
			v := &ir.Value{Name: name + "/" + of, Type: t, Kind: ir.StateValue}
			b.Graph.State = append(b.Graph.State, ir.StateVar{In: v, Out: v})
			s = append(s, v)
		}
		return []*ir.Value{b.Param(name+"/scale", t), b.Param(name+"/bias", t)}, s
	}
	norm := func(name string, x *ir.Value, axis int) *ir.Value {
		b.Layer, b.Pos = name, ir.Pos{Made: ir.Frame{File: "model.go", Line: 7 + axis}}
		p, s := channel(name, x.Type.Shape[axis].Length())
		y := b.Ops(ops.BatchNormTraining{Axis: axis, Epsilon: 0.01}, x, p[0], p[1], s[0], s[1])
		b.Graph.State[len(b.Graph.State)-2].Out = b.Op(ops.Lerp{}, s[0], b.Op(ops.Cast{To: ir.F32}, y[1]), b.Const(ir.F32, 0.1))
		return y[0]
	}
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(5)))
	h := b.Op(ops.MatMul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(5), ir.Fixed(6))))
	h = b.Op(ops.Tanh{}, norm("first", h, 1))
	h = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(2), ir.Fixed(3)})}, h)
	h = norm("second", h, 1)
	h = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(6)})}, h)
	y := b.Op(ops.MatMul{}, b.Op(ops.Sigmoid{}, h), b.Param("v", ir.T(ir.F32, ir.Fixed(6), ir.Fixed(5))))
	b.Layer = "mse"
	e := b.Op(ops.Sub{}, y, x)
	l := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, e, e))
	l.Name, y.Name = "loss", "y"
	b.Output(l)
	b.Output(y)
	if b.Err() != nil {
		panic(b.Err())
	}
	return b.Graph
}

// TestGradientThroughStatistics compares the gradients of a model with statistics of the
// batch with central differences, in float64.
func TestGradientThroughStatistics(t *testing.T) {
	g := batched()
	d, err := Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	in := randgraph.Feed(g, env, 3)
	for _, s := range g.State { // not looked at in training
		in[s.In.Name] = ir.NewTensor(ir.F64, s.In.Type.Shape.Lengths()...)
	}
	got := results(t, d, env, in)
	for _, p := range g.Params {
		w, grad := in[p.Name].F64, got["grad/"+p.Name].F64
		for i := range w {
			slope := func(h float64) float64 {
				was := w[i]
				w[i] = was + h
				up := results(t, g, env, in)["loss"].F64[0]
				w[i] = was - h
				down := results(t, g, env, in)["loss"].F64[0]
				w[i] = was
				return (up - down) / (2 * h)
			}
			if want := slope(1e-5); math.Abs(grad[i]-want) > 2e-7*(1+math.Abs(want)) {
				t.Errorf("the gradient of %s[%d] is %v, by differences %v", p.Name, i, grad[i], want)
			}
		}
	}
}

// planned is the training plan of batched with so many shards.
func planned(t *testing.T, g *ir.Graph, shards int) (*plan.Plan, error) {
	t.Helper()
	tw, err := compileTwin(g, nil, Options{Rows: 16, StoreGrads: shards > 1, Shards: shards})
	if err != nil {
		return nil, err
	}
	return tw.train, nil
}

// TestPlanOfStatistics: with shards, what is of one shard only comes behind the last place
// where all meet, and what is read there is kept for all; a plan that breaks this is refused.
func TestPlanOfStatistics(t *testing.T) {
	p, err := planned(t, batched(), 4)
	if err != nil {
		t.Fatal(err)
	}
	last, joins, stores := p.LastJoin(), 0, 0
	for i := range p.Phases {
		for _, id := range p.Phases[i].Steps() {
			switch s := &p.Steps[id]; s.Op.(type) {
			case ops.BatchMoments, ops.BatchNormSums:
				joins++
			case plan.StoreGrad:
				if stores++; i < p.Apart || i <= last {
					t.Errorf("phase %d of %d stores a gradient, and shards meet in %d", i, len(p.Phases), last)
				}
			case nil:
				t.Errorf("step %d updates", id)
			}
		}
	}
	if joins != 4 || stores != 6 {
		t.Errorf("%d meetings, %d stored gradients", joins, stores)
	}
	whole, err := planned(t, batched(), 1)
	if err != nil {
		t.Fatal(err)
	}
	broken := *whole // gradients of one shard before the last meeting
	broken.Shards, broken.StoreGrads, broken.Apart = 4, true, whole.LastJoin()+1
	if err := plan.Verify(&broken); err == nil {
		t.Error("a plan of one shard passes for one of four")
	}
	for i := range p.Buffers { // what shards read in turn gives its place away
		b := &p.Buffers[i]
		if b.Kind != plan.Arena || !b.Type.Shape.Has(ir.Batch) || b.Alias >= 0 {
			continue
		}
		for j := range p.Buffers {
			if c := &p.Buffers[j]; i != j && c.Kind == plan.Arena && c.Alias < 0 && c.Offset != b.Offset && c.Type.Equal(b.Type) {
				was := c.Offset
				c.Offset = b.Offset
				if plan.Verify(p) == nil {
					moved := c.Name + " over " + b.Name
					if !inTurn(p, i, j) {
						t.Errorf("%s passes", moved)
					}
				}
				c.Offset = was
			}
		}
	}
}

// inTurn reports whether one buffer is dead before shards begin, or the other is dead when
// the first is made.
func inTurn(p *plan.Plan, i, j int) bool {
	span := func(b int) (from, to int) {
		from = -1
		for k := range p.Phases {
			for _, id := range p.Phases[k].Steps() {
				s := &p.Steps[id]
				for _, o := range s.Out {
					if o == b {
						from = k
					}
				}
				for _, x := range s.In {
					if p.Root(x) == b {
						to = k
					}
				}
			}
		}
		if from < p.Apart && to >= p.Apart {
			to = len(p.Phases)
		}
		return from, to
	}
	a, b := i, j
	af, at := span(a)
	bf, bt := span(b)
	return at <= bf || bt <= af
}

// TestStatisticsMistakes: what shards cannot meet for is told with its layer.
func TestStatisticsMistakes(t *testing.T) {
	b := ir.NewBuilder("late")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(3)))
	s := b.Param("s", ir.T(ir.F32, ir.Fixed(3)))
	b.Layer = "mixing"
	mixed := b.Op(ops.Mul{}, x, b.Op(ops.Mul{}, w, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x)))
	b.Layer, b.Pos = "norm", ir.Pos{Made: ir.Frame{File: "model.go", Line: 9}}
	y := b.Ops(ops.BatchNormTraining{Axis: 1, Epsilon: 0.1}, mixed, s, s, s, s)
	l := b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, y[0], y[0]))
	l.Name = "loss"
	b.Output(l)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	_, err := planned(t, b.Graph, 4)
	if err == nil || !strings.Contains(err.Error(), `layer "norm"`) || !strings.Contains(err.Error(), "depends on a sum over them") {
		t.Errorf("statistics of what mixes rows: %v", err)
	}
	if _, err := planned(t, b.Graph, 1); err != nil {
		t.Errorf("with one shard: %v", err)
	}
}

// TestSettle: frozen statistics make their layer what it ships as, and no other.
func TestSettle(t *testing.T) {
	g := batched()
	if err := Settle(g, map[string]bool{"first/mean": true, "first/variance": true, "second/mean": true}); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range g.Nodes {
		count[n.Op.Name()]++
	}
	if count["BatchNorm"] != 1 || count["BatchNormTraining"] != 1 {
		t.Errorf("ops are %v", count)
	}
	if err := ir.Verify(g); err != nil {
		t.Error(err)
	}
}
