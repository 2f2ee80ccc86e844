package spec

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Param describes a parameter apart from its elements.
type Param struct {
	Name  string // path: encoder/dense1/w
	Type  ir.Type
	Init  Init
	Layer string // path of the layer that owns it
	Pos   ir.Pos // where that was made
	Decay bool   // weight decay applies: true for matrices, false for biases

	id *param
}

// Same reports whether both are one parameter of one layer, rather than just two with
// the same name: two declarations may use the same names.
func (p Param) Same(q Param) bool { return p.id != nil && p.id == q.id }

// Initial returns the parameter's elements at the start of a run with the given root
// key, as a function of key, name and shape alone.
func (p Param) Initial(root random.Key) []float32 {
	if of, ok := p.Like(); ok {
		return p.FromLike(of.Initial(root))
	}
	shape := p.Type.Shape.Lengths()
	dst := make([]float32, ir.Elems(shape))
	p.Init.Fill(root.DeriveString("init").DeriveString(p.Name), shape, dst)
	return dst
}

// Like returns the parameter that this one starts as a copy of, if there is one: that of
// the layer from which a [Mirror] or [Untie] made this layer (see [Builder.StartAs]).
func (p Param) Like() (of Param, ok bool) {
	if p.id == nil || p.id.like == nil {
		return Param{}, false
	}
	return p.id.like.known(), true
}

// known returns what is known of a parameter whose names are resolved.
func (q *param) known() Param {
	return Param{Name: q.path(), Type: q.v.Type, Init: q.init, Layer: q.st.path,
		Pos: q.st.made.pos(), Decay: q.v.Type.Rank() > 1, id: q}
}

// path returns the parameter's name in a graph.
func (q *param) path() string {
	if q.st.path == "" { // of a text that names no layer
		return q.name
	}
	return q.st.path + "/" + q.name
}

// FromLike returns the elements this parameter starts with if that of [Param.Like] has
// the given ones: the same, transposed if [Builder.StartTransposed] was used.
func (p Param) FromLike(of []float32) []float32 {
	if p.id == nil || !p.id.turned {
		return append([]float32{}, of...)
	}
	rows, cols := p.Type.Shape[0].Length(), p.Type.Shape[1].Length()
	dst := make([]float32, len(of))
	for i := range rows {
		for j := range cols {
			dst[i*cols+j] = of[j*rows+i]
		}
	}
	return dst
}

// GraphOf returns the graph that computes the values and nothing else, and its
// parameters, whose names are those in every model on the same layers. An output has
// its value's name, or else the path of the layer that made it. The error holds the
// mistakes of the declaration. Further mistakes: there is no value; two outputs or two
// inputs have the same name.
func GraphOf(name string, values ...*Value) (*ir.Graph, []Param, error) {
	x, err := graphOf(callers(0), name, values)
	if x == nil {
		return nil, nil, err
	}
	return x.g, x.params, nil
}

// StatesOf returns the state variables of the graph that [GraphOf] returns for the
// values, in the graph's order, and the same mistakes.
func StatesOf(values ...*Value) ([]State, error) {
	x, err := graphOf(callers(0), "states", values)
	if x == nil {
		return nil, err
	}
	return x.states, nil
}

// graphOf returns nil if there is a mistake.
func graphOf(at site, name string, values []*Value) (*extract, error) {
	var s *space
	clean := true
	vs := make([]*Value, len(values))
	for i, v := range values {
		vs[i] = whole(v, at, "GraphOf")
		s = union(s, vs[i].sp)
		clean = clean && !isBad(vs[i].v)
	}
	// What is wrong with this call alone is no mistake of the declaration.
	rule := checkName(name)
	if rule == "" && len(values) == 0 {
		rule = "at least one value is needed"
	}
	if rule != "" {
		p := at.pos()
		return nil, &Error{Made: p.Made, From: p.From, Op: "GraphOf", Rule: rule}
	}
	if err := s.err(); err != nil || !clean {
		return nil, err
	}
	s = s.find()
	x := newExtract(s, name)
	outs := make([]*output, len(vs))
	for i, v := range vs {
		out := &output{name: v.name, v: v.v, at: at}
		if v.name != "" {
			out.at = v.at
		}
		if out.name == "" && v.by != nil {
			out.name = v.by.path
		}
		if out.name != "" && v.name == "" && v.index > 0 {
			out.name += "." + itoa(v.index+1)
		}
		if out.name == "" && v.v.Def != nil {
			out.name = s.made[v.v.Def].path()
		}
		if out.name == "" {
			out.name = "output" + itoa(i+1)
		}
		outs[i] = out
	}
	before := len(s.mistakes)
	if !x.check(outs) {
		err := s.err()
		s.mistakes = s.mistakes[:before]
		return nil, err
	}
	x.run(outs)
	return x, nil
}

func (p *placement) path() string {
	for ; p != nil; p = p.parent {
		if p.st.path != "" {
			return p.average().within(p.st.path)
		}
	}
	return ""
}

type output struct {
	name string
	v    *ir.Value // nil for the one that finish makes
	at   site
}

// extract copies a part of a space into a graph of its own, with names.
type extract struct {
	s      *space
	g      *ir.Graph
	params []Param
	states []State
	paths  map[*state]string // of losses
	value  map[*ir.Value]*ir.Value
	names  map[string]bool
	need   map[*ir.Value]bool
	label  map[*ir.Value]string // the first name of each output
	next   int
	stream uint64
	drawn  map[*ir.Node]uint64 // stream of each node that others follow
	finish func(map[*ir.Value]*ir.Value) *ir.Value
}

func newExtract(s *space, name string) *extract {
	return &extract{s: s, g: &ir.Graph{Name: name, Data: map[*ir.Value]*ir.Tensor{}},
		paths: map[*state]string{}, value: map[*ir.Value]*ir.Value{}, names: map[string]bool{}, label: map[*ir.Value]string{},
		drawn: map[*ir.Node]uint64{}}
}

func usedTwice(what, name string, at, old site) *mistake {
	return &mistake{at: at, made: at, op: text("%s %q", what, name),
		rule: func() string { return "name already used at " + old.pos().String() }}
}

// check takes the names of inputs and outputs. It reports whether they are all
// different; if not, the mistakes are in the space.
func (x *extract) check(outs []*output) bool {
	roots := make([]*ir.Value, len(outs))
	for i, o := range outs {
		roots[i] = o.v
	}
	x.need = x.s.withStates(roots)
	before := len(x.s.mistakes)
	type use struct {
		v  *ir.Value
		at site
	}
	owner := map[string]use{}
	take := func(what, name string, v *ir.Value, at site) bool {
		if old, ok := owner[name]; ok {
			x.s.mistakes = append(x.s.mistakes, usedTwice(what, name, at, old.at))
			return false
		}
		owner[name] = use{v, at}
		x.names[name] = true
		return true
	}
	for _, in := range x.s.inputs {
		if x.need[in.v] {
			take("input", in.name, in.v, in.at)
		}
	}
	for _, o := range outs {
		if old, ok := owner[o.name]; ok && o.v != nil && o.v == old.v && o.v.Kind == ir.InputValue {
			continue // an input that is an output under its own name
		}
		if take("value", o.name, o.v, o.at) && o.v != nil && o.v.Kind == ir.NodeOutput && x.label[o.v] == "" {
			x.label[o.v] = o.name
		}
	}
	return len(x.s.mistakes) == before
}

// run fills the graph.
func (x *extract) run(outs []*output) {
	x.g.Capacity = x.s.capacity(x.need)
	for _, in := range x.s.inputs {
		if x.need[in.v] {
			x.g.Inputs = append(x.g.Inputs, x.copy(in.v, in.name))
		}
	}
	for _, p := range x.s.params {
		if x.need[p.v] {
			name := x.unique(p.path())
			x.g.Params = append(x.g.Params, x.copy(p.v, name))
			x.params = append(x.params, Param{Name: name, Type: p.v.Type, Init: p.init,
				Layer: p.st.path, Pos: p.st.made.pos(), Decay: p.v.Type.Rank() > 1, id: p})
		}
	}
	x.enter()
	for _, n := range x.s.nodes {
		x.node(n)
	}
	x.become()
	x.outputs(outs)
}

func (x *extract) node(n *ir.Node) {
	used := false
	for _, v := range n.Out {
		used = used || x.need[v]
	}
	if !used {
		return
	}
	p := x.s.made[n]
	layer, ok := x.paths[p.st]
	if !ok {
		layer = p.path()
	}
	if layer == "" && p.st.loss { // one that is a value
		layer = "loss/" + p.st.lower()
	}
	m := &ir.Node{ID: len(x.g.Nodes) + 1, Op: x.random(n), Layer: layer, Pos: p.st.made.pos()}
	if p.from != nil {
		m.Layer, m.Pos = p.from.Layer, p.from.Pos
	}
	for _, v := range n.In {
		m.In = append(m.In, x.operand(v))
	}
	for _, v := range n.Out {
		name := x.label[v]
		switch {
		case name != "":
		case p.from != nil:
			name = x.unique(v.Name)
		case (p.out == v || slices.Contains(p.also, v)) && layer != "":
			name = x.unique(layer)
		default:
			name = x.unique("")
		}
		w := x.copy(v, name)
		w.Def = m
		m.Out = append(m.Out, w)
	}
	x.g.Nodes = append(x.g.Nodes, m)
}

// random numbers the streams of random ops by their place in the graph, so that
// no two uses of a layer draw the same numbers. One that follows another has its
// stream.
func (x *extract) random(n *ir.Node) ir.Op {
	o, ok := n.Op.(ir.Drawer)
	if !ok {
		return n.Op
	}
	if of := x.s.follows[n]; of != nil {
		return o.WithStream(x.drawn[of])
	}
	x.stream++
	x.drawn[n] = x.stream
	return o.WithStream(x.stream)
}

func (x *extract) operand(v *ir.Value) *ir.Value {
	if w := x.value[v]; w != nil {
		return w
	}
	w := x.copy(v, x.unique("")) // a constant: all else was made before
	x.g.Data[w] = x.s.data[v]
	return w
}

func (x *extract) copy(v *ir.Value, name string) *ir.Value {
	w := &ir.Value{Name: name, Type: v.Type, Kind: v.Kind}
	x.value[v] = w
	return w
}

// unique returns the name, or one made of it that is free; v1, v2, … for "".
func (x *extract) unique(name string) string {
	free := name
	for i := 2; free == "" || x.names[free]; i++ {
		if name == "" {
			x.next++
			free = fmt.Sprintf("v%d", x.next)
		} else {
			free = fmt.Sprintf("%s.%d", name, i)
		}
	}
	x.names[free] = true
	return free
}

func (x *extract) constant(c float64) *ir.Value {
	v := &ir.Value{Name: x.unique(""), Type: ir.T(ir.F32), Kind: ir.DataValue}
	x.g.Data[v] = ir.Scalar(c)
	return v
}

// add appends a node whose result has the type of its first operand.
func (x *extract) add(op ir.Op, layer string, at site, in ...*ir.Value) *ir.Value {
	n := &ir.Node{ID: len(x.g.Nodes) + 1, Op: op, In: in, Layer: layer, Pos: at.pos()}
	n.Out = []*ir.Value{{Name: x.unique(""), Type: in[0].Type, Def: n}}
	x.g.Nodes = append(x.g.Nodes, n)
	return n.Out[0]
}

// outputs appends the outputs. A value that has another name already, as an
// input or as an output before, gets this one through an Identity.
func (x *extract) outputs(outs []*output) {
	var made *ir.Value
	if x.finish != nil {
		made = x.finish(x.value)
	}
	for _, o := range outs {
		v := made
		if o.v != nil {
			v = x.operand(o.v)
		}
		if v.Name != o.name {
			layer, at := v.Name, o.at
			if v.Def != nil {
				layer = v.Def.Layer
			}
			if o.v == nil {
				layer = "loss"
			}
			if o.v == nil && v.Def != nil && v.Def.Layer == "loss" {
				v.Name = o.name // the sum itself, which nothing else names
			} else {
				w := x.add(ops.Identity{}, layer, at, v)
				w.Name = o.name
				v = w
			}
		}
		x.g.Outputs = append(x.g.Outputs, v)
	}
}
