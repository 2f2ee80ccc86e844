package compiler

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// The ops of these tests say what they are by facets alone, as ops of another module
// do. Their names are those of ours that mean something else.

// same has the type of its operand, which it doubles.
type same struct{}

func (same) Name() string                          { return "Relu" }
func (same) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (same) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y := in[0].Clone()
	for i := range y.F64 {
		y.F64[i] *= 2
	}
	return []*ir.Tensor{y}, nil
}
func (same) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

type (
	// columns shows a matrix as [N, k, 1].
	columns struct{}
	// here and gone are same that exists in training only, and that stops gradients.
	here struct{ same }
	gone struct{ same }
	// shape looks at the shape of its operand alone, drawn draws.
	shape struct{ same }
	drawn struct {
		same
		Stream uint64 `attr:"stream"`
	}
	// over writes over its operand, commute does not mind their order.
	over    struct{ same }
	commute struct{ ops.Sub }
	// everything is the sum of everything.
	everything struct{}
)

func (columns) Name() string { return "Transpose" }
func (columns) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[0], in[0].Shape[1], ir.Fixed(1))}, nil
}
func (columns) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y := in[0].Clone()
	y.Shape = append(slices.Clone(y.Shape), 1)
	return []*ir.Tensor{y}, nil
}
func (columns) View([]ir.Type) bool                      { return true }
func (here) TrainingOnly() bool                          { return true }
func (gone) StopsGradient() bool                         { return true }
func (shape) ShapeOnly() bool                            { return true }
func (o drawn) WithStream(s uint64) ir.Op                { o.Stream = s; return o }
func (over) InPlace([]ir.Type) (int, bool)               { return 0, true }
func (commute) Commutes() bool                           { return true }
func (everything) Name() string                          { return "Softmax" }
func (everything) Infer(in []ir.Type) ([]ir.Type, error) { return []ir.Type{ir.T(in[0].DType)}, nil }
func (everything) Total([]ir.Type) (mean, ok bool)       { return false, true }
func (everything) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	sum := 0.0
	for _, x := range in[0].F64 {
		sum += x
	}
	return []*ir.Tensor{ir.Scalar(sum)}, nil
}

// TestFacetsFromElsewhere compiles ops of another module and holds what the compiler
// makes of each to what its facet says.
func TestFacetsFromElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		op    ir.Op
		holds func(p *plan.Plan, text string) bool
	}{
		"view":          {columns{}, func(p *plan.Plan, text string) bool { return !strings.Contains(text, "Transpose") }},
		"training only": {here{}, func(p *plan.Plan, text string) bool { return !strings.Contains(text, "Relu") }},
		"in place": {over{}, func(p *plan.Plan, _ string) bool {
			return offset(p, "y") == offset(p, "h")
		}},
		"not in place": {same{}, func(p *plan.Plan, _ string) bool {
			return offset(p, "y") != offset(p, "h")
		}},
		"shape only": {shape{}, func(p *plan.Plan, _ string) bool {
			return len(p.Phases) == 1
		}},
		"total": {everything{}, func(_ *plan.Plan, text string) bool {
			return strings.Contains(text, "RowSum") && strings.Contains(text, "Total")
		}},
		"commute": {commute{}, func(_ *plan.Plan, text string) bool { return strings.Contains(text, "Sub(h, w)") }},
	} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
		h := b.Op(ops.Tanh{}, x)
		if name == "shape only" { // behind what is made as a whole, for which a step in slices would wait
			h = b.Op(ops.Softmax{Axis: 0}, h)
		}
		h.Name = "h"
		args := []*ir.Value{h}
		if name == "commute" {
			args = []*ir.Value{b.Param("w", ir.T(ir.F32, ir.Fixed(3))), h}
		}
		y := b.Op(c.op, args...)
		y.Name = "y"
		z := y
		if y.Type.Rank() > 0 {
			z = b.Op(ops.Neg{}, y)
		}
		z.Name = "z"
		b.Output(z)
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		p, err := CompileGraph(b.Graph, Options{Rows: 8})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := strings.ReplaceAll(plan.Format(p), ":axis0", ""); !c.holds(p, text) {
			t.Errorf("%s is taken for something else:\n%s", name, text)
		}
	}
}

func offset(p *plan.Plan, name string) int {
	for _, b := range p.Buffers {
		if b.Name == name {
			return b.Offset
		}
	}
	return -1
}

// minus is a - b under the name of a + b.
type minus struct{}

func (minus) Name() string                          { return "Add" }
func (minus) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (minus) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y := in[0].Clone()
	for i := range y.F64 {
		y.F64[i] -= in[1].F64[i]
	}
	return []*ir.Tensor{y}, nil
}

// TestNamesDecideNothing runs an op of another module that has the name of one of ours.
func TestNamesDecideNothing(t *testing.T) {
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	y := b.Op(minus{}, x, b.Op(ops.Abs{}, x))
	y.Name = "y"
	b.Output(y)
	p, err := CompileGraph(b.Graph, Options{Rows: 2})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := engineOf(t, p, engine.Feed{}, 1)
	if err := e.Run(engine.Feed{"x": {DType: ir.F32, Shape: []int{1, 2}, F32: []float32{-1, 3}}}, 1, nil); err != nil {
		t.Fatal(err)
	}
	if got := e.Output("y").F32; got[0] != -2 || got[1] != 0 {
		t.Errorf("x - |x|, by an op named Add, is %v for -1 and 3", got)
	}
}

// TestGradientStops leaves what an op stops, or what it does not look at, without a
// gradient.
func TestGradientStops(t *testing.T) {
	for _, op := range []ir.Op{gone{}, shape{}} {
		b := ir.NewBuilder("g")
		w := b.Param("w", ir.T(ir.F32, ir.Fixed(3)))
		loss := b.Op(ops.ReduceSum{}, b.Op(ops.Mul{}, w, b.Op(op, w)))
		loss.Name = "loss"
		b.Output(loss)
		if _, err := Gradient(b.Graph, "loss"); err != nil {
			t.Errorf("%T: %v", op, err)
		}
	}
	b := ir.NewBuilder("g")
	loss := b.Op(ops.ReduceSum{}, b.Op(same{}, b.Param("w", ir.T(ir.F32, ir.Fixed(3)))))
	loss.Name = "loss"
	b.Output(loss)
	if _, err := Gradient(b.Graph, "loss"); err == nil {
		t.Error("an op without a gradient is taken for one that stops it")
	}
}

// TestDrawnAnew draws for a parameter anew in each update, by an op of ours and by one
// of another module.
func TestDrawnAnew(t *testing.T) {
	for _, op := range []ir.Op{ops.GaussianNoise{SD: 1, Stream: 1}, ops.MaskingNoise{Rate: 0.5, Stream: 1}, ops.Sample{Stream: 1}, drawn{}} {
		b := ir.NewBuilder("g")
		y := b.Op(op, b.Param("w", ir.T(ir.F32, ir.Fixed(64))))
		y.Name = "y"
		b.Output(y)
		b.Output(b.Op(ops.Tanh{}, b.Input("x", ir.T(ir.F32, ir.Rows()))))
		p, err := lower(b.Graph, lowerOptions{capacity: ir.RowsOf(2)})
		if err != nil {
			t.Fatal(err)
		}
		for _, ph := range p.Phases {
			if ph.Once {
				t.Errorf("%s of a parameter is in a phase that is run once:\n%s", op.Name(), plan.Format(p))
			}
		}
		if _, ours := ops.ByName(op.Name()); !ours || op == (drawn{}) {
			continue // it only says that it draws
		}
		e, s := engineOf(t, p, engine.Feed{"w": ir.NewTensor(ir.F32, 64)}, 1)
		for i := range s.Param("w") {
			s.Param("w")[i] = 0.5
		}
		var out [2][]float32
		for step := range out {
			x := engine.Feed{"x": ir.NewTensor(ir.F32, 1)}
			if err := e.Run(x, 1, &engine.Update{Seed: 1, Step: uint64(step)}); err != nil {
				t.Fatal(err)
			}
			out[step] = slices.Clone(e.Output("y").F32)
		}
		if slices.Equal(out[0], out[1]) {
			t.Errorf("%s of a parameter is the same in two updates", op.Name())
		}
	}
}

// TestExtentFollowsLengths counts a length that changes from run to run while the rows
// do not.
func TestExtentFollowsLengths(t *testing.T) {
	g := parsed(t, `g (f32[N T] x) => (n, y) {
		f32[] n = Extent<of = [T], to = f32>()
		f32[N T] y = Mul(x, n)
	}`)
	p, err := CompileGraph(g, Options{Rows: 2, Lengths: map[string]int{"T": 9}})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := engineOf(t, p, engine.Feed{}, 1)
	for _, n := range []int{5, 2, 9} {
		x := ir.NewTensor(ir.F32, 2, n)
		if err := e.RunAt(engine.Feed{"x": x}, ir.RowsOf(2).With("T", n), nil); err != nil {
			t.Fatal(err)
		}
		if got := e.Output("n").F32[0]; got != float32(n) {
			t.Errorf("T is %d, Extent %v", n, got)
		}
	}
}

// lying says what cannot be of an op of two operands and results, or of none.
type lying struct{ operands, results int }

func (lying) Name() string { return "Lying" }
func (o lying) Infer([]ir.Type) ([]ir.Type, error) {
	return slices.Repeat([]ir.Type{ir.T(ir.F32, ir.Rows(), ir.Fixed(4))}, o.results), nil
}
func (o lying) Eval(*ir.Env, []*ir.Tensor) ([]*ir.Tensor, error) { return nil, nil }
func (lying) Commutes() bool                                     { return true }
func (lying) View([]ir.Type) bool                                { return true }
func (lying) Turns() bool                                        { return true }
func (lying) Total([]ir.Type) (mean, ok bool)                    { return true, true }
func (lying) Transposed() (a, b bool)                            { return true, true }
func (o lying) WithTransposed(a, b bool) ir.Op                   { return o }
func (lying) Chain([]ir.Type) (start int, open bool)             { return 7, false }
func (lying) InPlace([]ir.Type) (operand int, elementwise bool)  { return 7, true }
func (lying) Split([]ir.Type, ir.Type) ([]ir.Access, bool)       { return []ir.Access{9, 9, 9, 9}, true }

// passing also says that it is its first operand for inference.
type passing struct{ lying }

func (passing) TrainingOnly() bool { return true }

// TestFacetsThatLie refuses what an op says against its types, or takes no notice of
// it: nothing panics, and no memory is shared.
func TestFacetsThatLie(t *testing.T) {
	for operands := range 3 {
		for results := 1; results < 3; results++ {
			for _, op := range []ir.Op{lying{operands, results}, passing{lying{operands, results}}} {
				b := ir.NewBuilder("g")
				x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
				b.Output(b.Ops(op, []*ir.Value{x, x}[:operands]...)[0])
				err := b.Err()
				if _, trains := op.(passing); trains {
					if err == nil || !strings.Contains(err.Error(), "exists in training only") {
						t.Errorf("%d operands, %d results: %v", operands, results, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				p, err := CompileGraph(b.Graph, Options{Rows: 4})
				if view := operands == 1 && results == 1; view != (err != nil) {
					t.Errorf("%d operands, %d results: %v\n%v", operands, results, err, p)
				}
				if internal := (*InternalError)(nil); errors.As(err, &internal) {
					t.Errorf("%d operands, %d results: %v", operands, results, err)
				}
			}
		}
	}
}
