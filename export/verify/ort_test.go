package verify_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func rows(dims ...int) ir.Type {
	return ir.Type{DType: ir.F32, Shape: append(ir.Shape{ir.Rows()}, ir.ShapeOf(dims...)...)}
}

// weights are Glorot uniform.
func weights(g *ir.Graph, seed uint64) map[string][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	p := map[string][]float32{}
	for _, v := range g.Params {
		x := make([]float32, v.Type.Shape.Count())
		sum := 0
		for _, d := range v.Type.Shape {
			sum += d.Length()
		}
		lim := math.Sqrt(6 / float64(max(sum, 1)))
		for i := range x {
			x[i] = float32((2*r.Float64() - 1) * lim)
		}
		p[v.Name] = x
	}
	return p
}

// uniform is a set of rows in [0, 1) with some zeros, as pictures have.
func uniform(g *ir.Graph, n int, seed uint64) verify.Set {
	r := rand.New(rand.NewPCG(seed, 2))
	s := verify.Set{Name: "rows", Rows: n, In: map[string]*ir.Tensor{}}
	for _, v := range g.Inputs {
		t := ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(n))...)
		for i := range t.F32 {
			if r.IntN(5) > 0 {
				t.F32[i] = float32(r.Float64())
			}
		}
		for i := range t.I64 {
			t.I64[i] = int64(r.IntN(4))
		}
		s.In[v.Name] = t
	}
	return s
}

func dense(b *ir.Builder, layer string, x *ir.Value, n int) *ir.Value {
	b.Layer, b.Pos = layer, ir.Pos{Made: ir.Frame{File: "main.go", Pkg: "demo", Line: 10 + len(b.Graph.Nodes)}}
	w := b.Param(layer+"/w", ir.T(ir.F32, ir.Fixed(x.Type.Last()), ir.Fixed(n)))
	return b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), b.Param(layer+"/b", ir.T(ir.F32, ir.Fixed(n))))
}

func output(b *ir.Builder, v *ir.Value, name string) {
	v.Name = name
	b.Output(v)
}

// encoder is that of the demo: 784-100-30 with ReLU after both.
func encoder() *ir.Graph {
	b := ir.NewBuilder("encoder")
	x := b.Input("x", rows(784))
	h := dense(b, "encoder/dense1", x, 100)
	b.Layer = "encoder/relu1"
	h = b.Op(ops.Relu{}, h)
	h = dense(b, "encoder/dense2", h, 30)
	b.Layer = "encoder/relu2"
	output(b, b.Op(ops.Relu{}, h), "code")
	if err := b.Err(); err != nil {
		panic(err)
	}
	return b.Graph
}

func subject(t *testing.T, g *ir.Graph, seed uint64) verify.Subject {
	t.Helper()
	p := weights(g, seed)
	m, err := onnxexport.Build(g, p, onnxexport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return verify.Subject{Graph: g, Params: p, Model: m.Bytes, Taps: m.Taps, Sets: []verify.Set{uniform(g, 33, seed)}}
}

func TestEncoderWithinBound(t *testing.T) {
	rt := orttest.Runtime(t)
	for seed := range uint64(5) {
		r, err := verify.Verify(t.Context(), subject(t, encoder(), seed), rt)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		if r.Relative >= 5e-5 || r.Relative <= 0 {
			t.Errorf("the bound is %.3g of the largest output, must be under 5e-5", r.Relative)
		}
		if r.WorstAbs <= 0 || r.WorstAbs > r.Tolerance {
			t.Errorf("worst difference %g, tolerance %g", r.WorstAbs, r.Tolerance)
		}
		if fmt.Sprint(r.Batches) != "[1 2 7 64 33]" || r.Rows != 33 {
			t.Errorf("batches %v, rows %d", r.Batches, r.Rows)
		}
		seen := map[string]verify.SetReport{}
		for _, s := range r.Sets {
			seen[s.Name] = s
			t.Logf("%-11s worst %.3g tolerance %.3g largest %.3g undetermined %d", s.Name, s.WorstAbs, s.Tolerance, s.Largest, s.Undetermined)
		}
		if !seen["not finite"].NotFinite || len(seen) != 8 {
			t.Errorf("sets: %+v", r.Sets)
		}
	}
}

// TestEveryOp runs each op that has a counterpart in ONNX alone.
func TestEveryOp(t *testing.T) {
	rt := orttest.Runtime(t)
	dims := func(s ...int) ir.Dims { return ir.MakeDims(rows(s...).Shape) }
	unary := []ir.Op{ops.Neg{}, ops.Abs{}, ops.Sign{}, ops.Exp{}, ops.Log{}, ops.Erf{}, ops.Reciprocal{}, ops.Sqrt{},
		ops.Relu{}, ops.LeakyRelu{Alpha: 0.1}, ops.Elu{Alpha: 0.7}, ops.Selu{}, ops.Gelu{}, ops.Silu{}, ops.HardSwish{}, ops.Sigmoid{}, ops.Tanh{}, ops.Softplus{},
		ops.Softmax{Axis: 1}, ops.LogSoftmax{Axis: 1}, ops.Softmax{Axis: 2}, ops.Transpose{Perm: ir.MakeAxes(0, 2, 1)},
		ops.Reshape{Shape: dims(5, 6)}, ops.Reshape{Shape: dims(30)}, ops.Flatten{Axis: 1}, ops.Expand{Shape: ir.MakeDims(append(ir.ShapeOf(3), rows(6, 5).Shape...))},
		ops.Slice{Axis: 1, Start: ir.Fixed(1), End: ir.Fixed(4)}, ops.Flip{Axes: ir.MakeAxes(2)}, ops.Flip{Axes: ir.MakeAxes(1, 2)}, ops.Pad{Axis: 2, Before: ir.Fixed(1), After: ir.Fixed(2)},
		ops.ReduceSum{Axes: ir.MakeAxes(1)}, ops.ReduceSum{Axes: ir.MakeAxes(1, 2), Keep: true}, ops.ReduceMean{Axes: ir.MakeAxes(2)},
		ops.ReduceMean{Axes: ir.MakeAxes(1, 2)}, ops.ReduceMax{Axes: ir.MakeAxes(2)}, ops.ReduceSum{Axes: ir.MakeAxes(0)},
		ops.ReduceMax{Axes: ir.MakeAxes(1), Keep: true}, ops.ArgMax{Axis: 2}, ops.Cast{To: ir.F64}, ops.Cast{To: ir.Bool}}
	for _, op := range unary {
		for _, opset := range []int{13, 17, 20} {
			b := ir.NewBuilder("g")
			x := b.Input("x", rows(6, 5))
			b.Layer = "op"
			output(b, b.Op(op, x), "y")
			check(t, rt, fmt.Sprintf("%T %v opset %d", op, op, opset), b, opset)
		}
	}
	for _, op := range []ir.Op{ops.Add{}, ops.Sub{}, ops.Mul{}, ops.Div{}, ops.Max{}, ops.Min{}, ops.Greater{}, ops.Less{}, ops.Equal{}, ops.Pow{}} {
		b := ir.NewBuilder("g")
		x, z := b.Input("x", rows(6, 5)), b.Input("z", rows(1, 5))
		b.Layer = "op"
		output(b, b.Op(op, x, z), "y")
		if _, pow := op.(ops.Pow); !pow {
			output(b, b.Op(op, x, x), "same")
			output(b, b.Op(op, x, b.Param("w", ir.T(ir.F32, ir.Fixed(6), ir.Fixed(1)))), "w2")
		}
		check(t, rt, fmt.Sprintf("%T", op), b, 17)
	}
	more := map[string]func(b *ir.Builder, x *ir.Value){
		"where": func(b *ir.Builder, x *ir.Value) {
			z := b.Input("z", rows(5))
			output(b, b.Op(ops.Where{}, b.Op(ops.Greater{}, x, z), b.Op(ops.Exp{}, x), z), "y")
		},
		"one hot": func(b *ir.Builder, x *ir.Value) {
			i := b.Input("i", ir.T(ir.I64, ir.Rows()))
			output(b, b.Op(ops.Mul{}, b.Op(ops.OneHot{Depth: 5}, i), x), "y")
		},
		"concat": func(b *ir.Builder, x *ir.Value) {
			z := b.Input("z", rows(2))
			output(b, b.Op(ops.Concat{Axis: 1}, x, z, x), "y")
		},
		"vectors": func(b *ir.Builder, x *ir.Value) {
			output(b, b.Op(ops.MatMul{}, x, b.Param("v", ir.T(ir.F32, ir.Fixed(5)))), "y")
		},
		"rank 3": func(b *ir.Builder, x *ir.Value) {
			z := b.Input("z", rows(4, 5))
			w := b.Param("w", ir.T(ir.F32, ir.Fixed(7), ir.Fixed(5)))
			h := b.Op(ops.MatMul{}, z, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w))
			h = b.Op(ops.MatMul{}, b.Op(ops.Transpose{Perm: ir.MakeAxes(0, 2, 1)}, h), h)
			output(b, b.Op(ops.Add{}, h, b.Param("b", ir.T(ir.F32, ir.Fixed(7)))), "y")
			output(b, b.Op(ops.Identity{}, x), "x again")
		},
		"gram": func(b *ir.Builder, x *ir.Value) { // mixes the rows of the batch
			output(b, b.Op(ops.Gemm{TransB: true}, x, x), "y")
			output(b, b.Op(ops.Gemm{TransA: true}, x, x), "z")
		},
		"expand rows": func(b *ir.Builder, x *ir.Value) {
			output(b, b.Op(ops.Add{}, x, b.Op(ops.Expand{Shape: ir.MakeDims(rows(5).Shape)}, b.Param("w", ir.T(ir.F32, ir.Fixed(5))))), "y")
		},
		"normalize": func(b *ir.Builder, x *ir.Value) {
			n := b.Op(ops.Sqrt{}, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1), Keep: true}, b.Op(ops.Mul{}, x, x)))
			output(b, b.Op(ops.Div{}, x, b.Op(ops.Max{}, n, b.Const(ir.F32, 1e-12))), "y")
		},
	}
	for name, f := range more {
		b := ir.NewBuilder("g")
		x := b.Input("x", rows(5))
		b.Layer = "op"
		f(b, x)
		check(t, rt, name, b, 17)
	}
}

// TestNorms runs each normalisation alone, at opsets that have it and that do not, on
// values around 0 and far from it, in both dtypes.
func TestNorms(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, d := range []ir.DType{ir.F32, ir.F64} {
		for _, opset := range []int{13, 17, 18, 23} {
			for _, far := range []float64{0, 30} {
				b := ir.NewBuilder("g")
				x := b.Input("x", ir.Type{DType: d, Shape: rows(6, 2, 5).Shape})
				param := func(name string, dims ...int) *ir.Value {
					return b.Param(name, ir.T(d, ir.ShapeOf(dims...)...))
				}
				b.Layer = "op"
				x = b.Op(ops.Add{}, x, b.Const(d, far))
				output(b, b.Op(ops.LayerNorm{Axis: 3, Epsilon: 1e-5}, x, param("s5", 5), param("b5", 5)), "layer")
				output(b, b.Op(ops.LayerNorm{Axis: 2, Epsilon: 1e-3}, x, param("s25", 2, 5)), "no bias")
				output(b, b.Op(ops.RMSNorm{Axis: 3, Epsilon: 1e-5}, x, param("s5b", 5)), "rms")
				s, c := param("s6", 6), param("b6", 6)
				output(b, b.Op(ops.GroupNorm{Groups: 3, Epsilon: 1e-5}, x, s, c), "group")
				output(b, b.Op(ops.InstanceNorm{Epsilon: 1e-5}, x, s, c), "instance")
				check(t, rt, fmt.Sprintf("%v opset %d, mean %v", d, opset, far), b, opset)
			}
		}
	}
}

func check(t *testing.T, rt verify.Runtime, name string, b *ir.Builder, opset int) {
	t.Helper()
	if err := b.Err(); err != nil {
		t.Fatal(name, err)
	}
	p := weights(b.Graph, 3)
	m, err := onnxexport.Build(b.Graph, p, onnxexport.Options{Opset: opset})
	if err != nil {
		t.Error(name, err)
		return
	}
	s := verify.Subject{Graph: b.Graph, Params: p, Model: m.Bytes, Taps: m.Taps, Sets: []verify.Set{uniform(b.Graph, 9, 4)}}
	r, err := verify.Verify(t.Context(), s, rt)
	if err == nil {
		err = r.Err()
	}
	var u *verify.UndeterminedError
	if errors.As(err, &u) && name == "ops.Div" { // a fifth of the rows are zeros, and 0/0 is no number
		return
	}
	if err != nil {
		t.Error(name, err)
	}
}

// TestLocates changes one weight of the file and expects its layer.
func TestLocates(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, taps := range []bool{true, false} {
		for k, layer := range []string{"encoder/dense1", "encoder/dense1", "encoder/dense2"} {
			s := subject(t, encoder(), 1)
			m := &onnxpb.ModelProto{}
			if err := m.Unmarshal(s.Model); err != nil {
				t.Fatal(err)
			}
			m.Graph.Initializer[k].RawData[4*7+2] ^= 0x40 // about a quarter
			s.Model, _ = m.Marshal()
			if !taps {
				s.Taps = nil
			}
			r, err := verify.Verify(t.Context(), s, rt)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != verify.Differs || r.Layer != layer || !strings.HasPrefix(r.Position, "demo/main.go:") {
				t.Errorf("weight %d: %s at %q (%s), want %q", k, r.Status, r.Layer, r.Position, layer)
			}
			var e *verify.MismatchError
			if !errors.As(r.Err(), &e) || !strings.Contains(e.Error(), layer) {
				t.Errorf("error %v", r.Err())
			}
		}
	}
}

// TestTrainedFunctionDiffers says so when it is not the file that is wrong.
func TestTrainedFunctionDiffers(t *testing.T) {
	rt := orttest.Runtime(t)
	s := subject(t, encoder(), 1)
	s.Run = func(_ context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
		return map[string]*ir.Tensor{"code": ir.NewTensor(ir.F32, in["x"].Shape[0], 30)}, nil
	}
	r, err := verify.Verify(t.Context(), s, rt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != verify.Differs || !strings.Contains(r.Reason, "the trained function does not") {
		t.Errorf("%+v", r)
	}
}

func TestRandomBytes(t *testing.T) {
	rt := orttest.Runtime(t)
	s := subject(t, encoder(), 1)
	s.Model = []byte("these are no model at all")
	if _, err := verify.Verify(t.Context(), s, rt); err == nil || errors.Is(err, verify.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}
