package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
)

// bound is a kernel outside any plan, on rows of operands of its own.
type bound struct {
	run  kernel
	name string
	e    *Engine
	in   []*ir.Tensor
	from []*view
	out  view
	n    int // elements of the result
	outT ir.Type
}

// bindOp makes the kernel of an op for operands of the given types.
func bindOp(t *testing.T, op ir.Op, rows int, types []ir.Type, in []*ir.Tensor) *bound {
	t.Helper()
	outT, err := op.Infer(types)
	if err != nil {
		t.Fatal(err)
	}
	x := &bound{in: in, outT: outT[0], n: outT[0].Shape.ElemsAt(ir.RowsOf(rows))}
	x.e = &Engine{s: &Store{}, env: ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows + 3, FirstRow: 3, Seed: 5, Update: 7}}
	switch out := ir.NewTensor(x.outT.DType, x.n); x.outT.DType {
	case ir.F32:
		x.out.f32 = out.F32
	case ir.I64:
		x.out.i64 = out.I64
	case ir.Bool:
		x.out.b = out.Bool
	}
	b := &binding{e: x.e, p: &plan.Plan{}, s: &plan.Step{Op: op}, inT: types, out: []*view{&x.out}, outT: outT}
	for _, v := range in {
		b.in = append(b.in, new(viewOf(v)))
	}
	x.from = b.in
	x.run, x.name = b.kernel()
	x.e.sizes.set(ir.RowsOf(rows))
	return x
}

// values are the result as text of its bits, NaN being one value.
func (x *bound) values() []string {
	var s []string
	for i := range x.n {
		switch x.outT.DType {
		case ir.F32:
			v := x.out.f32[i]
			s = append(s, fmt.Sprintf("%x", math.Float32bits(v)))
			if v != v {
				s[i] = "NaN"
			}
		case ir.I64:
			s = append(s, fmt.Sprint(x.out.i64[i]))
		case ir.Bool:
			s = append(s, fmt.Sprint(x.out.b[i]))
		}
	}
	return s
}

// check runs a kernel whole and in slices, which must give the same bits, and
// compares it with the reference meaning.
func check(t *testing.T, rng *rand.Rand, op ir.Op, rows int, types []ir.Type, in []*ir.Tensor, tolerance float64) {
	t.Helper()
	x := bindOp(t, op, rows, types, in)
	what := fmt.Sprintf("%s of %v", ir.FormatOp(op), types)
	if x.name == "reference" {
		t.Errorf("%s has no kernel", what)
		return
	}
	units := x.outT.Shape[0].At(ir.RowsOf(rows))
	c := &ctx{e: x.e}
	x.run(c, 0, units)
	want := x.values()
	for i := range x.out.f32 {
		x.out.f32[i] = -77
	}
	for lo := 0; lo < units; {
		hi := min(units, lo+1+rng.IntN(5))
		x.run(c, lo, hi)
		lo = hi
	}
	if got := x.values(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: slices give other bits than the whole", what)
	}
	if p, ok := op.(ir.InPlacer); ok && x.outT.DType == ir.F32 {
		if over, _ := p.InPlace(types); over >= 0 && types[over].Equal(x.outT) {
			copy(x.out.f32, in[over].F32)
			x.from[over].f32 = x.out.f32
			x.run(c, 0, units)
			if got := x.values(); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: in the place of operand %d it gives other bits", what, over)
			}
		}
	}
	wide := make([]*ir.Tensor, len(in))
	for i, v := range in {
		wide[i] = v
		if v.DType == ir.F32 {
			wide[i] = v.To(ir.F64)
		}
	}
	exact, err := ir.EvalOp(&x.e.env, op, types, wide)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.n {
		w := exact[0].At(i)
		var got float64
		switch x.outT.DType {
		case ir.F32:
			got, w = float64(x.out.f32[i]), float64(float32(w))
		case ir.I64:
			got = float64(x.out.i64[i])
		case ir.Bool:
			if x.out.b[i] {
				got = 1
			}
		}
		if got != w && (got == got || w == w) && !(math.Abs(got-w) <= tolerance*(1e-2+math.Abs(w))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got, w)
		}
	}
}

// sprinkled are normal numbers with infinities, zeros and NaN among them.
func sprinkled(rng *rand.Rand, shape ...int) *ir.Tensor {
	x := ir.NewTensor(ir.F32, shape...)
	odd := []float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), 1e-40}
	for i := range x.F32 {
		if x.F32[i] = float32(2 * rng.NormFloat64()); rng.IntN(12) == 0 {
			x.F32[i] = float32(odd[rng.IntN(len(odd))])
		}
	}
	return x
}

// TestElementKernels holds kernels to the reference meanings, for units of every
// width at which a vector begins or ends, cut anywhere.
func TestElementKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const rows = 11
	axis := ir.MakeAxes(1)
	for _, w := range []int{1, 3, 8, 17, 64, 300} {
		typ, col := ir.T(ir.F32, ir.Rows(), ir.Fixed(w)), ir.T(ir.F32, ir.Rows(), ir.Fixed(1))
		x, y := sprinkled(rng, rows, w), sprinkled(rng, rows, w)
		for i := range x.F32 { // equal pairs too
			if rng.IntN(6) == 0 {
				y.F32[i] = x.F32[i]
			}
		}
		one, two := []*ir.Tensor{x}, []*ir.Tensor{x, y}
		for _, op := range []ir.Op{ops.Relu{}, ops.Sigmoid{}, ops.Tanh{}, ops.Exp{}, ops.Log{}, ops.Erf{}, ops.Sqrt{}, ops.Abs{}, ops.Sign{}, ops.Neg{}, ops.Reciprocal{},
			ops.Softplus{}, ops.LeakyRelu{Alpha: 0.1}, ops.Elu{Alpha: 1.5}, ops.Selu{}} {
			check(t, rng, op, rows, []ir.Type{typ}, one, 1e-6)
		}
		for _, op := range []ir.Op{ops.Add{}, ops.Sub{}, ops.Mul{}, ops.Div{}, ops.Max{}, ops.Min{}, ops.Greater{}, ops.Less{}, ops.Equal{}} {
			check(t, rng, op, rows, []ir.Type{typ, typ}, two, 1e-6)
			check(t, rng, op, rows, []ir.Type{typ, col}, []*ir.Tensor{x, sprinkled(rng, rows, 1)}, 1e-6)
			check(t, rng, op, rows, []ir.Type{typ, ir.T(ir.F32)}, []*ir.Tensor{x, sprinkled(rng)}, 1e-6)
		}
		square := ir.NewTensor(ir.F32)
		square.F32[0] = 2
		check(t, rng, ops.Pow{}, rows, []ir.Type{typ, ir.T(ir.F32)}, []*ir.Tensor{x, square}, 1e-6)
		cond := ir.NewTensor(ir.Bool, rows, w)
		for i := range cond.Bool {
			cond.Bool[i] = rng.IntN(2) == 0
		}
		check(t, rng, ops.Where{}, rows, []ir.Type{ir.T(ir.Bool, ir.Rows(), ir.Fixed(w)), typ, typ}, []*ir.Tensor{cond, x, y}, 0)
		more := rand.New(rand.NewPCG(uint64(rows), uint64(w))) // so that the draws of the rest stay what they were
		some := ir.NewTensor(ir.Bool, rows, 1)
		copy(some.Bool, cond.Bool)
		check(t, more, ops.Where{}, rows, []ir.Type{ir.T(ir.Bool, ir.Rows(), ir.Fixed(1)), typ, ir.T(ir.F32)}, []*ir.Tensor{some, x, sprinkled(more)}, 0)
		for _, shape := range [][]int{{rows, 1, 1}, {rows, w, 1}, {rows, 1, 3}, {1, w, 3}, {1, 1, 1}, {3}} { // what a condition of [N w 3] may be
			var of ir.Shape
			for i, n := range shape {
				of = append(of, ir.Fixed(n))
				if i == 0 && n == rows {
					of[0] = ir.Rows()
				}
			}
			cond := ir.NewTensor(ir.Bool, shape...)
			for i := range cond.Bool {
				cond.Bool[i] = more.IntN(2) == 0
			}
			wide := ir.T(ir.F32, ir.Rows(), ir.Fixed(w), ir.Fixed(3))
			check(t, more, ops.Where{}, rows, []ir.Type{{DType: ir.Bool, Shape: of}, wide, wide}, []*ir.Tensor{cond, sprinkled(more, rows, w, 3), sprinkled(more, rows, w, 3)}, 0)
		}
		check(t, rng, ops.ReduceMax{Axes: axis}, rows, []ir.Type{typ}, one, 0)
		check(t, rng, ops.ArgMax{Axis: 1}, rows, []ir.Type{typ}, one, 0)
		for _, op := range []ir.Op{ops.Flip{}, ops.Flip{Axes: axis}, ops.Flip{Axes: ir.MakeAxes(0)}} {
			check(t, rng, op, rows, []ir.Type{typ}, one, 0)
		}
		check(t, rng, ops.Pad{Axis: 1, Before: ir.Fixed(2), After: ir.Fixed(1)}, rows, []ir.Type{typ}, one, 0)
		finite := sprinkled(rng, rows, w)
		for i, v := range finite.F32 {
			if v-v != 0 {
				finite.F32[i] = 3
			}
		}
		for _, op := range []ir.Op{ops.Softmax{Axis: 1}, ops.LogSoftmax{Axis: 1}, ops.ReduceSum{Axes: axis}, ops.ReduceMean{Axes: axis, Keep: true}} {
			check(t, rng, op, rows, []ir.Type{typ}, []*ir.Tensor{finite}, 4e-6)
		}
		g := make([]float32, len(finite.F32))
		gelu(g, finite.F32)
		for i, v := range finite.F32 {
			if want := 0.5 * float64(v) * (1 + math.Erf(float64(v)/math.Sqrt2)); math.Abs(float64(g[i])-want) > 3e-7*(1+math.Abs(want)) {
				t.Fatalf("gelu(%v) is %v, want %v", v, g[i], want)
			}
		}
	}
}

// TestRandomKernels does the same for what is drawn: masks agree exactly.
func TestRandomKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const rows = 23
	for _, w := range []int{1, 2, 3, 4, 30, 64, 100, 333} {
		typ := []ir.Type{ir.T(ir.F32, ir.Rows(), ir.Fixed(w))}
		x := sprinkled(rng, rows, w)
		for _, rate := range []float64{0, 0.1, 0.5, 0.9375} {
			check(t, rng, ops.Bernoulli{Rate: rate, Stream: 2}, rows, typ, []*ir.Tensor{x}, 0)
			check(t, rng, ops.MaskingNoise{Rate: rate, Stream: 2}, rows, typ, []*ir.Tensor{x}, 0)
			check(t, rng, ops.SaltAndPepper{Rate: rate, Low: -1.25, High: 2, Stream: 2}, rows, typ, []*ir.Tensor{x}, 0)
		}
		check(t, rng, ops.RandomNormal{Stream: 3}, rows, typ, []*ir.Tensor{x}, 1e-5)
		check(t, rng, ops.GaussianNoise{SD: 0.3, Stream: 3}, rows, typ, []*ir.Tensor{x}, 1e-5)
		p := ir.NewTensor(ir.F32, rows, w)
		for i := range p.F32 {
			p.F32[i] = rng.Float32()*1.1 - 0.05
		}
		check(t, rng, ops.Sample{Stream: 4}, rows, typ, []*ir.Tensor{p}, 0)
	}
}

// TestSampleBound: a bit differs from that of an unrounded probability only where
// the draw is within the probability's rounding of it.
func TestSampleBound(t *testing.T) {
	const n = 1 << 18
	op := ops.Sample{Stream: 9}
	k := op.Key(5, 7)
	p, exact := ir.NewTensor(ir.F32, n, 1), make([]float64, n)
	for i := range exact { // draws and probabilities that meet, or all bits would agree
		exact[i] = k.Float64(uint64(i))
		if i%2 == 0 {
			exact[i] = float64(k.Float32(uint64(i+3))) + (random.New(1).Float64(uint64(i))-0.5)*0x1p-26
		}
		p.F32[i] = float32(exact[i])
	}
	x := bindOp(t, op, n, []ir.Type{ir.T(ir.F32, ir.Rows(), ir.Fixed(1))}, []*ir.Tensor{p})
	x.run(&ctx{e: x.e}, 0, n)
	differ := 0
	for i, bit := range x.out.f32 {
		u := float64(k.Float32(uint64(i + 3)))
		if (bit == 1) == (u < exact[i]) {
			continue
		}
		if differ++; math.Abs(u-exact[i]) > 0x1p-24*exact[i] {
			t.Fatalf("bit %d is %v for a probability of %v and a draw of %v", i, bit, exact[i], u)
		}
	}
	if differ == 0 {
		t.Error("no bit differs: the test compares nothing")
	}
}
