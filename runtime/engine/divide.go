package engine

import (
	"cmp"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// division says which worker owns which tasks of a phase. It depends on the lengths of a
// run alone, so a tile of the parameters is updated by the same worker in each step as
// long as nobody takes it from there, and its gradient, moments and derived values stay in
// the cache of one core. Nothing else depends on it: any worker may execute any task.
//
// Every second run the tasks that are not short come in the opposite order. What a worker
// touched last it then touches first, before other things have taken its place in the
// caches, where a run that began at the same end each time would find nothing of a model
// that is larger than they are.
type division struct {
	tasks     [2][]task // for even and odd runs
	odd       int       // 1 in an odd run
	ends      []int     // where the tasks of each worker end
	dividedAt int       // the lengths it is of, as sizes.turn
	order     []int     // groups, those with the longest tasks first

	load []float64 // of each worker, while tasks are divided
	own  []int     // tasks of a group for each worker
}

// task is a slice of a group.
type task struct {
	group int32
	owner int32
	lo    int // where the slice begins
}

// bytesAsFLOPs is how many operations a worker does in the time that a byte takes, about:
// 100 GFLOP/s, and 12 GB/s of operands and results, of which some come from far.
const bytesAsFLOPs = 8

// cost estimates what one unit of a group's length costs, at capacity.
func cost(p *plan.Plan, g *plan.Group) float64 {
	sum := 0.0
	for _, s := range g.Steps {
		flops, bytes := p.Cost(s)
		sum += float64(flops) + bytesAsFLOPs*float64(bytes)
	}
	return max(sum, 1) / float64(max(g.Length.At(p.Capacity), 1))
}

// divisible makes room for the division of a phase among workers, so that Run allocates
// nothing.
func (ph *boundPhase) divisible(capacity ir.Binding, from *plan.Phase, workers int) {
	if ph.alone {
		return
	}
	most := 0
	for j := range ph.groups {
		most += (from.Groups[j].Length.At(capacity) + ph.groups[j].grain - 1) / ph.groups[j].grain
		ph.order = append(ph.order, j)
	}
	slices.SortStableFunc(ph.order, func(a, b int) int {
		return cmp.Compare(ph.groups[b].taskCost(), ph.groups[a].taskCost())
	})
	for i := range ph.tasks {
		ph.tasks[i] = make([]task, 0, most)
	}
	ph.ends, ph.own, ph.load = make([]int, workers), make([]int, workers), make([]float64, workers)
}

// taskCost estimates what a whole task costs.
func (g *boundGroup) taskCost() float64 { return g.cost * float64(g.grain) }

// divide gives each worker its tasks of a phase at the lengths of this run: of a group
// neighbouring ones, so many that all have about the same to do. The longest come first,
// so that those that are left for others at the end are short.
func (e *Engine) divide(ph *boundPhase) {
	ph.dividedAt = e.sizes.turn
	tasks := ph.tasks[0][:0]
	clear(ph.load)
	for _, j := range ph.order {
		g := &ph.groups[j]
		whole, rest := *g.length/g.grain, *g.length%g.grain
		clear(ph.own)
		for range whole {
			w := least(ph.load)
			ph.load[w] += g.taskCost()
			ph.own[w]++
		}
		lo := 0
		for w, n := range ph.own {
			for range n {
				tasks = append(tasks, task{int32(j), int32(w), lo})
				lo += g.grain
			}
		}
		if rest > 0 {
			w := least(ph.load)
			ph.load[w] += g.cost * float64(rest)
			tasks = append(tasks, task{int32(j), int32(w), lo})
		}
	}
	slices.SortStableFunc(tasks, func(a, b task) int { return cmp.Compare(a.owner, b.owner) })
	back := append(ph.tasks[1][:0], tasks...)
	ph.tasks = [2][]task{tasks, back}
	at := 0
	for w := range ph.ends {
		from, long := at, at
		for at < len(tasks) && int(tasks[at].owner) == w {
			if at++; ph.long(tasks[at-1]) {
				long = at
			}
		}
		slices.Reverse(back[from:long])
		ph.ends[w] = at
	}
}

// long reports whether a task takes at least half as long as the longest of the phase.
func (ph *boundPhase) long(t task) bool {
	g := &ph.groups[t.group]
	return 2*g.cost*float64(min(g.grain, *g.length-t.lo)) >= ph.groups[ph.order[0]].taskCost()
}

// least returns the place of the lowest value, the first of several.
func least(v []float64) int {
	at := 0
	for i := range v {
		if v[i] < v[at] {
			at = i
		}
	}
	return at
}
