package ir

import "strconv"

// Totals returns the nodes of g whose result is a total of the update: the sum or the
// mean, over all rows and elements, of something that each row of the data gives by
// itself. It depends on no parameter, on no state, on no random draw and on no other
// total, so it is known before an update begins and is the same for each of its parts.
func Totals(g *Graph) []*Node {
	of, _ := Parts(g)
	data := ofData(g)
	var out []*Node
	for _, n := range g.Nodes {
		if isTotal(n, of, data) {
			out = append(out, n)
		}
	}
	return out
}

// isTotal reports whether the result of n is a total, for what its operands are.
func isTotal(n *Node, of map[*Value]Part, data map[*Value]bool) bool {
	if len(n.In) != 1 || len(n.Out) != 1 || n.Out[0].Type.Rank() != 0 || !data[n.In[0]] || of[n.In[0]] != OfRows {
		return false
	}
	in := n.In[0].Type
	if axis, _ := BatchAxis(in.Shape); axis != 0 || in.DType != F32 {
		return false
	}
	t, ok := n.Op.(Totaler)
	if !ok || UseOfRows(n.Op, TypesOf(n.In), TypesOf(n.Out)) != Summed {
		return false
	}
	_, ok = t.Total(TypesOf(n.In))
	return ok
}

// ofData returns the values that are made of data columns and constants alone. What is
// made of a sum over rows is none: it is not known row by row.
func ofData(g *Graph) map[*Value]bool {
	data := map[*Value]bool{}
	for _, v := range g.Values() {
		if axis, ok := BatchAxis(v.Type.Shape); v.Kind == DataValue || v.Kind == InputValue && ok && axis >= 0 {
			data[v] = true
		}
	}
	for _, n := range g.Nodes {
		ok := !Draws(n.Op) && len(Sizes(n.Op)) == 0
		for _, v := range n.In {
			ok = ok && data[v]
		}
		if ok && UseOfRows(n.Op, TypesOf(n.In), TypesOf(n.Out)) == Apart {
			for _, v := range n.Out {
				data[v] = true
			}
		}
	}
	return data
}

// NotData says what keeps a value from being made of data columns row by row, "" if
// nothing does.
func NotData(v *Value) string {
	seen := map[*Value]bool{}
	var look func(v *Value) string
	look = func(v *Value) string {
		if seen[v] {
			return ""
		}
		seen[v] = true
		switch v.Kind {
		case ParamValue:
			return "the parameter" + quoted(" ", v.Name)
		case StateValue:
			return "the state" + quoted(" ", v.Name)
		case NodeOutput:
			if Draws(v.Def.Op) {
				return "the draws of " + v.Def.Op.Name() + quoted(" in layer ", v.Def.Layer)
			}
			for _, x := range v.Def.In {
				if why := look(x); why != "" {
					return why
				}
			}
			if UseOfRows(v.Def.Op, TypesOf(v.Def.In), TypesOf(v.Def.Out)) != Apart {
				return "several rows at once (" + v.Def.Op.Name() + ")"
			}
		}
		return ""
	}
	return look(v)
}

// quoted returns the name behind what, "" if there is none.
func quoted(what, name string) string {
	if name == "" {
		return ""
	}
	return what + strconv.Quote(name)
}
