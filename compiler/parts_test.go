package compiler

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// holdParts sums the gradients of an update made in parts, by the engine and by the
// reference meaning, and holds both to those of the update in one go.
func holdParts(t *testing.T, g *ir.Graph, at ir.Binding, part int) {
	t.Helper()
	rows := at.Rows()
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: rows, Lengths: lengthsOf(at), StoreGrads: true, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Gradient(g, lossName)
	if err != nil {
		t.Fatal(err)
	}
	env := ir.Env{Binding: at, UpdateRows: rows, Seed: 9, Update: 1}
	fed, wide := narrowed(randgraph.Feed(g, &env, 1))
	want := results(t, d, &env, wide)
	given := totalsOf(t, tw.totals[0], fed, at)
	part1, err := (&state{opt: Options{Rows: rows, Lengths: lengthsOf(at)}}).front(g) // of which a part takes totals
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&state{opt: Options{Rows: rows, Lengths: lengthsOf(at)}}).splitTotals(part1); err != nil {
		t.Fatal(err)
	}
	if d, err = Gradient(part1, lossName); err != nil {
		t.Fatal(err)
	}
	e, s := engineOf(t, tw.train, fed, 2)
	sums := map[string][]float64{}
	for from := 0; from < rows; from += part {
		in := engine.Feed{}
		ref := map[string]*ir.Tensor{}
		for name, x := range wide {
			ref[name] = x
		}
		for name, x := range given {
			in[name], ref[name] = x, x.To(ir.F64)
		}
		for _, v := range g.Inputs {
			axis, _ := ir.BatchAxis(v.Type.Shape)
			if axis < 0 {
				in[v.Name] = fed[v.Name]
				continue
			}
			n := v.Type.Shape[axis].At(at.WithRows(1))
			cut, err := ops.Slice{Axis: axis, Start: ir.Fixed(n * from), End: ir.Fixed(n * (from + part))}.Eval(&env, []*ir.Tensor{fed[v.Name].To(ir.F64)})
			if err != nil {
				t.Fatal(err)
			}
			in[v.Name] = cut[0].To(ir.F32)
			ref[v.Name] = in[v.Name]
		}
		u := &engine.Update{Seed: env.Seed, Step: env.Update, UpdateRows: rows, FirstRow: from, Accumulate: from > 0}
		if err := e.RunAt(in, trim(at.WithRows(part), tw.train.Capacity), u); err != nil {
			t.Fatal(err)
		}
		some := ir.Env{Binding: at.WithRows(part), Capacity: at, UpdateRows: rows, FirstRow: from, Seed: env.Seed, Update: env.Update}
		for name, x := range results(t, d, &some, ref) {
			if sums[name] == nil {
				sums[name] = make([]float64, x.Len())
			}
			for i, y := range x.F64 {
				sums[name][i] += y
			}
		}
	}
	for _, name := range s.Names() {
		for i, w := range want[gradPrefix+name].F64 {
			if got := sums[gradPrefix+name][i]; math.Abs(got-w) > 1e-12*(1+math.Abs(w)) {
				t.Errorf("reference: %s[%d] is %v in parts, %v in one go", name, i, got, w)
				break
			}
			if got := s.Grad(name)[i]; !close32(got, w, 1) {
				t.Errorf("engine: %s[%d] is %v in parts, %v in one go", name, i, got, w)
				break
			}
		}
	}
}

// totalsOf returns the totals of rows as the plan takes them.
func totalsOf(t *testing.T, x *plan.Totals, fed engine.Feed, at ir.Binding) engine.Feed {
	t.Helper()
	given := engine.Feed{}
	if x == nil {
		return given
	}
	sums, err := engine.NewTotals(x, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close()
	if err := sums.Add(fed, trim(at, x.Plan.Capacity)); err != nil {
		t.Fatal(err)
	}
	for _, one := range x.Of {
		given[one.Input] = &ir.Tensor{DType: ir.F32, Shape: []int{}, F32: make([]float32, 1)}
	}
	if err := sums.Give(given); err != nil {
		t.Fatal(err)
	}
	return given
}

// TestDrawsInParts: what is drawn for a weight is the same for every part of an
// update, what is drawn for rows goes on from one part to the next, also where a
// row has several places on the first axis.
func TestDrawsInParts(t *testing.T) {
	b := ir.NewBuilder("draws")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(4), ir.Fixed(3)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(5)))
	flat := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{times(4, ir.Rows()), ir.Fixed(3)})}, x)
	h := b.Op(ops.MatMul{}, b.Op(ops.Dropout{Rate: 0.5, Stream: 1}, flat), b.Op(ops.Dropout{Rate: 0.5, Stream: 2}, w))
	h = b.Op(ops.Dropout{Rate: 0.25, Stream: 3}, b.Op(ops.Tanh{}, b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(20)})}, h)))
	loss := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, h)
	loss.Name = lossName
	b.Output(loss)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	holdParts(t, b.Graph, ir.RowsOf(16), 8)
	holdParts(t, b.Graph, ir.RowsOf(16), 4)
}

// TestParamTerms: a term that depends on parameters alone counts once in an update,
// however many parts it is made in.
func TestParamTerms(t *testing.T) {
	b := ir.NewBuilder("terms")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(2)))
	u := b.Param("u", ir.T(ir.F32, ir.Fixed(2)))
	mean := b.Op(ops.ReduceMean{}, b.Op(ops.Tanh{}, b.Op(ops.MatMul{}, x, w)))
	decay := b.Op(ops.Mul{}, b.Op(ops.ReduceSum{}, b.Op(ops.Mul{}, w, w)), b.Const(ir.F32, 0.25))
	other := b.Op(ops.Neg{}, b.Op(ops.ReduceSum{}, b.Op(ops.Tanh{}, u)))
	loss := b.Op(ops.Sub{}, b.Op(ops.Add{}, decay, b.Op(ops.Mul{}, mean, b.Const(ir.F32, 3))), other)
	loss.Name = lossName
	b.Output(loss)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if err := ir.Separable(b.Graph, loss); err != nil {
		t.Fatal(err)
	}
	holdParts(t, b.Graph, ir.RowsOf(12), 4)
	only := ir.NewBuilder("only")
	w = only.Param("w", ir.T(ir.F32, ir.Fixed(3)))
	only.Input("x", ir.T(ir.F32, ir.Rows()))
	loss = only.Op(ops.ReduceSum{}, only.Op(ops.Mul{}, w, w))
	loss.Name = lossName
	only.Output(loss)
	holdParts(t, only.Graph, ir.RowsOf(12), 4)
}

// FuzzSeparable draws graphs as FuzzLengths does, and where the sum of the means of
// their outputs is separable holds the gradients in parts to those in one go.
func FuzzSeparable(f *testing.F) {
	for seed := range uint64(150) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g, at := randgraph.New(seed, randgraph.Options{Smooth: true, Noise: true})
		if len(g.Params) == 0 {
			return
		}
		part := 1
		if at.Rows()%2 == 0 {
			part = at.Rows() / 2
		}
		for _, v := range g.Inputs {
			if _, ok := ir.BatchAxis(v.Type.Shape); !ok {
				return // it has no rows to be cut
			}
		}
		outs := g.Outputs
		g.Outputs = nil
		b := ir.Extend(g)
		var loss *ir.Value
		for _, v := range outs {
			m := b.Op(ops.ReduceMean{}, v)
			if ir.Separable(g, m) != nil {
				continue
			}
			if loss == nil {
				loss = m
			} else {
				loss = b.Op(ops.Add{}, loss, m)
			}
		}
		if loss == nil || b.Err() != nil {
			return
		}
		loss.Name = lossName
		b.Output(loss)
		if err := ir.Separable(g, loss); err != nil {
			t.Fatalf("the sum of what is separable is not: %v", err)
		}
		d, err := Front(g, false)
		if err != nil {
			t.Fatal(err)
		}
		needed := map[string]bool{} // by the loss
		for _, n := range d.Nodes {
			for _, v := range n.In {
				needed[v.Name] = true
			}
		}
		d.Params = slices.DeleteFunc(d.Params, func(v *ir.Value) bool { return !needed[v.Name] })
		if len(d.Params) > 0 {
			holdParts(t, d, at, part)
		}
	})
}
