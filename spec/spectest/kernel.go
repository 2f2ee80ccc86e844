package spectest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// kernelRows is the most rows that a kernel is run on.
const kernelRows = 33

// Kernel tests the kernel that mk makes of an op of one's own for operands of these
// types, whose lengths are known or multiples of the batch N.
//
// The kernel must: be the one that the engine takes; give what the op's reference
// means within its error bound, of ordinary numbers, of large and tiny ones, and of
// NaN and infinities; give the same bits by 1, 2 and 3 workers, in slices of any
// length, and for a row in any batch if the op keeps rows apart; leave its operands as
// they are; allocate nothing. Its Follow, if it has one, must make of a result for other
// numbers in a slice of the operand the result for these, whatever the slice.
func Kernel(t testing.TB, mk engine.Maker, op ir.Op, in ...ir.Type) {
	t.Helper()
	k := &kernelTest{TB: t, mk: mk, op: op}
	b := ir.NewBuilder("kernel")
	for i, typ := range in {
		k.in = append(k.in, b.Input(fmt.Sprintf("in%d", i), typ))
	}
	k.out = b.Ops(op, k.in...)
	for i, v := range k.out {
		if v.Name = fmt.Sprintf("out%d", i); i == 0 && len(in) == 0 {
			t.Errorf("%s has no operand: a kernel is tested on one or more", op.Name())
			return
		}
		b.Output(v)
	}
	if err := b.Err(); err != nil {
		t.Error(err)
		return
	}
	k.g = b.Graph
	var err error
	if k.p, err = compiler.CompileGraph(k.g, compiler.Options{Rows: kernelRows}); err != nil {
		t.Error(err)
		return
	}
	if k.step = slices.IndexFunc(k.p.Steps, func(s plan.Step) bool { return s.Op == op }); k.step < 0 {
		t.Errorf("%s is not in the plan: the compiler takes an op without Eval apart, and for inference what exists in training only is left out", op.Name())
		return
	}
	for _, kind := range kinds {
		if !k.numbers(kind) {
			return
		}
	}
	k.follows()
}

type kernelTest struct {
	testing.TB
	mk      engine.Maker
	op      ir.Op
	in, out []*ir.Value
	g       *ir.Graph
	p       *plan.Plan
	step    int
}

// kinds are the numbers that a kernel is given.
var kinds = []struct {
	name string
	of   func(normal float64, i int) float64
}{
	{"ordinary numbers", func(x float64, _ int) float64 { return 2 * x }},
	{"zeros and whole numbers", func(x float64, _ int) float64 { return math.Round(x) }},
	{"large numbers", func(x float64, _ int) float64 { return 1e4 * x }},
	{"tiny numbers", func(x float64, _ int) float64 { return 1e-30 * x }},
	{"numbers that are not finite", func(x float64, i int) float64 {
		if i%5 == 0 {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[i/5%3]
		}
		return x
	}},
}

// cuts are the ways in which a plan is run.
var cuts = []struct{ workers, grain int }{{1, kernelRows}, {2, 1}, {3, 3}, {2, 8}}

// numbers runs the kernel on numbers of a kind.
func (k *kernelTest) numbers(kind struct {
	name string
	of   func(normal float64, i int) float64
}) bool {
	k.Helper()
	all := map[string]*ir.Tensor{} // results of the most rows
	for _, rows := range []int{kernelRows, 7, 2, 1} {
		feed := engine.Feed{}
		for i, v := range k.in {
			feed[v.Name] = fill(v.Type, rows, uint64(i), kind.of)
		}
		var first map[string]*ir.Tensor
		for _, cut := range cuts {
			out := k.run(feed, rows, cut.workers, cut.grain)
			if out == nil {
				return false
			}
			if first == nil {
				first = out
				continue
			}
			if name, i := differ(first, out); name != "" {
				k.Errorf("%s: %d rows by %d workers in slices of %d have other bits than as a whole: %s, element %d is %v and %v: an element must not depend on the slice",
					kind.name, rows, cut.workers, cut.grain, name, i, out[name].At(i), first[name].At(i))
				return false
			}
		}
		if !k.means(kind.name, feed, rows, first) {
			return false
		}
		if rows == kernelRows {
			all = first
		} else if !k.apart(kind.name, rows, first, all) {
			return false
		}
	}
	return true
}

// fill returns a tensor of made-up elements, a prefix of that of more rows.
func fill(typ ir.Type, rows int, operand uint64, of func(normal float64, i int) float64) *ir.Tensor {
	key := random.New(17).Derive(operand)
	t := ir.NewTensor(typ.DType, typ.Shape.At(ir.RowsOf(rows))...)
	for i := range t.Len() {
		x := key.Normal(uint64(i))
		switch typ.DType {
		case ir.F32:
			t.F32[i] = float32(of(x, i))
		case ir.F64:
			t.F64[i] = of(x, i)
		case ir.I64:
			t.I64[i] = int64(math.Abs(3 * x))
		case ir.Bool:
			t.Bool[i] = x > 0
		}
	}
	return t
}

// run executes the plan, cut so, and returns copies of the results, nil after a failure.
func (k *kernelTest) run(feed engine.Feed, rows, workers, grain int) map[string]*ir.Tensor {
	k.Helper()
	for i := range k.p.Phases {
		for j := range k.p.Phases[i].Groups {
			k.p.Phases[i].Groups[j].Grain = grain
		}
	}
	e, err := engine.New(k.p, engine.NewStore(k.p.Segments, nil), engine.Options{Workers: workers, Kernels: []engine.Maker{k.mk}})
	if err != nil {
		k.Error(err)
		return nil
	}
	defer e.Close()
	if name := e.Kernel(k.step); !slices.Contains(e.Given(), name) {
		k.Errorf("%s is run by the kernel %q: what the maker gives for these types is not taken", k.op.Name(), name)
		return nil
	}
	before := map[string]*ir.Tensor{}
	for name, t := range feed {
		before[name] = t.Clone()
	}
	if err := e.Run(feed, rows, nil); err != nil {
		k.Errorf("%d rows: %v", rows, err)
		return nil
	}
	if name, i := differ(before, feed); name != "" {
		k.Errorf("the kernel changes its operand %s, element %d from %v to %v", name, i, before[name].At(i), feed[name].At(i))
		return nil
	}
	out := map[string]*ir.Tensor{}
	for _, o := range k.p.Outputs {
		out[o.Name] = e.Output(o.Name).Clone()
	}
	if workers > 1 {
		return out
	}
	if n := testing.AllocsPerRun(2, func() { err = e.Run(feed, rows, nil) }); n > 0 || err != nil {
		k.Errorf("a run of %d rows allocates %v times (error %v)", rows, n, err)
		return nil
	}
	return out
}

// differ returns the name and the element where two sets have other bits.
func differ(a, b map[string]*ir.Tensor) (name string, element int) {
	for name, x := range a {
		for i := range x.Len() {
			if !sameBits(x, i, b[name], i) {
				return name, i
			}
		}
	}
	return "", 0
}

// sameBits compares two elements; any NaN is like any other.
func sameBits(x *ir.Tensor, i int, y *ir.Tensor, j int) bool {
	switch x.DType {
	case ir.F32, ir.F64:
		a, b := x.At(i), y.At(j)
		return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
	case ir.I64:
		return x.I64[i] == y.I64[j]
	}
	return x.At(i) == y.At(j)
}

// means holds results against the reference.
func (k *kernelTest) means(kind string, feed engine.Feed, rows int, out map[string]*ir.Tensor) bool {
	k.Helper()
	est, err := verify.Bound(k.g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, feed)
	if err != nil {
		k.Errorf("the reference: %v", err)
		return false
	}
	for _, v := range k.out {
		if d := verify.Compare(out[v.Name], est[v].Value.To(v.Type.DType), est[v]); d.Bad > 0 {
			k.Errorf("%s, %d rows: %d elements of %s are not what the reference means: %s", kind, rows, d.Bad, v.Name, d.First)
			return false
		}
	}
	return true
}

// apart holds the rows of a small batch against the same rows among others.
func (k *kernelTest) apart(kind string, rows int, few, many map[string]*ir.Tensor) bool {
	k.Helper()
	if !ir.RowsApart(k.g) {
		return true
	}
	for _, v := range k.out {
		if !v.Type.Shape.Has(ir.Batch) {
			continue
		}
		for i := range few[v.Name].Len() {
			if !sameBits(few[v.Name], i, many[v.Name], i) {
				k.Errorf("%s: element %d of %s is %v among %d rows and %v among %d, but the op says that rows stay apart",
					kind, i, v.Name, few[v.Name].At(i), rows, many[v.Name].At(i), kernelRows)
				return false
			}
		}
	}
	return true
}

// follows changes slices of the operand and holds what Follow makes of the result that
// was there against the whole result.
func (k *kernelTest) follows() {
	k.Helper()
	fixed := func(vs []*ir.Value) (types []ir.Type) {
		for _, v := range vs {
			types = append(types, ir.Type{DType: v.Type.DType, Shape: ir.ShapeOf(v.Type.Shape.At(ir.RowsOf(kernelRows))...)})
		}
		return types
	}
	in, out := fixed(k.in), fixed(k.out)
	made := k.mk(k.op, in, out)
	if made == nil || made.Follow == nil {
		return
	}
	scratch := 0
	if made.Scratch != nil {
		scratch = made.Scratch(ir.RowsOf(kernelRows))
	}
	whole := func(x *ir.Tensor) *ir.Tensor {
		y, n := ir.NewTensor(out[0].DType, out[0].Shape.Lengths()...), 0
		if out[0].Rank() > 0 {
			n = y.Shape[0]
		}
		made.Run(&engine.Slice{Hi: n, In: []*ir.Tensor{x}, Out: []*ir.Tensor{y}, Scratch: make([]float32, scratch), Env: &ir.Env{Types: in}})
		return y
	}
	axes := 0
	for axis := range in[0].Shape {
		if _, ok := ir.Follow(k.op, in, out, axis); !ok {
			continue
		}
		axes++
		n := in[0].Shape[axis].Length()
		for _, part := range [][2]int{{0, n}, {0, (n + 1) / 2}, {n / 3, n - n/4}, {n - 1, n}} {
			x, other := fill(in[0], 1, 1, kinds[0].of), fill(in[0], 1, 2, kinds[0].of)
			y := whole(x)
			inner := ir.Elems(x.Shape[axis+1:])
			for i := range x.Len() {
				if at := i / inner % n; part[0] <= at && at < part[1] {
					x.Set(i, other.At(i))
				}
			}
			made.Follow(&engine.Slice{Lo: part[0], Hi: part[1], Axis: axis, In: []*ir.Tensor{x}, Out: []*ir.Tensor{y}, Scratch: make([]float32, scratch), Env: &ir.Env{Types: in}})
			want := whole(x)
			for i := range want.Len() {
				if !sameBits(y, i, want, i) {
					k.Errorf("Follow of [%d,%d) of axis %d leaves element %d at %v, the whole result has %v", part[0], part[1], axis, i, y.At(i), want.At(i))
					return
				}
			}
		}
	}
	if axes == 0 {
		k.Errorf("the kernel has a Follow, but %s does not say how an axis of %v moves", k.op.Name(), in[0])
	}
}
