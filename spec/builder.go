package spec

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Layer is a recipe that owns weights. A layer embeds [Base] and defines itself in
// Build; that is the whole contract, in this module and in others.
type Layer interface {
	// Build returns the value of the layer for the operands x, of which there is
	// at least one. It runs once at each place of the layer.
	Build(b *Builder, x ...*ir.Value) *ir.Value

	base() *Base
}

// Base is embedded by every layer. [Here] returns one; the zero Base marks a layer that
// was not made by its constructor, which is a mistake.
type Base struct{ st *state }

func (b *Base) base() *Base { return b }

// stateOf returns the identity of a layer that is not nil, or nil if it was not
// made by its constructor, down to a struct around a nil pointer.
func stateOf(l Layer) (st *state) {
	defer func() {
		if recover() != nil {
			st = nil
		}
	}()
	return l.base().st
}

// state is the identity of a layer.
type state struct {
	kind        string // Dense
	made        site
	name        string // given by Named
	label, path string // known when resolved
	used        map[string]*state

	own         bool // of this package: one operand
	transparent bool // adds no element to the path
	loss        bool
	shares      bool // spec.Shared

	sp      *space
	places  []*placement
	built   *placement // the first place at which Build ran
	params  map[string]*param
	weights bool // it or a layer inside it has parameters
	outs    []*ir.Value
	early   []*mistake // made before it was placed
	checked bool
}

func (st *state) lower() string { return strings.ToLower(st.kind) }

// title is the kind in an error.
func (st *state) title() string {
	if st.loss {
		return "loss " + st.kind
	}
	return st.kind
}

// fail records a mistake, at the latest when the layer is placed.
func (st *state) fail(m *mistake) {
	if st.sp == nil {
		st.early = append(st.early, m)
		return
	}
	st.sp.fail(m)
}

// placement is one use of a layer.
type placement struct {
	st       *state
	parent   *placement
	children []*placement
	at       site
	twice    bool        // inside spec.Shared
	in       ir.Type     // of the first operand
	out      *ir.Value   // the result of Build
	also     []*ir.Value // further results
	borrowed []*param    // weights of other layers
	averages *AverageLayer
	from     *ir.Node // of a text, whose layer and line it has
}

// Here returns the base of a layer, for use in its constructor. It records the kind,
// which with a number becomes the layer's name, and the line that called the
// constructor. The kind must be a name that [Value.Named] accepts.
func Here(kind string) Base {
	st := &state{kind: kind, made: callers(1)}
	if st.made.pos().IsZero() {
		st.made = callers(0) // nobody called the function that calls Here
	}
	if rule := checkName(kind); rule != "" {
		st.kind = "layer"
		st.early = append(st.early, &mistake{st: st, at: st.made, rule: text("kind: %s", rule)})
	}
	return Base{st}
}

// newBase is Here for the layers of this package.
func newBase(kind string) Base { return Base{&state{kind: kind, own: true, made: callers(1)}} }

func container(kind, name string) Base {
	b := newBase(kind)
	b.st.rename(name)
	return b
}

func (st *state) rename(name string) {
	if rule := checkName(name); rule != "" {
		at := callers(1)
		st.fail(&mistake{st: st, at: at, made: at, rule: text("%s: %s", st.kind, rule)})
		return
	}
	st.name = name
}

// Option returns a copy of a layer that set has changed. Use it for the option methods
// of your own layer:
//
//	func (l *Layer) Init(i spec.Init) *Layer {
//		return spec.Option(l, "Init", func(l *Layer) { l.init = i })
//	}
//
// The layer itself does not change, so it may serve as a template for several. Once it
// is placed, an option is a mistake, because the copy would have weights of its own.
// Option returns nil for nil.
func Option[T any, L interface {
	*T
	Layer
}](l L, name string, set func(l L)) L {
	if l == nil {
		return nil
	}
	st := stateOf(l)
	if st == nil {
		return l // not made by its constructor: reported when it is placed
	}
	if len(st.places) > 0 {
		at, first := callers(0), st.places[0].at
		st.fail(&mistake{st: st, at: at, made: at,
			rule: func() string { return fmt.Sprintf("%s after the layer was placed at %s", name, first.pos().Made) }})
		return l
	}
	c := *l
	copied := L(&c)
	*copied.base() = Base{st.clone()}
	set(copied)
	return copied
}

// clone returns another identity for a copy of a layer that was not placed yet.
func (st *state) clone() *state {
	c := *st
	c.early = make([]*mistake, len(st.early))
	for i, m := range st.early {
		of := *m
		if of.st == st {
			of.st = &c
		}
		c.early[i] = &of
	}
	return &c
}

// Named returns a copy of a layer with that name. Use it for the Named method of your
// own layer:
//
//	func (l *Layer) Named(name string) *Layer { return spec.Named(l, name) }
func Named[T any, L interface {
	*T
	Layer
}](l L, name string) L {
	return Option(l, "Named", func(l L) { l.base().st.rename(name) })
}

// argued is a layer that can be wrong by itself, whatever its input.
type argued interface{ args() string }

// nested is a layer of layers whose Build bears operands that follow from a
// mistake, so that the layers inside are still looked at.
type nested interface{ parts() []Layer }

// Builder is what a layer builds with. After a mistake its methods do nothing and
// return a value of an invalid type, so that Build need not check each call.
type Builder struct {
	sp     *space
	p      *placement
	failed bool
	fresh  map[string]bool // parameters asked for in this Build
	wrong  string          // a parameter asked for again with other lengths
	asked  []*ir.Value     // of which Present was asked
}

// Param returns the layer's parameter of that name, f32 of the given lengths: a
// new one at the first place of the layer, the same one at every other.
// Lengths must be positive.
func (b *Builder) Param(name string, init Init, dims ...int) *ir.Value {
	if b.failed {
		return bad()
	}
	if rule := checkName(name); rule != "" {
		return b.Errorf("parameter: %s", rule)
	}
	st, average := b.p.st, b.p.average()
	if average != nil && st.params[name] == nil {
		return b.Errorf("parameter %q: an average has the weights that its layer already had, and this one is new", name)
	}
	if p, ok := st.params[name]; ok {
		if want := ir.T(ir.F32, ir.ShapeOf(dims...)...); !p.v.Type.Equal(want) {
			b.wrong = fmt.Sprintf("parameter %q is %s, but %s is needed here", name, p.v.Type, want)
			if b.fresh[name] {
				return b.Errorf("%s", b.wrong)
			}
		}
		b.weights()
		if average != nil {
			return b.mean(average, p)
		}
		return p.v
	}
	if rule := checkOwned(dims); rule != "" {
		return b.Errorf("parameter %q: %s", name, rule)
	}
	if rule := checkInit(init); rule != "" {
		return b.Errorf("parameter %q: %s", name, rule)
	}
	s := b.sp.find()
	v := s.own(&ir.Value{Type: ir.T(ir.F32, ir.ShapeOf(dims...)...), Kind: ir.ParamValue})
	p := &param{v: v, st: st, name: name, init: init}
	if st.params == nil {
		st.params = map[string]*param{}
	}
	st.params[name] = p
	s.params = append(s.params, p)
	if b.fresh == nil {
		b.fresh = map[string]bool{}
	}
	b.fresh[name] = true
	b.weights()
	return v
}

func (b *Builder) weights() {
	for p := b.p; p != nil; p = p.parent {
		p.st.weights = true
	}
}

// Const returns a scalar constant of dtype f32, to be broadcast.
func (b *Builder) Const(x float64) *ir.Value {
	if b.failed {
		return bad()
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return b.Errorf("a constant must be finite, got %v", x)
	}
	return b.sp.constant(ir.F32, x)
}

// Op applies an op and returns its first result. Operands are the x of Build and
// what methods of b returned.
func (b *Builder) Op(op ir.Op, in ...*ir.Value) *ir.Value {
	if out := b.apply(op, in); out != nil {
		return out[0]
	}
	return bad()
}

// Ops is like Op but returns every result. After a mistake it returns [ir.MaxResults]
// values of an invalid type, so that indexing them is safe.
func (b *Builder) Ops(op ir.Op, in ...*ir.Value) []*ir.Value {
	if out := b.apply(op, in); out != nil {
		return out
	}
	return ir.NoResults()
}

// apply returns the results of an op, or nil after a mistake.
func (b *Builder) apply(op ir.Op, in []*ir.Value) []*ir.Value {
	if b.failed {
		return nil
	}
	fail := func(name string, rule func() string) []*ir.Value {
		b.fail(name, rule)
		return nil
	}
	if isNil(op) {
		b.Errorf("the op is nil")
		return nil
	}
	s := b.sp.find()
	types := make([]ir.Type, len(in))
	for i, v := range in {
		if v == nil {
			return fail(op.Name(), text("operand %d is nil", i+1))
		}
		if isBad(v) {
			return nil
		}
		if !s.owned[v] {
			return fail(op.Name(), text("operand %d, a %s, belongs to no value of this declaration", i+1, v.Type))
		}
		types[i] = v.Type
	}
	if b.lacking(op, in) {
		return nil
	}
	out, err := ir.InferOp(op, types)
	if err != nil {
		return fail(op.Name(), err.Error)
	}
	n := &ir.Node{Op: op, In: append([]*ir.Value{}, in...)}
	for _, t := range out {
		n.Out = append(n.Out, s.own(&ir.Value{Type: t, Def: n}))
	}
	s.nodes = append(s.nodes, n)
	s.made[n] = b.p
	return n.Out
}

// Also gives the layer further results besides what Build returns, each a different
// value. [Value.Result] returns them, in this order, at each place of the layer.
func (b *Builder) Also(v ...*ir.Value) {
	for _, w := range v {
		switch {
		case b.failed || isBad(w):
			return
		case !b.sp.find().owned[w]:
			b.Errorf("Also: the value belongs to no value of this declaration")
			return
		}
		b.p.also = append(b.p.also, w)
	}
}

// Layer places a layer inside this one.
func (b *Builder) Layer(l Layer, x ...*ir.Value) *ir.Value {
	return b.layer(l, 1, 1, x)
}

func (b *Builder) layer(l Layer, i, n int, x []*ir.Value) *ir.Value {
	if b.failed {
		return bad()
	}
	var v *ir.Value
	b.sp, v = place(b.sp, b.p, l, i, n, x, b.p.at, b.p.twice)
	return v
}

// Errorf records a mistake: the rule, then what came. Layer, kind and line are
// added.
func (b *Builder) Errorf(format string, a ...any) *ir.Value {
	return b.fail(b.p.st.title(), text(format, a...))
}

func (b *Builder) fail(op string, rule func() string) *ir.Value {
	return b.mistake(&mistake{op: func() string { return op }, rule: rule})
}

func (b *Builder) mistake(m *mistake) *ir.Value {
	if !b.failed {
		b.failed = true
		m.st, m.at, m.placed = b.p.st, b.p.at, b.p.at
		b.sp.fail(m)
	}
	return bad()
}

// maxDepth bounds layers inside layers, which a function that makes itself anew
// would do without end.
const maxDepth = 200

// place puts a layer, number i of n, on values. It returns the space, which
// joins those of the layer and of the values.
func place(s *space, parent *placement, l Layer, i, n int, x []*ir.Value, at site, twice bool) (*space, *ir.Value) {
	s = union(s, nil)
	outside := func(format string, a ...any) (*space, *ir.Value) {
		m := &mistake{at: at, made: at, rule: text(format, a...)}
		if parent != nil {
			m.st, m.made = parent.st, nil
		}
		s.fail(m)
		return s.find(), bad()
	}
	if isNil(l) {
		return outside("layer %d of %d is nil", i, n)
	}
	st := stateOf(l)
	if st == nil {
		return outside("layer %d of %d is a zero %s: make it with its constructor", i, n, typeName(l))
	}
	s = union(st.sp, s)
	st.sp = s
	s.mistakes = append(s.mistakes, st.early...)
	st.early = nil
	fail := func(m *mistake) (*space, *ir.Value) {
		m.st, m.at = st, at
		s.fail(m)
		return s.find(), bad()
	}
	depth := 0
	for p := parent; p != nil; p = p.parent {
		if depth++; p.st == st || depth > maxDepth {
			return fail(&mistake{placed: at, rule: text("placed inside itself")})
		}
	}
	if st.weights && !st.shares && !twice && reaches(x, st.outs) {
		return fail(&mistake{placed: at, rule: text("placed twice in one chain, so the two places would share weights"),
			hint: "for a second layer call the constructor again; to share on purpose write spec.Shared(layer)"})
	}
	p := &placement{st: st, parent: parent, at: at, twice: twice || st.shares}
	st.places = append(st.places, p)
	if parent == nil {
		s.top = append(s.top, p)
	} else {
		parent.children = append(parent.children, p)
	}
	if a, ok := l.(argued); ok && !st.checked {
		st.checked = true
		if rule := a.args(); rule != "" {
			return fail(&mistake{op: func() string { return st.title() }, rule: text("%s", rule)})
		}
	} else if ok && a.args() != "" {
		return s, bad() // reported at the first place
	}
	b := &Builder{sp: s, p: p}
	if v := b.refuse(l, x); v != nil {
		return s, v
	}
	for _, in := range s.inputs {
		if in.read == nil && slices.Contains(x, in.v) {
			in.read = at
		}
	}
	p.in = x[0].Type
	if st.built == nil {
		st.built = p
	}
	v := built(l, b, x)
	s = b.sp.find()
	if w := b.refuseBuilt(v, s); w != nil {
		return s, w
	}
	p.out = v
	st.outs = append(append(st.outs, v), p.also...)
	return s, v
}

// refuse is the value of a layer that cannot take its operands, nil if it can.
func (b *Builder) refuse(l Layer, x []*ir.Value) *ir.Value {
	st := b.p.st
	switch {
	case len(x) == 0:
		return b.Errorf("needs an operand, got none")
	case st.own && !st.loss && len(x) != 1 && !isJoin(l):
		return b.Errorf("takes one operand, got %d", len(x))
	}
	_, inner := l.(nested)
	for j, v := range x {
		if isBad(v) && !inner {
			return bad()
		}
		if !isBad(v) && !b.sp.owned[v] {
			return b.Errorf("operand %d, a %s, belongs to no value of this declaration", j+1, v.Type)
		}
	}
	return nil
}

// refuseBuilt is the value of a layer whose Build made a mistake, nil if v is right.
func (b *Builder) refuseBuilt(v *ir.Value, s *space) *ir.Value {
	switch {
	case b.failed:
		return bad()
	case v == nil:
		return b.Errorf("Build returned nil")
	case isBad(v) && len(s.mistakes) == 0:
		return b.Errorf("Build returned a value without a type")
	case isBad(v):
		return bad() // follows from a mistake inside
	case !s.owned[v]:
		return b.Errorf("Build returned a value that belongs to no value of this declaration")
	case b.wrong != "":
		return b.Errorf("%s", b.wrong)
	case len(b.fresh) > 0 && b.p.parent.again():
		return b.mistake(&mistake{
			rule: text("made anew at the second place of the layer around it, so its weights would not be shared"),
			hint: "make the layer outside the function that places it"})
	}
	return nil
}

// built returns what Build gives. A layer that asks for the number of a length that is
// free makes a mistake.
func built(l Layer, b *Builder, x []*ir.Value) (v *ir.Value) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case ir.UnknownLength:
			v = b.Errorf("the layer needs known lengths, but %s is known only when the model runs (x is %s)", r.Dim, x[0].Type)
		default:
			panic(r)
		}
	}()
	return l.Build(b, x...)
}

// again reports whether the place, or one around it, is not its layer's first.
func (p *placement) again() bool {
	for ; p != nil; p = p.parent {
		if p != p.st.built {
			return true
		}
	}
	return false
}

// typeName returns spec.DenseLayer for a pointer to one.
func typeName(l Layer) string { return strings.TrimPrefix(reflect.TypeOf(l).String(), "*") }

func isNil(x any) bool {
	if x == nil {
		return true
	}
	v := reflect.ValueOf(x)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// maxElems bounds the elements of a parameter, and of a row.
const maxElems = 1 << 31

// checkOwned is checkDims for what a layer owns.
func checkOwned(dims []int) string {
	rule := checkDims(dims, ir.MaxRank)
	if rule != "" && slices.Contains(dims, 0) {
		rule += "; 0 is the Dim of a free length, which nothing that a layer owns can have"
	}
	return rule
}

// checkDims returns the rule that lengths break, or "".
func checkDims(dims []int, rank int) string {
	if len(dims) > rank {
		return fmt.Sprintf("at most %d axes are possible, got %d", rank, len(dims))
	}
	n := 1
	for _, d := range dims {
		if d <= 0 {
			return fmt.Sprintf("lengths must be positive, got %v", dims)
		}
		if d > maxElems/n {
			return fmt.Sprintf("lengths %v make more than 2^31 elements", dims)
		}
		n *= d
	}
	return ""
}
