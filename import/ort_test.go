package onnximport_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// TestOnnxruntime holds the importer's reading of a file against onnxruntime's:
// on the operators worked out by hand, and on files that were changed so that
// they may still mean something. What one refuses the other may accept, but where
// both run a file they agree.
func TestOnnxruntime(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range forms() {
		got, want, err := both(t, rt, c.file(t), rows23())
		if err != nil {
			t.Errorf("%s: onnxruntime: %v", c.name, err)
			continue
		}
		agree(t, c.name, got, want)
	}
	safe := map[string]bool{"swapped operands": true, "cycle": true, "shuffled nodes": true, "attribute values": true,
		"initializer dims": true, "integer constants": true, "opset": true, "declared output": true, "long chain": true}
	seeds, compared := seedFiles(t), 0
	for i := range 60 {
		for _, k := range onModels {
			if !safe[k.name] {
				continue
			}
			m, err := onnxpb.UnmarshalModel(seeds[i%len(seeds)])
			if err != nil {
				t.Fatal(err)
			}
			k.do(rand.New(rand.NewPCG(uint64(i), 5)), m)
			data, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			read, err := onnximport.Decode(t.Context(), data, onnximport.Limits{})
			if err != nil || !small(read.Graph) {
				continue
			}
			got, want, err := both(t, rt, data, inputsOf(read.Graph, 2, uint64(i)))
			if err == nil {
				agree(t, k.name, got, want)
				compared++
			}
		}
	}
	t.Logf("%d changed files ran on both", compared)
	if compared < 50 {
		t.Errorf("%d changed files ran on both", compared)
	}
}

// both runs a file that the importer accepts; the error is onnxruntime's.
func both(t *testing.T, rt verify.Runtime, data []byte, in map[string]*ir.Tensor) (got, want map[string]*ir.Tensor, err error) {
	t.Helper()
	s, err := native.Runtime().Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err = s.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	o, err := rt.Open(data)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	want, err = o.Run(t.Context(), in)
	return got, want, err
}

func agree(t *testing.T, name string, got, want map[string]*ir.Tensor) {
	t.Helper()
	for k, w := range want {
		g := got[k]
		if g == nil || g.Len() != w.Len() {
			t.Errorf("%s: output %s is %v, onnxruntime has %v", name, k, g, w)
			continue
		}
		for i := range w.Len() {
			a, b := g.At(i), w.At(i)
			if a != b && !(math.IsNaN(a) && math.IsNaN(b)) && !(math.Abs(a-b) <= 1e-5+1e-4*math.Abs(b)) {
				t.Errorf("%s: element %d of output %s is %v, onnxruntime has %v", name, i, k, a, b)
				break
			}
		}
	}
}
