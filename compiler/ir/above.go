package ir

import "slices"

// Above returns the values that others depend on, themselves included.
func Above(of ...*Value) map[*Value]bool {
	return AboveThrough(func(n *Node) []*Value { return n.In }, of...)
}

// AboveThrough is Above for nodes that depend on the operands that through returns
// of them, and on no others.
func AboveThrough(through func(*Node) []*Value, of ...*Value) map[*Value]bool {
	above := make(map[*Value]bool, len(of))
	todo := slices.Clone(of)
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v == nil || above[v] {
			continue
		}
		above[v] = true
		if v.Def != nil {
			todo = append(todo, through(v.Def)...)
		}
	}
	return above
}

// Makes reports whether a result of the node is one of a set of values.
func (n *Node) Makes(set map[*Value]bool) bool {
	return slices.ContainsFunc(n.Out, func(v *Value) bool { return set[v] })
}
