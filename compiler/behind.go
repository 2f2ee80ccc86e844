package compiler

import "github.com/lamina-ml/lamina/compiler/plan"

// behindColumns is the least columns of a matrix that are taken as they are made: a task's
// rows of fewer stay in the first cache anyway, and one pass over them costs less.
const behindColumns = 256

// behind finds the steps that take the columns of a matrix as the product before them
// makes these: what is written and read again is then in the first cache, and not the rows
// of a whole task in the second.
func (l *lowering) behind() {
	for i := range l.p.Phases {
		for j := range l.p.Phases[i].Groups {
			steps := l.p.Phases[i].Groups[j].Steps
			for k := 1; k < len(steps); k++ {
				s := &l.p.Steps[steps[k]]
				s.Behind = l.mayFollow(&l.p.Steps[steps[k-1]], s)
			}
		}
	}
}

// mayFollow reports whether step s takes the columns of step q as they are made, and gains
// by it.
func (l *lowering) mayFollow(q, s *plan.Step) bool {
	if !l.p.MayFollow(q, s) {
		return false
	}
	columns, known := l.p.Buffers[q.Out[0]].Type.Shape[1].Known()
	return known && columns >= behindColumns
}
