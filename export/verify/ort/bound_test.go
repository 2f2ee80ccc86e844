//go:build cgo && !windows

package ort_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// TestBind: runs read the bound inputs and write the bound outputs, again and
// again.
func TestBind(t *testing.T) {
	orttest.Runtime(t)
	x, y := f32([]int{2, 3}, 0, 0, 0, -1, 0, 4), f32([]int{2, 2}, 9, 9, 9, 9)
	b, err := ort.Bind(mlp(t), 2, tensors{"x": x}, tensors{"y": y})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct{ in, want []float32 }{
		{[]float32{0, 0, 0, -1, 0, 4}, []float32{0.5, 0, 11.5, 3}},
		{[]float32{1, 1, 1, 1, 1, 1}, []float32{6.5, 0, 6.5, 0}},
	} {
		copy(x.F32, c.in)
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y.F32, c.want) {
			t.Errorf("%v: got %v, want %v", c.in, y.F32, c.want)
		}
	}
}

func TestBindMistakes(t *testing.T) {
	orttest.Runtime(t)
	half := encode(t, &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 1)},
		Output: []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT16, 1)},
		Node:   []*onnxpb.NodeProto{node("Cast", []string{"x"}, []string{"y"}, integer("to", int64(onnxpb.TensorProto_FLOAT16)))},
	})
	one := f32([]int{1}, 1)
	for name, c := range map[string]struct {
		model   []byte
		in, out tensors
		want    string
	}{
		"no output":    {mlp(t), tensors{"x": f32([]int{1, 3}, 1, 1, 1)}, tensors{}, `"y"`},
		"no input":     {mlp(t), tensors{}, tensors{"y": f32([]int{1, 2}, 0, 0)}, `"x"`},
		"input shape":  {mlp(t), tensors{"x": f32([]int{3, 1}, 1, 1, 1)}, tensors{"y": f32([]int{1, 2}, 0, 0)}, "[3 1]"},
		"output dtype": {half, tensors{"x": one}, tensors{"y": one}, "f16"},
		"passed on": {encode(t, &onnxpb.GraphProto{
			Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 1)},
			Output: []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 1)},
		}), tensors{"x": one}, tensors{"x": f32([]int{1}, 9)}, "is an input"},
		"no model": {[]byte("text"), tensors{"x": one}, tensors{"y": one}, "onnxruntime"},
	} {
		b, err := ort.Bind(c.model, 1, c.in, c.out)
		if err == nil {
			b.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not mention %q", name, err, c.want)
		}
	}
}
