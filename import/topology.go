package onnximport

import (
	"container/heap"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/iterator"
)

// step is a node of the file with the names it reads and makes, in order; ""
// stands for an operand left out.
type step struct {
	index   int // in GraphProto.Node
	in, out []string
}

// indexAttr carries a node's place in the file through onnx-go.
const indexAttr = "lamina.index"

// topology reads the nodes through onnx-go and returns them in topological
// order, those of the file where that is one. roots are the names that exist
// without a node.
func topology(g *onnxpb.GraphProto, roots map[string]bool) ([]step, error) {
	if len(g.Node) == 0 {
		return nil, nil
	}
	s := newSlim(g, roots)
	raw, err := s.model.Marshal()
	if err != nil {
		return nil, err
	}
	b := &backend{s: s, byID: map[int64]*valueNode{}}
	if err := b.read(raw); err != nil {
		return nil, err
	}
	if len(b.steps) != len(g.Node) {
		return nil, fmt.Errorf("internal error: %d of %d nodes came through onnx-go", len(b.steps), len(g.Node))
	}
	return sorted(g, b.steps, roots)
}

// slim is a copy of the graph that holds nothing but edges: values are numbered,
// so that no name of the file's reaches onnx-go, and what is absent has a number
// of its own each time.
type slim struct {
	model *onnxpb.ModelProto
	names []string       // by number
	ids   map[string]int // of names
}

func newSlim(g *onnxpb.GraphProto, roots map[string]bool) *slim {
	s := &slim{ids: map[string]int{}}
	out := &onnxpb.GraphProto{}
	for i, n := range g.Node {
		m := &onnxpb.NodeProto{OpType: n.OpType, Attribute: []*onnxpb.AttributeProto{{
			Name: indexAttr, Type: onnxpb.AttributeProto_INT, I: int64(i)}}}
		for _, name := range n.Input {
			m.Input = append(m.Input, s.id(name))
		}
		if len(m.Input) == 0 {
			m.Input = []string{s.id("")}
		}
		for _, name := range n.Output {
			m.Output = append(m.Output, s.id(name))
		}
		out.Node = append(out.Node, m)
	}
	for _, name := range s.names {
		if name != "" && roots[name] {
			out.Input = append(out.Input, &onnxpb.ValueInfoProto{Name: s.id(name)})
		}
	}
	out.Output = []*onnxpb.ValueInfoProto{{Name: "end"}}
	s.model = &onnxpb.ModelProto{Graph: out}
	return s
}

func (s *slim) id(name string) string {
	k, ok := s.ids[name]
	if !ok || name == "" {
		k = len(s.names)
		s.names = append(s.names, name)
		s.ids[name] = k
	}
	return "v" + strconv.Itoa(k)
}

func (s *slim) name(id string) (string, error) {
	k, err := strconv.Atoi(strings.TrimPrefix(id, "v"))
	if err != nil || k < 0 || k >= len(s.names) {
		return "", fmt.Errorf("internal error: onnx-go named a value %s", quote(id))
	}
	return s.names[k], nil
}

// valueNode is a value to onnx-go. It carries no data, so onnx-go decodes none.
type valueNode struct {
	id   int64
	name string
}

// ID returns the number given by the backend.
func (n *valueNode) ID() int64 { return n.id }

// SetName takes the number of the value in the slim copy.
func (n *valueNode) SetName(s string) { n.name = s }

// GetName returns it.
func (n *valueNode) GetName() string { return n.name }

// edge goes from a result to an operand.
type edge struct {
	from, to graph.Node
	weight   float64
}

func (e edge) From() graph.Node                         { return e.from }
func (e edge) To() graph.Node                           { return e.to }
func (e edge) ReversedEdge() graph.Edge                 { return edge{e.to, e.from, e.weight} }
func (e edge) Weight() float64                          { return e.weight }
func (b *backend) NewNode() graph.Node                  { b.next++; return &valueNode{id: b.next} }
func (b *backend) SetWeightedEdge(e graph.WeightedEdge) { b.pending = append(b.pending, e) }

// backend takes what onnx-go reads. onnx-go sends the edges of a node once for
// each of its results and then applies the operation, so the edges pending by
// then are those of this node, in order and with repetitions: an ordinary graph
// would keep one edge of x*x.
type backend struct {
	s       *slim
	next    int64
	byID    map[int64]*valueNode
	pending []graph.WeightedEdge
	steps   []step
}

// read runs onnx-go on the slim copy; a panic there becomes an error.
func (b *backend) read(raw []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: onnx-go failed after %d nodes: %v\n%s", len(b.steps), r, debug.Stack())
		}
	}()
	if err := onnx.NewModel(b).UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("onnx-go, after %d nodes: %w", len(b.steps), err)
	}
	return nil
}

// ApplyOperation takes the node whose edges are pending.
func (b *backend) ApplyOperation(op onnx.Operation, outs ...graph.Node) error {
	i, ok := op.Attributes[indexAttr].(int64)
	if !ok || len(outs) == 0 || len(b.pending)%len(outs) != 0 {
		return fmt.Errorf("internal error: a node %s without its place", quote(op.Name))
	}
	st := step{index: int(i)}
	for k, e := range b.pending[:len(b.pending)/len(outs)] {
		if int(e.Weight()) != k {
			return fmt.Errorf("internal error: operand %d came as number %v", k, e.Weight())
		}
		name, err := b.s.name(e.To().(*valueNode).name)
		if err != nil {
			return err
		}
		st.in = append(st.in, name)
	}
	for _, o := range outs {
		name, err := b.s.name(o.(*valueNode).name)
		if err != nil {
			return err
		}
		st.out = append(st.out, name)
	}
	b.pending = b.pending[:0]
	b.steps = append(b.steps, st)
	return nil
}

// AddNode enters a value.
func (b *backend) AddNode(n graph.Node) { b.byID[n.ID()] = n.(*valueNode) }

// NewWeightedEdge returns an edge that is not entered yet.
func (b *backend) NewWeightedEdge(from, to graph.Node, w float64) graph.WeightedEdge {
	return edge{from, to, w}
}

// Node returns the value of that number, or nil.
func (b *backend) Node(id int64) graph.Node {
	if n := b.byID[id]; n != nil {
		return n
	}
	return nil
}

// Nodes returns every value.
func (b *backend) Nodes() graph.Nodes {
	all := make([]graph.Node, 0, len(b.byID))
	for id := range b.next {
		if n := b.byID[id+1]; n != nil {
			all = append(all, n)
		}
	}
	return iterator.NewOrderedNodes(all)
}

// The decoder only writes; the edges it wrote are in the steps.

// From returns nothing.
func (b *backend) From(int64) graph.Nodes { return graph.Empty }

// To returns nothing.
func (b *backend) To(int64) graph.Nodes { return graph.Empty }

// HasEdgeBetween returns false.
func (b *backend) HasEdgeBetween(int64, int64) bool { return false }

// HasEdgeFromTo returns false.
func (b *backend) HasEdgeFromTo(int64, int64) bool { return false }

// Edge returns nil.
func (b *backend) Edge(int64, int64) graph.Edge { return nil }

// sorted returns the steps in topological order, the first of the file first
// among those that are ready.
func sorted(g *onnxpb.GraphProto, steps []step, roots map[string]bool) ([]step, error) {
	maker := map[string]int{}
	for i, s := range steps {
		for _, o := range s.out {
			if o != "" {
				maker[o] = i
			}
		}
	}
	waits := make([]int, len(steps))
	readers := make([][]int, len(steps))
	for i, s := range steps {
		for _, name := range s.in {
			if name == "" || roots[name] {
				continue
			}
			m, ok := maker[name]
			if !ok {
				return nil, fmt.Errorf("%s reads %s, which nothing makes: no node, input or initializer has that name", nodeName(g.Node[s.index]), quote(name))
			}
			waits[i]++
			readers[m] = append(readers[m], i)
		}
	}
	ready := &indexHeap{}
	for i, w := range waits {
		if w == 0 {
			heap.Push(ready, i)
		}
	}
	out := make([]step, 0, len(steps))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		out = append(out, steps[i])
		for _, r := range readers[i] {
			if waits[r]--; waits[r] == 0 {
				heap.Push(ready, r)
			}
		}
	}
	if len(out) < len(steps) {
		for i, w := range waits {
			if w > 0 {
				return nil, fmt.Errorf("%d nodes wait for each other or for such nodes, as %s does: the graph has a cycle", len(steps)-len(out), nodeName(g.Node[steps[i].index]))
			}
		}
	}
	return out, nil
}

// indexHeap is a heap of places.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends.
func (h *indexHeap) Push(x any) { *h = append(*h, x.(int)) }

// Pop removes the last.
func (h *indexHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
