package plan

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MayFollow reports whether step s may take the columns of the matrix that step q makes as
// these are made: it reads it first, row by row, and needs nothing else of q.
func (p *Plan) MayFollow(q, s *Step) bool {
	maker, ok := q.Op.(ir.ColumnMaker)
	if !ok || !maker.MakesColumns(p.types(q.In)) || len(q.Out) != 1 {
		return false
	}
	taker, ok := s.Op.(ir.ColumnTaker)
	if !ok || !taker.TakesColumns(p.types(s.In)) || s.In[0] != q.Out[0] || s.Access[0] != ir.Axis0 || s.After != q.After {
		return false
	}
	again := func(b int) bool { return p.Root(b) == q.Out[0] }
	return p.Buffers[q.Out[0]].Type.Rank() == 2 && !slices.ContainsFunc(s.In[1:], again)
}

// types returns the types of buffers.
func (p *Plan) types(buffers []int) []ir.Type {
	types := make([]ir.Type, len(buffers))
	for i, b := range buffers {
		types[i] = p.Buffers[b].Type
	}
	return types
}

// behind checks that a step marked Behind has a step before it whose columns it may take.
func (c *checker) behind(at spot, s *Step) error {
	if !s.Behind {
		return nil
	}
	if at.tail || at.pos == 0 || !c.p.MayFollow(&c.p.Steps[at.group.Steps[at.pos-1]], s) {
		return fmt.Errorf("it takes columns as they are made, but not those of the step before it")
	}
	return nil
}

// ends returns the position at which a step and what goes behind it are done.
func (c *checker) ends(at spot) int {
	if !at.tail && at.pos+1 < len(at.group.Steps) && c.p.Steps[at.group.Steps[at.pos+1]].Behind {
		return at.pos + 1
	}
	return at.pos
}
