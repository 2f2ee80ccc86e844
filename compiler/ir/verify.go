package ir

import (
	"fmt"
	"reflect"
	"slices"
)

// Verify checks everything the passes rely on: every value made once and before
// its use, kinds and lists agreeing, names present and unique, node IDs unique,
// ops comparable, and the types being those that Infer gives. It returns the
// first breach.
func Verify(g *Graph) error {
	names := map[string]bool{}
	known := map[*Value]bool{}
	enter := func(v *Value, want Kind) error {
		switch {
		case v == nil:
			return fmt.Errorf("verify %s: nil value", g.Name)
		case v.Kind != want:
			return fmt.Errorf("verify %s: value %q is of kind %d in the list of kind %d", g.Name, v.Name, v.Kind, want)
		case known[v]:
			return fmt.Errorf("verify %s: value %q is made twice", g.Name, v.Name)
		case v.Name == "":
			return fmt.Errorf("verify %s: a value of type %s has no name", g.Name, v.Type)
		case names[v.Name]:
			return fmt.Errorf("verify %s: two values are named %q", g.Name, v.Name)
		}
		if err := checkType(v.Type); err != nil {
			return fmt.Errorf("verify %s: value %q: %w", g.Name, v.Name, err)
		}
		if (want == NodeOutput) != (v.Def != nil) {
			return fmt.Errorf("verify %s: value %q: its node and its kind disagree", g.Name, v.Name)
		}
		known[v], names[v.Name] = true, true
		return nil
	}
	lists := []struct {
		vs   []*Value
		kind Kind
	}{{g.Inputs, InputValue}, {g.Params, ParamValue}, {nil, StateValue}, {g.DataValues(), DataValue}}
	for _, s := range g.State {
		lists[2].vs = append(lists[2].vs, s.In)
	}
	for _, l := range lists {
		for _, v := range l.vs {
			if err := enter(v, l.kind); err != nil {
				return err
			}
		}
	}
	for _, v := range g.DataValues() {
		t := g.Data[v]
		if t == nil {
			return fmt.Errorf("verify %s: constant %q has no tensor", g.Name, v.Name)
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("verify %s: constant %q: %w", g.Name, v.Name, err)
		}
		if v.Type.Shape.Symbolic() || !slices.Equal(v.Type.Shape.Lengths(), t.Shape) {
			return fmt.Errorf("verify %s: constant %q is %s but its tensor has shape %v", g.Name, v.Name, v.Type, t.Shape)
		}
		if v.Type.DType.Float() != t.DType.Float() || !t.DType.Float() && v.Type.DType != t.DType {
			return fmt.Errorf("verify %s: constant %q is %s but its tensor is %s", g.Name, v.Name, v.Type, t.DType)
		}
	}
	for _, f := range g.Capacity.list() {
		if name := f.of.h.Value().name; f.n < 1 || !plainSymbol(name) {
			return fmt.Errorf("verify %s: the capacity of length %q is %d, must be at least 1", g.Name, name, f.n)
		}
	}
	ids := map[int]bool{}
	for _, n := range g.Nodes {
		if err := verifyNode(g, n, known); err != nil {
			return err
		}
		if ids[n.ID] {
			return fmt.Errorf("verify %s: two nodes have the ID %d", g.Name, n.ID)
		}
		ids[n.ID] = true
		for _, v := range n.Out {
			if v == nil || v.Def != n {
				return fmt.Errorf("verify %s: a result of %s does not point back to its node", g.Name, n.Op.Name())
			}
			if err := enter(v, NodeOutput); err != nil {
				return err
			}
		}
	}
	if names := slices.DeleteFunc(g.Symbols(), func(name string) bool { return name == Batch }); len(names) > MaxFree {
		return fmt.Errorf("verify %s: the lengths %v are open, at most %d may be", g.Name, names, MaxFree)
	}
	for _, v := range g.Outputs {
		if !known[v] {
			return fmt.Errorf("verify %s: output is not a value of the graph", g.Name)
		}
	}
	for _, s := range g.State {
		if !known[s.Out] {
			return fmt.Errorf("verify %s: state %q becomes a value that is not of the graph", g.Name, s.In.Name)
		}
		if !s.In.Type.Equal(s.Out.Type) {
			return fmt.Errorf("verify %s: state %q is %s but becomes %s", g.Name, s.In.Name, s.In.Type, s.Out.Type)
		}
	}
	return nil
}

func verifyNode(g *Graph, n *Node, known map[*Value]bool) error {
	where := func(format string, a ...any) error {
		name := "node"
		if n.Op != nil {
			name = n.Op.Name()
		}
		return &Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: name, Rule: "verify: " + fmt.Sprintf(format, a...)}
	}
	if n.Op == nil {
		return where("no op")
	}
	if !reflect.TypeOf(n.Op).Comparable() {
		return where("%T is not comparable", n.Op)
	}
	types := make([]Type, len(n.In))
	for i, v := range n.In {
		if v == nil || !known[v] {
			name := "nil"
			if v != nil {
				name = v.Name
			}
			return where("operand %d (%s) is used before it is made", i+1, name)
		}
		types[i] = v.Type
	}
	out, err := InferOp(n.Op, types)
	if err != nil {
		return where("%v", err)
	}
	if len(out) != len(n.Out) {
		return where("%d results, got %d values", len(out), len(n.Out))
	}
	for i, t := range out {
		if !t.Equal(n.Out[i].Type) {
			return where("result %d is %s but its value is %s", i+1, t, n.Out[i].Type)
		}
	}
	return nil
}

func checkType(t Type) error {
	if t.DType.Size() == 0 {
		return fmt.Errorf("dtype is invalid")
	}
	if t.Rank() > MaxRank {
		return fmt.Errorf("rank %d is above %d", t.Rank(), MaxRank)
	}
	for _, d := range t.Shape {
		if !d.Valid() {
			return fmt.Errorf("axis of length %s in %s", d, t)
		}
	}
	if _, ok := t.Shape.Elems(); !ok {
		return fmt.Errorf("too many symbols or elements in %s", t)
	}
	return nil
}
