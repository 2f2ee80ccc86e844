package spec

import "github.com/lamina-ml/lamina/compiler/ir"

// BetweenLayer is made by [Between].
type BetweenLayer struct {
	Base
	x, y *Value
	rule string // the one that its arguments break
}

// Between returns what makes y of x as a layer, with the weights that it has there, so
// that it can be applied to another value of x's type, such as another view of a row:
//
//	logits := x.Then(enc, head)
//	again := spec.Input("other", 784).Then(spec.Between("again", x, logits))
//
// y may depend on other values than x, which stay as they are. Noise and Dropout draw
// anew. State is shared: running statistics are those of the first place alone, and
// [BatchNorm] in training normalises each place by its own rows. Inside an [Average] the
// averages of all weights that lead to y are used, without the layer having been placed
// before. Shapes: those of x and y. Mistakes: y does not depend on x; the value has
// another type than x.
func Between(name string, x, y *Value) *BetweenLayer {
	l := &BetweenLayer{Base: container("Between", name)}
	at := callers(0)
	x, y = whole(x, at, "Between"), whole(y, at, "Between")
	l.x, l.y = x, y
	sp := union(x.sp, y.sp)
	l.st.sp = sp
	sp.mistakes = append(sp.mistakes, l.st.early...)
	l.st.early = nil
	switch {
	case isBad(x.v) || isBad(y.v):
		return l // reported there
	case !reaches([]*ir.Value{y.v}, []*ir.Value{x.v}) || x.v == y.v:
		l.rule = "y must be computed from x, and is not"
		return l
	}
	for v := range ir.Above(y.v) {
		l.st.weights = l.st.weights || v.Kind == ir.ParamValue
	}
	l.st.outs = append(l.st.outs, y.v)
	return l
}

// Named gives the layer another name.
func (l *BetweenLayer) Named(name string) *BetweenLayer { return Named(l, name) }

func (l *BetweenLayer) args() string { return l.rule }

// Build returns y of x[0].
func (l *BetweenLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	s := b.sp.find()
	if isBad(l.x.v) || isBad(l.y.v) {
		return bad()
	}
	if !x[0].Type.Equal(l.x.v.Type) {
		return b.Errorf("the value must have the type of x, %s, got %s", l.x.v.Type, x[0].Type)
	}
	to := map[*ir.Value]*ir.Value{l.x.v: x[0]}
	if average := b.p.average(); average != nil {
		above := ir.Above(l.y.v)
		for _, p := range s.params {
			if above[p.v] {
				to[p.v] = b.meanOf(average, p, p.st)
			}
		}
	}
	b.weights()
	return b.again(to, l.y.v)
}

// again computes y anew from other values, the keys of to being those that they replace.
func (b *Builder) again(to map[*ir.Value]*ir.Value, y *ir.Value) *ir.Value {
	s := b.sp.find()
	above := ir.Above(y)
	copies := map[*ir.Node]*ir.Node{}
	for _, n := range s.nodes { // appended to below, which the range does not see
		changed, wanted := false, false
		for _, v := range n.In {
			changed = changed || to[v] != nil
		}
		for _, v := range n.Out {
			wanted = wanted || above[v] && to[v] == nil
		}
		if !changed || !wanted {
			continue
		}
		c := &ir.Node{Op: n.Op}
		for _, v := range n.In {
			if w := to[v]; w != nil {
				v = w
			}
			c.In = append(c.In, v)
		}
		for _, v := range n.Out {
			w := s.own(&ir.Value{Type: v.Type, Def: c})
			c.Out = append(c.Out, w)
			if to[v] == nil {
				to[v] = w
			}
			if of := s.lacks[v]; of != nil { // NaN in the other value's rows
				if w := to[of]; w != nil {
					of = w
				}
				s.lacks[c.Out[len(c.Out)-1]] = of
			}
		}
		s.nodes = append(s.nodes, c)
		s.made[c] = b.p
		copies[n] = c
		if of := s.follows[n]; of != nil {
			if copies[of] != nil {
				of = copies[of]
			}
			s.follows[c] = of
		}
	}
	if to[y] == nil {
		return b.Errorf("y, %s, does not depend on what is replaced", y.Type)
	}
	return to[y]
}
