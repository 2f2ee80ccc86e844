package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
)

// late returns the nodes that are made for one shard after the other, where shards meet in
// the middle of a run: sums over rows, what is of one part of an update only, and what
// depends on them. All others are made before, for all rows of a rank at once. It is nil
// where a shard is a run.
//
// Errors: what meets depends on a sum of one shard; rows that are not on the first axis,
// where they are cut.
func (l *lowering) late() (map[*ir.Node]bool, error) {
	joins := false
	for _, n := range l.g.Nodes {
		joins = joins || ir.Joins(n.Op)
	}
	if !joins || l.o.shards <= 1 {
		return nil, nil
	}
	late := map[*ir.Node]bool{}
	for _, n := range l.g.Nodes {
		rows, waits := false, ir.ByParts(n.Op)
		for _, v := range n.In {
			waits = waits || v.Def != nil && late[v.Def]
			rows = rows || v.Type.Shape.Has(ir.Batch)
		}
		if ir.Joins(n.Op) {
			if waits {
				return nil, nodeError(n, "what all rows of an update have in common depends on a sum over them, which is made of one shard after the other")
			}
			continue
		}
		for _, v := range n.Out {
			axis, ok := ir.BatchAxis(v.Type.Shape)
			if !ok || axis > 0 {
				return nil, nodeError(n, "the rows of %s are not on its first axis, where those of a model with statistics of the batch are cut into %d shards", v.Type, l.o.shards)
			}
			waits = waits || axis < 0 && rows && !ir.ShapeOnly(n.Op)
		}
		late[n] = waits
	}
	return late, nil
}

// met returns the first parallel part behind all that is made for all rows at once: also
// what state becomes of it, which a rank without rows makes too.
func (l *lowering) met() slot {
	at := slot(0)
	for _, s := range l.steps {
		if !s.once {
			at = max(at, s.at)
		}
	}
	return at - at%2 + 2
}
