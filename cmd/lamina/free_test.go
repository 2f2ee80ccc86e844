package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// sequences is y = x + mask over [batch seq 2].
func sequences() *onnxpb.ModelProto {
	return model(&onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, "batch", "seq", 2), port("mask", onnxpb.TensorProto_FLOAT, "batch", "seq", 1)},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, "batch", "seq", 2)},
		Node:   []*onnxpb.NodeProto{node("Add", "y", "x", "mask")},
	})
}

// TestRunFreeLengths: lengths are those of the files, on both engines, and files that do
// not agree are told apart by their names.
func TestRunFreeLengths(t *testing.T) {
	orttest.Runtime(t)
	file := save(t, sequences())
	out := filepath.Join(t.TempDir(), "y.npy")
	for _, n := range []int{1, 3} {
		x, mask := saveNPY(t, []int{2, n, 2}, make([]float32, 4*n)...), saveNPY(t, []int{2, n, 1}, make([]float32, 2*n)...)
		r := lamina(t, nil, "run", file, "--engine", onBoth, "--input", "x="+x, "--input", "mask="+mask, "--output", out)
		if r.Status != 0 {
			t.Fatalf("%d: %s", n, r.Stderr)
		}
		got, err := dataset.NPY(out, "y")
		if err != nil || !cmp.Equal(got.Columns()[0].Shape, []int{n, 2}) {
			t.Errorf("%d: %v %v", n, got.Columns(), err)
		}
	}
	x, mask := saveNPY(t, []int{2, 3, 2}, make([]float32, 12)...), saveNPY(t, []int{2, 4, 1}, make([]float32, 8)...)
	for _, engine := range []string{onORT, onLamina} {
		commandtest.WantError(t, lamina(t, nil, "run", file, "--engine", engine, "--input", "x="+x, "--input", "mask="+mask, "--output", out),
			mask+": axis 1, which the model calls seq, is 4 long, but axis 1 of "+x+", which has that name too, is 3")
	}
	if r := lamina(t, nil, "inspect", file); r.Status != 0 || !containsAll(r.Stdout, "f32[batch seq 2]", "f32[batch seq 1]") {
		t.Errorf("inspect: %s", r.Stdout)
	}
}

// TestEncodeFreeLength takes a length from the file, up to the bundle's capacity.
func TestEncodeFreeLength(t *testing.T) {
	x := spec.Input("x", 6, 3).Free("T")
	g, params, err := spec.GraphOf("seq", x.Then(spec.Dense(2), spec.Tanh()).Named("steps"))
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Front(g, true); err != nil {
		t.Fatal(err)
	}
	weights := map[string][]float32{}
	for _, p := range params {
		w := make([]float32, p.Type.Shape.Count())
		for i := range w {
			w[i] = float32(i%5)/3 - 0.5
		}
		weights[p.Name] = w
	}
	dir := ship(t, g, weights)
	data := randomRows(7, 4*3)
	in, out := saveNPY(t, []int{7, 4, 3}, data...), filepath.Join(t.TempDir(), "z.npy")
	r := lamina(t, nil, "encode", dir, "--input", in, "--output", out)
	if r.Status != 0 || !containsAll(r.Stdout, "f32[7 4 2] steps") {
		t.Fatalf("%s %s", r.Stdout, r.Stderr)
	}
	got, err := dataset.NPY(out, "z")
	if err != nil {
		t.Fatal(err)
	}
	feed := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{7, 4, 3}, F32: data}}
	for _, p := range params {
		feed[p.Name] = &ir.Tensor{DType: ir.F32, Shape: p.Type.Shape.Lengths(), F32: weights[p.Name]}
	}
	h, err := ir.Parse(ir.Text(g), ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ir.Evaluate(h, &ir.Env{Binding: ir.RowsOf(7).With("T", 4), UpdateRows: 7}, feed)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want[h.Outputs[0]].F64 {
		if d := float64(got.F32("z")[i]) - w; d > 1e-5 || d < -1e-5 {
			t.Fatalf("element %d is %v, want %v", i, got.F32("z")[i], w)
		}
	}
	long := saveNPY(t, []int{1, 7, 3}, make([]float32, 21)...)
	commandtest.WantError(t, lamina(t, nil, "encode", dir, "--input", long, "--output", out+"2"), "length T of input \"x\"", "7, and it may be from 1 to 6")
	flat := saveNPY(t, []int{1, 12}, make([]float32, 12)...)
	commandtest.WantError(t, lamina(t, nil, "encode", dir, "--input", flat, "--output", out+"2"), "its rows have the shape [12], but those of input \"x\" have [T 3]")
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
