package onnxexport

import (
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// lengths is a graph in which every op that needs a length at run time stands.
const lengths = `g (f32[N T 4] x, f32[2*T 4] z) => (a, b, c, d, e) <f32[1 1 4] w> lengths (T = 9) {
	f32[N 2 T 2] y = Reshape<shape = [N 2 T 2]>(x)
	f32[T N 2 2] yt = Transpose<perm = [2 0 1 3]>(y)
	f32[N*T 4] a = Reshape<shape = [N*T 4]>(yt)
	f32[N (T+1) 4] b = Expand<shape = [N (T+1) 4]>(w)
	f32[N T 4] c = Slice<axis = 1, start = 1, end = (T+1)>(b)
	f32[N (T+1) 4] p = Pad<axis = 1, before = 0, after = 1>(x)
	f32[N (N+T+1) 4] d = Pad<axis = 1, before = N, after = 0>(p)
	f32[T 4] e = Slice<axis = 0, start = 0, end = T>(z)
}`

// TestLengths: lengths stand in the file by their names or expressions, capacities in its
// metadata, and what is computed is computed once.
func TestLengths(t *testing.T) {
	g, err := ir.Parse(lengths, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	for batch, want := range map[int][]string{0: {"N", "T", "2*T", "N*T", "(T+1)", "(N+T+1)"}, 3: {"T", "2*T", "3*T", "(T+1)", "(T+4)"}} {
		raw, err := Export(g, map[string][]float32{"w": make([]float32, 4)}, Options{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(raw); err != nil {
			t.Error(err)
		}
		m, err := onnxpb.UnmarshalModel(raw)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, list := range [][]*onnxpb.ValueInfoProto{m.Graph.Input, m.Graph.Output, m.Graph.ValueInfo} {
			for _, v := range list {
				for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
					if s := d.GetDimParam(); s != "" {
						names[s] = true
					}
				}
			}
		}
		for _, s := range want {
			if !names[s] {
				t.Errorf("batch %d: no length %s in %v", batch, s, names)
			}
		}
		if batch > 0 && slices.ContainsFunc(want, func(s string) bool { return strings.Contains(s, "N") && names[s] }) {
			t.Errorf("the batch is frozen, but %v", names)
		}
		count := map[string]int{}
		for _, n := range m.Graph.Node {
			count[n.OpType]++
		}
		if most := 2; count["Shape"] > most {
			t.Errorf("batch %d: %d shapes are read, %d lengths are needed: %v", batch, count["Shape"], most, count)
		}
		found := false
		for _, e := range m.MetadataProps {
			found = found || e.Key == "lamina."+CapacityKey+"T" && e.Value == "9"
		}
		if !found {
			t.Errorf("no capacity of T in %v", m.MetadataProps)
		}
	}
	none, err := ir.Parse(`g (f32[N 4] x) => (y) <f32[1 1 4] w> {
		f32[N T 4] y = Expand<shape = [N T 4]>(w)
	}`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Export(none, map[string][]float32{"w": make([]float32, 4)}, Options{}); err == nil || !strings.Contains(err.Error(), "the length ") || !strings.Contains(err.Error(), "no input of the file has an axis that gives it") {
		t.Errorf("a length of nowhere: %v", err)
	}
}
