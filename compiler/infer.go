package compiler

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// infer gives every node result the type that its op derives from the operands.
// A graph that was read from a file may know less than that; a dtype or a rank
// that contradicts it is an error, as is all else that a graph must not be: the
// passes after this one start from a graph that verifies.
func infer(g *ir.Graph, _ *state) error {
	if err := sortNodes(g); err != nil {
		return err
	}
	for _, n := range g.Nodes {
		if n.Op == nil {
			return fmt.Errorf("a node of layer %q has no op", n.Layer)
		}
		types := make([]ir.Type, len(n.In))
		for i, v := range n.In {
			if v == nil {
				return nodeError(n, "operand %d is nil", i+1)
			}
			types[i] = v.Type
		}
		out, err := ir.InferOp(n.Op, types)
		if err != nil {
			return nodeError(n, "%v", err)
		}
		if len(out) != len(n.Out) {
			return nodeError(n, "has %d results, the graph names %d", len(out), len(n.Out))
		}
		for i, t := range out {
			v := n.Out[i]
			if v.Type.DType != ir.Invalid && (v.Type.DType != t.DType || v.Type.Rank() != t.Rank()) {
				return nodeError(n, "result %q is declared as %s but is %s", v.Name, v.Type, t)
			}
			v.Type = t
		}
	}
	return ir.Verify(g)
}
