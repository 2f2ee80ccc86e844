package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Slow is the part of a plan that runs on reference implementations, which are tens of
// times slower than kernels.
type Slow struct {
	Ops   []string // names, in the order of the steps
	Share float64  // of all operations at capacity, from 0 to 1
}

// trivialShare is the share of all operations up to which slow ones cost little.
const trivialShare = 1e-3

// String returns "MatMul and Softmax, 93 % of all operations", or "" for nothing.
func (s Slow) String() string {
	if len(s.Ops) == 0 {
		return ""
	}
	names := strings.Join(s.Ops, ", ")
	if i := strings.LastIndex(names, ", "); i >= 0 {
		names = names[:i] + " and" + names[i+1:]
	}
	digits := 1
	if s.Share >= 0.1 {
		digits = 0
	}
	return fmt.Sprintf("%s, %.*f %% of all operations", names, digits, 100*s.Share)
}

// Slow returns what every run does without a kernel, or nothing if that is trivial.
func (e *Engine) Slow() Slow {
	var s Slow
	var slow, all int64
	count := func(steps []boundStep) {
		for i := range steps {
			flops, _ := e.p.Cost(steps[i].id)
			all += flops
			if steps[i].name != reference {
				continue
			}
			slow += flops
			if name := e.p.Steps[steps[i].id].Op.Name(); !slices.Contains(s.Ops, name) && flops > 0 {
				s.Ops = append(s.Ops, name)
			}
		}
	}
	for i := range e.phases {
		if e.phases[i].once {
			continue
		}
		for j := range e.phases[i].groups {
			count(e.phases[i].groups[j].steps)
		}
		count(e.phases[i].tail)
	}
	if s.Share = float64(slow) / float64(max(all, 1)); s.Share <= trivialShare {
		return Slow{}
	}
	return s
}

// Slow returns what every call does without a kernel, or nothing if that is trivial.
func (n *Net) Slow() Slow { return n.slow }
