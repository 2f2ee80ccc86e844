package native_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/spec"
)

// TestVerify holds files of random models, with rows that saturate, overflow and
// are no numbers, against the float64 reference within the rounding bound.
func TestVerify(t *testing.T) {
	for seed := range uint64(30) {
		m := randmodel.New(seed)
		g, params, err := spec.GraphOf(m.Name(), m.Outputs...)
		if err != nil {
			t.Fatal(err)
		}
		p := map[string][]float32{}
		for _, v := range params {
			key := random.New(seed).DeriveString(v.Name)
			w := make([]float32, ir.Elems(v.Type.Shape.Lengths()))
			v.Init.Fill(key, v.Type.Shape.Lengths(), w)
			for i := range w {
				w[i] += float32(0.1 * key.Normal(uint64(len(w)+i)))
			}
			p[v.Name] = w
		}
		f, err := onnxexport.Build(g, p, onnxexport.Options{Opset: 13 + int(seed%11)})
		if err != nil {
			t.Fatal(err)
		}
		set := verify.Set{Name: "rows", Rows: 9, In: map[string]*ir.Tensor{}}
		for _, v := range g.Inputs {
			x := ir.NewTensor(v.Type.DType, v.Type.Shape.At(randmodel.Lengths(g, 9, seed))...)
			for i := range x.F32 {
				x.F32[i] = float32(random.New(seed).DeriveString(v.Name).Normal(uint64(i)))
			}
			set.In[v.Name] = x
		}
		r, err := verify.Verify(t.Context(), verify.Subject{Graph: g, Params: p, Model: f.Bytes, Taps: f.Taps, Sets: []verify.Set{set}}, native.Runtime())
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
