package onnximport_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/export/verify/ort"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// edges are operators at the edges of what the standard says: infinities, empty
// axes, attributes of unusual sign, equal elements. x is f32[N 4]; the results
// follow from the standard's formulas.
func edges() []struct {
	name string
	x    []float32
	f    func(*file) *file
	want []float32
} {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	infinite := []float32{inf, 1, 2, -1, -inf, 0, 0, -inf, inf, -inf, 1, 2, -inf, -inf, -inf, -inf}
	equal := []float32{2, 5, 5, 1, 3, 3, 3, 3, 0, -1, 0, -1}
	e := func(x float64) float32 { return float32(math.Exp(x)) }
	type edge = struct {
		name string
		x    []float32
		f    func(*file) *file
		want []float32
	}
	last := func(op string, axis int, last int) func(*file) *file {
		return func(f *file) *file {
			return f.node("a = "+op+"(x)", "axis", axis, "select_last_index", last).node("y = Cast(a)", "to", 1)
		}
	}
	weights := func(f *file, c ...float32) *file {
		return f.floats("w", []int64{4, 2}, 1, 0, 0, 1, 0, 0, 0, 0).floats("c", []int64{int64(len(c))}, c...)
	}
	empty := func(op string) func(*file) *file {
		return func(f *file) *file {
			return f.ints("zero", 0).ints("one", 1).node("e = Slice(x,zero,zero,one)").node("y = " + op + "(e,one)")
		}
	}
	return []edge{
		{"ReduceLogSumExp of infinities", infinite, func(f *file) *file { return f.ints("a", 1).node("y = ReduceLogSumExp(x,a)") },
			[]float32{inf, float32(math.Log(2)), inf, -inf}},
		{"ReduceLogSumExp without the axis", infinite, func(f *file) *file { return f.ints("a", 1).node("y = ReduceLogSumExp(x,a)", "keepdims", 0) },
			[]float32{inf, float32(math.Log(2)), inf, -inf}},
		{"ReduceLogSumExp of NaN", []float32{nan, 1, 2, 3}, func(f *file) *file { return f.ints("a", 1).node("y = ReduceLogSumExp(x,a)") }, []float32{nan}},
		{"ReduceLogSumExp of large", []float32{1000, 1000, -1000, 0}, func(f *file) *file { return f.ints("a", 1).node("y = ReduceLogSumExp(x,a)") },
			[]float32{1000 + float32(math.Log(2))}},
		{"ReduceMax of nothing", equal, empty("ReduceMax"), []float32{-inf, -inf, -inf}},
		{"ReduceMin of nothing", equal, empty("ReduceMin"), []float32{inf, inf, inf}},
		{"ReduceLogSumExp of nothing", equal, empty("ReduceLogSumExp"), []float32{-inf, -inf, -inf}},
		{"ReduceL2 of nothing", equal, empty("ReduceL2"), []float32{0, 0, 0}},
		{"ArgMax first", equal, last("ArgMax", 1, 0), []float32{1, 0, 0}},
		{"ArgMax last", equal, last("ArgMax", 1, 1), []float32{2, 3, 2}},
		{"ArgMax last, from the end", equal, last("ArgMax", -1, 1), []float32{2, 3, 2}},
		{"ArgMin first", equal, last("ArgMin", 1, 0), []float32{3, 0, 1}},
		{"ArgMin last", equal, last("ArgMin", 1, 1), []float32{3, 3, 3}},
		{"ArgMax last of infinities", infinite, last("ArgMax", 1, 1), []float32{0, 2, 0, 3}},
		{"Celu, negative alpha", []float32{1, -2, 0, 3}, func(f *file) *file { return f.node("y = Celu(x)", "alpha", -1.0) }, []float32{1, 1 - e(2), 0, 3}},
		{"Celu, alpha -2", []float32{inf, -1, 5, -4}, func(f *file) *file { return f.node("y = Celu(x)", "alpha", -2.0) }, []float32{inf, -2 * (e(.5) - 1), 5, -2 * (e(2) - 1)}},
		{"Celu", []float32{1, -2, 3e38, -inf}, func(f *file) *file { return f.node("y = Celu(x)", "alpha", 0.5) }, []float32{1, .5 * (e(-4) - 1), 3e38, -.5}},
		{"Gemm, beta 0", []float32{1, 2, 3, 4}, func(f *file) *file { return weights(f, inf, nan).node("y = Gemm(x,w,c)", "beta", 0.0) }, []float32{1, 2}},
		{"Gemm, beta 0 and alpha", []float32{1, 2, 3, 4}, func(f *file) *file { return weights(f, inf).node("y = Gemm(x,w,c)", "beta", 0.0, "alpha", 3.0) }, []float32{3, 6}},
		{"Gemm, beta -0", []float32{1, 2, 3, 4}, func(f *file) *file {
			return weights(f, nan).node("y = Gemm(x,w,c)", "beta", math.Copysign(0, -1))
		}, []float32{1, 2}},
		{"Gemm, infinite c", []float32{1, 2, 3, 4}, func(f *file) *file { return weights(f, inf, 1).node("y = Gemm(x,w,c)", "beta", 2.0) }, []float32{inf, 4}},
		{"Cast in range", []float32{1.9, -1.9, 2147483520, -2147483648}, func(f *file) *file { return f.node("i = Cast(x)", "to", 6).node("y = Cast(i)", "to", 1) },
			[]float32{1, -1, 2147483520, -2147483648}},
	}
}

// TestStandard holds the edges against the standard, and against onnxruntime where
// it is at hand.
func TestStandard(t *testing.T) {
	rt := ort.Runtime()
	_, absent := rt.Version()
	for _, c := range edges() {
		t.Run(c.name, func(t *testing.T) {
			data := c.f(newFile(18).input("x", "N", 4)).bytes(t, "y")
			in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{len(c.x) / 4, 4}, F32: c.x}}
			s, err := native.Runtime().Open(data)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			out, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			y := out["y"]
			if y.Len() != len(c.want) {
				t.Fatalf("got %v, want %v", y.F32, c.want)
			}
			agree(t, c.name, out, map[string]*ir.Tensor{"y": {DType: ir.F32, Shape: y.Shape, F32: c.want}})
			if absent == nil {
				_, want, err := both(t, rt, data, in)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, "onnxruntime", out, want)
			}
		})
	}
}

// TestCastOutside has floats that are no i32, which the standard leaves open: here
// they become the least one, and never a number that is no i32.
func TestCastOutside(t *testing.T) {
	data := newFile(18).input("x", "N", 4).node("y = Cast(x)", "to", 6).bytes(t, "y")
	s, err := native.Runtime().Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x := []float32{1e10, -1e10, 2147483648, float32(math.Inf(1)), float32(math.NaN()), 7, -7.5, 2147483520}
	out, err := s.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{2, 4}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32, 7, -7, 2147483520} {
		if got := out["y"].Int(i); got != want {
			t.Errorf("%v became %d, want %d", x[i], got, want)
		}
	}
}

// TestWantedOutputs reads what the outputs asked for need, and nothing else of a
// file that has more than Lamina can express.
func TestWantedOutputs(t *testing.T) {
	vae := func() *file {
		f := newFile(17).input("x", "N", 3).input("free", "a", "b", "c").floats("w", []int64{3}, 1, 2, 3).floats("dead", []int64{1 << 40}).
			node("mean = Mul(x,w)").node("e = RandomNormalLike(mean)").node("z = Add(mean,e)").node("u = Sin(free)")
		f.m.Graph.Initializer[1].DataType = 10 // f16
		f.m.Graph.Node[3].Domain = "com.maker"
		return f
	}
	data := vae().bytes(t, "z", "mean", "u")
	m, err := onnximport.Decode(t.Context(), data, onnximport.Limits{}, "mean")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Inputs) != 1 || m.Inputs[0].Name != "x" || len(m.Outputs) != 1 || m.Outputs[0].Name != "mean" || len(m.Graph.Nodes) != 1 {
		t.Errorf("got inputs %v, outputs %v, nodes %v", m.Inputs, m.Outputs, m.Graph.Nodes)
	}
	for _, c := range []struct {
		outputs []string
		want    string
	}{
		{[]string{"z"}, "RandomNormalLike"},
		{[]string{"mean", "u"}, "com.maker.Sin"},
		{[]string{"mean", "logvar"}, `the model has no output "logvar"; it has "z", "mean", "u"`},
		{nil, "com.maker.Sin"},
	} {
		if _, err := onnximport.Decode(t.Context(), data, onnximport.Limits{}, c.outputs...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.outputs, err, c.want)
		}
	}
	// A draw that nothing reads, and a weight, matter to no output.
	dead := newFile(17).input("x", "N", 3).input("y", "N", 3).floats("w", nil, 2).floats("half", []int64{1}).node("m = Mul(x,w)").node("d = RandomNormalLike(m)")
	dead.m.Graph.Initializer[1].DataType = 10
	if m, err = onnximport.Decode(t.Context(), dead.bytes(t, "m"), onnximport.Limits{}); err != nil {
		t.Fatal(err)
	}
	if len(m.Inputs) != 2 {
		t.Errorf("the signature lost an input: %v", m.Inputs)
	}
	// What is wrong with the file as a whole is still said.
	broken := newFile(17).input("x", "N", 3).node("y = Relu(x)").node("p = Relu(q)").node("q = Relu(p)").bytes(t, "y")
	if _, err := onnximport.Decode(t.Context(), broken, onnximport.Limits{}); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
}

// TestBatchNames has two inputs whose batch has a name each, as exporters give
// that number unknown lengths.
func TestBatchNames(t *testing.T) {
	in := func(rows int) *ir.Tensor {
		return &ir.Tensor{DType: ir.F32, Shape: []int{rows, 1}, F32: make([]float32, rows)}
	}
	for _, names := range [][2]any{{"unk__4", "unk__5"}, {"batch", "n"}, {"", "n"}} {
		data := newFile(17).input("a", names[0], 1).input("b", names[1], 1).node("y = Add(a,b)").bytes(t, "y")
		s, err := native.Runtime().Open(data)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		out, err := s.Run(t.Context(), map[string]*ir.Tensor{"a": in(300), "b": in(300)})
		if err != nil || out["y"].Len() != 300 {
			t.Errorf("%v: %v %v", names, out, err)
		}
		if _, err := s.Run(t.Context(), map[string]*ir.Tensor{"a": in(3), "b": in(2)}); err == nil || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%v: inputs of 3 and 2 rows ran: %v", names, err)
		}
	}
	// On another axis a name says which length is meant: there m is none of the batch.
	data := newFile(17).input("a", "m", 1).input("b", "n", "m").node("y = MatMul(b,a)").bytes(t, "y")
	m, err := onnximport.Decode(context.Background(), data, onnximport.Limits{})
	if err != nil || m.Graph.Inputs[0].Type.String() != "f32[m 1]" || m.Graph.Inputs[1].Type.String() != "f32[N m]" {
		t.Errorf("got %v", err)
	}
}

// TestNotONNX is told what a file is that is no model.
func TestNotONNX(t *testing.T) {
	for data, want := range map[string]string{
		"":       "an empty file",
		"<html>": "a web page",
		"version https://git-lfs.github.com/spec/v1\n": "a Git LFS pointer",
		"\x93NUMPY\x01\x00v\x00{'descr'":               "a NumPy .npy file",
		"\x1f\x8b\x08\x00":                             "a gzip file",
	} {
		if _, err := onnximport.Decode(context.Background(), []byte(data), onnximport.Limits{}); err == nil || !strings.Contains(err.Error(), "not an ONNX model but "+want) {
			t.Errorf("%q: got %v, want %q", data, err, want)
		}
	}
}

// TestDoubles keeps float64 from the input to the output.
func TestDoubles(t *testing.T) {
	f := newFile(17)
	f.m.Graph.Input = append(f.m.Graph.Input, info("x", 11, "N", 2))
	f.m.Graph.Initializer = append(f.m.Graph.Initializer, &onnxpb.TensorProto{Name: "mu", DataType: 11, Dims: []int64{2}, DoubleData: []float64{1e8, -1e8}})
	s, err := native.Runtime().Open(f.node("y = Sub(x,mu)").bytes(t, "y"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F64, Shape: []int{1, 2}, F64: []float64{1e8 + .125, -1e8 - .25}}})
	if err != nil {
		t.Fatal(err)
	}
	if y := out["y"]; y.DType != ir.F64 || y.F64[0] != .125 || y.F64[1] != -.25 {
		t.Errorf("y is %v %v", y.Type(), y.F64)
	}
}
