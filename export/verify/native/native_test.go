package native_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
)

// model is y = relu(x·w + b) with x f32[N 2].
func model(t *testing.T) []byte {
	t.Helper()
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(2), ir.Fixed(2)))
	c := b.Param("b", ir.T(ir.F32, ir.Fixed(2)))
	b.Layer = "dense"
	y := b.Op(ops.Relu{}, b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), c))
	y.Name = "y"
	b.Output(y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	data, err := onnxexport.Export(b.Graph, map[string][]float32{"w": {1, 2, 3, 4}, "b": {0, -10}}, onnxexport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rows(x ...float32) map[string]*ir.Tensor {
	return map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{len(x) / 2, 2}, F32: x}}
}

func TestRun(t *testing.T) {
	rt := native.Runtime()
	if v, err := rt.Version(); rt.Name() != "lamina" || v == "" || err != nil {
		t.Errorf("%s %s %v", rt.Name(), v, err)
	}
	s, err := rt.Open(model(t))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				out, err := s.Run(t.Context(), rows(1, 2, 3, 4))
				if err != nil || !slices.Equal(out["y"].F32, []float32{7, 0, 15, 12}) {
					t.Errorf("got %v %v", out["y"], err)
				}
			}
		}()
	}
	wg.Wait()
	if out, err := s.Run(t.Context(), rows()); err != nil || out["y"].Len() != 0 {
		t.Errorf("no rows: %v %v", out, err)
	}
	i := s.(verify.Inspector)
	if p := i.Inputs(); len(p) != 1 || p[0].Name != "x" || p[0].Elem != "f32" || !slices.Equal(p[0].Dims, []int64{-1, 2}) {
		t.Errorf("inputs %v", p)
	}
	if p := i.Outputs(); len(p) != 1 || p[0].Name != "y" || !slices.Equal(p[0].Dims, []int64{-1, 2}) {
		t.Errorf("outputs %v", p)
	}
	if m, err := i.Metadata(); err != nil || m.Producer != "lamina" {
		t.Errorf("metadata %v %v", m, err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Run(t.Context(), rows(1, 2)); err == nil {
		t.Error("a closed session ran")
	}
}

func TestRunErrors(t *testing.T) {
	s, err := native.Runtime().Open(model(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	more := rows(1, 2)
	more["z"] = more["x"]
	for _, c := range []struct {
		in   map[string]*ir.Tensor
		want string
	}{
		{nil, `no input "x"`},
		{map[string]*ir.Tensor{"x": ir.NewTensor(ir.F64, 1, 2)}, "must be f32[N 2], got f64[1 2]"},
		{map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 1, 3)}, "must be f32[N 2], got f32[1 3]"},
		{map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 2)}, "must be f32[N 2], got f32[2]"},
		{map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 2}}}, "holds 2 elements"},
		{more, `no input "z"`},
	} {
		if _, err := s.Run(t.Context(), c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, rows(1, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := native.Runtime().Open([]byte("no model")); err == nil {
		t.Error("bytes that are no model were opened")
	}
}
