//go:build cgo && !windows

package ort_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// TestPassedOn has outputs that are inputs, or weights, as they are: the library
// writes nothing into room that is made for them before a run.
func TestPassedOn(t *testing.T) {
	ports := func(p ...*onnxpb.ValueInfoProto) []*onnxpb.ValueInfoProto { return p }
	scalar, row := []int{}, []int{1, 3}
	for _, c := range []struct {
		elem onnxpb.TensorProto_DataType
		in   *ir.Tensor
	}{
		{onnxpb.TensorProto_FLOAT, f32(scalar, 3.25)},
		{onnxpb.TensorProto_FLOAT, f32(scalar, 90)}, // what the room holds
		{onnxpb.TensorProto_FLOAT, f32(scalar, 37)},
		{onnxpb.TensorProto_FLOAT, f32(scalar, 0)},
		{onnxpb.TensorProto_FLOAT, f32(row, 3.25, 1, 2)},
		{onnxpb.TensorProto_DOUBLE, &ir.Tensor{DType: ir.F64, Shape: scalar, F64: []float64{7}}},
		{onnxpb.TensorProto_BOOL, &ir.Tensor{DType: ir.Bool, Shape: scalar, Bool: []bool{true}}},
		{onnxpb.TensorProto_BOOL, &ir.Tensor{DType: ir.Bool, Shape: scalar, Bool: []bool{false}}},
		{onnxpb.TensorProto_INT64, i64(scalar, -3)},
		{onnxpb.TensorProto_INT32, whole(ir.I32, scalar, 37)},
		{onnxpb.TensorProto_INT16, whole(ir.I16, scalar, 5)},
		{onnxpb.TensorProto_INT8, whole(ir.I8, scalar, -5)},
		{onnxpb.TensorProto_UINT64, whole(ir.U64, scalar, 5)},
		{onnxpb.TensorProto_UINT32, whole(ir.U32, scalar, 5)},
		{onnxpb.TensorProto_UINT16, whole(ir.U16, scalar, 5)},
		{onnxpb.TensorProto_UINT8, whole(ir.U8, scalar, 200)},
	} {
		dims := []any{}
		for _, d := range c.in.Shape {
			dims = append(dims, d)
		}
		x, y := port("x", c.elem, dims...), port("y", c.elem, dims...)
		same := []*onnxpb.NodeProto{node("Identity", []string{"x"}, []string{"y"})}
		for name, m := range map[string]struct {
			g    *onnxpb.GraphProto
			want tensors
		}{
			"alone":   {&onnxpb.GraphProto{Input: ports(x), Output: ports(x)}, tensors{"x": c.in}},
			"made":    {&onnxpb.GraphProto{Input: ports(x), Output: ports(y), Node: same}, tensors{"y": c.in}},
			"both":    {&onnxpb.GraphProto{Input: ports(x), Output: ports(y, x), Node: same}, tensors{"y": c.in, "x": c.in}},
			"no rank": {&onnxpb.GraphProto{Input: ports(x), Output: ports(unranked("x", c.elem)), Node: same}, tensors{"x": c.in}},
		} {
			got, err := open(t, encode(t, m.g)).Run(t.Context(), tensors{"x": c.in})
			if err != nil {
				t.Errorf("%v %v, %s: %v", c.elem, c.in.Shape, name, err)
				continue
			}
			if d := cmp.Diff(m.want, got); d != "" {
				t.Errorf("%v %v, %s (-want +got):\n%s", c.elem, c.in.Shape, name, d)
			}
		}
	}
	for name, w := range map[string]*onnxpb.TensorProto{"c0": floats("c", nil, 90), "c1": floats("c", []int64{2}, 2.5, 3)} {
		dims, want := []any{}, f32([]int{}, 90)
		if len(w.Dims) > 0 {
			dims, want = []any{2}, f32([]int{2}, 2.5, 3)
		}
		g := &onnxpb.GraphProto{Input: ports(port("x", onnxpb.TensorProto_FLOAT, 1)), Initializer: []*onnxpb.TensorProto{w},
			Output: ports(port("y", onnxpb.TensorProto_FLOAT, 1), port("c", onnxpb.TensorProto_FLOAT, dims...)),
			Node:   []*onnxpb.NodeProto{node("Relu", []string{"x"}, []string{"y"})}}
		one := f32([]int{1}, 1)
		got, err := open(t, encode(t, g)).Run(t.Context(), tensors{"x": one})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(tensors{"y": one, "c": want}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// unranked is a port whose shape is not said.
func unranked(name string, elem onnxpb.TensorProto_DataType) *onnxpb.ValueInfoProto {
	p := port(name, elem)
	p.Type.GetTensorType().Shape = nil
	return p
}
