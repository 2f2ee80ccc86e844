//go:build cgo && !windows

package ort_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func open(t testing.TB, model []byte) verify.Session {
	t.Helper()
	s, err := orttest.Runtime(t).Open(model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func f32(shape []int, data ...float32) *ir.Tensor {
	return &ir.Tensor{DType: ir.F32, Shape: shape, F32: data}
}

func i64(shape []int, data ...int64) *ir.Tensor {
	return &ir.Tensor{DType: ir.I64, Shape: shape, I64: data}
}

type tensors = map[string]*ir.Tensor

func TestRun(t *testing.T) {
	s := open(t, mlp(t))
	for _, c := range []struct{ in, want *ir.Tensor }{
		{f32([]int{1, 3}, 1, 1, 1), f32([]int{1, 2}, 6.5, 0)},
		{f32([]int{2, 3}, 0, 0, 0, -1, 0, 4), f32([]int{2, 2}, 0.5, 0, 11.5, 3)},
		{f32([]int{0, 3}), f32([]int{0, 2})},
	} {
		got, err := s.Run(context.Background(), tensors{"x": c.in})
		if err != nil {
			t.Errorf("%v: %v", c.in.Shape, err)
			continue
		}
		if d := cmp.Diff(tensors{"y": c.want}, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.in.Shape, d)
		}
	}
}

func TestConcurrent(t *testing.T) {
	s := open(t, mlp(t))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				n := 1 + (g+i)%5
				in := ir.NewTensor(ir.F32, n, 3)
				for j := range in.F32 {
					in.F32[j] = float32(g + 1)
				}
				out, err := s.Run(context.Background(), tensors{"x": in})
				if err != nil {
					t.Error(err)
					return
				}
				for r := range n {
					if got, want := out["y"].F32[2*r], float32(6*(g+1))+0.5; got != want {
						t.Errorf("caller %d row %d: got %v, want %v", g, r, got, want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// whole returns a tensor of integers, the low bits of x.
func whole(d ir.DType, shape []int, x ...int64) *ir.Tensor {
	t := ir.NewTensor(d, shape...)
	for i, v := range x {
		t.SetInt(i, v)
	}
	return t
}

func TestElementTypes(t *testing.T) {
	scalar := []int{}
	for _, c := range []struct {
		elem onnxpb.TensorProto_DataType
		in   *ir.Tensor
	}{
		{onnxpb.TensorProto_FLOAT, f32([]int{2}, 1.5, -2)},
		{onnxpb.TensorProto_FLOAT, f32(scalar, 1.5)},
		{onnxpb.TensorProto_DOUBLE, &ir.Tensor{DType: ir.F64, Shape: []int{1, 2}, F64: []float64{1.25, math.Inf(1)}}},
		{onnxpb.TensorProto_DOUBLE, &ir.Tensor{DType: ir.F64, Shape: scalar, F64: []float64{7}}},
		{onnxpb.TensorProto_BOOL, &ir.Tensor{DType: ir.Bool, Shape: []int{3}, Bool: []bool{true, false, true}}},
		{onnxpb.TensorProto_BOOL, &ir.Tensor{DType: ir.Bool, Shape: scalar, Bool: []bool{true}}},
		{onnxpb.TensorProto_INT64, i64([]int{2}, math.MinInt64, math.MaxInt64)},
		{onnxpb.TensorProto_INT64, i64(scalar, -3)},
		{onnxpb.TensorProto_INT32, whole(ir.I32, []int{2}, math.MinInt32, math.MaxInt32)},
		{onnxpb.TensorProto_INT32, whole(ir.I32, scalar, -3)},
		{onnxpb.TensorProto_INT16, whole(ir.I16, []int{2}, math.MinInt16, math.MaxInt16)},
		{onnxpb.TensorProto_INT8, whole(ir.I8, []int{2}, math.MinInt8, math.MaxInt8)},
		{onnxpb.TensorProto_UINT64, whole(ir.U64, []int{2}, math.MaxInt64, -1)},
		{onnxpb.TensorProto_UINT32, whole(ir.U32, []int{2}, 0, math.MaxUint32)},
		{onnxpb.TensorProto_UINT16, whole(ir.U16, []int{2}, 0, math.MaxUint16)},
		{onnxpb.TensorProto_UINT8, whole(ir.U8, []int{2}, 0, math.MaxUint8)},
		{onnxpb.TensorProto_UINT8, whole(ir.U8, scalar, 200)},
	} {
		dims := []any{}
		for _, d := range c.in.Shape {
			dims = append(dims, d)
		}
		s := open(t, encode(t, &onnxpb.GraphProto{
			Input:  []*onnxpb.ValueInfoProto{port("x", c.elem, dims...)},
			Output: []*onnxpb.ValueInfoProto{port("y", c.elem, dims...)},
			Node:   []*onnxpb.NodeProto{node("Identity", []string{"x"}, []string{"y"})},
		}))
		got, err := s.Run(context.Background(), tensors{"x": c.in})
		if err != nil {
			t.Errorf("%v %v: %v", c.elem, c.in.Shape, err)
			continue
		}
		if d := cmp.Diff(tensors{"y": c.in}, got); d != "" {
			t.Errorf("%v %v (-want +got):\n%s", c.elem, c.in.Shape, d)
		}
	}
}

// TestUnknownRanks declares no shapes for three outputs, of rank 2, 0 and 0.
func TestUnknownRanks(t *testing.T) {
	none := func(name string) *onnxpb.ValueInfoProto {
		p := port(name, onnxpb.TensorProto_FLOAT)
		p.Type.GetTensorType().Shape = nil
		return p
	}
	in := none("x")
	s := open(t, encode(t, &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{in},
		Output: []*onnxpb.ValueInfoProto{none("same"), none("sum"), none("max")},
		Node: []*onnxpb.NodeProto{
			node("Relu", []string{"x"}, []string{"same"}),
			node("ReduceSum", []string{"x"}, []string{"sum"}, integer("keepdims", 0)),
			node("ReduceMax", []string{"x"}, []string{"max"}, integer("keepdims", 0)),
		},
	}))
	got, err := s.Run(context.Background(), tensors{"x": f32([]int{2, 2}, 1, 2, 3, 4)})
	if err != nil {
		t.Fatal(err)
	}
	want := tensors{"same": f32([]int{2, 2}, 1, 2, 3, 4), "sum": f32([]int{}, 10), "max": f32([]int{}, 4)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBadInputs(t *testing.T) {
	s := open(t, mlp(t))
	for name, c := range map[string]struct {
		in   tensors
		want []string
	}{
		"missing":   {nil, []string{`"x"`, "missing"}},
		"nil":       {tensors{"x": nil}, []string{`"x"`, "missing"}},
		"other":     {tensors{"x": f32([]int{1, 3}, 1, 2, 3), "z": f32([]int{1}, 0)}, []string{`"z"`, `"x"`}},
		"width":     {tensors{"x": f32([]int{1, 4}, 1, 2, 3, 4)}, []string{"[1 4]", "[-1 3]"}},
		"rank":      {tensors{"x": f32([]int{3}, 1, 2, 3)}, []string{"[3]", "[-1 3]"}},
		"type":      {tensors{"x": i64([]int{1, 3}, 1, 2, 3)}, []string{"f32", "i64"}},
		"elements":  {tensors{"x": f32([]int{2, 3}, 1, 2, 3)}, []string{"[2 3]"}},
		"negative":  {tensors{"x": f32([]int{-1, 3})}, []string{"[-1 3]"}},
		"no dtype":  {tensors{"x": {Shape: []int{1, 3}}}, []string{`"x"`}},
		"bare zero": {tensors{"x": {}}, []string{`"x"`}},
	} {
		_, err := s.Run(context.Background(), c.in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not mention %s", name, err, w)
			}
		}
	}
}

func TestOutOfRange(t *testing.T) {
	s := open(t, encode(t, &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_UINT8, 1)},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_UINT8, 1)},
		Node:   []*onnxpb.NodeProto{node("Identity", []string{"x"}, []string{"y"})},
	}))
	for _, x := range []int64{-1, 256} {
		if out, err := s.Run(context.Background(), tensors{"x": i64([]int{1}, x)}); err == nil {
			t.Errorf("%d went into a u8 as %v", x, out["y"].I64)
		}
	}
}

func TestNoInputs(t *testing.T) {
	value := &onnxpb.AttributeProto{Name: "value_float", Type: onnxpb.AttributeProto_FLOAT, F: 1}
	s := open(t, encode(t, &onnxpb.GraphProto{
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT)},
		Node:   []*onnxpb.NodeProto{node("Constant", nil, []string{"y"}, value)},
	}))
	if _, err := s.Run(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "no inputs") {
		t.Errorf("got %v, want an error about the missing inputs", err)
	}
}

func TestUnreadableOutput(t *testing.T) {
	s := open(t, encode(t, &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 1)},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT16, 1)},
		Node:   []*onnxpb.NodeProto{node("Cast", []string{"x"}, []string{"y"}, integer("to", int64(onnxpb.TensorProto_FLOAT16)))},
	}))
	if _, err := s.Run(context.Background(), tensors{"x": f32([]int{1}, 1)}); err == nil || !strings.Contains(err.Error(), "f16") {
		t.Errorf("got %v, want an error that names f16", err)
	}
}

// TestCastTable holds onnxruntime's Cast against the table that the engine agrees
// with. What it makes of a float that an integer type does not have the standard
// leaves open, and it depends on the processor. Floats of 16 bits are read as f32,
// which holds each of them.
func TestCastTable(t *testing.T) {
	table, err := opcase.Conversions("../../../testdata/cast/cast.txt")
	if err != nil {
		t.Fatal(err)
	}
	run := func(x *ir.Tensor, to ...ir.DType) *ir.Tensor {
		b := ir.NewBuilder("cast")
		y := b.Input("x", ir.T(x.DType, ir.Rows()))
		for _, d := range to {
			y = b.Op(ops.Cast{To: d}, y)
		}
		y.Name = "y"
		b.Output(y)
		m, err := onnxexport.Export(b.Graph, nil, onnxexport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := open(t, m).Run(t.Context(), tensors{"x": x})
		if err != nil {
			t.Fatalf("%v to %v: %v", x.DType, to, err)
		}
		return out["y"]
	}
	for _, c := range table {
		to := []ir.DType{c.To.DType}
		if d := c.To.DType; d == ir.F16 || d == ir.BF16 {
			to = append(to, ir.F32)
		}
		got := run(c.From, to...).To(c.To.DType)
		for i := range got.Len() {
			x := c.From.At(i)
			least, greatest := c.To.DType.Range()
			if c.To.DType.Integer() && c.From.DType.Float() && !(x > float64(least)-1 && x < float64(greatest)+1) {
				continue
			}
			if a, b := got.Text(i), c.To.Text(i); a != b {
				t.Errorf("%v %s is %s as %v, want %s", c.From.DType, c.From.Text(i), a, c.To.DType, b)
			}
		}
	}
}

func TestNotAModel(t *testing.T) {
	r := orttest.Runtime(t)
	rng := rand.New(rand.NewPCG(1, 2))
	good := mlp(t)
	models := [][]byte{nil, {}, []byte("not a model"), good[:len(good)-7]}
	for range 60 {
		b := make([]byte, 1+rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		models = append(models, b)
	}
	for _, b := range models {
		s, err := r.Open(b)
		if err == nil {
			s.Close()
			t.Errorf("%d bytes %x were taken for a model", len(b), b[:min(8, len(b))])
			continue
		}
		if strings.ContainsRune(err.Error(), '\n') || len(err.Error()) > 600 {
			t.Errorf("error is not one short line: %q", err)
		}
	}
	unknown := encode(t, &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 1)},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, 1)},
		Node:   []*onnxpb.NodeProto{node("Frobnicate", []string{"x"}, []string{"y"})},
	})
	if _, err := r.Open(unknown); err == nil || !strings.Contains(err.Error(), "Frobnicate") {
		t.Errorf("got %v, want an error that names the operator", err)
	}
}

func TestInspect(t *testing.T) {
	in, ok := open(t, mlp(t)).(verify.Inspector)
	if !ok {
		t.Fatal("a session is no verify.Inspector")
	}
	if d := cmp.Diff([]verify.Port{{Name: "x", Elem: "f32", Dims: []int64{-1, 3}}}, in.Inputs()); d != "" {
		t.Errorf("inputs (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]verify.Port{{Name: "y", Elem: "f32", Dims: []int64{-1, 2}}}, in.Outputs()); d != "" {
		t.Errorf("outputs (-want +got):\n%s", d)
	}
	got, err := in.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	want := verify.Metadata{
		Producer: "lamina-test", Graph: "g", Domain: "d", Description: "doc", Version: 3,
		Props: map[string]string{"k": "v", "empty": ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, mlp(t))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Run(context.Background(), tensors{"x": f32([]int{1, 3}, 1, 1, 1)}); err == nil {
		t.Error("a closed session ran")
	}
	if _, err := s.(verify.Inspector).Metadata(); err == nil {
		t.Error("a closed session gave metadata")
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := open(t, mlp(t))
	if _, err := s.Run(ctx, tensors{"x": f32([]int{1, 3}, 1, 1, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestContextEndsRun gives a run that would take far longer than the test may.
func TestContextEndsRun(t *testing.T) {
	g := &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, "N", "N")},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, "N", "N")},
	}
	from := "x"
	for i := range 20000 {
		to := "y"
		if i < 19999 {
			to = "v" + strconv.Itoa(i)
		}
		g.Node = append(g.Node, node("MatMul", []string{from, "x"}, []string{to}))
		from = to
	}
	s := open(t, encode(t, g))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Run(ctx, tensors{"x": ir.NewTensor(ir.F32, 512, 512)})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

const childEnv = "LAMINA_TEST_ORT_CHILD"

// TestUnavailable runs itself in a process where the library is not to be had,
// because one process loads it once.
func TestUnavailable(t *testing.T) {
	if os.Getenv(childEnv) == "1" {
		r := ort.Runtime()
		_, err := r.Version()
		_, err2 := r.Open(mlp(t))
		if !errors.Is(err, verify.ErrUnavailable) || !errors.Is(err2, verify.ErrUnavailable) {
			t.Fatalf("got %v and %v, want ErrUnavailable twice", err, err2)
		}
		for _, w := range []string{"absent.so", "make deps", "LAMINA_ONNXRUNTIME", "1.24"} {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not mention %q", err, w)
			}
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnavailable$")
	cmd.Env = append(os.Environ(), childEnv+"=1", "LAMINA_ONNXRUNTIME="+filepath.Join(t.TempDir(), "absent.so"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
