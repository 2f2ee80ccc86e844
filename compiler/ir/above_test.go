package ir_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

func TestAbove(t *testing.T) {
	b := ir.NewBuilder("g")
	of := ir.T(ir.F32, ir.Rows(), ir.Fixed(3))
	x, y := b.Input("x", of), b.Input("y", of)
	sum := b.Op(ops.Add{}, x, x)
	both := b.Op(ops.Add{}, sum, y)
	b.Op(ops.Relu{}, both)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	above := ir.Above(both, nil)
	if len(above) != 4 || !above[both] || !above[sum] || !above[x] || !above[y] {
		t.Errorf("above the sum of both are %v", above)
	}
	for i, want := range []bool{true, true, false} {
		if n := b.Graph.Nodes[i]; n.Makes(above) != want {
			t.Errorf("node %d makes one of them: %v", i, !want)
		}
	}
	first := ir.AboveThrough(func(n *ir.Node) []*ir.Value { return n.In[:1] }, both)
	if len(first) != 3 || first[y] || !first[x] {
		t.Errorf("through first operands: %v", first)
	}
}
