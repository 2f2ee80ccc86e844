package compiler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// halved is an op of another module: half of the transpose of a matrix.
type halved struct{}

func (halved) Name() string { return "Halved" }
func (halved) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[1], in[0].Shape[0])}, nil
}
func (halved) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	n, m := in[0].Shape[0], in[0].Shape[1]
	y := ir.NewTensor(ir.F64, m, n)
	for i, x := range in[0].F64 {
		y.F64[i%m*n+i/m] = x / 2
	}
	return []*ir.Tensor{y}, nil
}
func (halved) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis1}, true }
func (halved) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	return ir.Track{Axis: 1 - axis}, true
}

// halvedKernel makes it, and tiles of it if follow is set.
func halvedKernel(follow bool) engine.Maker {
	return func(op ir.Op, _, _ []ir.Type) *engine.Kernel {
		if _, ok := op.(halved); !ok {
			return nil
		}
		move := func(x, y *ir.Tensor, rows, cols [2]int, first int) {
			n, m := x.Shape[0], x.Shape[1]
			for i := rows[0]; i < rows[1]; i++ {
				for j := cols[0]; j < cols[1]; j++ {
					y.F32[(j-first)*n+i] = x.F32[i*m+j] / 2
				}
			}
		}
		k := &engine.Kernel{Name: "halved", Run: func(s *engine.Slice) {
			move(s.In[0], s.Out[0], [2]int{0, s.In[0].Shape[0]}, [2]int{s.Lo, s.Hi}, s.Lo)
		}}
		if follow {
			k.Follow = func(s *engine.Slice) {
				if s.Axis != 0 {
					panic("rows are what changes here")
				}
				move(s.In[0], s.Out[0], [2]int{s.Lo, s.Hi}, [2]int{0, s.In[0].Shape[1]}, 0)
			}
		}
		return k
	}
}

// derivations are ops one behind the other of a parameter [61 48].
var derivations = map[string][]ir.Op{
	"transpose":               {ops.Transpose{Perm: ir.MakeAxes(1, 0)}},
	"bf16":                    {ops.Cast{To: ir.BF16}, ops.Cast{To: ir.F32}},
	"f16 of the transpose":    {ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ops.Cast{To: ir.F16}, ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ops.Cast{To: ir.F32}},
	"f16, its columns":        {ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ops.Cast{To: ir.F16}, ops.Cast{To: ir.F32}},
	"rows reversed":           {ops.Flip{Axes: ir.MakeAxes(0)}},
	"columns reversed":        {ops.Flip{Axes: ir.MakeAxes(1)}},
	"reversed, turned, bf16":  {ops.Flip{}, ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ops.Cast{To: ir.BF16}, ops.Cast{To: ir.F32}},
	"turned, reversed, tanh":  {ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ops.Flip{}, ops.Tanh{}},
	"reversed, back, abs":     {ops.Flip{Axes: ir.MakeAxes(0)}, ops.Neg{}, ops.Flip{Axes: ir.MakeAxes(0)}, ops.Abs{}},
	"of another module":       {halved{}},
	"… and what follows that": {halved{}, ops.Flip{Axes: ir.MakeAxes(1)}, ops.Exp{}},
}

// deriving is a graph whose losses depend on what is derived from w, each by itself, and
// whose gradient is that of a product.
func deriving(t *testing.T) (*ir.Graph, []string) {
	t.Helper()
	b := ir.NewBuilder("deriving")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(61)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(61), ir.Fixed(48)))
	y := b.Op(ops.MatMul{}, x, w)
	loss := b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, y, y))
	scale := b.Op(ops.StopGradient{}, b.Op(ops.ReduceMean{}, y)) // of x alone it would be known before the run
	var names []string
	for _, name := range slices.Sorted(maps.Keys(derivations)) {
		d := w
		for _, op := range derivations[name] {
			d = b.Op(op, d)
		}
		name = strings.NewReplacer(" ", "_", ",", "").Replace(name)
		weights := ir.NewTensor(ir.F32, d.Type.Shape.Lengths()...)
		for i := range weights.F32 {
			weights.F32[i] = float32(1+i%13) * float32(1+i%7)
		}
		term := b.Op(ops.Mul{}, b.Op(ops.Mul{}, b.Op(ops.StopGradient{}, d), scale), b.Data(name+".weights", weights.DType, weights))
		term = b.Op(ops.ReduceSum{}, term)
		term.Name = lossName + "/" + name
		names = append(names, term.Name)
		loss = b.Op(ops.Add{}, loss, term)
		b.Output(term)
	}
	loss.Name = lossName
	b.Output(loss)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return b.Graph, names
}

// TestDerivedFollow trains by an engine whose derived values are made again tile by tile,
// and holds each run against an engine that has just begun and makes them whole: by
// several workers, in tiles of any height, after updates, after a parameter was written
// and after an update that was refused.
func TestDerivedFollow(t *testing.T) {
	g, names := deriving(t)
	for _, spread := range []bool{true, false} {
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8, spread: spread})
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for i := range tw.train.Steps {
			count += len(tw.train.Steps[i].Derived)
		}
		if count != 21 {
			t.Fatalf("%d values are derived, want 21\n%s", count, plan.Format(tw.train))
		}
		for _, c := range []struct {
			workers, grain int
			makers         []engine.Maker
			again          bool // what has no kernel for tiles is made again as a whole
		}{{1, 0, []engine.Maker{halvedKernel(true)}, false}, {2, 5, []engine.Maker{halvedKernel(true)}, false}, {3, 16, []engine.Maker{halvedKernel(false)}, true},
			{2, 1, nil, true}, {1, 100, nil, true}} {
			t.Run(fmt.Sprintf("spread=%v workers=%d grain=%d kernels=%d", spread, c.workers, c.grain, len(c.makers)), func(t *testing.T) {
				p := tw.train
				if c.grain > 0 {
					p = cutBy(p, c.grain)
				}
				following(t, g, p, names, c.workers, c.makers, c.again)
			})
		}
	}
}

func following(t *testing.T, g *ir.Graph, p *plan.Plan, names []string, workers int, makers []engine.Maker, again bool) {
	opt := optim.Adam(1e-2)
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(8), UpdateRows: 8}, 5))
	begin := func(s *engine.Store, workers int) *engine.Engine {
		e, err := engine.New(p, s, engine.Options{Workers: workers, Kernels: makers, Profile: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	var stores [2]*engine.Store
	for i := range stores {
		stores[i] = engine.NewStore(p.Segments, opt.Slots())
		copy(stores[i].Param("w"), fed["w"].F32)
	}
	old := begin(stores[0], workers)
	var times []int64
	for i := range 6 {
		u := engine.Update{Opt: opt, Rate: 1e-2, T: int64(i + 1), Step: uint64(i)}
		x := engine.Feed{"x": ir.NewTensor(ir.F32, 8, 61)}
		for j := range x["x"].F32 {
			x["x"].F32[j] = float32((i+j)%9) - 3
		}
		fresh := begin(stores[1], 1)
		switch i {
		case 2: // from outside
			stores[0].Param("w")[7] += 3
			stores[1].Param("w")[7] += 3
		case 4: // refused
			bad := engine.Feed{"x": ir.NewTensor(ir.F32, 8, 61)}
			bad["x"].F32[0] = 3e38
			for j := range bad["x"].F32 {
				bad["x"].F32[j] = 3e38
			}
			if err := old.Run(bad, 8, &u); err == nil {
				t.Fatal("a loss that overflows is no error")
			}
		}
		for _, e := range []*engine.Engine{old, fresh} {
			if err := e.Run(x, 8, &u); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names {
			if a, b := old.Output(name).F32, fresh.Output(name).F32; !sameBits(a, b) {
				t.Fatalf("step %d: %s is %v, by a new engine %v", i, name, a, b)
			}
		}
		if !sameBits(stores[0].Slot("m", "w"), stores[1].Slot("m", "w")) {
			t.Fatalf("step %d: other gradients than of a new engine", i)
		}
		spent := old.Times(nil)
		times = times[:0]
		for id := range p.Steps {
			if out := p.Steps[id].Out[0]; p.Buffers[out].Kind == plan.Derived {
				times = append(times, int64(spent[id]))
			}
		}
	}
	made := 0
	for _, d := range times {
		if d > 0 {
			made++
		}
	}
	want := 4 // a transpose of halves and what follows it, two functions of columns
	if again {
		want = 6 // what has no kernel for tiles, and the columns of that reversed
	}
	if made != want {
		t.Errorf("the last run made %d of %d derived values whole, want %d", made, len(times), want)
	}
}

// TestPanelsGiveTheSameBits trains models whose products read panels everywhere, and
// nowhere, and evaluates them.
func TestPanelsGiveTheSameBits(t *testing.T) {
	wide := func() *ir.Graph {
		x := spec.Input("x", 110)
		enc := spec.Sequential("encoder", spec.Dense(200), spec.ReLU(), spec.Dense(70), spec.ReLU())
		h := x.Then(enc)
		y, side := h.Then(spec.Mirror("decoder", enc).Tied()), h.Then(spec.Dense(5))
		g, err := spec.NewModel("wide", spec.MSE(y, x), spec.MSE(side, spec.Input("y", 5))).Graph()
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	graphs := []*ir.Graph{wide(), turnable(t)}
	for seed := range uint64(8) {
		graphs = append(graphs, fusible(t, seed))
	}
	kinds := map[string]bool{}
	for seed, g := range graphs {
		for _, store := range []bool{false, true} {
			o := Options{Rows: 19, StoreGrads: store, spread: true, panels: panelsNowhere}
			plain, err := compileTwin(g, segmentsOf(g), o)
			if err != nil {
				t.Fatal(err)
			}
			o.panels = panelsEverywhere
			cut, err := compileTwin(g, segmentsOf(g), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range cut.train.Steps {
				if op, ok := s.Op.(ops.GemmPanels); ok {
					op.Columns = 0
					kinds[fmt.Sprintf("%+v %d", op, len(s.In))] = true
				}
			}
			want := steps(t, g, plain.train, uint64(seed), 1)
			for _, workers := range []int{1, 2, 3} {
				for _, grain := range []int{0, 1, 7} {
					p := cut.train
					if grain > 0 {
						p = cutBy(p, grain)
					}
					if !sameBits(steps(t, g, p, uint64(seed), workers), want) {
						t.Errorf("graph %d, stored %v, %d workers, tasks of %d: panels give other bits", seed, store, workers, grain)
					}
				}
			}
			fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}, 3))
			var out [2]float32
			for i, p := range []*plan.Plan{plain.eval, cut.eval} {
				e, _ := engineOf(t, p, fed, 2)
				if err := e.Run(fed, 19, nil); err != nil {
					t.Fatal(err)
				}
				out[i] = e.Output(lossName).F32[0]
			}
			if out[0] != out[1] {
				t.Errorf("graph %d: an evaluation by panels gives %v, else %v", seed, out[1], out[0])
			}
		}
	}
	for _, kind := range []string{"{Columns:0 Relu:false Masked:false} 2", "{Columns:0 Relu:false Masked:false} 3", "{Columns:0 Relu:true Masked:false} 3", "{Columns:0 Relu:false Masked:true} 3", "{Columns:0 Relu:false Masked:true} 4"} {
		if !kinds[kind] {
			t.Errorf("no product is %s of %v", kind, kinds)
		}
	}
}

// TestWherePanelsPay looks at which products of a plan read panels.
func TestWherePanelsPay(t *testing.T) {
	for _, c := range []struct {
		name           string
		rows, in, out  int
		training, eval int
	}{
		{"narrow", 256, 100, 100, 0, 0},
		{"wide", 256, 784, 1000, 0, 2},
		{"rows that share sets of a cache, few", 100, 784, 512, 0, 2},
		{"rows that share sets of a cache, many", 256, 784, 512, 2, 2},
		{"that and a twin in panels", 1024, 1024, 2048, 3, 2},
		{"far, but apart", 1024, 1300, 1800, 0, 2},
	} {
		x := spec.Input("x", c.in)
		enc := spec.Sequential("encoder", spec.Dense(c.out), spec.ReLU())
		y := x.Then(enc, spec.Mirror("decoder", enc).Tied())
		g, err := spec.NewModel("wide", spec.MSE(y, x)).Graph()
		if err != nil {
			t.Fatal(err)
		}
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: c.rows})
		if err != nil {
			t.Fatal(err)
		}
		count := func(p *plan.Plan) (n int) {
			for i := range p.Steps {
				if _, ok := p.Steps[i].Op.(ops.GemmPanels); ok {
					n++
				}
			}
			return n
		}
		if a, b := count(tw.train), count(tw.eval); a != c.training || b != c.eval {
			t.Errorf("%s: %d products read panels in training and %d in an evaluation, want %d and %d", c.name, a, b, c.training, c.eval)
		}
	}
}

// TestPanelsBesideImages looks at which products read panels where tasks take few rows: wide ones,
// also in place of a twin, if an update writes panels beside a parameter for enough rows.
func TestPanelsBesideImages(t *testing.T) {
	for _, c := range []struct {
		name              string
		rows, pool, width int
		want              []string
	}{
		{"wide", 256, 2, 600, []string{"b/dense1/w.P", "b/dense2/w.P"}},
		{"wide, for few rows", 32, 2, 600, []string{"b/dense2/w.P"}},
		{"narrow", 256, 14, 4, nil},
	} {
		a := spec.Sequential("a", spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(c.pool), spec.Flatten(), spec.Dense(20))
		y := spec.Input("x", 1, 28, 28).Then(a, spec.Sequential("b", spec.Dense(c.width), spec.Dense(20)))
		g, err := spec.NewModel("images", spec.MSE(y, spec.Input("y", 20))).Graph()
		if err != nil {
			t.Fatal(err)
		}
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: c.rows})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range tw.train.Steps {
			if s := &tw.train.Steps[i]; len(s.In) > 1 {
				if _, ok := s.Op.(ops.GemmPanels); ok {
					got = append(got, tw.train.Buffers[s.In[1]].Name)
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: products read panels %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDerivedOutlivesRows runs an engine on other rows than before, which means that
// divide by them follow: nothing that is derived is made again.
func TestDerivedOutlivesRows(t *testing.T) {
	g := turnable(t)
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 19, panels: panelsEverywhere})
	if err != nil {
		t.Fatal(err)
	}
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}, 1))
	s := engine.NewStore(tw.train.Segments, nil)
	for _, name := range s.Names() {
		copy(s.Param(name), fed[name].F32)
	}
	e, err := engine.New(tw.train, s, engine.Options{Workers: 1, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i, rows := range []int{19, 7, 19, 7} {
		if i == 3 {
			s.Touch()
		}
		for _, v := range g.Inputs {
			x := fed[v.Name]
			fed[v.Name] = &ir.Tensor{DType: x.DType, Shape: []int{rows, x.Shape[1]}, F32: x.F32[: rows*x.Shape[1] : 19*x.Shape[1]]}
		}
		if err := e.Run(fed, rows, nil); err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Inputs {
			x := fed[v.Name]
			x.F32 = x.F32[:cap(x.F32)]
		}
		derived, once := false, false
		spent := e.Times(nil)
		for _, ph := range tw.train.Phases {
			ids := slices.Clone(ph.Tail)
			for _, g := range ph.Groups {
				ids = append(ids, g.Steps...)
			}
			for _, id := range ids {
				isDerived := tw.train.Buffers[tw.train.Steps[id].Out[0]].Kind == plan.Derived
				derived = derived || isDerived && spent[id] > 0
				once = once || ph.Once && !isDerived && spent[id] > 0
			}
		}
		if want := i == 0 || i == 3; derived != want || !once {
			t.Errorf("run %d, %d rows: what is derived was made: %v, what depends on the rows: %v", i, rows, derived, once)
		}
	}
}

// TestNetDerivesByReference makes a Net whose weights go through an op of another module,
// with a kernel and by its reference.
func TestNetDerivesByReference(t *testing.T) {
	b := ir.NewBuilder("net")
	y := b.Op(ops.MatMul{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3))), b.Op(halved{}, b.Param("w", ir.T(ir.F32, ir.Fixed(2), ir.Fixed(3)))))
	y.Name = "y"
	b.Output(y)
	p, err := CompileGraph(b.Graph, Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Derivations()) != 1 {
		t.Fatalf("nothing is derived:\n%s", plan.Format(p))
	}
	for _, makers := range [][]engine.Maker{nil, {halvedKernel(false)}} {
		n, err := engine.NewNet(b.Graph, p, map[string][]float32{"w": {2, 4, 6, 8, 10, 12}}, engine.Record{}, makers...)
		if err != nil {
			t.Fatal(err)
		}
		for rows := 1; rows < 4; rows++ {
			x := ir.NewTensor(ir.F32, rows, 3)
			for i := range x.F32 {
				x.F32[i] = float32(i % 3)
			}
			out, err := n.Run(t.Context(), map[string]*ir.Tensor{"x": x})
			if err != nil {
				t.Fatal(err)
			}
			if got := out["y"].F32[2*(rows-1):]; got[0] != 8 || got[1] != 17 {
				t.Errorf("%d rows, %d kernels: %v, want 8 and 17", rows, len(makers), got)
			}
		}
	}
}
