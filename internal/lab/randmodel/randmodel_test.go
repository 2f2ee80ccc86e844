package randmodel

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

func TestModelsAreSoundAndVaried(t *testing.T) {
	names := map[string]bool{}
	for seed := range uint64(200) {
		m := New(seed)
		if err := m.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		h, err := ir.Parse(ir.Format(g), ops.ByName)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if ir.Format(h) != ir.Format(g) {
			t.Fatalf("seed %d: the text form does not read back", seed)
		}
		for _, n := range g.Nodes {
			names[n.Op.Name()] = true
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d kinds of ops occur: %v", len(names), names)
	}
	for _, op := range []ir.Op{ops.Exp{}, ops.Log{}, ops.Sqrt{}, ops.Abs{}, ops.Div{}, ops.Pow{}, ops.Max{}, ops.Min{}, ops.Greater{}, ops.Where{},
		ops.ReduceSum{}, ops.ReduceMean{}, ops.ReduceMax{}, ops.Slice{}, ops.Concat{}, ops.Transpose{}, ops.OneHot{}} {
		if !names[op.Name()] {
			t.Errorf("no formula has %s", op.Name())
		}
	}
}
