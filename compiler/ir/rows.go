package ir

import "fmt"

// RowUse says what an op does with the rows of the batch. A row is one index of the
// axis that is the batch, or of a multiple of it as many neighbours; a value has
// rows if one axis of it, and no other, has a length that depends on the batch.
type RowUse uint8

// What an op may do with rows.
const (
	Apart  RowUse = iota // a row of the results depends on that row of the operands, or there are no rows
	Summed               // the results are a sum or a mean over the rows of what each gives by itself
	Mixed                // anything else
)

// UseOfRows returns what op does with the rows of operands and results of these
// types. An op says it by [RowMixer] and [RowSummer]; one that has neither is taken
// by its [Splitter], and mixes rows without that.
func UseOfRows(op Op, in, out []Type) RowUse {
	rows, rowsOut := false, false
	for i, t := range append(append([]Type{}, in...), out...) {
		axis, ok := BatchAxis(t.Shape)
		if !ok {
			return Mixed
		}
		rows = rows || axis >= 0
		rowsOut = rowsOut || axis >= 0 && i >= len(in)
	}
	if !rows {
		return Apart
	}
	if s, ok := op.(RowSummer); ok && !rowsOut && s.SumsRows(in) {
		return Summed
	}
	if m, ok := op.(RowMixer); ok {
		if !rowsOut || m.MixesRows(in) {
			return Mixed
		}
		return Apart
	}
	return useOfSlices(op, in, out)
}

// useOfSlices takes an op by the slices of its operands that a slice of its results
// needs.
func useOfSlices(op Op, in, out []Type) RowUse {
	s, ok := op.(Splitter)
	if !ok || len(out) == 0 {
		return Mixed
	}
	for _, t := range out {
		if axis, _ := BatchAxis(t.Shape); axis != 0 || t.Shape[0] != out[0].Shape[0] {
			return Mixed
		}
	}
	access, ok := s.Split(in, out[0])
	if !ok || len(access) != len(in) {
		return Mixed
	}
	for i, t := range in {
		if axis, _ := BatchAxis(t.Shape); axis > 0 || axis == 0 && (access[i] != Axis0 || t.Shape[0] != out[0].Shape[0]) {
			return Mixed
		}
	}
	return Apart
}

// BatchAxis returns the axis whose length is a multiple of the batch's, -1 if there
// is none. It is false if there are several, or a power of the batch.
func BatchAxis(s Shape) (axis int, ok bool) {
	axis = -1
	for i, d := range s {
		if !d.Has(Batch) {
			continue
		}
		unit, times := d.Unit()
		if axis >= 0 || unit != Rows() || times.Has(Batch) {
			return i, false
		}
		axis = i
	}
	return axis, true
}

// RowsApart reports whether the first axis of every value that an output of g
// depends on is its rows, if it has any, and no row depends on another or on how many
// there are: then the first rows of a batch are what those rows give alone.
func RowsApart(g *Graph) bool {
	first := func(v *Value) bool {
		axis, ok := BatchAxis(v.Type.Shape)
		return ok && axis <= 0
	}
	needed := Above(g.Outputs...)
	for _, n := range g.Nodes {
		if n.Makes(needed) && UseOfRows(n.Op, TypesOf(n.In), TypesOf(n.Out)) != Apart || n.Makes(needed) && Sizes(n.Op).Has(Batch) {
			return false
		}
	}
	for v := range needed {
		if !first(v) {
			return false
		}
	}
	return true
}

// TypesOf returns the types of values.
func TypesOf(vs []*Value) []Type {
	ts := make([]Type, len(vs))
	for i, v := range vs {
		ts[i] = v.Type
	}
	return ts
}

// Part is what a value of a graph is to the rows of an update, which may be run in
// several parts.
type Part uint8

// What a value may be.
const (
	OfNothing Part = iota // of constants
	OfTotals              // of totals of the update (see [Totals]) and constants: the same for every part, and no gradient reaches it
	OfParams              // of parameters, totals, constants and what a Joiner makes: the same for every part
	OfRows                // a row for each row of the batch, of that row and parameters
	OfSums                // a combination, linear but for totals, of sums and means over rows of what each row gives by itself, and of parameters
	OfOthers              // of rows in another way: it differs when an update is run in parts
)

// Parts returns what each value of g is, and for those that are OfOthers the node
// where they first became so.
func Parts(g *Graph) (of map[*Value]Part, why map[*Value]*Node) {
	of, why = map[*Value]Part{}, map[*Value]*Node{}
	data := ofData(g)
	for _, v := range g.Values() {
		if v.Def != nil || v.Kind == DataValue {
			continue // a constant, or not seen yet
		}
		of[v] = OfParams
		if axis, ok := BatchAxis(v.Type.Shape); !ok {
			of[v] = OfOthers
		} else if axis >= 0 {
			of[v] = OfRows
		} else if v.Kind == InputValue {
			of[v] = OfTotals // given once for the update
		}
	}
	for _, n := range g.Nodes {
		p := partOf(n, of)
		if p == OfSums && isTotal(n, of, data) {
			p = OfTotals
		}
		for _, v := range n.Out {
			if of[v] = p; p == OfRows && Joins(n.Op) && !v.Type.Shape.Has(Batch) {
				of[v] = OfParams
			}
			if p != OfOthers {
				continue
			}
			why[v] = n
			for _, x := range n.In {
				if of[x] == OfOthers {
					why[v] = why[x]
					break
				}
			}
		}
	}
	return of, why
}

// partOf returns what the results of n are.
func partOf(n *Node, of map[*Value]Part) Part {
	var has [OfOthers + 1]bool
	most := OfNothing
	vary := make([]bool, len(n.In))
	for i, v := range n.In {
		p := of[v]
		has[p], most, vary[i] = true, max(most, p), p > OfTotals
	}
	rows := false
	for _, v := range n.Out {
		axis, ok := BatchAxis(v.Type.Shape)
		if !ok {
			return OfOthers
		}
		rows = rows || axis >= 0
	}
	if most == OfOthers {
		return OfOthers
	}
	if has[OfSums] {
		l, ok := n.Op.(Linear)
		if rows || has[OfRows] || !ok || !l.Linear(vary) {
			return OfOthers
		}
		return OfSums
	}
	if Joins(n.Op) {
		return OfRows
	}
	switch UseOfRows(n.Op, TypesOf(n.In), TypesOf(n.Out)) {
	case Mixed:
		return OfOthers
	case Summed:
		return OfSums
	}
	if rows {
		return OfRows
	}
	return most
}

// Separable returns an error if the gradient of loss, a value of g, is not the sum
// of the gradients of the parts in which an update may be run. It is when the loss
// is a linear combination of sums and means over rows of what each row gives by
// itself, and of terms that depend on parameters alone; means divide by the rows of
// the update. What it is divided or multiplied by may be made of totals of the update,
// which are sums and means of data columns only. The *Error names the layer and the line.
func Separable(g *Graph, loss *Value) error {
	of, why := Parts(g)
	switch of[loss] {
	case OfNothing, OfTotals, OfParams, OfSums:
		return nil
	case OfRows:
		return fmt.Errorf("%q is %s, a number for each row", loss.Name, loss.Type)
	}
	n := why[loss]
	if n == nil {
		return fmt.Errorf("%q is %s, whose rows are not apart", loss.Name, loss.Type)
	}
	return &Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: whyOthers(n, of)}
}

// rowsNotData is NotData of what a sum over rows is made of.
func rowsNotData(v *Value) string {
	if v.Def == nil {
		return ""
	}
	for _, x := range v.Def.In {
		if why := NotData(x); why != "" {
			return why
		}
	}
	return ""
}

// data says that what is not made of data columns alone, for that reason, "" without one.
func data(what, why string) string {
	if why == "" {
		return ""
	}
	return what + " depends on " + why + ", not on data columns alone"
}

// whyOthers says what the node does that makes its results OfOthers.
func whyOthers(n *Node, of map[*Value]Part) string {
	for _, v := range n.In {
		if of[v] != OfSums {
			continue
		}
		sum := "a sum or mean over the rows"
		if v.Def != nil {
			sum += " (" + v.Def.Op.Name() + ")"
		}
		why := rowsNotData(v)
		for _, out := range n.Out {
			if out.Type.Shape.Symbolic() {
				return "it brings " + sum + " back to them, so that a row depends on the others" + data(", and the sum", why)
			}
		}
		return "it is not linear in " + sum + data(", which", why)
	}
	return "in it a row depends on the others"
}
