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
	if len(names) < 28 {
		t.Fatalf("only %d kinds of ops occur: %v", len(names), names)
	}
}
