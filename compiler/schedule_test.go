package compiler

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// narrowed returns tensors in float32 and their values as the oracle sees them.
func narrowed(in map[string]*ir.Tensor) (fed engine.Feed, oracle map[string]*ir.Tensor) {
	fed, oracle = engine.Feed{}, map[string]*ir.Tensor{}
	for name, t := range in {
		if t.DType == ir.F64 {
			t = t.To(ir.F32)
		}
		fed[name], oracle[name] = t, t
	}
	return fed, oracle
}

// engineOf returns an engine on a new store that holds the parameters.
func engineOf(t *testing.T, p *plan.Plan, in engine.Feed, workers int, slots ...string) (*engine.Engine, *engine.Store) {
	t.Helper()
	s := engine.NewStore(p.Segments, slots, p.States...)
	for _, name := range s.Names() {
		copy(s.Param(name), in[name].F32)
	}
	e, err := engine.New(p, s, engine.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, s
}

// trained compiles a model as if it were a large one.
func trained(t *testing.T, seed uint64, o Options) (*ir.Graph, *twin) {
	t.Helper()
	o.spread = true
	g := randomModel(seed)
	if seed == 0 {
		g = tiedAutoencoder()
	}
	tw, err := compileTwin(g, segmentsOf(g), o)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return g, tw
}

func close32(got float32, want, scale float64) bool {
	return math.Abs(float64(got)-want) <= 2e-5*scale+1e-5*math.Abs(want)
}

// TestEngineAgainstReference compares loss and gradients of random models with
// the reference meaning of the graph.
func TestEngineAgainstReference(t *testing.T) {
	for seed := range uint64(60) {
		g, tw := trained(t, seed, Options{Rows: 19, StoreGrads: true})
		d, err := Gradient(g, "loss")
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{19, 1, 6} {
			env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows, Seed: 3, Update: 4}
			fed, wide := narrowed(randgraph.Feed(g, env, seed))
			e, s := engineOf(t, tw.train, fed, 2)
			u := &engine.Update{Seed: 3, Step: 4}
			if err := e.Run(fed, rows, u); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			want := results(t, d, env, wide)
			if got := e.Output("loss").F32[0]; !close32(got, want["loss"].F64[0], 1) {
				t.Errorf("seed %d rows %d: loss %v, want %v", seed, rows, got, want["loss"].F64[0])
			}
			for _, name := range s.Names() {
				w := want[gradPrefix+name].F64
				scale := 0.0
				for _, x := range w {
					scale = max(scale, math.Abs(x))
				}
				for i, x := range s.Grad(name) {
					if !close32(x, w[i], scale) {
						t.Errorf("seed %d rows %d: gradient of %s[%d] is %v, want %v", seed, rows, name, i, x, w[i])
						break
					}
				}
			}
			if t.Failed() {
				t.Fatal(plan.Format(tw.train))
			}
		}
	}
}

// steps runs a few updates, the last one ragged, and returns everything that
// came of it.
func steps(t *testing.T, g *ir.Graph, p *plan.Plan, seed uint64, workers int) []float32 {
	t.Helper()
	var fed engine.Feed
	var e *engine.Engine
	var s *engine.Store
	var out []float32
	opt := optim.Adam(1e-2)
	for i, rows := range []int{19, 19, 7} {
		env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
		fed, _ = narrowed(randgraph.Feed(g, env, seed+uint64(i)))
		if e == nil {
			e, s = engineOf(t, p, fed, workers, opt.Slots()...)
		}
		u := &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-2, Seed: seed, Step: uint64(i)}
		if err := e.Run(fed, rows, u); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if p.StoreGrads {
			if _, err := e.Apply(u, 0); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, e.Output("loss").F32[0])
	}
	return append(out, s.All()...)
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestSameBits trains with several numbers of workers, with tasks cut
// differently, and with the update apart from the gradient.
func TestSameBits(t *testing.T) {
	for seed := range uint64(12) {
		g, tw := trained(t, seed, Options{Rows: 19})
		want := steps(t, g, tw.train, seed, 1)
		if sameBits(want[3:], steps(t, g, tw.train, seed+100, 1)[3:]) {
			t.Fatal("training changes nothing")
		}
		for _, workers := range []int{2, 3, 7} {
			if !sameBits(steps(t, g, tw.train, seed, workers), want) {
				t.Errorf("seed %d: %d workers give other bits", seed, workers)
			}
		}
		for _, grain := range []int{1, 3, 1000} {
			if !sameBits(steps(t, g, cutBy(tw.train, grain), seed, 3), want) {
				t.Errorf("seed %d: tasks of %d give other bits", seed, grain)
			}
		}
		_, apart := trained(t, seed, Options{Rows: 19, StoreGrads: true})
		if !sameBits(steps(t, g, apart.train, seed, 2), want) {
			t.Errorf("seed %d: stored gradients give other bits", seed)
		}
		small, err := compileTwin(g, segmentsOf(g), Options{Rows: 19})
		if err != nil {
			t.Fatal(err)
		}
		if !sameBits(steps(t, g, small.train, seed, 2), want) {
			t.Errorf("seed %d: one update of all parameters gives other bits", seed)
		}
		_, large := trained(t, seed, Options{Rows: 64})
		if !sameBits(steps(t, g, large.train, seed, 2), want) {
			t.Errorf("seed %d: another capacity gives other bits", seed)
		}
	}
}

// cutBy returns the plan with another grain.
func cutBy(p *plan.Plan, grain int) *plan.Plan {
	q := *p
	q.Phases = append([]plan.Phase{}, p.Phases...)
	for i := range q.Phases {
		q.Phases[i].Groups = append([]plan.Group{}, q.Phases[i].Groups...)
		for j := range q.Phases[i].Groups {
			q.Phases[i].Groups[j].Grain = grain
		}
	}
	return &q
}

// TestRowsApart checks that a row's result has the same bits in any batch.
func TestRowsApart(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		g, tw := trained(t, seed, Options{Rows: 11})
		env := &ir.Env{Binding: ir.RowsOf(11), UpdateRows: 11}
		fed, _ := narrowed(randgraph.Feed(g, env, seed))
		e, _ := engineOf(t, tw.eval, fed, 2)
		if err := e.Run(fed, 11, nil); err != nil {
			t.Fatal(err)
		}
		all := append([]float32{}, e.Output("tap").F32...)
		w := len(all) / 11
		for r := range 11 {
			one := engine.Feed{}
			for _, v := range g.Inputs {
				c := len(fed[v.Name].F32) / 11
				one[v.Name] = &ir.Tensor{DType: ir.F32, Shape: []int{1, c}, F32: fed[v.Name].F32[r*c : (r+1)*c]}
			}
			if err := e.Run(one, 1, nil); err != nil {
				t.Fatal(err)
			}
			if !sameBits(e.Output("tap").F32, all[r*w:(r+1)*w]) {
				t.Fatalf("seed %d: row %d alone has other bits", seed, r)
			}
		}
	}
}

// TestAccumulation checks that an update in parts is the update in one go: to
// the bit where a parameter is used once.
func TestAccumulation(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		g, tw := trained(t, seed, Options{Rows: 12, StoreGrads: true})
		env := &ir.Env{Binding: ir.RowsOf(12), UpdateRows: 12}
		fed, _ := narrowed(randgraph.Feed(g, env, seed))
		e, s := engineOf(t, tw.train, fed, 2)
		if err := e.Run(fed, 12, &engine.Update{Seed: 9, Step: 1}); err != nil {
			t.Fatal(err)
		}
		want := map[string][]float32{}
		for _, name := range s.Names() {
			want[name] = append([]float32{}, s.Grad(name)...)
		}
		for from, first := 0, true; from < 12; from, first = from+4, false {
			part := engine.Feed{}
			for _, v := range g.Inputs {
				c := len(fed[v.Name].F32) / 12
				part[v.Name] = &ir.Tensor{DType: ir.F32, Shape: []int{4, c}, F32: fed[v.Name].F32[from*c : (from+4)*c]}
			}
			u := &engine.Update{Seed: 9, Step: 1, UpdateRows: 12, FirstRow: from, Accumulate: !first}
			if err := e.Run(part, 4, u); err != nil {
				t.Fatal(err)
			}
		}
		for name, w := range want {
			// A parameter used twice adds its uses in another order.
			twice := strings.HasPrefix(name, "shared/") || name == "code/w"
			if !twice && !sameBits(s.Grad(name), w) {
				t.Errorf("seed %d: the gradient of %s in parts has other bits", seed, name)
			}
			for i, x := range s.Grad(name) {
				if !close32(x, float64(w[i]), 1) {
					t.Fatalf("seed %d: %s[%d] is %v in parts, %v in one go", seed, name, i, x, w[i])
				}
			}
		}
	}
}

// TestTiedPlan holds the plan of a tied autoencoder, as it is and as that of a
// large model.
func TestTiedPlan(t *testing.T) {
	g, tw := trained(t, 0, Options{Rows: 64})
	holdPlan(t, "plan_tied.txt", tw.train)
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	holdPlan(t, "plan_tied_small.txt", tw.train)
}

func holdPlan(t *testing.T, name string, p *plan.Plan) {
	t.Helper()
	file := filepath.Join("testdata", name)
	got := plan.Format(p)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
}

// TestVerifyPlan damages plans in ways that the planner must never do.
func TestVerifyPlan(t *testing.T) {
	damages := []struct {
		name, want string
		do         func(p *plan.Plan) bool
	}{
		{"shared bytes", "share bytes", func(p *plan.Plan) bool {
			first := -1
			for _, id := range p.Phases[len(p.Phases)-2].Groups[0].Steps {
				b := &p.Buffers[p.Steps[id].Out[0]]
				if b.Kind != plan.Arena {
					continue
				}
				if first >= 0 && b.Offset != p.Buffers[first].Offset {
					b.Offset = p.Buffers[first].Offset
					for i := range p.Buffers {
						if p.Buffers[i].Alias >= 0 {
							p.Buffers[i].Offset = p.Buffers[p.Buffers[i].Alias].Offset
						}
					}
					return true
				}
				first = p.Steps[id].Out[0]
			}
			return false
		}},
		{"no barrier", "", func(p *plan.Plan) bool {
			n := len(p.Phases)
			a, b := &p.Phases[n-2], &p.Phases[n-1]
			a.Groups = append(append([]plan.Group{}, a.Groups...), b.Groups...)
			p.Phases = p.Phases[:n-1]
			return true
		}},
		{"order", "before it is made", func(p *plan.Plan) bool {
			g := &p.Phases[len(p.Phases)-2].Groups[0]
			g.Steps = append([]int{}, g.Steps...)
			slices.Reverse(g.Steps)
			return true
		}},
		{"arena", "leaves the arena", func(p *plan.Plan) bool { p.ArenaBytes /= 2; return true }},
		{"missing step", "in no phase", func(p *plan.Plan) bool {
			g := &p.Phases[len(p.Phases)-1].Groups[0]
			g.Steps = g.Steps[:len(g.Steps)-1]
			return true
		}},
		{"type", "", func(p *plan.Plan) bool {
			b := &p.Buffers[p.Steps[p.Phases[len(p.Phases)-2].Groups[0].Steps[0]].Out[0]]
			b.Type = ir.T(ir.F32, ir.Rows(), ir.Fixed(1))
			return true
		}},
		{"access", "", func(p *plan.Plan) bool {
			for i := range p.Steps {
				if s := &p.Steps[i]; s.Op != nil && len(s.Access) > 0 && s.Access[0] == ir.Axis0 && p.Buffers[s.In[0]].Kind == plan.Arena {
					s.Access = append([]ir.Access{}, s.Access...)
					s.Access[0] = ir.Whole
					return true
				}
			}
			return false
		}},
		{"alignment", "aligned", func(p *plan.Plan) bool {
			for i := range p.Buffers {
				if b := &p.Buffers[i]; b.Kind == plan.Arena && b.Alias < 0 && b.Bytes(p.Capacity) > 0 {
					b.Offset += 4
					for j := range p.Buffers {
						if p.Buffers[j].Alias == i {
							p.Buffers[j].Offset = b.Offset
						}
					}
					return true
				}
			}
			return false
		}},
	}
	for _, d := range damages {
		for seed := range uint64(6) {
			_, tw := trained(t, seed, Options{Rows: 16})
			if err := plan.Verify(tw.train); err != nil {
				t.Fatal(err)
			}
			if !d.do(tw.train) {
				continue
			}
			err := plan.Verify(tw.train)
			if err == nil {
				t.Errorf("%s, seed %d: not noticed\n%s", d.name, seed, plan.Format(tw.train))
			} else if !strings.Contains(err.Error(), d.want) {
				t.Errorf("%s, seed %d: %v, want %q in it", d.name, seed, err, d.want)
			}
		}
	}
}

// TestNoAllocation runs training and evaluation of a model whose ops all have
// kernels.
func TestNoAllocation(t *testing.T) {
	g, tw := trained(t, 0, Options{Rows: 64})
	env := &ir.Env{Binding: ir.RowsOf(64), UpdateRows: 64}
	fed, _ := narrowed(randgraph.Feed(g, env, 1))
	opt := optim.Adam(1e-3)
	e, _ := engineOf(t, tw.train, fed, 2, opt.Slots()...)
	for id := range tw.train.Steps {
		if e.Kernel(id) == "reference" {
			t.Errorf("step %d (%T) has no kernel", id, tw.train.Steps[id].Op)
		}
	}
	u := &engine.Update{Opt: opt, T: 1, Rate: 1e-3}
	run := func() {
		if err := e.Run(fed, 64, u); err != nil {
			panic(err)
		}
		u.T++
	}
	if n := testing.AllocsPerRun(50, run); n != 0 {
		t.Errorf("a training run allocates %v times", n)
	}
	if got := e.Output("loss").F32[0]; math.IsNaN(float64(got)) {
		t.Errorf("loss is %v", got)
	}
}

// TestNonFiniteLoss checks that nothing is updated by a loss that is not finite.
func TestNonFiniteLoss(t *testing.T) {
	g, tw := trained(t, 0, Options{Rows: 8})
	env := &ir.Env{Binding: ir.RowsOf(8), UpdateRows: 8}
	fed, _ := narrowed(randgraph.Feed(g, env, 1))
	opt := optim.SGD(1)
	e, s := engineOf(t, tw.train, fed, 2, opt.Slots()...)
	before := append([]float32{}, s.All()...)
	fed["x"].F32[3] = float32(math.NaN())
	err := e.Run(fed, 8, &engine.Update{Opt: opt, T: 1, Rate: 1})
	if _, ok := err.(*engine.NonFinite); !ok {
		t.Fatalf("error is %v", err)
	}
	if !sameBits(before, s.All()) {
		t.Error("parameters have changed")
	}
	where, err := engine.FirstNonFinite(tw.train, s, fed, ir.RowsOf(8), &engine.Update{})
	if err != nil || where == nil || where.Layer != "encoder" {
		t.Errorf("first value that is not finite: %+v, %v", where, err)
	}
}

// TestState runs a graph that counts and sums what it has seen.
func TestState(t *testing.T) {
	b := ir.NewBuilder("sum")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	s := &ir.Value{Name: "seen", Type: ir.T(ir.F32, ir.Fixed(3)), Kind: ir.StateValue}
	b.Graph.State = []ir.StateVar{{In: s, When: ir.EachStep}}
	y := b.Op(ops.Add{}, x, s)
	y.Name = "y"
	b.Output(y)
	b.Graph.State[0].Out = b.Op(ops.Add{}, s, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, x))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	p, err := lower(b.Graph, lowerOptions{capacity: ir.RowsOf(4)})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Feed{"x": {DType: ir.F32, Shape: []int{2, 3}, F32: []float32{1, 2, 3, 4, 5, 6}}}
	e, store := engineOf(t, p, in, 2)
	for i, u := range []*engine.Update{{}, nil, {}} {
		if err := e.Run(in, 2, u); err != nil {
			t.Fatal(err)
		}
		if want := []float32{1, 6, 6}[i]; e.Output("y").F32[0] != want {
			t.Errorf("run %d: y is %v, want %v first", i, e.Output("y").F32, want)
		}
	}
	if got := store.State("seen"); !slices.Equal(got, []float32{10, 14, 18}) {
		t.Errorf("state is %v", got)
	}
	b.Graph.State[0].When = ir.AfterUpdate
	if _, err := lower(b.Graph, lowerOptions{capacity: ir.RowsOf(4)}); err == nil {
		t.Error("a state that changes after the update is taken")
	}
}

// TestPlainOutputs runs graphs whose outputs are inputs, parameters, constants
// and reshapes of them, and lengths that are not the batch.
func TestPlainOutputs(t *testing.T) {
	b := ir.NewBuilder("plain")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(4)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(4), ir.Fixed(2)))
	out := func(name string, v *ir.Value) {
		v.Name = name
		b.Output(v)
	}
	b.Output(x)
	b.Output(w)
	out("same", b.Op(ops.Identity{}, x))
	out("long", b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{times(4, ir.Rows())})}, x))
	h := b.Op(ops.MatMul{}, x, w)
	out("halves", b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{times(2, ir.Rows())})}, h))
	out("twice", b.Op(ops.Add{}, b.Graph.Outputs[len(b.Graph.Outputs)-1], b.Graph.Outputs[len(b.Graph.Outputs)-1]))
	out("turned", b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, h))
	out("gram", b.Op(ops.Gemm{TransB: true}, h, h))
	out("one", b.Op(ops.Add{}, b.Const(ir.F32, 1), b.Const(ir.F32, 2)))
	out("ww", b.Op(ops.Gemm{TransA: true}, w, w))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	p, err := lower(b.Graph, lowerOptions{capacity: ir.RowsOf(40)})
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{40, 1, 9} {
		env := &ir.Env{Binding: ir.RowsOf(rows)}
		fed, wide := narrowed(randgraph.Feed(b.Graph, env, 1))
		want := results(t, b.Graph, env, wide)
		for _, workers := range []int{1, 3, 9} {
			e, _ := engineOf(t, p, fed, workers)
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			for name, w := range want {
				if d := differs(e.Output(name), w); d != "" {
					t.Errorf("%s, %d rows: %s", name, rows, d)
				}
			}
		}
	}
}

// times returns n*d.
func times(n int, d ir.Dim) ir.Dim {
	p, _ := ir.Mul(ir.Fixed(n), d)
	return p
}
