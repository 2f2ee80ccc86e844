package ir

import (
	"fmt"
	"sort"
	"strconv"
)

// Builder appends typed nodes to a graph. It is sticky: after a mistake Op does
// nothing and returns a value of an invalid type, so that a caller needs no
// check at each call.
type Builder struct {
	Graph *Graph
	Layer string // given to the nodes made from now on
	Pos   Pos

	names map[string]bool
	next  int
	id    int
	errs  []error
}

// NewBuilder returns a builder of an empty graph.
func NewBuilder(name string) *Builder {
	return Extend(&Graph{Name: name, Data: map[*Value]*Tensor{}})
}

// Extend returns a builder that appends to g.
func Extend(g *Graph) *Builder {
	b := &Builder{Graph: g, names: map[string]bool{}}
	for _, v := range g.Values() {
		b.names[v.Name] = true
	}
	for _, n := range g.Nodes {
		b.id = max(b.id, n.ID)
	}
	return b
}

// Err returns the first mistake, or nil.
func (b *Builder) Err() error {
	if len(b.errs) == 0 {
		return nil
	}
	return b.errs[0]
}

// Fail records a mistake.
func (b *Builder) Fail(err error) { b.errs = append(b.errs, err) }

// Unique returns name, or name with a number that makes it unused, and takes it.
// An empty name becomes v1, v2, ….
func (b *Builder) Unique(name string) string {
	if name != "" && !b.names[name] {
		b.names[name] = true
		return name
	}
	for {
		var s string
		if name == "" {
			b.next++
			s = "v" + strconv.Itoa(b.next)
		} else {
			b.next++
			s = name + "." + strconv.Itoa(b.next)
		}
		if !b.names[s] {
			b.names[s] = true
			return s
		}
	}
}

// Input appends an input.
func (b *Builder) Input(name string, t Type) *Value {
	v := &Value{Name: b.Unique(name), Type: t, Kind: InputValue}
	b.Graph.Inputs = append(b.Graph.Inputs, v)
	return v
}

// Param appends a parameter.
func (b *Builder) Param(name string, t Type) *Value {
	v := &Value{Name: b.Unique(name), Type: t, Kind: ParamValue}
	b.Graph.Params = append(b.Graph.Params, v)
	return v
}

// Data appends a constant of type t. Float elements are given as those of any
// floating-point type.
func (b *Builder) Data(name string, d DType, t *Tensor) *Value {
	v := &Value{Name: b.Unique(name), Type: Type{d, ShapeOf(t.Shape...)}, Kind: DataValue}
	b.Graph.Data[v] = t
	return v
}

// Const appends a scalar constant of dtype d.
func (b *Builder) Const(d DType, x float64) *Value { return b.Data("", d, Scalar(x).To(d.Reference())) }

// Output makes v an output.
func (b *Builder) Output(v *Value) { b.Graph.Outputs = append(b.Graph.Outputs, v) }

// Op appends a node and returns its first result.
func (b *Builder) Op(op Op, in ...*Value) *Value {
	if out := b.apply(op, in); out != nil {
		return out[0]
	}
	return &Value{}
}

// Ops appends a node and returns its results. After a mistake it returns
// MaxResults values of an invalid type, so that none of the op's is missing.
func (b *Builder) Ops(op Op, in ...*Value) []*Value {
	if out := b.apply(op, in); out != nil {
		return out
	}
	return NoResults()
}

// apply appends a node and returns its results, or nil after a mistake.
func (b *Builder) apply(op Op, in []*Value) []*Value {
	types := make([]Type, len(in))
	for i, v := range in {
		if v == nil {
			b.Fail(&Error{Layer: b.Layer, Made: b.Pos.Made, From: b.Pos.From, Op: op.Name(), Rule: fmt.Sprintf("operand %d is nil", i+1)})
			return nil
		}
		if v.Type.DType == Invalid {
			return nil // follows from an earlier mistake
		}
		types[i] = v.Type
	}
	out, err := InferOp(op, types)
	if err != nil {
		b.Fail(&Error{Layer: b.Layer, Made: b.Pos.Made, From: b.Pos.From, Op: op.Name(), Rule: err.Error()})
		return nil
	}
	b.id++
	n := &Node{ID: b.id, Op: op, In: append([]*Value{}, in...), Layer: b.Layer, Pos: b.Pos}
	for _, t := range out {
		n.Out = append(n.Out, &Value{Name: b.Unique(""), Type: t, Def: n})
	}
	b.Graph.Nodes = append(b.Graph.Nodes, n)
	return n.Out
}

func sortValues(vs []*Value) {
	sort.Slice(vs, func(i, j int) bool { return vs[i].Name < vs[j].Name })
}
