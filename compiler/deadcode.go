package compiler

import (
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// deadcode removes nodes and constants that no output and no state depends on.
// An inference graph loses its unread inputs and parameters too; a training
// graph keeps both, as its columns and its store are those of the model.
func deadcode(g *ir.Graph, s *state) error {
	if err := sortNodes(g); err != nil {
		return err
	}
	live := sweep(g)
	if !s.inference {
		return nil
	}
	read := func(what string, vs []*ir.Value) []*ir.Value {
		var keep []*ir.Value
		for _, v := range vs {
			if live[v] {
				keep = append(keep, v)
			} else {
				s.note("%s %q (%s) is read by nothing and was dropped", what, v.Name, v.Type)
			}
		}
		return keep
	}
	g.Inputs = read("input", g.Inputs)
	g.Params = read("parameter", g.Params)
	return nil
}

// sweep removes dead nodes and constants and returns what is live.
func sweep(g *ir.Graph) map[*ir.Value]bool {
	live := ir.Above(slices.Collect(maps.Keys(outputSet(g)))...)
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *ir.Node) bool { return !n.Makes(live) })
	for v := range g.Data {
		if !live[v] {
			delete(g.Data, v)
		}
	}
	return live
}
