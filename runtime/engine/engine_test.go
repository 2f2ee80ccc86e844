package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// autoencoder is in-hidden-code with a tied decoder.
func autoencoder(t testing.TB, in, hidden, code int, o compiler.Options) *compiler.Program {
	t.Helper()
	enc := spec.Sequential("encoder", spec.Dense(hidden), spec.ReLU(), spec.Dense(code), spec.ReLU())
	m := spec.Autoencoder("autoencoder", spec.Input("x", in), enc, spec.Mirror("decoder", enc).Tied())
	p, err := compiler.Compile(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fill(key string, dst []float32, scale float64) []float32 {
	k := random.New(1).DeriveString(key)
	for i := range dst {
		dst[i] = float32(scale * k.Normal(uint64(i)))
	}
	return dst
}

func rowsOf(n, width int) *ir.Tensor {
	t := ir.NewTensor(ir.F32, n, width)
	for i := range fill("rows", t.F32, 1) {
		t.F32[i] = float32(math.Abs(float64(t.F32[i])))
	}
	return t
}

// start returns a store with small random parameters and an engine on it.
func start(t testing.TB, p *plan.Plan, workers int, slots []string) (*engine.Engine, *engine.Store) {
	t.Helper()
	s := engine.NewStore(p.Segments, slots, p.States...)
	for _, name := range s.Names() {
		fill(name, s.Param(name), 0.05)
	}
	e, err := engine.New(p, s, engine.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, s
}

// train returns losses and parameters after a few updates.
func train(t testing.TB, p *plan.Plan, workers, updates int) []float32 {
	t.Helper()
	opt := optim.Adam(1e-3)
	e, s := start(t, p, workers, opt.Slots())
	var out []float32
	for i := range updates {
		rows := p.Capacity.Rows() - 5*(i%2)
		in := engine.Feed{"x": rowsOf(rows, p.Buffers[p.Inputs[0].Buffer].Type.Last())}
		if err := e.Run(in, rows, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Output("loss").F32[0])
	}
	return append(out, s.All()...)
}

func equal(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

func TestTrainingLowersTheLoss(t *testing.T) {
	p := autoencoder(t, 40, 20, 10, compiler.Options{Rows: 32})
	out := train(t, p.Train, 2, 200)
	if first, last := out[0], out[199]; !(last < 0.9*first) {
		t.Errorf("loss goes from %v to %v", first, last)
	}
}

func TestWorkersGiveTheSameBits(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96})
	want := train(t, p.Train, 1, 6)
	for _, w := range []int{2, 3, 7} {
		if !equal(train(t, p.Train, w, 6), want) {
			t.Errorf("%d workers give other bits", w)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96})
	opt := optim.Adam(1e-3)
	e, _ := start(t, p.Train, 3, opt.Slots())
	in, u := engine.Feed{"x": rowsOf(96, 150)}, &engine.Update{Opt: opt, T: 1, Rate: 1e-3}
	n := testing.AllocsPerRun(30, func() {
		if err := e.Run(in, 96, u); err != nil {
			panic(err)
		}
		if e.Output("loss") == nil {
			panic("no loss")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestInputsAreChecked(t *testing.T) {
	p := autoencoder(t, 8, 4, 2, compiler.Options{Rows: 4})
	e, _ := start(t, p.Train, 1, optim.Adam(1).Slots())
	for _, c := range []struct {
		in   engine.Feed
		rows int
		u    *engine.Update
		want string
	}{
		{engine.Feed{}, 2, nil, `no input "x"`},
		{engine.Feed{"x": rowsOf(2, 7)}, 2, nil, "must be f32[N 8]"},
		{engine.Feed{"x": ir.NewTensor(ir.F64, 2, 8)}, 2, nil, "must be f32[N 8]"},
		{engine.Feed{"x": rowsOf(5, 8)}, 5, nil, "takes 1 to 4"},
		{engine.Feed{"x": rowsOf(0, 8)}, 0, nil, "takes 1 to 4"},
		{engine.Feed{"x": rowsOf(2, 8)}, 2, &engine.Update{Opt: optim.Adam(1)}, "update number"},
		{engine.Feed{"x": rowsOf(2, 8)}, 2, &engine.Update{Opt: optim.SGD(1), T: 1}, "slots"},
		{engine.Feed{"x": rowsOf(2, 8)}, 2, &engine.Update{Opt: optim.Adam(1), T: 1, Rates: make([]float32, 1)}, "rates"},
	} {
		err := e.Run(c.in, c.rows, c.u)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q", err, c.want)
		}
	}
	if e.Output("nothing") != nil {
		t.Error("an output that does not exist")
	}
	if _, err := e.Apply(&engine.Update{}, 0); err == nil {
		t.Error("Apply of a plan that stores no gradients")
	}
	e.Close()
	e.Close()
	if err := e.Run(engine.Feed{"x": rowsOf(2, 8)}, 2, nil); err == nil {
		t.Error("Run after Close")
	}
	if _, err := engine.New(p.Train, engine.NewStore(nil, nil), engine.Options{}); err == nil || !strings.Contains(err.Error(), "does not have") {
		t.Errorf("a store without parameters: %v", err)
	}
}

func TestClipping(t *testing.T) {
	p := autoencoder(t, 12, 6, 3, compiler.Options{Rows: 8, StoreGrads: true})
	opt := optim.SGD(1)
	e, s := start(t, p.Train, 2, opt.Slots())
	before := append([]float32{}, s.All()...)
	u := &engine.Update{Opt: opt, T: 1, Rate: 1}
	if err := e.Run(engine.Feed{"x": rowsOf(8, 12)}, 8, u); err != nil {
		t.Fatal(err)
	}
	if !equal(before, s.All()) {
		t.Error("Run of a plan that stores gradients updates")
	}
	norm, err := e.Apply(u, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, name := range s.Names() {
		for _, g := range s.Grad(name) {
			want += float64(g) * float64(g)
		}
	}
	moved := 0.0
	for i, w := range s.All() {
		moved += math.Pow(float64(w-before[i]), 2)
	}
	if math.Abs(norm-math.Sqrt(want)) > 1e-9*norm || norm < 1e-2 {
		t.Errorf("norm is %v, want %v", norm, math.Sqrt(want))
	}
	if m := math.Sqrt(moved); math.Abs(m-1e-3) > 1e-5 {
		t.Errorf("parameters moved by %v, the clip is 0.001", m)
	}
}

func TestFirstNonFinite(t *testing.T) {
	p := autoencoder(t, 12, 6, 3, compiler.Options{Rows: 8})
	opt := optim.SGD(1)
	e, s := start(t, p.Train, 2, opt.Slots())
	in, u := engine.Feed{"x": rowsOf(8, 12)}, &engine.Update{Opt: opt, T: 1, Rate: 1}
	if f, err := engine.FirstNonFinite(p.Train, s, in, ir.RowsOf(8), u); f != nil || err != nil {
		t.Errorf("%v %v", f, err)
	}
	for _, name := range s.Names() {
		if strings.HasSuffix(name, "w") {
			for i, w := s.Param(name), 0; w < len(i); w++ {
				i[w] = 1e30
			}
		}
	}
	before := append([]float32{}, s.All()...)
	err := e.Run(in, 8, u)
	var nf *engine.NonFinite
	if !errors.As(err, &nf) {
		t.Fatalf("error is %v", err)
	}
	if !equal(before, s.All()) {
		t.Error("parameters changed")
	}
	f, err := engine.FirstNonFinite(p.Train, s, in, ir.RowsOf(8), u)
	if err != nil || f == nil || f.Layer != "encoder/dense2" {
		t.Errorf("%v %v", f, err)
	}
}

func net(t testing.TB, rows int) (*engine.Net, *ir.Graph) {
	t.Helper()
	p := autoencoder(t, 30, 12, 4, compiler.Options{Rows: 8})
	g, err := compiler.Front(p.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	var keep []*ir.Value
	for _, v := range g.Outputs {
		if v.Type.Shape.RowWise() {
			keep = append(keep, v)
		}
	}
	g.Outputs = keep
	pl, err := compiler.CompileGraph(g, compiler.Options{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	for _, v := range g.Params {
		params[v.Name] = fill(v.Name, make([]float32, v.Type.Shape.Count()), 0.3)
	}
	n, err := engine.NewNet(g, pl, params, engine.Record{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return n, g
}

func TestNetAgainstReference(t *testing.T) {
	n, g := net(t, 8)
	x := rowsOf(53, 30)
	out, err := n.Run(context.Background(), map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": x}
	for _, v := range g.Params {
		in[v.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Lengths(), F32: n.Params()[v.Name]}
	}
	want, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(53)}, in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 || len(out) != len(g.Outputs) {
		t.Fatalf("%d outputs", len(out))
	}
	for _, v := range g.Outputs {
		for i, x := range out[v.Name].F32 {
			if w := want[v].F64[i]; math.Abs(float64(x)-w) > 1e-5*(1+math.Abs(w)) {
				t.Fatalf("%s[%d] is %v, want %v", v.Name, i, x, w)
			}
		}
	}
}

// TestNetPorts names what goes in and comes out.
func TestNetPorts(t *testing.T) {
	n, g := net(t, 8)
	if in := n.Inputs(); len(in) != 1 || in[0].Name != "x" || in[0].Type.String() != "f32[N 30]" {
		t.Errorf("inputs %v", in)
	}
	out := n.Outputs()
	if len(out) != len(g.Outputs) {
		t.Fatalf("outputs %v, the graph has %v", out, g.Outputs)
	}
	for i, v := range g.Outputs {
		if out[i].Name != v.Name || out[i].Type.String() != v.Type.String() {
			t.Errorf("output %d is %s %v, not %s %v", i, out[i].Name, out[i].Type, v.Name, v.Type)
		}
	}
	if out := engine.ErrNet(errors.New("none")).Outputs(); len(out) != 0 {
		t.Errorf("a Net that was never made has the outputs %v", out)
	}
}

// TestNetFirstNonFinite looks at every part of more rows than the capacity.
func TestNetFirstNonFinite(t *testing.T) {
	n, _ := net(t, 8)
	x := rowsOf(21, 30)
	if f, err := n.FirstNonFinite(map[string]*ir.Tensor{"x": x}); f != nil || err != nil {
		t.Errorf("%v, %v", f, err)
	}
	x.F32[20*30] = float32(math.Inf(1))
	f, err := n.FirstNonFinite(map[string]*ir.Tensor{"x": x})
	if err != nil || f == nil || f.Op != engine.FaultInput || !strings.Contains(f.String(), `input "x", which layer "encoder/dense1"`) {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := n.FirstNonFinite(nil); err == nil {
		t.Error("no input is no error")
	}
}

// TestNetConcurrently calls one Net from many goroutines and wants each row's
// bits as they are alone.
func TestNetConcurrently(t *testing.T) {
	n, g := net(t, 8)
	x := rowsOf(40, 30)
	name := g.Outputs[0].Name
	whole, err := n.Run(context.Background(), map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	want := whole[name].F32
	w := len(want) / 40
	var wg sync.WaitGroup
	for r := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			size := 1 + r%3
			to := min(40, r+size)
			part := &ir.Tensor{DType: ir.F32, Shape: []int{to - r, 30}, F32: x.F32[r*30 : to*30]}
			for range 5 {
				got, err := n.Run(context.Background(), map[string]*ir.Tensor{"x": part})
				if err != nil {
					t.Error(err)
					return
				}
				if !equal(got[name].F32, want[r*w:to*w]) {
					t.Errorf("rows %d to %d have other bits", r, to)
				}
			}
		}()
	}
	wg.Wait()
}

func TestNetErrors(t *testing.T) {
	n, _ := net(t, 8)
	bg := context.Background()
	gone, cancel := context.WithCancel(bg)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		in   map[string]*ir.Tensor
		want string
	}{
		{bg, nil, `no input "x"`},
		{bg, map[string]*ir.Tensor{"x": nil}, `no input "x"`},
		{bg, map[string]*ir.Tensor{"x": rowsOf(2, 29)}, "must be f32[N 30]"},
		{bg, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{2, 30}, F32: make([]float32, 3)}}, "holds 60"},
		{bg, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{60}, F32: make([]float32, 60)}}, "must be f32[N 30]"},
		{gone, map[string]*ir.Tensor{"x": rowsOf(2, 30)}, "canceled"},
	} {
		if _, err := n.Run(c.ctx, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q", err, c.want)
		}
	}
	out, err := n.Run(bg, map[string]*ir.Tensor{"x": rowsOf(0, 30)})
	if err != nil || len(out) == 0 {
		t.Errorf("no rows: %v", err)
	}
	bad := engine.ErrNet(errors.New("a mistake"))
	if _, err := bad.Run(bg, nil); err == nil || bad.Err() == nil || len(bad.Graph().Nodes) != 0 || len(bad.Params()) != 0 {
		t.Error("a mistake is not kept")
	}
	if _, err := engine.NewNet(n.Graph(), nil, nil, engine.Record{}); err == nil {
		t.Error("a Net without a plan")
	}
}

func TestNetRunIntoAllocatesNothing(t *testing.T) {
	n, _ := net(t, 8)
	in := map[string]*ir.Tensor{"x": rowsOf(5, 30)}
	out, err := n.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for range cap(make([]int, 64)) { // every lane is made
		if err := n.RunInto(ctx, in, out); err != nil {
			t.Fatal(err)
		}
	}
	if a := testing.AllocsPerRun(20, func() {
		if err := n.RunInto(ctx, in, out); err != nil {
			panic(err)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, rows := range []int{32, 256, 1024} {
		p := autoencoder(b, 784, 100, 30, compiler.Options{Rows: rows})
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("rows=%d/workers=%d", rows, workers), func(b *testing.B) {
				opt := optim.Adam(1e-3)
				e, _ := start(b, p.Train, workers, opt.Slots())
				in, u := engine.Feed{"x": rowsOf(rows, 784)}, &engine.Update{Opt: opt, Rate: 1e-3}
				for b.Loop() {
					u.T++
					if err := e.Run(in, rows, u); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "samples/s")
			})
		}
	}
}

// TestNetCutsNoRows: a view that makes other rows of the elements is no step of the
// plan, but the batch must not be cut where a step goes along them.
func TestNetCutsNoRows(t *testing.T) {
	b := ir.NewBuilder("rows")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	turned := b.Op(ops.Softmax{Axis: 1}, b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Fixed(3), ir.Rows()})}, x))
	b.Output(b.Op(ops.Reshape{Shape: ir.MakeDims(x.Type.Shape)}, turned))
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	for rows, want := range map[int]string{4: "", 8: "depend on each other"} {
		_, err := n.Run(context.Background(), map[string]*ir.Tensor{"x": rowsOf(rows, 3)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d rows: error is %v, want %q", rows, err, want)
		}
	}
}

// TestSlow names what is run by the reference and its share of the operations.
func TestSlow(t *testing.T) {
	for want, op := range map[string]ir.Op{"": ops.ReduceMean{Axes: ir.MakeAxes(1, 3)}, "ArgMax, 50 % of all operations": ops.ArgMax{Axis: 1}} {
		b := ir.NewBuilder("slow")
		x := b.Op(ops.Relu{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3), ir.Fixed(4), ir.Fixed(2))))
		b.Output(x)
		b.Output(b.Op(op, x))
		p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 4})
		if err != nil {
			t.Fatal(err)
		}
		n, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Slow(); got.String() != want || (got.Share > 0) != (want != "") {
			t.Errorf("slow is %q, want %q", got, want)
		}
	}
	if s := (engine.Slow{Ops: []string{"A", "B", "C"}, Share: 0.012}).String(); s != "A, B and C, 1.2 % of all operations" {
		t.Error(s)
	}
	if s := (engine.Slow{Ops: []string{"A"}, Share: 1}).String(); s != "A, 100 % of all operations" {
		t.Error(s)
	}
}
