package ops_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

func vector(x ...float64) *ir.Tensor {
	return &ir.Tensor{DType: ir.F64, Shape: []int{len(x)}, F64: x}
}

// TestGradientsAtKinks states the gradient where it is a choice.
func TestGradientsAtKinks(t *testing.T) {
	vec := func(n int) ir.Type { return ir.T(ir.F64, ir.Fixed(n)) }
	nan := math.NaN()
	for _, c := range []struct {
		op   ir.Op
		in   []*ir.Tensor
		dy   *ir.Tensor
		want []*ir.Tensor
	}{
		{ops.Relu{}, []*ir.Tensor{vector(0, -1, 1, math.Inf(1))}, vector(3, 3, 3, 3), []*ir.Tensor{vector(0, 0, 3, 3)}},
		{ops.LeakyRelu{Alpha: 0.5}, []*ir.Tensor{vector(0)}, vector(3), []*ir.Tensor{vector(1.5)}},
		{ops.Elu{Alpha: 2}, []*ir.Tensor{vector(0)}, vector(3), []*ir.Tensor{vector(6)}},
		{ops.Abs{}, []*ir.Tensor{vector(0, -2)}, vector(3, 3), []*ir.Tensor{vector(0, -3)}},
		{ops.Max{}, []*ir.Tensor{vector(1, 2, 3), vector(1, 3, 2)}, vector(4, 4, 4), []*ir.Tensor{vector(2, 0, 4), vector(2, 4, 0)}},
		{ops.Min{}, []*ir.Tensor{vector(1, 2, 3), vector(1, 3, 2)}, vector(4, 4, 4), []*ir.Tensor{vector(2, 4, 0), vector(2, 0, 4)}},
		{ops.ReduceMax{Axes: ir.MakeAxes(0), Keep: true}, []*ir.Tensor{vector(5, 1, 5, 5)}, vector(6), []*ir.Tensor{vector(2, 0, 2, 2)}},
		{ops.Pow{}, []*ir.Tensor{vector(0, 0, -2), vector(0, 2, 2)}, vector(1, 1, 1), []*ir.Tensor{vector(0, 0, -4), vector(0, 0, nan)}},
		{ops.Where{}, []*ir.Tensor{{DType: ir.Bool, Shape: []int{2}, Bool: []bool{true, false}}, vector(nan, 1), vector(1, nan)}, vector(1, 1), []*ir.Tensor{nil, vector(1, 0), vector(0, 1)}},
		{ops.Sigmoid{}, []*ir.Tensor{vector(1000, -1000, 0)}, vector(1, 1, 1), []*ir.Tensor{vector(0, 0, 0.25)}},
		{ops.Softplus{}, []*ir.Tensor{vector(1000, -1000)}, vector(1, 1), []*ir.Tensor{vector(1, 0)}},
		{ops.LogSoftmax{}, []*ir.Tensor{vector(1000, 0)}, vector(0, 1), []*ir.Tensor{vector(-1, 1)}},
		{ops.Sqrt{}, []*ir.Tensor{vector(0)}, vector(1), []*ir.Tensor{vector(math.Inf(1))}},
	} {
		types := make([]ir.Type, len(c.in))
		for i, x := range c.in {
			types[i] = x.Type()
		}
		got := gradient(t, c.op, types, vec(c.dy.Len()), &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, c.in, c.dy)
		for i, w := range c.want {
			if w == nil {
				if got[i] != nil {
					t.Errorf("%s: operand %d has a gradient", ir.FormatOp(c.op), i+1)
				}
				continue
			}
			if d := opcase.Diff(got[i], w, 1e-15); d != "" {
				t.Errorf("%s: gradient of operand %d: %s", ir.FormatOp(c.op), i+1, d)
			}
		}
	}
}

// TestPartsOfAnUpdate checks that what two parts of an update give is what the
// whole gives: the gradient of a mean, and the rows of a mask.
func TestPartsOfAnUpdate(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(9, 10))}
	x := ir.T(ir.F32, ir.Rows(), ir.Fixed(3))
	whole := &ir.Env{Binding: ir.RowsOf(5), UpdateRows: 5, Seed: 3, Update: 8}
	parts := []*ir.Env{{Binding: ir.RowsOf(2), UpdateRows: 5, Seed: 3, Update: 8}, {Binding: ir.RowsOf(3), UpdateRows: 5, FirstRow: 2, Seed: 3, Update: 8}}
	mean := ops.ReduceMean{Axes: ir.MakeAxes(0)}
	mask := ops.Bernoulli{Rate: 0.3, Stream: 2}
	run := func(env *ir.Env) (grad, drawn []float64) {
		v := r.tensor(x, env.Binding.Rows())
		g := gradient(t, mean, []ir.Type{x}, ir.T(ir.F32, ir.Fixed(3)), env, []*ir.Tensor{v}, vector(1, 2, 3))
		return g[0].F64, eval(t, mask, env, []ir.Type{x}, []*ir.Tensor{v}).F64
	}
	grad, drawn := run(whole)
	var grads, draws []float64
	for _, p := range parts {
		g, d := run(p)
		grads, draws = append(grads, g...), append(draws, d...)
	}
	if fmt.Sprint(grads) != fmt.Sprint(grad) {
		t.Errorf("the gradient of a mean: parts give %v, the whole %v", grads, grad)
	}
	if fmt.Sprint(draws) != fmt.Sprint(drawn) {
		t.Errorf("a mask: parts give %v, the whole %v", draws, drawn)
	}
	again := *whole
	again.Update++
	if _, other := run(&again); fmt.Sprint(other) == fmt.Sprint(drawn) {
		t.Error("the next update draws the same mask")
	}
	mask.Stream++
	if _, other := run(whole); fmt.Sprint(other) == fmt.Sprint(drawn) {
		t.Error("another stream draws the same mask")
	}
}

// TestBernoulli checks the rate of zeros and the value of the rest.
func TestBernoulli(t *testing.T) {
	const n = 20000
	for _, rate := range []float64{0, 0.1, 0.5, 0.9} {
		op := ops.Bernoulli{Rate: rate, Stream: 1}
		x := ir.NewTensor(ir.F64, n)
		env := &ir.Env{Binding: ir.RowsOf(n), Seed: 4, Update: 6}
		mask := eval(t, op, env, []ir.Type{ir.T(ir.F32, ir.Rows())}, []*ir.Tensor{x})
		zeros := 0
		for _, v := range mask.F64 {
			switch v {
			case 0:
				zeros++
			case 1 / (1 - rate):
			default:
				t.Fatalf("rate %v: an element is %v", rate, v)
			}
		}
		if sigma := math.Sqrt(n * rate * (1 - rate)); math.Abs(float64(zeros)-n*rate) > 5*sigma {
			t.Errorf("rate %v: %d of %d elements are 0", rate, zeros, n)
		}
	}
}

// TestRandomNormal checks mean and variance.
func TestRandomNormal(t *testing.T) {
	const n = 20000
	op := ops.RandomNormal{Stream: 1}
	env := &ir.Env{Binding: ir.RowsOf(n), Seed: 4, Update: 6}
	y := eval(t, op, env, []ir.Type{ir.T(ir.F32, ir.Rows())}, []*ir.Tensor{ir.NewTensor(ir.F64, n)})
	sum, squares := 0.0, 0.0
	for _, v := range y.F64 {
		sum, squares = sum+v, squares+v*v
	}
	if m := sum / n; math.Abs(m) > 5/math.Sqrt(n) {
		t.Errorf("the mean is %v", m)
	}
	if v := squares / n; math.Abs(v-1) > 5*math.Sqrt(2.0/n) {
		t.Errorf("the variance is %v", v)
	}
}

// TestSaltAndPepperCoin checks that which value an element takes does not depend
// on whether it takes one.
func TestSaltAndPepperCoin(t *testing.T) {
	const n = 20000
	env := &ir.Env{Binding: ir.RowsOf(n), Seed: 4, Update: 6}
	x := ir.NewTensor(ir.F64, n)
	for i := range x.F64 {
		x.F64[i] = 0.25
	}
	low, high := 0, 0
	for _, v := range eval(t, ops.SaltAndPepper{Rate: 0.4, Low: -1, High: 2, Stream: 5}, env, []ir.Type{ir.T(ir.F32, ir.Rows())}, []*ir.Tensor{x}).F64 {
		switch v {
		case -1:
			low++
		case 2:
			high++
		case 0.25:
		default:
			t.Fatalf("an element is %v", v)
		}
	}
	for what, k := range map[string]int{"low": low, "high": high} {
		if sigma := math.Sqrt(n * 0.2 * 0.8); math.Abs(float64(k)-n*0.2) > 5*sigma {
			t.Errorf("%d of %d elements are %s", k, n, what)
		}
	}
}

// TestDecompositions checks that what an op decomposes into has the op's type.
func TestDecompositions(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(11, 12))}
	for _, kind := range ops.All() {
		if _, ok := kind.(ir.Decomposer); !ok {
			continue
		}
		checked := 0
		for range 20000 {
			op, types := r.node(kind)
			out, err := op.Infer(types)
			if err != nil {
				continue
			}
			b := ir.NewBuilder("parts")
			in := make([]*ir.Value, len(types))
			for i, typ := range types {
				in[i] = b.Input("", typ)
			}
			got := op.(ir.Decomposer).Decompose(b, in)
			same := b.Err() == nil && slices.EqualFunc(got, out, func(v *ir.Value, typ ir.Type) bool { return v.Type.Equal(typ) })
			if !same {
				t.Fatalf("%s(%v) is %v, its parts give %v: %v", ir.FormatOp(op), types, out, got, b.Err())
			}
			checked++
		}
		if checked < 20 {
			t.Errorf("%s: only %d nodes of the draws were accepted", kind.Name(), checked)
		}
	}
}

// TestCosts pins the arithmetic of the ops that dominate.
func TestCosts(t *testing.T) {
	x, w, c := ir.T(ir.F32, ir.Rows(), ir.Fixed(30)), ir.T(ir.F32, ir.Fixed(30), ir.Fixed(100)), ir.T(ir.F32, ir.Fixed(100))
	for _, k := range []struct {
		op    ir.Op
		in    []ir.Type
		flops int64
		bytes int64
	}{
		{ops.MatMul{}, []ir.Type{x, w}, 2 * 7 * 30 * 100, 4 * (7*30 + 30*100 + 7*100)},
		{ops.Gemm{}, []ir.Type{x, w, c}, 2*7*30*100 + 700, 4 * (7*30 + 30*100 + 100 + 7*100)},
		{ops.GemmRelu{}, []ir.Type{x, w, c}, 2*7*30*100 + 1400, 4 * (7*30 + 30*100 + 100 + 7*100)},
		{ops.Gemm{TransA: true}, []ir.Type{x, x}, 2 * 7 * 30 * 30, 4 * (2*7*30 + 30*30)},
		{ops.Add{}, []ir.Type{x, x}, 7 * 30, 4 * 3 * 7 * 30},
		{ops.ReduceSum{Axes: ir.MakeAxes(0)}, []ir.Type{x}, 7 * 30, 4 * (7*30 + 30)},
	} {
		out, err := k.op.Infer(k.in)
		if err != nil {
			t.Fatal(err)
		}
		if f, b := k.op.(ir.Coster).Cost(k.in, out, ir.RowsOf(7)); f != k.flops || b != k.bytes {
			t.Errorf("%s costs %d flops and %d bytes, want %d and %d", ir.FormatOp(k.op), f, b, k.flops, k.bytes)
		}
	}
}

// TestSplit pins the accesses that the engine's tiling rests on.
func TestSplit(t *testing.T) {
	x, w := ir.T(ir.F32, ir.Rows(), ir.Fixed(30)), ir.T(ir.F32, ir.Fixed(30), ir.Fixed(100))
	wt, row := ir.T(ir.F32, ir.Fixed(100), ir.Fixed(30)), ir.T(ir.F32, ir.Fixed(100))
	dy := ir.T(ir.F32, ir.Rows(), ir.Fixed(100))
	for _, k := range []struct {
		op   ir.Op
		in   []ir.Type
		want string
	}{
		{ops.Add{}, []ir.Type{dy, row}, "[axis0 whole] true"},
		{ops.Add{}, []ir.Type{dy, dy}, "[axis0 axis0] true"},
		{ops.Gemm{}, []ir.Type{x, w, row}, "[axis0 whole whole] true"},
		{ops.Gemm{TransB: true}, []ir.Type{x, wt, dy}, "[axis0 whole axis0] true"},
		{ops.Gemm{TransA: true}, []ir.Type{x, dy}, "[axis1 whole] true"},
		{ops.GemmRelu{}, []ir.Type{x, w, row}, "[axis0 whole whole] true"},
		{ops.MatMul{}, []ir.Type{x, w}, "[axis0 whole] true"},
		{ops.ReduceSum{Axes: ir.MakeAxes(0)}, []ir.Type{dy}, "[axis1] true"},
		{ops.ReduceSum{Axes: ir.MakeAxes(1)}, []ir.Type{dy}, "[axis0] true"},
		{ops.ReduceSum{}, []ir.Type{dy}, "[] false"},
		{ops.Softmax{Axis: 1}, []ir.Type{dy}, "[axis0] true"},
		{ops.Softmax{Axis: 0}, []ir.Type{dy}, "[] false"},
		{ops.Transpose{Perm: ir.MakeAxes(1, 0)}, []ir.Type{w}, "[axis1] true"},
		{ops.Expand{Shape: ir.MakeDims(dy.Shape)}, []ir.Type{row}, "[whole] true"},
		{ops.Bernoulli{}, []ir.Type{dy}, "[axis0] true"},
	} {
		out, err := k.op.Infer(k.in)
		if err != nil {
			t.Fatal(err)
		}
		access, ok := k.op.(ir.Splitter).Split(k.in, out[0])
		if got := fmt.Sprint(access, ok); got != k.want {
			t.Errorf("%s(%v): %s, want %s", ir.FormatOp(k.op), k.in, got, k.want)
		}
	}
}
