package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

var update = flag.Bool("update", false, "rewrite the text in testdata")

// twice is an op of the tests: each element of x doubled.
type twice struct {
	By float64 `attr:"by"`
}

func (twice) Name() string                                         { return "Twice" }
func (twice) Infer(in []ir.Type) ([]ir.Type, error)                { return in[:1], nil }
func (twice) InPlace([]ir.Type) (int, bool)                        { return 0, true }
func (twice) Split([]ir.Type, ir.Type) ([]ir.Access, bool)         { return []ir.Access{ir.Axis0}, true }
func (twice) Cost([]ir.Type, []ir.Type, ir.Binding) (int64, int64) { return 1000, 10 }

// widen is an op of the tests: each row given another width.
type widen struct{ To int }

func (widen) Name() string { return "Widen" }
func (o widen) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[0], ir.Fixed(o.To))}, nil
}

// turn is an op of the tests: the transpose of a matrix.
type turn struct{}

func (turn) Name() string { return "Transpose" }
func (turn) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	return ir.Track{Axis: 1 - axis}, true
}
func (turn) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[1], in[0].Shape[0])}, nil
}

// turned has the type of turn and says not how it follows, apart says it wrongly, folded
// in panels; drawn says that it draws.
type (
	turned struct{ turn }
	apart  struct{ turn }
	folded struct{ turn }
	drawn  struct{ turn }
	counts struct{ turn } // of T
)

func (turned) Follow([]ir.Type, int) (ir.Track, bool) { return ir.Track{}, false }
func (apart) Follow([]ir.Type, int) (ir.Track, bool)  { return ir.Track{Axis: 0}, true } // 8 rows in 4
func (folded) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, ir.Fixed(4), ir.Fixed(4), ir.Fixed(2))}, nil
}
func (folded) Follow([]ir.Type, int) (ir.Track, bool) { return ir.Track{Block: 2}, true }
func (counts) Sizes() ir.Shape                        { return ir.Shape{ir.Of("T")} }
func (o drawn) WithStream(uint64) ir.Op               { return o }

const (
	x, w, wt, a, b, rows, loss, grad = 0, 1, 2, 3, 4, 5, 6, 7
)

// sample is a plan with every part: a transpose that is derived, a group of rows whose
// second value takes the place of the first, a loss, a tile group, an update.
func sample() *plan.Plan {
	f32 := func(dims ...ir.Dim) ir.Type { return ir.T(ir.F32, dims...) }
	n, m := ir.Rows(), ir.Fixed(4)
	p := &plan.Plan{
		Name: "sample", Capacity: ir.RowsOf(8), Loss: loss, ArenaBytes: 512, DerivedBytes: 128,
		Inputs:   []plan.Port{{Name: "x", Buffer: x}},
		Outputs:  []plan.Port{{Name: "loss", Buffer: loss}},
		Segments: []plan.Segment{{Name: "w", Layer: "dense", Shape: []int{8, 4}, Decay: true}},
		Buffers: []plan.Buffer{
			x:    {Name: "x", Type: f32(n, m), Kind: plan.Input, Alias: -1},
			w:    {Name: "w", Type: f32(ir.Fixed(8), m), Kind: plan.Param, Alias: -1},
			wt:   {Name: "w.T", Type: f32(m, ir.Fixed(8)), Kind: plan.Derived, Alias: -1},
			a:    {Name: "a", Type: f32(n, m), Kind: plan.Arena, Offset: 128, Alias: -1},
			b:    {Name: "b", Type: f32(n, m), Kind: plan.Arena, Offset: 128, Alias: -1},
			rows: {Name: "rows", Type: ir.T(ir.F64, n), Kind: plan.Arena, Offset: 256, Alias: -1},
			loss: {Name: "loss", Type: f32(), Kind: plan.Kept, Offset: 320, Alias: -1},
			grad: {Name: "grad", Type: f32(ir.Fixed(8), m), Kind: plan.Arena, Offset: 384, Alias: -1},
		},
		Steps: []plan.Step{
			{Op: turn{}, In: []int{w}, Out: []int{wt}, Access: []ir.Access{ir.Whole}, Param: -1, Layer: "dense"},
			{Op: twice{2}, In: []int{x}, Out: []int{a}, Access: []ir.Access{ir.Axis0}, Param: -1, Layer: "dense"},
			{Op: twice{3}, In: []int{a}, Out: []int{b}, Access: []ir.Access{ir.Axis0}, Param: -1, Layer: "dense",
				Pos: ir.Pos{Made: ir.Frame{File: "main.go", Line: 14}}},
			{Op: plan.RowSum{}, In: []int{b}, Out: []int{rows}, Access: []ir.Access{ir.Axis0}, Param: -1},
			{Op: plan.Total{Mean: true, Row: ir.Fixed(4), To: ir.F32}, In: []int{rows}, Out: []int{loss}, Access: []ir.Access{ir.Whole}, Param: -1},
			{Op: twice{1}, In: []int{w}, Out: []int{grad}, Access: []ir.Access{ir.Axis0}, Param: -1},
			{In: []int{grad}, Out: []int{w}, Access: []ir.Access{ir.Axis0}, Param: 0, Derived: []int{wt}, Layer: "dense"},
		},
		Phases: []plan.Phase{
			{Once: true, Tail: []int{0}},
			{Groups: []plan.Group{{Length: n, Grain: 2, Steps: []int{1, 2, 3}}}, Tail: []int{4}},
			{Groups: []plan.Group{{Length: ir.Fixed(8), Grain: 3, Steps: []int{5, 6}}}},
		},
	}
	return p
}

// more is the buffer that a test adds to the sample.
const more = grad + 1

// by makes columns, and takes them.
type by struct{ twice }

func (by) MakesColumns([]ir.Type) bool { return true }
func (by) TakesColumns([]ir.Type) bool { return true }

// columns lets the second step of the rows take the columns of the first.
func columns(p *plan.Plan) {
	p.Steps[1].Op, p.Steps[2].Op, p.Steps[2].Behind = by{twice{2}}, by{twice{3}}, true
}

// TestVerifyColumns lets a step take columns as they are made.
func TestVerifyColumns(t *testing.T) {
	p := sample()
	columns(p)
	if err := plan.Verify(p); err != nil {
		t.Error(err)
	}
}

func TestFormat(t *testing.T) {
	p := sample()
	if err := plan.Verify(p); err != nil {
		t.Fatal(err)
	}
	got := plan.Format(p) + "\n" + plan.Explain(p, func(int) string { return "kernel" })
	file := filepath.Join("testdata", "sample.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("the text is\n%s\nwant that of %s (%v)", got, file, err)
	}
}

// again adds one more value that is derived from buffer from, at that offset, and made
// again with the first one if update is set.
func again(p *plan.Plan, op ir.Op, from, offset int, update bool) {
	types, _ := op.Infer([]ir.Type{p.Buffers[from].Type})
	p.Buffers = append(p.Buffers, plan.Buffer{Name: "more", Type: types[0], Kind: plan.Derived, Offset: offset, Alias: -1})
	b := len(p.Buffers) - 1
	p.DerivedBytes = max(p.DerivedBytes, offset+p.Buffers[b].Bytes(p.Capacity))
	p.Steps = append(p.Steps, plan.Step{Op: op, In: []int{from}, Out: []int{b}, Access: []ir.Access{ir.Whole}, Param: -1})
	p.Phases[0].Tail = append(p.Phases[0].Tail, len(p.Steps)-1)
	if update {
		for i := range p.Steps {
			if p.Steps[i].Update() {
				p.Steps[i].Derived = append(p.Steps[i].Derived, b)
			}
		}
	}
}

// TestVerifyDerived takes what is right: a transpose of the transpose, panels, two values
// of one parameter.
func TestVerifyDerived(t *testing.T) {
	p := sample()
	again(p, turn{}, wt, 128, true)
	again(p, folded{}, w, 256, true)
	if err := plan.Verify(p); err != nil {
		t.Fatal(err)
	}
	all := p.Derivations()
	if d := all[len(p.Buffers)-2]; len(all) != 3 || d.From != wt || d.Param != w || d.Axis != 1 || d.Track.Axis != 0 {
		t.Errorf("%+v", all)
	}
}

func TestVerify(t *testing.T) {
	tail := func(p *plan.Plan) *plan.Step {
		return &p.Steps[slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Update() })]
	}
	for _, c := range []struct {
		name, want string
		damage     func(p *plan.Plan)
	}{
		{"shards", "3 shards are not a power of two", func(p *plan.Plan) { p.Shards = 3 }},
		{"too many shards", "not a power of two up to", func(p *plan.Plan) { p.Shards = 2048 }},
		{"shards of what is not stored", "not stored", func(p *plan.Plan) { p.Shards = 2 }},
		{"no rows", "capacity", func(p *plan.Plan) { p.Capacity = ir.RowsOf(0) }},
		{"two buffers at one place", "share bytes", func(p *plan.Plan) { p.Buffers[rows].Offset = 128 }},
		{"place taken before the last use", "share bytes", func(p *plan.Plan) { p.Steps[3].In[0] = a }},
		{"one buffer shifted within the group", "share bytes", func(p *plan.Plan) { p.Buffers[b].Offset = 192 }},
		{"the same slices at capacity alone", "share bytes", func(p *plan.Plan) {
			square := ir.T(ir.F32, ir.Rows(), ir.Rows())
			for _, i := range []int{x, a, b} {
				p.Buffers[i].Type = square
			}
			p.Buffers[a].Offset, p.Buffers[b].Offset, p.ArenaBytes = 512, 1024, 2048
			// a is dead when this one takes its place.
			wide := plan.Buffer{Name: "wide", Type: ir.T(ir.F32, ir.Rows(), ir.Fixed(p.Capacity.Rows())), Offset: 512, Alias: -1}
			p.Buffers, p.Steps[3].In = append(p.Buffers, wide), []int{len(p.Buffers)}
			p.Steps = append(p.Steps, plan.Step{Op: widen{p.Capacity.Rows()}, In: []int{b}, Out: []int{len(p.Buffers) - 1}, Access: []ir.Access{ir.Axis0}, Param: -1})
			p.Phases[1].Groups[0].Steps = []int{1, 2, len(p.Steps) - 1, 3}
		}},
		{"kept value overwritten", "share bytes", func(p *plan.Plan) { p.Buffers[grad].Offset, p.Buffers[wt].Kind, tail(p).Derived = 0, plan.Kept, nil }},
		{"loss overwritten", "share bytes", func(p *plan.Plan) { p.Buffers[grad].Offset = 320 }},
		{"end of the arena", "leaves the arena", func(p *plan.Plan) { p.ArenaBytes = 511 }},
		{"alignment", "aligned", func(p *plan.Plan) { p.Buffers[grad].Offset = 392 - 4 }},
		{"update before the loss", "before the loss is known", func(p *plan.Plan) {
			p.Phases[1].Groups, p.Phases = append(p.Phases[1].Groups, p.Phases[2].Groups...), p.Phases[:2]
		}},
		{"update while the parameter is read whole", "still reads it", func(p *plan.Plan) { p.Steps[5].Access[0] = ir.Whole }},
		{"update of another segment", "segment", func(p *plan.Plan) { p.Segments[0].Shape = []int{4, 8} }},
		{"gradient of another type", "updated by", func(p *plan.Plan) { tail(p).In[0] = wt }},
		{"slices of other tasks", "other tasks", func(p *plan.Plan) { p.Steps[2].Access[0] = ir.Whole }},
		{"slices without the length", "cannot be made in slices of 4", func(p *plan.Plan) { p.Phases[1].Groups[0].Length = ir.Fixed(4) }},
		{"order", "before it is made", func(p *plan.Plan) { slices.Reverse(p.Phases[1].Groups[0].Steps) }},
		{"once on what changes", "run once", func(p *plan.Plan) { p.Phases[1].Once = true }},
		{"once and not kept", "not kept", func(p *plan.Plan) { p.Buffers[wt].Kind = plan.Arena }},
		{"once on what counts a length", "from run to run", func(p *plan.Plan) { p.Steps[0].Op = counts{} }},
		{"once on what is drawn", "from run to run", func(p *plan.Plan) { p.Steps[0].Op = drawn{} }},
		{"made again, not derived", "is not derived", func(p *plan.Plan) { tail(p).Derived[0] = grad }},
		{"no such buffer is derived", "is not derived", func(p *plan.Plan) { tail(p).Derived[0] = 99 }},
		{"made again by an op", "only an update", func(p *plan.Plan) { p.Steps[5].Derived = []int{wt} }},
		{"derived and not made again", "not made again with it", func(p *plan.Plan) { tail(p).Derived = nil }},
		{"made again twice", "made again twice", func(p *plan.Plan) { tail(p).Derived = []int{wt, wt} }},
		{"derived by an op that does not follow", "does not say", func(p *plan.Plan) { p.Steps[0].Op = turned{} }},
		{"rows that share a part of what is derived", "does not say", func(p *plan.Plan) { p.Steps[0].Op = apart{} }},
		{"derived at each run", "not made once", func(p *plan.Plan) { p.Phases[0].Once = false }},
		{"derived from a constant", "neither a parameter nor", func(p *plan.Plan) {
			p.Buffers[w].Kind, p.Buffers[w].Data = plan.Const, ir.NewTensor(ir.F32, 8, 4)
			p.Phases, p.Steps = p.Phases[:2], p.Steps[:5]
		}},
		{"derived and shown", "derived, so an update", func(p *plan.Plan) { p.Outputs = append(p.Outputs, plan.Port{Name: "w.T", Buffer: wt}) }},
		{"derived and still read", "still reads", func(p *plan.Plan) { p.Steps[5].Op, p.Steps[5].In[0], p.Steps[5].Access[0] = turn{}, wt, ir.Axis1 }},
		{"end of what is derived", "leaves the 127 bytes", func(p *plan.Plan) { p.DerivedBytes = 127 }},
		{"derived at one place", "share bytes of what is derived", func(p *plan.Plan) { again(p, turn{}, w, 64, true) }},
		{"derived before its operand", "made again before", func(p *plan.Plan) {
			again(p, turn{}, wt, 128, true)
			slices.Reverse(tail(p).Derived)
		}},
		{"derived from panels", "not a slice", func(p *plan.Plan) {
			p.Steps[0].Op, p.Buffers[wt].Type = folded{}, ir.T(ir.F32, ir.Fixed(4), ir.Fixed(4), ir.Fixed(2))
			again(p, turn{}, wt, 128, true)
		}},
		{"two gradients for a parameter", "one gradient", func(p *plan.Plan) { tail(p).In, tail(p).Access = []int{grad, grad}, make([]ir.Access, 2) }},
		{"types", "the op makes", func(p *plan.Plan) { p.Buffers[b].Type.DType = ir.I64 }},
		{"made twice", "made twice", func(p *plan.Plan) { p.Steps[2].Out[0] = a }},
		{"input written", "it is input", func(p *plan.Plan) { p.Steps[2].Out[0] = x }},
		{"parameter written by an op", "by an op", func(p *plan.Plan) { p.Steps[5].In[0], p.Steps[5].Out[0] = w, w }},
		{"no such buffer", "does not exist", func(p *plan.Plan) { p.Steps[2].In[0] = 99 }},
		{"no such step", "listed twice", func(p *plan.Plan) { p.Phases[1].Tail[0] = 99 }},
		{"step twice", "listed twice", func(p *plan.Plan) { p.Phases[1].Tail[0] = 2 }},
		{"step left out", "in no phase", func(p *plan.Plan) { p.Phases[2].Groups[0].Steps = []int{5} }},
		{"grain", "grain 0", func(p *plan.Plan) { p.Phases[1].Groups[0].Grain = 0 }},
		{"output not kept", "not kept", func(p *plan.Plan) { p.Outputs[0].Buffer = b }},
		{"output never made", "share bytes", func(p *plan.Plan) { p.Buffers[b].Kind = plan.Kept }},
		{"loss no scalar", "not a float scalar", func(p *plan.Plan) { p.Loss = b }},
		{"port", "no buffer", func(p *plan.Plan) { p.Inputs[0].Buffer = -1 }},
		{"alias", "alias of", func(p *plan.Plan) { p.Buffers[x].Alias = 0 }},
		{"segments", "overlaps", func(p *plan.Plan) { p.Segments = append(p.Segments, plan.Segment{Name: "v", Shape: []int{1}}) }},
		{"columns of another step", "not those of the step before", func(p *plan.Plan) { columns(p); p.Steps[2].In[0] = x }},
		{"columns that are not made", "not those of the step before", func(p *plan.Plan) { columns(p); p.Steps[1].Op = twice{2} }},
		{"columns of the first step", "not those of the step before", func(p *plan.Plan) { columns(p); p.Steps[1].Behind = true }},
		{"a place that is taken before the columns are made", "share bytes", func(p *plan.Plan) {
			columns(p) // b takes the place of what a is made of
			p.Buffers[a].Offset = 512
			p.Buffers = append(p.Buffers, plan.Buffer{Name: "z", Type: p.Buffers[a].Type, Offset: 128, Alias: -1})
			p.Steps = append(p.Steps, plan.Step{Op: twice{1}, In: []int{x}, Out: []int{more}, Access: []ir.Access{ir.Axis0}, Param: -1})
			p.Steps[1].In[0], p.ArenaBytes = more, 1024
			p.Phases[1].Groups[0].Steps = []int{7, 1, 2, 3}
		}},
		{"constant", "does not hold", func(p *plan.Plan) { p.Buffers[x].Kind = plan.Const }},
	} {
		p := sample()
		c.damage(p)
		if err := plan.Verify(p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", c.name, err, c.want)
		}
	}
}

// TestPlaceForLater checks that a value which others read behind the barrier may take
// the place of its operand, and that nothing takes its own while they still will.
func TestPlaceForLater(t *testing.T) {
	later := func() *plan.Plan {
		p := sample()
		p.Buffers = append(p.Buffers, plan.Buffer{Name: "again", Type: ir.T(ir.F64, ir.Rows()), Offset: 512, Alias: -1})
		p.ArenaBytes = 640
		p.Steps = append(p.Steps, plan.Step{Op: plan.RowSum{}, In: []int{b}, Out: []int{grad + 1}, Access: []ir.Access{ir.Axis0}, Param: -1})
		p.Phases[2].Groups = append(p.Phases[2].Groups, plan.Group{Length: ir.Rows(), Grain: 2, Steps: []int{7}})
		return p
	}
	p := later()
	if err := plan.Verify(p); err != nil {
		t.Error(err)
	}
	p = later()
	p.Buffers = append(p.Buffers, plan.Buffer{Name: "c", Type: p.Buffers[b].Type, Offset: p.Buffers[b].Offset, Alias: -1})
	p.Steps = append(p.Steps, plan.Step{Op: twice{1}, In: []int{b}, Out: []int{grad + 2}, Access: []ir.Access{ir.Axis0}, Param: -1})
	p.Phases[1].Groups[0].Steps = append(p.Phases[1].Groups[0].Steps, 8)
	if err := plan.Verify(p); err == nil || !strings.Contains(err.Error(), "share bytes") {
		t.Errorf("the place of a value that is still read is taken: %v", err)
	}
}

func TestLayout(t *testing.T) {
	segs := []plan.Segment{{Name: "a", Shape: []int{3}}, {Name: "b", Shape: []int{4, 4}}, {Name: "c"}}
	if n := plan.Layout(segs); n != 48 || segs[1].Offset != 16 || segs[2].Offset != 32 {
		t.Errorf("%d elements, %+v", n, segs)
	}
}

// TestInternalOps evaluates the ops that only plans have.
func TestInternalOps(t *testing.T) {
	m := &ir.Tensor{DType: ir.F64, Shape: []int{2, 3}, F64: []float64{1, 2, 3, 4, 5, 6}}
	start := &ir.Tensor{DType: ir.F64, Shape: []int{3}, F64: []float64{10, 20, 30}}
	for _, c := range []struct {
		op   ir.Op
		in   []*ir.Tensor
		want []float64
	}{
		{plan.RowSum{}, []*ir.Tensor{m}, []float64{6, 15}},
		{plan.Total{Mean: true, Row: ir.Fixed(2), To: ir.F32}, []*ir.Tensor{start}, []float64{10}},
		{plan.Total{Row: ir.Fixed(2), To: ir.F32}, []*ir.Tensor{start}, []float64{60}},
		{plan.ContinueSum{}, []*ir.Tensor{m, start}, []float64{15, 27, 39}},
		{plan.StoreGrad{}, []*ir.Tensor{start}, []float64{10, 20, 30}},
		{plan.Assign{}, []*ir.Tensor{start}, []float64{10, 20, 30}},
	} {
		types := make([]ir.Type, len(c.in))
		for i := range c.in {
			types[i] = c.in[i].Type()
		}
		if _, err := c.op.Infer(types); err != nil {
			t.Errorf("%s: %v", c.op.Name(), err)
		}
		got, err := c.op.(ir.Evaluator).Eval(&ir.Env{Binding: ir.RowsOf(1)}, c.in)
		if err != nil || !slices.Equal(got[0].F64, c.want) {
			t.Errorf("%s gives %v, want %v (%v)", c.op.Name(), got[0].F64, c.want, err)
		}
	}
	if start.F64[0] != 10 {
		t.Error("an operand was changed")
	}
	for _, op := range []ir.Op{plan.RowSum{}, plan.Total{}, plan.ContinueSum{}} {
		if _, err := op.Infer([]ir.Type{ir.T(ir.I64)}); err == nil {
			t.Errorf("%s takes i64[]", op.Name())
		}
	}
}
