package ort_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
)

// TestLengths holds that shapes which a file computes are right on onnxruntime and on
// Lamina's importer, at several lengths, with the batch open and frozen.
func TestLengths(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, text := range []string{
		`rows (f32[N T 4] x) => (a, b, c, d) <f32[1 1 4] w> lengths (T = 9) {
			f32[N 2 T 2] y = Reshape<shape = [N 2 T 2]>(x)
			f32[T N 2 2] yt = Transpose<perm = [2 0 1 3]>(y)
			f32[T N 4] a = Reshape<shape = [T N 4]>(yt)
			f32[N (T+1) 4] b = Expand<shape = [N (T+1) 4]>(w)
			f32[N T 4] c = Slice<axis = 1, start = 1, end = (T+1)>(b)
			f32[N (T+2) 4] d = Pad<axis = 1, before = 1, after = 1>(x)
		}`,
		`two (f32[N T 6] x, f32[N U 6] z) => (a, b, c) lengths (T = 5, U = 7) {
			f32[N (T+U) 6] a = Concat<axis = 1>(x, z)
			f32[N 6 U] zt = Transpose<perm = [0 2 1]>(z)
			f32[N T U] b = MatMul(x, zt)
			f32[N*T U] m = Reshape<shape = [N*T U]>(b)
			f32[N*T U] s = Softmax<axis = 1>(m)
			f32[N T U] c = Reshape<shape = [N T U]>(s)
		}`,
		`back (f32[N (T+1)] x, f32[N (2*U-1)] z) => (a, b, c) <f32[1] w> lengths (T = 5, U = 7) {
			f32[N T] a = Slice<axis = 1, start = 0, end = T>(x)
			f32[U N*T] b = Expand<shape = [U N*T]>(w)
			f32[N (2*U-1)] c = Relu(z)
		}`,
	} {
		g, err := ir.Parse(text, ops.ByName)
		if err != nil {
			t.Fatal(err)
		}
		params := map[string][]float32{}
		if len(g.Params) > 0 {
			params["w"] = []float32{1, -2, 3, -4}[:g.Params[0].Type.Shape.ElemsAt(ir.RowsOf(1))]
		}
		m, err := onnxexport.Build(g, params, onnxexport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(3) {
			at := randmodel.Lengths(g, 3, seed)
			set := verify.Set{Name: "rows", Rows: 3, In: map[string]*ir.Tensor{}}
			for _, v := range g.Inputs {
				x := ir.NewTensor(ir.F32, v.Type.Shape.At(at)...)
				for i := range x.F32 {
					x.F32[i] = float32(i%17)/8 - 1
				}
				set.In[v.Name] = x
			}
			r, err := verify.Verify(t.Context(), verify.Subject{Graph: g, Params: params, Model: m.Bytes, Taps: m.Taps, Sets: []verify.Set{set}}, rt, native.Runtime())
			if err == nil {
				err = r.Err()
			}
			if err != nil {
				t.Errorf("%s, %v: %v", g.Name, at, err)
			}
			frozen, err := onnxexport.Export(g, params, onnxexport.Options{Batch: 3})
			if err != nil {
				t.Fatal(err)
			}
			s, err := rt.Open(frozen)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Run(t.Context(), set.In)
			s.Close()
			for _, out := range g.Outputs {
				if want := ir.ShapeOf(out.Type.Shape.At(at)...); err != nil || !ir.ShapeOf(got[out.Name].Shape...).Equal(want) {
					t.Errorf("%s, frozen, %v: %v", g.Name, at, err)
				}
			}
		}
	}
}
