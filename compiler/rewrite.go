package compiler

import (
	"container/heap"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
)

// sortNodes puts the nodes in the one topological order in which the smallest ID
// goes first among those that are ready. Every pass starts from it, so the order
// in which a graph was built or permuted leaves no trace.
func sortNodes(g *ir.Graph) error {
	ready := &byID{}
	return topological(g, func(n *ir.Node) { heap.Push(ready, n) }, func() *ir.Node {
		if ready.Len() == 0 {
			return nil
		}
		return heap.Pop(ready).(*ir.Node)
	})
}

// permuteNodes puts the nodes in a random topological order.
func permuteNodes(g *ir.Graph, key random.Key) error {
	var ready []*ir.Node
	draw := uint64(0)
	return topological(g, func(n *ir.Node) { ready = append(ready, n) }, func() *ir.Node {
		if len(ready) == 0 {
			return nil
		}
		i := int(key.Uint64N(draw, uint64(len(ready))))
		draw++
		n := ready[i]
		ready = append(ready[:i], ready[i+1:]...)
		return n
	})
}

// topological orders the nodes: push offers a node whose operands are made, pop
// takes one, nil when none is left.
func topological(g *ir.Graph, push func(*ir.Node), pop func() *ir.Node) error {
	waits := make(map[*ir.Node]int, len(g.Nodes))
	readers := make(map[*ir.Node][]*ir.Node, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if v != nil && v.Kind == ir.NodeOutput && v.Def != nil {
				waits[n]++
				readers[v.Def] = append(readers[v.Def], n)
			}
		}
	}
	for _, n := range g.Nodes {
		if waits[n] == 0 {
			push(n)
		}
	}
	out := make([]*ir.Node, 0, len(g.Nodes))
	for n := pop(); n != nil; n = pop() {
		out = append(out, n)
		for _, r := range readers[n] {
			if waits[r]--; waits[r] == 0 {
				push(r)
			}
		}
	}
	if len(out) != len(g.Nodes) {
		return fmt.Errorf("%d of %d nodes wait for one another or for a node that is missing", len(g.Nodes)-len(out), len(g.Nodes))
	}
	g.Nodes = out
	return nil
}

type byID []*ir.Node

func (h byID) Len() int           { return len(h) }
func (h byID) Less(i, j int) bool { return h[i].ID < h[j].ID }
func (h byID) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byID) Push(x any)        { *h = append(*h, x.(*ir.Node)) }
func (h *byID) Pop() any {
	old := *h
	n := old[len(old)-1]
	*h = old[:len(old)-1]
	return n
}

// rule looks at one node and returns the values that take the place of its
// results, made with b where it needs nodes, or nil to leave the node alone.
type rule func(b *ir.Builder, n *ir.Node) []*ir.Value

// rewrite offers every node to f, in order, and reports whether anything
// changed. New nodes stand where the old one stood and carry its layer and
// position; a result that is an output of the graph keeps its name, and so does
// one that is made anew.
func rewrite(g *ir.Graph, f rule) (bool, error) {
	if err := sortNodes(g); err != nil {
		return false, err
	}
	old := g.Nodes
	b := ir.Extend(g)
	g.Nodes = make([]*ir.Node, 0, len(old))
	kept := outputSet(g)
	to := map[*ir.Value]*ir.Value{}
	changed := false
	for _, n := range old {
		for i, v := range n.In {
			if w := to[v]; w != nil {
				n.In[i] = w
			}
		}
		b.Layer, b.Pos = n.Layer, n.Pos
		mark := len(g.Nodes)
		out := f(b, n)
		if err := b.Err(); err != nil {
			return false, err
		}
		if out == nil || n.Op == (ops.Identity{}) && kept[n.Out[0]] && !canTakeName(out[0], kept) {
			g.Nodes = append(g.Nodes[:mark], n)
			continue
		}
		if len(out) != len(n.Out) {
			return false, nodeError(n, "%d results take the place of %d", len(out), len(n.Out))
		}
		changed = true
		for i, v := range n.Out {
			w := out[i]
			if w == nil && !kept[v] {
				continue // nothing reads it, or Verify tells what does
			}
			if w == nil || !w.Type.Equal(v.Type) {
				return false, nodeError(n, "a value of another type takes the place of %q, which is %s", v.Name, v.Type)
			}
			if kept[v] {
				w = keepName(b, v, w, kept)
			} else if w.Def != nil && isNew(g.Nodes[mark:], w.Def) && !kept[w] {
				w.Name = v.Name // a layer's value keeps the layer's name
			}
			to[v] = w
		}
	}
	follow(g, to)
	renumber(g)
	return changed, b.Err()
}

// renumber makes the IDs follow the order, so that new nodes stay where they
// were put.
func renumber(g *ir.Graph) {
	for i, n := range g.Nodes {
		n.ID = i + 1
	}
}

func isNew(made []*ir.Node, n *ir.Node) bool {
	for _, m := range made {
		if m == n {
			return true
		}
	}
	return false
}

// canTakeName reports whether v may be renamed to an output's name.
func canTakeName(v *ir.Value, kept map[*ir.Value]bool) bool {
	return v.Kind == ir.NodeOutput && !kept[v]
}

// keepName returns w under the name of output v: w itself if its name is free to
// change, else a copy.
func keepName(b *ir.Builder, v, w *ir.Value, kept map[*ir.Value]bool) *ir.Value {
	if !canTakeName(w, kept) {
		w = b.Op(ops.Identity{}, w)
	}
	w.Name = v.Name
	kept[w] = true
	return w
}

// follow makes every output and state use the value that took its place.
func follow(g *ir.Graph, to map[*ir.Value]*ir.Value) {
	for i, v := range g.Outputs {
		if w := to[v]; w != nil {
			g.Outputs[i] = w
		}
	}
	for i := range g.State {
		if w := to[g.State[i].Out]; w != nil {
			g.State[i].Out = w
		}
	}
}

// outputSet returns the outputs, and what the state becomes.
func outputSet(g *ir.Graph) map[*ir.Value]bool {
	set := map[*ir.Value]bool{}
	for _, v := range g.Outputs {
		set[v] = true
	}
	for _, s := range g.State {
		set[s.Out] = true
	}
	return set
}

// nodeError is a mistake at a node, with its layer and line.
func nodeError(n *ir.Node, format string, a ...any) error {
	return &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: fmt.Sprintf(format, a...)}
}
