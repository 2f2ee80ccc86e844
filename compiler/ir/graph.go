package ir

// Kind says where a value comes from.
type Kind uint8

// The kinds of values.
const (
	NodeOutput Kind = iota
	InputValue
	ParamValue
	DataValue
	StateValue
)

// Value is one edge of the graph: made once, used any number of times.
type Value struct {
	Name string
	Type Type
	Kind Kind
	Def  *Node // nil unless Kind is NodeOutput
}

// Node applies an op. Layer is the path of the layer that made it and Pos where
// the user wrote that; every pass keeps both.
type Node struct {
	ID    int
	Op    Op
	In    []*Value
	Out   []*Value
	Layer string
	Pos   Pos
}

// Moment says of which moment of an update a state variable's next value is. It takes
// it once an update, when everything that reads it is done.
type Moment uint8

// The moments of a state change.
const (
	// EachStep is the run's: the value follows from the rows and from the parameters
	// as the update finds them.
	EachStep Moment = iota
	// AfterUpdate is when the parameters are updated: the value follows from them as
	// they are then, and from state as it was before, and from nothing else.
	AfterUpdate
)

// StateVar is a value that outlives an update: In is read, Out becomes it, as of When.
type StateVar struct {
	In, Out *Value
	When    Moment
}

// Graph is a function from inputs and parameters to outputs. Nodes are in
// topological order, always. Data holds the constants.
type Graph struct {
	Name    string
	Inputs  []*Value
	Outputs []*Value
	Params  []*Value
	Data    map[*Value]*Tensor
	State   []StateVar
	Nodes   []*Node

	// Capacity is the most that each named length may be, where that is declared.
	// It says nothing of the batch.
	Capacity Binding
}

// DataValues returns the constants in the order of their first use, then by
// name: an order that does not depend on the map.
func (g *Graph) DataValues() []*Value {
	var out []*Value
	seen := map[*Value]bool{}
	add := func(v *Value) {
		if v != nil && v.Kind == DataValue && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			add(v)
		}
	}
	for _, v := range g.Outputs {
		add(v)
	}
	var rest []*Value
	for v := range g.Data {
		if !seen[v] {
			rest = append(rest, v)
		}
	}
	sortValues(rest)
	return append(out, rest...)
}

// Values returns every value of the graph: inputs, parameters, state, data, then
// node outputs in node order.
func (g *Graph) Values() []*Value {
	var out []*Value
	out = append(out, g.Inputs...)
	out = append(out, g.Params...)
	for _, s := range g.State {
		out = append(out, s.In)
	}
	out = append(out, g.DataValues()...)
	for _, n := range g.Nodes {
		out = append(out, n.Out...)
	}
	return out
}

// Value returns the value of that name, or nil.
func (g *Graph) Value(name string) *Value {
	for _, v := range g.Values() {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Uses returns for each value the nodes that read it, one entry a use, in node
// order.
func (g *Graph) Uses() map[*Value][]*Node {
	uses := make(map[*Value][]*Node)
	for _, n := range g.Nodes {
		for _, v := range n.In {
			uses[v] = append(uses[v], n)
		}
	}
	return uses
}

// Clone returns a deep copy and the map from old to new values. Constants'
// elements are shared, as nothing changes them.
func (g *Graph) Clone() (*Graph, map[*Value]*Value) {
	m := make(map[*Value]*Value)
	cp := func(v *Value) *Value {
		if v == nil {
			return nil
		}
		if w, ok := m[v]; ok {
			return w
		}
		w := &Value{Name: v.Name, Type: Type{v.Type.DType, v.Type.Shape.Clone()}, Kind: v.Kind}
		m[v] = w
		return w
	}
	all := func(vs []*Value) []*Value {
		out := make([]*Value, len(vs))
		for i, v := range vs {
			out[i] = cp(v)
		}
		return out
	}
	h := &Graph{Name: g.Name, Capacity: g.Capacity, Inputs: all(g.Inputs), Params: all(g.Params), Data: map[*Value]*Tensor{}}
	for _, v := range g.DataValues() {
		h.Data[cp(v)] = g.Data[v]
	}
	for _, s := range g.State {
		h.State = append(h.State, StateVar{In: cp(s.In), When: s.When})
	}
	for _, n := range g.Nodes {
		k := &Node{ID: n.ID, Op: n.Op, In: all(n.In), Out: all(n.Out), Layer: n.Layer, Pos: n.Pos}
		for _, v := range k.Out {
			v.Def = k
		}
		h.Nodes = append(h.Nodes, k)
	}
	for i, s := range g.State {
		h.State[i].Out = cp(s.Out)
	}
	h.Outputs = all(g.Outputs)
	return h, m
}

// Replace makes every use of old, outputs and state included, a use of new.
func (g *Graph) Replace(old, new *Value) {
	for _, n := range g.Nodes {
		for i, v := range n.In {
			if v == old {
				n.In[i] = new
			}
		}
	}
	for i, v := range g.Outputs {
		if v == old {
			g.Outputs[i] = new
		}
	}
	for i := range g.State {
		if g.State[i].Out == old {
			g.State[i].Out = new
		}
	}
}
