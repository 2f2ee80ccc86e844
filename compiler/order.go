package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// order moves steps within their groups to where a task finds what they read in its cache:
// the sums of a gradient's columns behind the product that reads the same columns, an
// update, or what stores a gradient, behind the gradient, and a product in front of the step
// that takes its columns as they are made. It moves no step past one that makes what it
// reads, or reads or makes what it makes.
func (l *lowering) order() {
	for i := range l.p.Phases {
		for j := range l.p.Phases[i].Groups {
			steps := l.p.Phases[i].Groups[j].Steps
			for k := len(steps) - 1; k >= 0; k-- {
				l.sumLater(steps, k)
			}
			for k := range steps {
				l.updateSooner(steps, k)
			}
			for k := range steps {
				l.productLater(steps, k)
			}
		}
	}
}

// sumLater moves the step at k behind the last product that reads the same columns, if it
// is no product itself.
func (l *lowering) sumLater(steps []int, k int) {
	s := &l.p.Steps[steps[k]]
	if s.Op == nil || len(s.In) != 1 || s.Access[0] != ir.Axis1 || isProduct(s) {
		return
	}
	to := k
	for at := k + 1; at < len(steps) && !l.ordered(s, &l.p.Steps[steps[at]]); at++ {
		q := &l.p.Steps[steps[at]]
		for i, b := range q.In {
			if isProduct(q) && q.Access[i] == ir.Axis1 && b == s.In[0] {
				to = at
			}
		}
	}
	shift(steps, k, to)
}

// updateSooner moves an update at k as far to the front as it may go.
func (l *lowering) updateSooner(steps []int, k int) {
	s := &l.p.Steps[steps[k]]
	if !ends(s) {
		return
	}
	to := k
	for to > 0 && !l.ordered(&l.p.Steps[steps[to-1]], s) {
		to--
	}
	shift(steps, k, to)
}

// productLater moves the product whose columns the step at k takes in front of it.
func (l *lowering) productLater(steps []int, k int) {
	for from := k - 1; from >= 0; from-- {
		q := &l.p.Steps[steps[from]]
		if l.mayFollow(q, &l.p.Steps[steps[k]]) {
			for _, id := range steps[from+1 : k] {
				if l.ordered(q, &l.p.Steps[id]) {
					return
				}
			}
			shift(steps, from, k-1)
			return
		}
	}
}

// shift moves the element at from to the index to.
func shift(steps []int, from, to int) {
	id := steps[from]
	if from < to {
		copy(steps[from:to], steps[from+1:])
	} else {
		copy(steps[to+1:from+1], steps[to:])
	}
	steps[to] = id
}

func isProduct(s *plan.Step) bool {
	_, ok := s.Op.(ir.Multiplier)
	return ok
}

// ordered reports whether step b must stay behind step a.
func (l *lowering) ordered(a, b *plan.Step) bool {
	touches := func(made, others []int) bool {
		return slices.ContainsFunc(made, func(x int) bool {
			return slices.ContainsFunc(others, func(y int) bool { return l.p.Root(x) == l.p.Root(y) })
		})
	}
	madeA, madeB := append(slices.Clone(a.Out), a.Derived...), append(slices.Clone(b.Out), b.Derived...)
	return touches(madeA, b.In) || touches(madeA, madeB) || touches(madeB, a.In)
}

// ends reports whether a step updates one parameter or stores a gradient.
func ends(s *plan.Step) bool {
	_, stores := s.Op.(plan.StoreGrad)
	return stores || s.Update() && len(s.In) == 1
}
