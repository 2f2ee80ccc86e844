package onnxexport

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// maxDecompose bounds how deep composites may nest.
const maxDecompose = 32

// prepared is a graph whose every op has a lowering.
type prepared struct {
	graph   *ir.Graph
	outputs []output
	origin  map[*ir.Value]*ir.Value // value of graph to value of the user's graph
	home    map[*ir.Node]*ir.Node   // node of graph to the node of the user's graph it comes from
}

type output struct {
	name  string
	typ   ir.Type
	value *ir.Value
}

type legalizer struct {
	opset int
	b     *ir.Builder
	p     *prepared
}

// legalize copies what the outputs of g need, without what exists in training
// only and with composites taken apart where ONNX has no op for them.
func legalize(g *ir.Graph, opset int) (*prepared, error) {
	need := needed(g)
	b := ir.NewBuilder(g.Name)
	p := &prepared{graph: b.Graph, origin: map[*ir.Value]*ir.Value{}, home: map[*ir.Node]*ir.Node{}}
	l := &legalizer{opset: opset, b: b, p: p}
	to := map[*ir.Value]*ir.Value{}
	copyLeaf := func(v *ir.Value) *ir.Value {
		w := &ir.Value{Name: v.Name, Type: v.Type, Kind: v.Kind}
		to[v] = w
		p.origin[w] = v
		return w
	}
	for _, v := range g.Inputs {
		if need[v] {
			b.Graph.Inputs = append(b.Graph.Inputs, copyLeaf(v))
		}
	}
	for _, v := range g.Params {
		if need[v] {
			b.Graph.Params = append(b.Graph.Params, copyLeaf(v))
		}
	}
	for _, s := range g.State {
		if need[s.In] {
			b.Graph.Params = append(b.Graph.Params, copyLeaf(s.In))
		}
	}
	for _, v := range g.DataValues() {
		if need[v] {
			b.Graph.Data[copyLeaf(v)] = g.Data[v]
		}
	}
	for _, n := range g.Nodes {
		if !n.Makes(need) {
			continue
		}
		in := make([]*ir.Value, len(n.In))
		for i, v := range n.In {
			if in[i] = to[v]; in[i] == nil {
				return nil, fmt.Errorf("export: %s of layer %q reads %q before it is made", n.Op.Name(), n.Layer, v.Name)
			}
		}
		out, err := l.emit(n, n.Op, in, 0)
		if err != nil {
			return nil, err
		}
		for i, v := range n.Out {
			if to[v] = out[i]; out[i] == nil {
				continue // for training only
			}
			if p.origin[out[i]] == nil {
				p.origin[out[i]] = v
			}
		}
	}
	p.prune(g.Outputs, to)
	for _, v := range g.Outputs {
		w := to[v]
		if w == nil {
			return nil, fmt.Errorf("export: output %q is not made by the graph", v.Name)
		}
		p.outputs = append(p.outputs, output{v.Name, v.Type, w})
	}
	return p, nil
}

// prune leaves out what an op taken apart is made of besides the results that are read.
func (p *prepared) prune(outputs []*ir.Value, to map[*ir.Value]*ir.Value) {
	for _, v := range outputs {
		if w := to[v]; w != nil {
			p.graph.Outputs = append(p.graph.Outputs, w)
		}
	}
	need := needed(p.graph)
	p.graph.Outputs = nil
	p.graph.Nodes = slices.DeleteFunc(p.graph.Nodes, func(n *ir.Node) bool { return !n.Makes(need) })
}

// emit appends op, or what it means, and returns its results.
func (l *legalizer) emit(home *ir.Node, op ir.Op, in []*ir.Value, depth int) ([]*ir.Value, error) {
	if op == (ops.Identity{}) || ir.TrainingOnly(op) {
		return in[:1], nil
	}
	if e, ok := op.(ops.Extent); ok {
		op = extent{e}
	}
	b := l.b
	b.Layer, b.Pos = home.Layer, home.Pos
	if x, ok := ir.Inferred(op); ok {
		return l.parts(home, x.Inference, in, depth)
	}
	if hasLowering(op, l.opset) && (!singleOnly(op) || in[0].Type.DType == ir.F32) {
		mark := len(b.Graph.Nodes)
		out := b.Ops(op, in...)
		if err := b.Err(); err != nil {
			return nil, err
		}
		l.p.home[b.Graph.Nodes[mark]] = home
		return out, nil
	}
	d, ok := op.(ir.Decomposer)
	if !ok || depth > maxDecompose {
		return nil, noCounterpart(home, op, l.opset)
	}
	return l.parts(home, d.Decompose, in, depth)
}

// parts appends what an op means, and returns its results.
func (l *legalizer) parts(home *ir.Node, meaning func(b *ir.Builder, in []*ir.Value) []*ir.Value, in []*ir.Value, depth int) ([]*ir.Value, error) {
	b := l.b
	mark := len(b.Graph.Nodes)
	res := meaning(b, in)
	if err := b.Err(); err != nil {
		return nil, err
	}
	parts := append([]*ir.Node{}, b.Graph.Nodes[mark:]...)
	b.Graph.Nodes = b.Graph.Nodes[:mark]
	to := map[*ir.Value]*ir.Value{}
	at := func(v *ir.Value) *ir.Value {
		if w := to[v]; w != nil {
			return w
		}
		return v
	}
	for _, n := range parts {
		args := make([]*ir.Value, len(n.In))
		for i, v := range n.In {
			args[i] = at(v)
		}
		out, err := l.emit(home, n.Op, args, depth+1)
		if err != nil {
			return nil, err
		}
		for i, v := range n.Out {
			to[v] = out[i]
		}
	}
	for i, v := range res {
		if v == nil {
			continue
		}
		res[i] = at(v)
	}
	return res, nil
}

func noCounterpart(n *ir.Node, op ir.Op, opset int) error {
	e := &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: op.Name(),
		Rule: fmt.Sprintf("has no counterpart in ONNX at opset %d", opset)}
	if x, ok := op.(ir.Exportable); ok {
		switch o := x.ONNX(); {
		case o.Type == "" && o.Why != "":
			e.Rule = "cannot be exported: " + o.Why
		case o.Since > opset:
			e.Rule = fmt.Sprintf("needs opset %d of ONNX, the file is written at %d", o.Since, opset)
			e.Hint = fmt.Sprintf("export with Options{Opset: %d}", o.Since)
		}
	}
	return e
}

// needed returns every value the outputs depend on outside training.
func needed(g *ir.Graph) map[*ir.Value]bool {
	return ir.AboveThrough(func(n *ir.Node) []*ir.Value {
		if ir.TrainingOnly(n.Op) && len(n.In) > 1 {
			return n.In[:1]
		}
		return n.In
	}, g.Outputs...)
}
