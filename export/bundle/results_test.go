package bundle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/twoway"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// halves is a layer whose last op has two results.
type halves struct{ spec.Base }

func (*halves) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	r := b.Ops(twoway.Halves{Axis: 1}, b.Op(ops.Exp{}, x[0]))
	b.Also(r[1])
	return r[0]
}

// TestSeveralResults holds that the layers of a bundle have every result of their last
// node, so that a difference in any is located.
func TestSeveralResults(t *testing.T) {
	rt := orttest.Runtime(t)
	h := spec.Input("x", 6).Then(&halves{spec.Here("halves")})
	net := declared(t, spec.Mul(h.Then(spec.Dense(2)), h.Result(1).Then(spec.Dense(2))).Named("y"))
	rows := dataset.From(make([]int, 12), func(_ int, row dataset.Row) {
		for i, x := range []float32{0, 0.5, 1, 0.25, -1, 2} {
			row.F32Slice("x")[i] = x
		}
	}, columns(net)...)
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, net, rows, rt); err != nil {
		t.Fatal(err)
	}
	if v, err := bundle.Verify(t.Context(), dir, rt); err != nil || v.Status != bundle.Holds {
		t.Fatal(v, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "verification.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Layers []struct{ Name, Value string }
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range v.Layers {
		if l.Name == "halves1" {
			got = append(got, l.Value)
		}
	}
	if len(got) != 2 || !slices.IsSorted(got) {
		t.Errorf("the values of the layer are %q, want two", got)
	}
}
