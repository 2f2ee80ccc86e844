package compiler

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/spec"
)

// wideGraph is a model with every kind of product in bf16: with a bias, a Relu, the mask of one, chains, and operands that
// are transposed.
func wideGraph(t *testing.T) *ir.Graph {
	t.Helper()
	x := spec.Input("x", 110)
	enc := spec.Sequential("encoder", spec.Dense(200), spec.ReLU(), spec.Dense(71), spec.ReLU(), spec.Dense(33))
	h := x.Then(enc)
	y, side := h.Then(spec.Mirror("decoder", enc).Tied()), h.Then(spec.Dense(5))
	g, err := spec.NewModel("wide", spec.MSE(y, x), spec.MSE(side, spec.Input("y", 5))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// manyRows are so many that a sum over the rows of an update is in bf16.
const manyRows = 64

// TestBF16SameBits trains in bf16 with parameters in tiles and as they are, with several numbers of workers, with tasks
// cut differently, and with the update apart from the gradient.
func TestBF16SameBits(t *testing.T) {
	g := wideGraph(t)
	for _, store := range []bool{false, true} {
		o := Options{Rows: 19, UpdateRows: manyRows, StoreGrads: store, spread: true, panels: panelsNowhere, BF16: &BF16{}}
		plain, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		o.panels = panelsWhereTheyPay
		cut, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[ops.GemmBF16]bool{}
		for _, p := range []*plan.Plan{plain.train, cut.train} {
			tiles := 0
			for i := range p.Steps {
				switch op := p.Steps[i].Op.(type) {
				case ops.GemmBF16:
					op.Columns = min(op.Columns, 1)
					kinds[op] = true
				case ops.Tiles:
					tiles++
					if p.Buffers[p.Steps[i].Out[0]].Kind != plan.Derived {
						t.Error("tiles are not derived from their parameter")
					}
				case ops.Cast:
					if p.Buffers[p.Steps[i].In[0]].Kind == plan.Param && p == cut.train {
						t.Error("a parameter is in bf16 beside its tiles")
					}
				}
			}
			if want := map[bool]int{true: 6}[p == cut.train]; tiles != want {
				t.Errorf("%d parameters are in tiles, want %d", tiles, want)
			}
		}
		want := steps(t, g, plain.train, 5, 1)
		for _, workers := range []int{1, 2, 3} {
			for _, grain := range []int{0, 1, 7} {
				p := cut.train
				if grain > 0 {
					p = cutBy(p, grain)
				}
				if !sameBits(steps(t, g, p, 5, workers), want) {
					t.Errorf("stored %v, %d workers, tasks of %d: other bits than without tiles", store, workers, grain)
				}
			}
		}
		for _, kind := range []ops.GemmBF16{
			{}, {Relu: true}, {TransB: true}, {TransB: true, Relu: true}, {TransB: true, Masked: true}, {Masked: true}, {TransA: true},
			{Columns: 1}, {Columns: 1, Relu: true}, {Columns: 1, Masked: true},
		} {
			if !kinds[kind] {
				t.Errorf("no product is %s", ir.FormatOp(kind))
			}
		}
	}
}

// TestBF16Plan holds the plan of a small model in bf16.
func TestBF16Plan(t *testing.T) {
	g := tiedIn(t, 40, 32)
	for _, n := range g.Nodes {
		n.Pos = ir.Pos{}
	}
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 32, BF16: &BF16{}})
	if err != nil {
		t.Fatal(err)
	}
	holdPlan(t, "plan_bf16.txt", tw.train)
}

// tiedIn is a tied autoencoder of one layer.
func tiedIn(t *testing.T, in, units int) *ir.Graph {
	t.Helper()
	x := spec.Input("x", in)
	enc := spec.Sequential("encoder", spec.Dense(units), spec.ReLU())
	g, err := spec.NewModel("tied", spec.MSE(x.Then(enc, spec.Mirror("decoder", enc).Tied()), x)).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestBF16Steps computes a step with its gradients in bf16 and holds what the engine makes of each product and each
// rounding to the reference meaning of the very operands that it had, within the bound of a sum in f32.
func TestBF16Steps(t *testing.T) {
	g := wideGraph(t)
	const rows = 19
	s := &state{opt: Options{Rows: rows, UpdateRows: manyRows, BF16: &BF16{}}, planned: true, loss: lossName}
	h, err := s.front(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []stage{gradient, back} {
		if err := s.run(h, st); err != nil {
			t.Fatal(err)
		}
	}
	shown := map[*ir.Value]bool{}
	for _, v := range h.Outputs {
		shown[v] = true
	}
	for _, n := range h.Nodes {
		for _, v := range n.Out {
			if !shown[v] {
				h.Outputs = append(h.Outputs, v)
			}
		}
	}
	p, err := lower(h, lowerOptions{capacity: ir.RowsOf(rows)})
	if err != nil {
		t.Fatal(err)
	}
	env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
	fed, _ := narrowed(randgraph.Feed(h, env, 3))
	e, _ := engineOf(t, p, fed, 2)
	if err := e.Run(fed, rows, nil); err != nil {
		t.Fatal(err)
	}
	for id := range p.Steps {
		if k := e.Kernel(id); k == "reference" {
			t.Errorf("%s has no kernel", ir.FormatOp(p.Steps[id].Op))
		}
	}
	value := func(v *ir.Value) *ir.Tensor {
		if x := fed[v.Name]; x != nil {
			return x.Widen()
		}
		if x := h.Data[v]; x != nil {
			return x.Widen()
		}
		return e.Output(v.Name).Widen()
	}
	products, casts := 0, 0
	for _, n := range h.Nodes {
		_, product := n.Op.(ops.GemmBF16)
		_, cast := n.Op.(ops.Cast)
		if !product && !cast {
			continue
		}
		c := &ir.Call{Env: env, Node: n}
		for _, v := range n.In {
			c.In = append(c.In, ir.Estimate{Value: value(v)})
		}
		got, want := value(n.Out[0]), ir.Estimate{}
		if product {
			products++
			es, err := n.Op.(ir.Bounder).Bound(c)
			if err != nil {
				t.Fatal(err)
			}
			want = es[0]
		} else {
			casts++
			if want.Value, err = c.Value(); err != nil {
				t.Fatal(err)
			}
		}
		for i := range got.Len() {
			if d := math.Abs(got.At(i) - want.Value.At(i)); !(d <= want.Tolerance(i)) {
				t.Fatalf("%s of layer %q, element %d: %v, want %v within %v", ir.FormatOp(n.Op), n.Layer, i, got.At(i), want.Value.At(i), want.Tolerance(i))
			}
		}
	}
	if products < 17 || casts < 10 {
		t.Errorf("only %d products and %d roundings", products, casts)
	}
}

// TestBF16Gradients compares the gradients in bf16 with those in FP32, both by reference meanings: they differ by roundings
// of operands and by nothing else.
func TestBF16Gradients(t *testing.T) {
	for _, c := range []struct {
		g    *ir.Graph
		most float64
	}{{wideGraph(t), 0.03}, {imageGraph(t), 0.1}} { // the second is deep, and a Relu may lie on its other side
		g := c.g
		env := &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}
		var all [2]map[string]*ir.Tensor
		for i, b := range []*BF16{nil, {}} {
			s := &state{opt: Options{Rows: 19, UpdateRows: manyRows, BF16: b}, planned: true, loss: lossName}
			h, err := s.front(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range []stage{gradient, back} {
				if err := s.run(h, st); err != nil {
					t.Fatal(err)
				}
			}
			all[i] = results(t, h, env, randgraph.Feed(h, env, 3))
		}
		for name, want := range all[0] {
			got, diff, size := all[1][name], 0.0, 0.0
			for i := range want.Len() {
				d := got.At(i) - want.At(i)
				diff, size = diff+d*d, size+want.At(i)*want.At(i)
			}
			if r := math.Sqrt(diff / size); !(r > 0 && r < c.most) {
				t.Errorf("%s: in bf16 it differs by %.2g of its size", name, r)
			}
		}
	}
}
