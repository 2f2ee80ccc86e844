package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// local gives the gradients that nothing reads but the update in the same task, or what
// stores them, to the workers: a slice of one then stays in a worker's cache, and no place in the arena is
// fetched and written back for it. Each task has one at a time.
func (l *lowering) local() {
	readers := map[int]int{}
	for i := range l.p.Steps {
		for _, b := range l.p.Steps[i].In {
			readers[l.p.Root(b)]++
		}
	}
	for i := range l.p.Phases {
		for j := range l.p.Phases[i].Groups {
			g := &l.p.Phases[i].Groups[j]
			if g.Whole() || l.p.Phases[i].Once {
				continue
			}
			for k := 0; k < len(g.Steps); {
				chain, end := l.localChain(g.Steps, k, readers)
				for _, b := range chain {
					l.p.Buffers[b].Kind = plan.Local
				}
				k = max(k+1, end)
			}
		}
	}
}

// localChain returns the results of a chain of products that begins with the step at k and
// ends with what takes the gradient at end, each read by nobody but the next one; none if there is none.
func (l *lowering) localChain(steps []int, k int, readers map[int]int) (chain []int, end int) {
	for ; k < len(steps); k++ {
		s := &l.p.Steps[steps[k]]
		goesOn := len(chain) == 0
		if !goesOn {
			last := chain[len(chain)-1]
			if ends(s) && s.In[0] == last && s.Access[0] == ir.Axis0 {
				return chain, k
			}
			goesOn = len(s.In) == 3 && s.In[2] == last
		}
		if !goesOn {
			continue
		}
		op, ok := s.Op.(ops.Gemm)
		b := &l.p.Buffers[s.Out[0]]
		if !ok || !op.TransA || op.TransB || b.Kind != plan.Arena || b.Type.DType != ir.F32 || readers[s.Out[0]] != 1 {
			return nil, 0
		}
		chain = append(chain, s.Out[0])
	}
	return nil, 0
}

// ends reports whether a step updates one parameter or stores a gradient.
func ends(s *plan.Step) bool {
	_, stores := s.Op.(plan.StoreGrad)
	return stores || s.Update() && len(s.In) == 1
}
